"""The published networks as rows of a table, and the builder of all of them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.spec import (
    Channels,
    NetworkSpec,
    UNetPlusPlusSpec,
    UNetSpec,
)

if TYPE_CHECKING:
    from torch import nn


def _twice(*widths: int) -> Channels:
    """Two convolutions of one width on each level."""
    return tuple((width, width) for width in widths)


NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        # Small and quick: what a CPU can train while one waits.
        "unet-16": UNetSpec(channels=_twice(16, 32, 64, 128, 256), norm="batch"),
        # The "U-Net" that U-Net++ compares with: half the widths, no norm.
        "unet-32": UNetSpec(channels=_twice(32, 64, 128, 256, 512)),
        # The common modern form: padded, batch norm.
        "unet": UNetSpec(channels=_twice(64, 128, 256, 512, 1024), norm="batch"),
        # Ronneberger et al. 2015, figure 1.
        "unet-2015": UNetSpec(
            num_classes=2,
            channels=_twice(64, 128, 256, 512, 1024),
            padding="valid",
            dropout=0.5,
        ),
        # Zhou et al. 2018.
        "unet++": UNetPlusPlusSpec(channels=_twice(32, 64, 128, 256, 512)),
        "unet++-16": UNetPlusPlusSpec(channels=_twice(16, 32, 64, 128), norm="batch"),
        "unet-3d": UNetSpec(ndim=3, channels=_twice(16, 32, 64, 128), norm="batch"),
        # Cicek et al. 2016, figure 2: widths double before each pooling.
        "unet-3d-2016": UNetSpec(
            ndim=3,
            in_channels=3,
            num_classes=3,
            channels=((32, 64), (64, 128), (128, 256), (256, 512)),
            padding="valid",
            norm="batch",
            up_keeps_width=True,
        ),
        "unet++-3d": UNetPlusPlusSpec(
            ndim=3, channels=_twice(16, 32, 64, 128), norm="batch"
        ),
    }
)


def get_spec(name_or_spec: str | NetworkSpec, **changes: Any) -> NetworkSpec:
    """Return a row of :data:`NETWORKS` (or a spec) with some fields changed.

    Raises
    ------
    ConfigError
        If the name or a field is unknown.

    Examples
    --------
    >>> get_spec("unet-16", in_channels=3).in_channels
    3
    """
    if isinstance(name_or_spec, str):
        if name_or_spec not in NETWORKS:
            raise ConfigError(
                f"There is no network named {name_or_spec!r}; choose one of "
                f"{', '.join(NETWORKS)}."
            )
        spec = NETWORKS[name_or_spec]
    else:
        spec = name_or_spec
    try:
        return replace(spec, **changes)
    except TypeError as error:
        raise ConfigError(
            f"A {spec.family} network has no such setting: {error}."
        ) from error


def build(name_or_spec: str | NetworkSpec, **changes: Any) -> "nn.Module":
    """Build a network with freshly drawn weights.

    Parameters
    ----------
    name_or_spec
        A name in :data:`NETWORKS` or a spec of your own.
    **changes
        Fields of the spec to replace, such as ``in_channels=3``.

    Returns
    -------
    torch.nn.Module
        It takes images (N, in_channels, *S), returns logits, and has its spec as
        ``.spec``.

    Examples
    --------
    >>> network = build("unet-2015")
    >>> sum(p.numel() for p in network.parameters())
    31030658
    """
    from napari_unet_studio.core.networks.unet import UNet
    from napari_unet_studio.core.networks.unetpp import UNetPlusPlus

    spec = get_spec(name_or_spec, **changes)
    if isinstance(spec, UNetSpec):
        return UNet(spec)
    if isinstance(spec, UNetPlusPlusSpec):
        return UNetPlusPlus(spec)
    raise ConfigError(f"There is no builder for {type(spec).__name__}.")
