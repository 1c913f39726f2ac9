"""U-Net (Ronneberger, Fischer, Brox. MICCAI 2015), 2D and 3D, valid and padded."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.checks import check_choice, check_fraction
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.ops import UpKind
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import LevelSpec

Halving = Literal["up", "after", "before"]


@dataclass(frozen=True, kw_only=True)
class UNetSpec(LevelSpec):
    """The U-Net of 2015, its padded modern and teaching forms, the 3D U-Net of 2016.

    Parameters
    ----------
    padding
        "valid" loses one pixel per convolution and side as in the papers, "same" pads
        with zeros and keeps the size.
    dropout
        Probability at the end of the contracting path, while training.
    up
        The up-convolution: "transposed", or "bilinear" (padded networks only) or
        "nearest" interpolation followed by a 1x1 convolution.
    halving
        Where the width falls to that of the next finer level: in the "up"-convolution
        (2015), in the first convolution "after" it (2016), or in the last one "before"
        it, as in teaching code.

    Examples
    --------
    >>> paper = UNetSpec(num_classes=2, padding="valid")
    >>> paper.output_shape((572, 572))
    (388, 388)
    >>> paper.input_shape((388, 388))
    (572, 572)
    >>> UNetSpec(channels=(16, 32, 64)).divisor
    (4, 4)

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. MICCAI 2015, figure 1.
    .. [2] Cicek et al. MICCAI 2016, figure 2.
    """

    family: ClassVar[str] = "unet"

    padding: Literal["same", "valid"] = "same"
    dropout: float = 0.0
    up: UpKind = "transposed"
    halving: Halving = "up"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("padding", self.padding, ("same", "valid"))
        check_choice("up", self.up, get_args(UpKind))
        check_choice("halving", self.halving, get_args(Halving))
        check_fraction("dropout", self.dropout)
        if self.padding == "valid" and self.up == "bilinear":
            raise ConfigError(
                "Bilinear interpolation has no valid form: at the border of a tile it "
                "repeats pixels. Choose up='transposed', up='nearest' or "
                "padding='same'."
            )

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the U: contracting path, expansive path, a skip at every level."""
        valid = self.padding == "valid"
        last = [widths[-1] for widths in self.channels]
        x = pencil.image
        skips: list[Ref] = []
        for level, widths in enumerate(self.channels):
            if level:
                x = pencil.pool(x, self.factor(level - 1))
            pencil.block(f"encoder.{level}")
            if self.halving == "before" and level == self.levels - 1:
                widths = (*widths[:-1], last[level - 1])
            for width in widths:
                x = pencil.unit(x, width, valid=valid)
            # The paper's "end of the contracting path": the two coarsest levels.
            if level >= self.levels - 2:
                x = pencil.dropout(x, self.dropout)
            skips.append(x)
        skips.pop()
        for number, level in enumerate(reversed(range(self.levels - 1))):
            width = last[level]
            risen = width if self.halving == "up" else pencil.width(x)
            pencil.block(f"decoder.{number}")
            x = pencil.up(x, risen, self.factor(level), self.up, f"up.{number}")
            skip = pencil.crop(skips.pop(), x) if valid else skips.pop()
            x = pencil.concat(skip, x)
            widths = (width,) * len(self.channels[level])
            if self.halving == "before" and level:
                widths = (*widths[:-1], last[level - 1])
            for width in widths:
                x = pencil.unit(x, width, valid=valid)
        pencil.block("head")
        return pencil.graph([pencil.conv(x, self.num_classes, 1, name="head")])
