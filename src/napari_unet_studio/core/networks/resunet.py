"""Residual U-Net (Zhang, Liu, Wang. IEEE GRSL 2018): pre-activation units, strided."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from napari_unet_studio.core.networks.checks import check_choice
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.ops import NormKind, Sizes
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import Channels, LevelSpec


@dataclass(frozen=True, kw_only=True)
class ResUNetSpec(LevelSpec):
    """A U-Net of residual units that pools by strided convolutions.

    Parameters
    ----------
    channels
        Widths of the levels; every unit has as many convolutions as are listed.
    up
        How the decoder enlarges: the paper's interpolation has no weights.

    Examples
    --------
    >>> ResUNetSpec(channels=(8, 16, 32)).divisor
    (4, 4)

    References
    ----------
    .. [1] Zhang, Liu, Wang. Road Extraction by Deep Residual U-Net. 2018, table I.
    .. [2] He et al. Identity Mappings in Deep Residual Networks. ECCV 2016.
    """

    family: ClassVar[str] = "resunet"

    norm: NormKind = "batch"
    channels: Channels = ((64, 64), (128, 128), (256, 256), (512, 512))
    up: Literal["bilinear", "nearest"] = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("up", self.up, ("bilinear", "nearest"))

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the levels of the encoder, then those of the decoder."""
        x = pencil.image
        skips: list[Ref] = []
        for level, widths in enumerate(self.channels):
            stride = self.factor(level - 1) if level else (1,) * self.ndim
            x = self._unit(pencil, f"encoder.{level}", x, widths, stride, bool(level))
            skips.append(x)
        skips.pop()
        for number, level in enumerate(reversed(range(self.levels - 1))):
            x = pencil.resize(x, self.factor(level), self.up)
            x = pencil.concat(skips.pop(), x)
            widths = (self.channels[level][-1],) * len(self.channels[level])
            one = (1,) * self.ndim
            x = self._unit(pencil, f"decoder.{number}", x, widths, one, True)
        pencil.block("head")
        return pencil.graph([pencil.conv(x, self.num_classes, 1, name="head")])

    @staticmethod
    def _unit(
        pencil: Pencil,
        name: str,
        x: Ref,
        widths: tuple[int, ...],
        stride: Sizes,
        active: bool,
    ) -> Ref:
        """Draw (norm, ReLU, convolution) times, and the sum with the projected input.

        The image itself is not `active`: it is convolved without norm and ReLU first.
        """
        pencil.block(name)
        y = x
        for number, width in enumerate(widths):
            if number or active:
                y = pencil.act(pencil.norm(y))
            y = pencil.conv(y, width, stride=1 if number else stride)
        if max(stride) > 1 or pencil.width(x) != pencil.width(y):
            x = pencil.conv(x, pencil.width(y), 1, stride=stride, name=f"{name}.skip")
        return pencil.add(x, y)
