"""UNet 3+ (Huang et al. ICASSP 2020): full-scale skips and full-scale supervision."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from napari_unet_studio.core.networks.checks import WIDEST, check_choice, check_whole
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import LevelSpec


@dataclass(frozen=True, kw_only=True)
class UNet3PlusSpec(LevelSpec):
    """UNet 3+: every decoder level sees every scale.

    Parameters
    ----------
    skip_channels
        Width to which each of the skips is brought before they are concatenated.
    deep_supervision
        A head on every decoder level and on the bottom, enlarged to full size. The
        finest one answers.
    guided
        The classification-guided module: from the bottom level one logit per image, "is
        there an object". Where there is none, the answer is background.

    Examples
    --------
    >>> UNet3PlusSpec(in_channels=3, norm="batch").parameters
    26971777

    References
    ----------
    .. [1] Huang et al. UNet 3+. ICASSP 2020.
    """

    family: ClassVar[str] = "unet3+"

    skip_channels: int = 64
    deep_supervision: bool = False
    guided: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        width = check_whole("skip_channels", self.skip_channels, 1, WIDEST)
        object.__setattr__(self, "skip_channels", width)
        check_choice("deep_supervision", self.deep_supervision, (True, False))
        check_choice("guided", self.guided, (True, False))

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`, at least 1."""
        skips = max(1, round(self.skip_channels * width))
        return replace(super().scaled(width), skip_channels=skips)

    def draw(self, pencil: Pencil) -> Graph:
        """Draw encoder, full-scale decoder and heads."""
        encoded: list[Ref] = []
        x = pencil.image
        for level, widths in enumerate(self.channels):
            if level:
                x = pencil.pool(x, self.factor(level - 1))
            pencil.block(f"encoder.{level}")
            for width in widths:
                x = pencil.unit(x, width)
            encoded.append(x)
        bottom = self.levels - 1
        decoded = {bottom: x}
        for level in reversed(range(bottom)):
            skips = []
            for source in range(self.levels):
                pencil.block(f"skips.{level}.{source}")
                y = encoded[source] if source <= level else decoded[source]
                if source < level:
                    y = pencil.pool(y, self.between(source, level))
                elif source > level:
                    y = pencil.resize(y, self.between(level, source))
                skips.append(pencil.unit(y, self.skip_channels))
            pencil.block(f"decoder.{level}")
            x = pencil.concat(*skips)
            decoded[level] = pencil.unit(x, self.skip_channels * self.levels)
        heads = []
        for level in reversed(range(self.levels if self.deep_supervision else 1)):
            pencil.block(f"heads.{level}")
            name = f"heads.{level}"
            logits = pencil.conv(decoded[level], self.num_classes, name=name)
            heads.append(pencil.resize(logits, self.between(0, level)))
        presence = None
        if self.guided:
            pencil.block("presence")
            x = pencil.dropout(decoded[bottom], 0.5)
            presence = pencil.global_max(pencil.conv(x, 1, 1, name="presence"))
        return pencil.graph(heads, presence=presence)
