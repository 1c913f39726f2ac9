"""Eff-UNet (Baheti et al. CVPRW 2020): an EfficientNet encoder, a U-Net decoder."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from napari_unet_studio.core.networks.checks import (
    check_factor,
    check_fraction,
    check_widths,
)
from napari_unet_studio.core.networks.encoders import (
    EFFICIENTNET_B0,
    STEM,
    Style,
    draw_encoder,
    scaled,
    scaled_width,
)
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.ops import InitKind, NormKind
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import Channels, NetworkSpec, scaled_widths

# Factors on width and depth of EfficientNet-B0 to B7 (Tan and Le 2019; the numbers are
# those of the authors' code).
COMPOUND = (
    (1.0, 1.0),
    (1.0, 1.1),
    (1.1, 1.2),
    (1.2, 1.4),
    (1.4, 1.8),
    (1.6, 2.2),
    (1.8, 2.6),
    (2.0, 3.1),
)


@dataclass(frozen=True, kw_only=True)
class EffUNetSpec(NetworkSpec):
    """EfficientNet's stages on the way down, U-Net's blocks on the way up.

    Parameters
    ----------
    width, depth
        Compound scaling of the encoder: factors on widths and numbers of blocks.
    drop_path
        Stochastic depth: the probability of leaving out a residual branch in training
        grows from 0 at the first block towards this at the last.
    decoder
        Widths of the decoder's convolutions, coarse to fine, one level for each halving
        of the encoder.

    Examples
    --------
    >>> EffUNetSpec().divisor
    (32, 32)

    References
    ----------
    .. [1] Baheti et al. Eff-UNet. CVPR Workshops 2020.
    .. [2] Tan and Le. EfficientNet. ICML 2019.
    """

    family: ClassVar[str] = "eff-unet"

    norm: NormKind = "batch"
    init: InitKind = "he-fan-out"
    width: float = 1.0
    depth: float = 1.0
    drop_path: float = 0.2
    decoder: Channels = ((256, 256), (128, 128), (64, 64), (32, 32), (16, 16))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "depth"):
            object.__setattr__(self, name, check_factor(name, getattr(self, name)))
        check_fraction("drop_path", self.drop_path)
        decoder = check_widths(self.decoder, "decoder", 5, 5)
        object.__setattr__(self, "decoder", decoder)

    @property
    def levels(self) -> int:
        """Number of resolutions, the finest included."""
        return 6

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`; 8 is the least."""
        decoder = scaled_widths(self.decoder, width)
        return replace(self, width=self.width * width, decoder=decoder)

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the encoder; then enlarge, concatenate and convolve, level by level."""
        factors = tuple(self.factor(level) for level in range(5))
        *skips, x = draw_encoder(
            pencil,
            scaled_width(STEM, self.width),
            scaled(EFFICIENTNET_B0, self.width, self.depth),
            factors,
            Style("silu", squeeze=True, eps=1e-3, drop_path=self.drop_path),
        )
        for number, widths in enumerate(self.decoder):
            pencil.block(f"decoder.{number}")
            x = pencil.up(x, widths[0], factors[-1 - number], name=f"up.{number}")
            if skips:
                x = pencil.concat(skips.pop(), x)
            for width in widths:
                x = pencil.unit(x, width)
        pencil.block("head")
        return pencil.graph([pencil.conv(x, self.num_classes, 1, name="head")])
