"""MobileNetV2 and EfficientNet as encoders: inverted residuals, as in the papers."""

from math import ceil
from typing import NamedTuple

from napari_unet_studio.core.networks.graph import Ref
from napari_unet_studio.core.networks.ops import ActKind, Sizes
from napari_unet_studio.core.networks.pencil import Pencil


class Stage(NamedTuple):
    """A row of the papers' tables: blocks of equal width.

    Parameters
    ----------
    expand
        Factor by which a block widens its input inside.
    kernel
        Side of the depthwise convolution.
    width
        Channels of the output.
    repeats
        Number of blocks.
    pools
        Whether the first block halves the resolution.
    """

    expand: int
    kernel: int
    width: int
    repeats: int
    pools: bool


# Sandler et al. CVPR 2018, table 2, up to the last bottleneck.
MOBILENET_V2 = (
    Stage(1, 3, 16, 1, pools=False),
    Stage(6, 3, 24, 2, pools=True),
    Stage(6, 3, 32, 3, pools=True),
    Stage(6, 3, 64, 4, pools=True),
    Stage(6, 3, 96, 3, pools=False),
    Stage(6, 3, 160, 3, pools=True),
    Stage(6, 3, 320, 1, pools=False),
)

# Tan and Le. ICML 2019, table 1: EfficientNet-B0, stages 2 to 8.
EFFICIENTNET_B0 = (
    Stage(1, 3, 16, 1, pools=False),
    Stage(6, 3, 24, 2, pools=True),
    Stage(6, 5, 40, 2, pools=True),
    Stage(6, 3, 80, 3, pools=True),
    Stage(6, 5, 112, 3, pools=False),
    Stage(6, 5, 192, 4, pools=True),
    Stage(6, 3, 320, 1, pools=False),
)
STEM = 32  # channels of the first convolution of both


def scaled_width(width: int, factor: float) -> int:
    """Return a width scaled and rounded to a multiple of 8, but never 10 % down.

    Examples
    --------
    >>> scaled_width(40, 1.1), scaled_width(16, 1.1), scaled_width(32, 2.0)
    (48, 16, 64)
    """
    wanted = width * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def scaled(stages: tuple[Stage, ...], width: float, depth: float) -> tuple[Stage, ...]:
    """Return stages after compound scaling: widths and numbers of blocks."""
    return tuple(
        stage._replace(
            width=scaled_width(stage.width, width), repeats=ceil(stage.repeats * depth)
        )
        for stage in stages
    )


class Style(NamedTuple):
    """What distinguishes the two kinds of inverted residuals.

    Parameters
    ----------
    act
        Nonlinearity.
    squeeze
        Whether each block gates its channels.
    eps
        Of the batch normalisation.
    drop_path
        What the probability of leaving a block out grows towards, linearly with depth.
    """

    act: ActKind
    squeeze: bool = False
    eps: float = 1e-5
    drop_path: float = 0.0


def draw_encoder(
    pencil: Pencil,
    stem: int,
    stages: tuple[Stage, ...],
    factors: tuple[Sizes, ...],
    style: Style,
) -> list[Ref]:
    """Draw stem and stages; return the last output of each resolution, fine to coarse.

    Parameters
    ----------
    pencil
        It stands at the image.
    stem
        Channels of the first convolution, which pools.
    stages
        Rows of the table.
    factors
        Pooling factors of the stem and of the stages that pool.
    style
        Details of the blocks.
    """
    steps = iter(factors)
    pencil.block("encoder.stem")
    x = pencil.unit(
        pencil.image,
        stem,
        stride=next(steps),
        bias=False,
        act=style.act,
        eps=style.eps,
    )
    ends: list[Ref] = []
    blocks, done = sum(stage.repeats for stage in stages), 0
    for number, stage in enumerate(stages):
        if stage.pools:
            ends.append(x)
        for repeat in range(stage.repeats):
            pencil.block(f"encoder.{number}.{repeat}")
            stride = next(steps) if stage.pools and not repeat else None
            drop = style.drop_path * done / blocks
            x = _inverted_residual(pencil, x, stage, stride, style, drop)
            done += 1
    return [*ends, x]


def _inverted_residual(
    pencil: Pencil,
    x: Ref,
    stage: Stage,
    stride: Sizes | None,
    style: Style,
    drop_path: float,
) -> Ref:
    """Draw expansion, depthwise convolution, gate and linear projection."""
    given = pencil.width(x)
    hidden = given * stage.expand
    y = x
    if stage.expand != 1:
        y = pencil.unit(y, hidden, 1, bias=False, act=style.act, eps=style.eps)
    y = pencil.unit(
        y,
        hidden,
        stage.kernel,
        stride=stride or 1,
        groups=hidden,
        bias=False,
        act=style.act,
        eps=style.eps,
    )
    if style.squeeze:
        # A quarter of the block's input, not of its expanded width.
        y = pencil.squeeze_excite(y, max(1, given // 4), style.act)
    y = pencil.unit(y, stage.width, 1, bias=False, act=None, eps=style.eps)
    if stride is None and given == stage.width:
        y = pencil.add(x, pencil.drop_path(y, drop_path))
    return y
