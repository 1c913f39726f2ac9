"""What a network is, as data: a frozen spec that draws its own graph.

A spec describes one network completely; :mod:`.catalog` turns it into a module. Nothing
here imports torch, so forms, the command line and tile planning stay cheap.

Spatial quantities are tuples with one entry per axis, in the order ``(Z)YX``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from math import prod
from typing import Any, ClassVar, Literal, Self, get_args

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.arithmetic import AxisGeometry, geometry
from napari_unet_studio.core.networks.checks import (
    WIDEST,
    check_choice,
    check_pooling,
    check_whole,
    check_widths,
)
from napari_unet_studio.core.networks.costs import Costs, costs
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.ops import InitKind, NormKind
from napari_unet_studio.core.networks.pencil import Pencil

Shape = tuple[int, ...]
Channels = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """What all members of the family have in common.

    Parameters
    ----------
    ndim
        Number of spatial axes.
    in_channels
        Channels of the input image.
    num_classes
        Channels of the output. 1 means one logit per pixel (sigmoid), more means one
        logit per class (softmax).
    norm
        What follows each convolution: batch, instance or group normalisation (16
        channels a group), or nothing.
    init
        How the weights begin; see :func:`.initialise`.
    pooling
        By how much each axis shrinks from one level to the next, fine to coarse: for
        stacks with thick slices ``((1, 2, 2), (2, 2, 2), ...)``. Empty means 2
        throughout.
    """

    family: ClassVar[str] = ""

    ndim: Literal[2, 3] = 2
    in_channels: int = 1
    num_classes: int = 1
    norm: NormKind = "none"
    init: InitKind = "he"
    pooling: tuple[Shape, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("ndim", 2, 3),
            ("in_channels", 1, WIDEST),
            ("num_classes", 1, WIDEST),
        ):
            value = check_whole(name, getattr(self, name), low, high)
            object.__setattr__(self, name, value)
        check_choice("norm", self.norm, get_args(NormKind))
        check_choice("init", self.init, get_args(InitKind))
        pooling = check_pooling(self.pooling, self.levels - 1, self.ndim)
        object.__setattr__(self, "pooling", pooling)

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the network; what distinguishes one family from another."""
        raise NotImplementedError(type(self).__name__)

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`, at least 1.

        Examples
        --------
        >>> from napari_unet_studio.core.networks.catalog import NETWORKS
        >>> NETWORKS["unet"].scaled(0.25) == NETWORKS["unet-16"]
        True
        """
        raise NotImplementedError(type(self).__name__)

    @property
    def levels(self) -> int:
        """Number of resolutions, the finest included."""
        raise NotImplementedError(type(self).__name__)

    @property
    def graph(self) -> Graph:
        """The network as a graph of operations."""
        return _graph(self)

    @cached_property
    def axes(self) -> tuple[AxisGeometry, ...]:
        """How input and output relate along each axis."""
        return _geometry(self)

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return self.graph.parameters

    @property
    def local(self) -> bool:
        """Whether an output pixel depends on its receptive field alone.

        Not so with squeeze-and-excitation, instance or group normalisation and the
        guided module, which look at the whole input.
        """
        return self.graph.local

    @property
    def num_heads(self) -> int:
        """Number of supervised outputs."""
        return len(self.graph.heads)

    @property
    def divisor(self) -> Shape:
        """Shifts by multiples of this leave the pooling grid and the output as is."""
        return tuple(axis.divisor for axis in self.axes)

    @property
    def trim(self) -> Shape:
        """Pixels that the output loses on each side of the input (0 if padded)."""
        return tuple(axis.trim for axis in self.axes)

    @property
    def halo(self) -> Shape:
        """Context a tile needs on each side so that its core equals the whole image's.

        It holds for cores whose borders lie on multiples of :attr:`divisor`, and for
        the convolutions of networks that are not :attr:`local`. It is itself a multiple
        of the divisor for padded networks, and equal to :attr:`trim` for valid ones.
        """
        return tuple(axis.halo for axis in self.axes)

    @property
    def receptive_field(self) -> Shape:
        """Extent of the input that can influence one output pixel, at its largest.

        Of the convolutions alone if the network is not :attr:`local`.
        """
        return tuple(axis.receptive_field for axis in self.axes)

    def output_shape(self, shape: Sequence[int]) -> Shape:
        """Return the spatial shape of the logits for an input of spatial `shape`.

        Any size is taken that leaves an output: the module mirrors what is off the grid
        of :meth:`input_shape`.

        Raises
        ------
        ConfigError
            If nothing would be left.
        """
        shape = self._checked(shape)
        sizes = tuple(s - 2 * t for s, t in zip(shape, self.trim, strict=True))
        if min(sizes) < 1:
            least = tuple(2 * t + 1 for t in self.trim)
            raise ConfigError(
                f"An input of {shape} pixels leaves no output of this network; use at "
                f"least {least}."
            )
        return sizes

    def input_shape(self, shape: Sequence[int]) -> Shape:
        """Return the smallest input on the network's grid whose output covers `shape`.

        On the grid every pooling sees an even size (or a multiple of its factor). Of
        networks that take no larger ones, the largest input, even if it does not do.
        """
        sizes = []
        for wanted, axis in zip(self._checked(shape), self.axes, strict=True):
            missing = max(0, wanted - (axis.smallest - 2 * axis.trim))
            size = axis.smallest + -(-missing // axis.divisor) * axis.divisor
            sizes.append(size if axis.largest is None else min(size, axis.largest))
        return tuple(sizes)

    def costs(
        self,
        shape: Sequence[int],
        batch: int = 1,
        value_bytes: int = 4,
        part: Sequence[slice] | None = None,
    ) -> Costs:
        """Return operations and memory for an input of spatial `shape`.

        Only a `part` of the answer may be wanted, as :meth:`.Network.forward` takes it.
        """
        inner = self.input_shape(self.output_shape(shape))
        box = None if part is None else tuple((p.start, p.stop) for p in part)
        return costs(self.graph, inner, batch, value_bytes, box)

    def flops_per_pixel(self, side: int = 512) -> float:
        """Return operations per output pixel, for an output of about `side` pixels."""
        shape = self.input_shape((side,) * self.ndim)
        return self.costs(shape).flops / prod(self.output_shape(shape))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON types; :func:`.spec_from_dict` reverses it."""
        return {"family": self.family, **asdict(self)}

    def factor(self, level: int) -> Shape:
        """Return by how much each axis shrinks from `level` to the next coarser one."""
        return self.pooling[level] if self.pooling else (2,) * self.ndim

    def between(self, fine: int, coarse: int) -> Shape:
        """Return by how much each axis shrinks from one level to a coarser one."""
        steps = [self.factor(level) for level in range(fine, coarse)]
        return tuple(prod(step[axis] for step in steps) for axis in range(self.ndim))

    def _checked(self, shape: Sequence[int]) -> Shape:
        if len(shape) != self.ndim:
            raise ConfigError(
                f"The shape {tuple(shape)} has {len(shape)} axes; this network has "
                f"{self.ndim} spatial axes."
            )
        return tuple(int(s) for s in shape)


@dataclass(frozen=True, kw_only=True)
class LevelSpec(NetworkSpec):
    """A network whose widths are given level by level.

    Parameters
    ----------
    channels
        Per level, fine to coarse: the width of each 3-wide convolution of that level. A
        plain number stands for two convolutions of that width.
    """

    channels: Channels = ((64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024))

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", check_widths(self.channels))
        super().__post_init__()

    @property
    def levels(self) -> int:
        """Number of resolutions, the finest included."""
        return len(self.channels)

    def scaled(self, width: float) -> Self:
        """Return the same network with all widths times `width`, at least 1."""
        return replace(self, channels=scaled_widths(self.channels, width))


def scaled_widths(channels: Channels, factor: float) -> Channels:
    """Return widths times a factor, rounded, at least 1.

    Examples
    --------
    >>> scaled_widths(((64, 64), (128, 128)), 0.25)
    ((16, 16), (32, 32))
    """
    return tuple(tuple(max(1, round(w * factor)) for w in level) for level in channels)


def pooling_for(spacing: Sequence[float], steps: int) -> tuple[Shape, ...]:
    """Return pooling factors that bring thick slices and fine pixels together.

    An axis is halved unless its pixels are at least twice as large as the smallest
    ones, as nnU-Net does (Isensee et al. 2021).

    Parameters
    ----------
    spacing
        Pixel size per axis, any unit.
    steps
        Number of steps between levels.

    Returns
    -------
    tuple
        Factors per step and axis, or nothing if every axis is halved throughout.

    Examples
    --------
    >>> pooling_for((2.0, 0.5, 0.5), steps=3)
    ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    >>> pooling_for((1.0, 1.0, 1.0), steps=3)
    ()
    """
    size = [float(s) for s in spacing]
    found = []
    for _ in range(steps):
        least = min(size)
        found.append(tuple(1 if s >= 2 * least else 2 for s in size))
        size = [s * f for s, f in zip(size, found[-1], strict=True)]
    return tuple(found) if any(1 in step for step in found) else ()


@lru_cache(maxsize=256)
def _graph(spec: NetworkSpec) -> Graph:
    return spec.draw(Pencil(spec.ndim, spec.in_channels, spec.norm))


@lru_cache(maxsize=256)
def _geometry(spec: NetworkSpec) -> tuple[AxisGeometry, ...]:
    return geometry(spec.graph)
