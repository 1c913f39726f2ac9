"""Fully convolutional networks (Long, Shelhamer, Darrell. CVPR 2015)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from napari_unet_studio.core.networks.checks import (
    WIDEST,
    check_choice,
    check_fraction,
    check_whole,
)
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.ops import InitKind
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import Channels, LevelSpec

# The 13 convolutions of VGG-16 (Simonyan and Zisserman 2015, configuration D).
_VGG16 = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)


@dataclass(frozen=True, kw_only=True)
class FCNSpec(LevelSpec):
    """FCN-32s, -16s and -8s: a VGG encoder, summed scores, learned upsampling.

    Parameters
    ----------
    channels
        Widths of the encoder's convolutions; a pooling follows each level.
    fc
        Width of the two convolutions that were fully connected layers: 4096 in the
        paper, less is what a user can train.
    stride
        Pixels per score before the last upsampling: 32 takes the coarsest scores alone,
        16 adds those of the fourth pooling, 8 those of the third as well.
    dropout
        Probability after each of the two, while training.

    Examples
    --------
    >>> FCNSpec(stride=8).divisor
    (32, 32)

    References
    ----------
    .. [1] Long, Shelhamer, Darrell. CVPR 2015, figure 3.
    """

    family: ClassVar[str] = "fcn"

    init: InitKind = "he-bilinear"
    channels: Channels = _VGG16
    fc: int = 512
    stride: Literal[8, 16, 32] = 8
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "fc", check_whole("fc", self.fc, 1, WIDEST))
        check_choice("stride", self.stride, (8, 16, 32))
        check_fraction("dropout", self.dropout)

    @property
    def levels(self) -> int:
        """Number of resolutions: one more than encoder blocks, as all are pooled."""
        return len(self.channels) + 1

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`, at least 1."""
        return replace(super().scaled(width), fc=max(1, round(self.fc * width)))

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the encoder, the scores, and their sums from coarse to fine."""
        pooled = []
        x = pencil.image
        for level, widths in enumerate(self.channels):
            pencil.block(f"encoder.{level}")
            for width in widths:
                x = pencil.unit(x, width)
            x = pencil.pool(x, self.factor(level))
            pooled.append(x)
        pencil.block("fc")
        for kernel in (7, 1):
            x = pencil.dropout(pencil.unit(x, self.fc, kernel), self.dropout)
        bottom = self.levels - 1
        scores = self._scores(pencil, x, bottom)
        # The last scores taken: one, two or none of the finer poolings.
        finest = bottom - {32: 0, 16: 1, 8: 2}[self.stride]
        finest = max(1, finest)
        for level in reversed(range(finest, bottom)):
            pencil.block(f"up.{level}")
            factor, name = self.factor(level), f"up.{level}"
            scores = pencil.up_bilinear(scores, self.num_classes, factor, name)
            scores = pencil.add(scores, self._scores(pencil, pooled[level - 1], level))
        pencil.block("up.0")
        factor = self.between(0, finest)
        return pencil.graph(
            [pencil.up_bilinear(scores, self.num_classes, factor, "up.0")]
        )

    def _scores(self, pencil: Pencil, x: int, level: int) -> int:
        pencil.block(f"score.{level}")
        return pencil.conv(x, self.num_classes, 1, name=f"score.{level}")
