"""The published networks as rows of a table, and the builder of all of them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.effunet import COMPOUND, EffUNetSpec
from napari_unet_studio.core.networks.fcn import FCNSpec
from napari_unet_studio.core.networks.foreign import ForeignSpec, check_drawn
from napari_unet_studio.core.networks.mobile import MobileUNetSpec
from napari_unet_studio.core.networks.resunet import ResUNetSpec
from napari_unet_studio.core.networks.spec import Channels, NetworkSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unet3p import UNet3PlusSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network


def _twice(*widths: int) -> Channels:
    """Two convolutions of one width on each level."""
    return tuple((width, width) for width in widths)


_SMALL, _NARROW = _twice(16, 32, 64, 128, 256), _twice(32, 64, 128, 256, 512)
_PAPER, _SMALL_3D = _twice(64, 128, 256, 512, 1024), _twice(16, 32, 64, 128)

NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        # Small and quick: what a CPU can train while one waits.
        "unet-16": UNetSpec(channels=_SMALL, norm="batch"),
        # The "U-Net" that U-Net++ compares with: half the widths, no norm.
        "unet-32": UNetSpec(channels=_NARROW),
        # The common modern form: padded, batch norm.
        "unet": UNetSpec(channels=_PAPER, norm="batch"),
        # Ronneberger et al. 2015, figure 1.
        "unet-2015": UNetSpec(
            num_classes=2, channels=_PAPER, padding="valid", dropout=0.5
        ),
        # What courses build: bilinear, widths halved before each enlargement.
        "unet-teaching": UNetSpec(
            channels=_PAPER, norm="batch", up="bilinear", halving="before"
        ),
        # Long et al. 2015. Batch norm takes the place of weights from ImageNet.
        "fcn-32s": FCNSpec(norm="batch", stride=32),
        "fcn-16s": FCNSpec(norm="batch", stride=16),
        "fcn-8s": FCNSpec(norm="batch", stride=8),
        # Zhou et al. 2018.
        "unet++-16": UNetPlusPlusSpec(channels=_SMALL_3D, norm="batch"),
        "unet++": UNetPlusPlusSpec(channels=_NARROW),
        # Huang et al. 2020: alone, with full-scale supervision, and guided as well.
        "unet3+": UNet3PlusSpec(channels=_PAPER, norm="batch"),
        "unet3+-deep": UNet3PlusSpec(
            channels=_PAPER, norm="batch", deep_supervision=True
        ),
        "unet3+-guided": UNet3PlusSpec(
            channels=_PAPER, norm="batch", deep_supervision=True, guided=True
        ),
        # Zhang et al. 2018, table I.
        "resunet": ResUNetSpec(),
        "mobile-unet": MobileUNetSpec(),
        # Baheti et al. 2020 on Tan and Le 2019.
        **{
            f"eff-unet-b{number}": EffUNetSpec(width=width, depth=depth)
            for number, (width, depth) in enumerate(COMPOUND)
        },
        "unet-3d": UNetSpec(ndim=3, channels=_SMALL_3D, norm="batch"),
        # Cicek et al. 2016, figure 2: widths double before each pooling.
        "unet-3d-2016": UNetSpec(
            ndim=3,
            in_channels=3,
            num_classes=3,
            channels=((32, 64), (64, 128), (128, 256), (256, 512)),
            padding="valid",
            norm="batch",
            halving="after",
        ),
        "unet++-3d": UNetPlusPlusSpec(ndim=3, channels=_SMALL_3D, norm="batch"),
        "resunet-3d": ResUNetSpec(ndim=3, channels=_SMALL_3D),
    }
)

FAMILIES: Mapping[str, type[NetworkSpec]] = MappingProxyType(
    {
        spec.family: spec
        for spec in (
            UNetSpec,
            FCNSpec,
            UNetPlusPlusSpec,
            UNet3PlusSpec,
            ResUNetSpec,
            MobileUNetSpec,
            EffUNetSpec,
        )
    }
)


# Networks of files, which nobody can build, have specs as well.
_DESCRIBED: Mapping[str, type[NetworkSpec]] = {
    **FAMILIES,
    ForeignSpec.family: ForeignSpec,
}


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


def build(name_or_spec: str | NetworkSpec, **changes: Any) -> "Network":
    """Build a network with freshly drawn weights.

    Parameters
    ----------
    name_or_spec
        A name in :data:`NETWORKS` or a spec of your own.
    **changes
        Fields of the spec to replace, such as ``in_channels=3``.

    Returns
    -------
    Network
        A torch module. It takes images (N, in_channels, *S), returns logits, and has
        its spec as ``.spec``.

    Raises
    ------
    ConfigError
        If the name or a field is unknown, or the network is a foreign one.

    Examples
    --------
    >>> network = build("unet-2015")
    >>> sum(p.numel() for p in network.parameters())
    31030658
    """
    from napari_unet_studio.core.networks.network import Network

    spec = get_spec(name_or_spec, **changes)
    check_drawn(spec, "cannot be built anew or trained")
    return Network(spec)


def spec_from_dict(values: Mapping[str, Any]) -> NetworkSpec:
    """Rebuild a spec from :meth:`NetworkSpec.to_dict`.

    Raises
    ------
    ConfigError
        If the family or a field is unknown, or a value is out of range.

    Examples
    --------
    >>> spec = UNetSpec(ndim=3, channels=(8, 16))
    >>> spec_from_dict(spec.to_dict()) == spec
    True
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"A network is described by names and values, not by {values!r:.80}."
        )
    fields = dict(values)
    family = fields.pop("family", None)
    if not isinstance(family, str) or family not in _DESCRIBED:
        raise ConfigError(
            f"The network family {family!r} is unknown; this version builds "
            f"{', '.join(FAMILIES)}. A newer version may know it."
        )
    try:
        return _DESCRIBED[family](**fields)
    except TypeError as error:
        raise ConfigError(
            f"The description of a {family} network does not fit this version: {error}."
        ) from error
