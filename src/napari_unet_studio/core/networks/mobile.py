"""Mobile U-Net: a MobileNetV2 encoder and a depthwise-separable decoder."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from napari_unet_studio.core.networks.checks import check_factor
from napari_unet_studio.core.networks.encoders import (
    MOBILENET_V2,
    STEM,
    Style,
    draw_encoder,
    scaled,
    scaled_width,
)
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.ops import InitKind, NormKind
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import NetworkSpec


@dataclass(frozen=True, kw_only=True)
class MobileUNetSpec(NetworkSpec):
    """A U-Net for speed: skips at strides 2, 4, 8 and 16, the bottom at 32.

    Parameters
    ----------
    width
        Factor on the widths of the encoder ("width multiplier").

    Examples
    --------
    >>> MobileUNetSpec().divisor
    (32, 32)

    References
    ----------
    .. [1] Sandler et al. MobileNetV2. CVPR 2018.
    .. [2] Jing et al. Mobile-Unet. Textile Research Journal 2022.
    """

    family: ClassVar[str] = "mobile-unet"

    norm: NormKind = "batch"
    init: InitKind = "he-fan-out"
    width: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "width", check_factor("width", self.width))

    @property
    def levels(self) -> int:
        """Number of resolutions, the finest included."""
        return 6

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`, multiples of 8."""
        return replace(self, width=self.width * width)

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the encoder; then enlarge, concatenate and mix, level by level."""
        factors = tuple(self.factor(level) for level in range(5))
        stages = scaled(MOBILENET_V2, self.width, 1.0)
        stem = scaled_width(STEM, self.width)
        *skips, x = draw_encoder(pencil, stem, stages, factors, Style("relu6"))
        finest = max(8, pencil.width(skips[0]))
        widths = [*(pencil.width(skip) for skip in reversed(skips)), finest]
        for number, width in enumerate(widths):
            pencil.block(f"decoder.{number}")
            x = pencil.resize(x, factors[-1 - number])
            if skips:
                x = pencil.concat(skips.pop(), x)
            for _ in range(2):
                given = pencil.width(x)
                x = pencil.unit(x, given, groups=given, bias=False, act="relu6")
                x = pencil.unit(x, width, 1, bias=False, act="relu6")
        pencil.block("head")
        return pencil.graph([pencil.conv(x, self.num_classes, 1, name="head")])
