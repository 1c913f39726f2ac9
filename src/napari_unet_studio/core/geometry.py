"""Overlap-tile geometry: which window to read, which core to keep, how to mirror.

A network sees a *read* window and answers for a *core* inside it. With enough context
on each side (:attr:`~.networks.spec.NetworkSpec.halo`) and cores on multiples of the
network's divisor, the cores put together equal the answer for the whole image
(Ronneberger et al. 2015, figure 2), if the network is
:attr:`~.networks.spec.NetworkSpec.local`. One that looks at all it is given answers
each window for itself: its cores overlap, and are blended (:mod:`.blending`). Windows
that leave the image are filled by mirroring.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.core.tile_axes import Span, TileAxis

# Longest list of tile lengths tried per axis; more would only refine the optimum.
_CANDIDATES = {2: 256, 3: 64}
# By how much a tile of a network that looks at all of it may be longer than a square.
_STRETCH = 1.3


@dataclass(frozen=True, eq=False)
class Tile:
    """One step of tiled inference.

    Parameters
    ----------
    core
        The image pixels this tile answers for.
    read
        The window the network sees. It may start below 0 and stop beyond the image.
    crop
        Where the core lies in the network's output for that window.
    weights
        Along each axis, how much the answer counts at the pixels of the core where
        cores overlap: the products of all tiles add up to 1 at every pixel. None where
        they do not overlap.
    """

    core: Region
    read: Region
    crop: Region
    weights: tuple[NDArray[np.float32] | None, ...]

    def add(self, result: NDArray[Any], answer: NDArray[Any], origin: Shape) -> None:
        """Put an answer (C, *core) into a result (C, *region) that starts at `origin`.

        Where cores overlap, the weighted answers add up: the result begins as zeros.
        """
        place = tuple(
            slice(core.start - start, core.stop - start)
            for core, start in zip(self.core, origin, strict=True)
        )
        if self.weights[0] is None:
            result[:, *place] = answer
            return
        for axis, weights in enumerate(self.weights, start=1):
            assert weights is not None  # of all axes or none
            answer = answer * weights.reshape(-1, *(1,) * (answer.ndim - axis - 1))
        result[:, *place] += answer


@dataclass(frozen=True, eq=False)
class TilePlan:
    """Tiles of one common window shape that cover a region of an image.

    Parameters
    ----------
    spans
        Per axis, the spans whose product are the tiles.
    window
        Shape of every read window.
    region
        The pixels that are covered.
    """

    spans: tuple[tuple[Span, ...], ...]
    window: Shape
    region: Region

    def __len__(self) -> int:
        return prod(len(axis) for axis in self.spans)

    def __iter__(self) -> Iterator[Tile]:
        for spans in itertools.product(*self.spans):
            yield Tile(*zip(*spans, strict=True))

    @property
    def read_ratio(self) -> float:
        """Pixels computed per pixel of the region; 1 would be no overlap at all."""
        covered: int = prod(axis.stop - axis.start for axis in self.region)
        return len(self) * prod(self.window) / covered

    @property
    def blended(self) -> bool:
        """Whether cores overlap."""
        return self.spans[0][0].weights is not None


def plan_tiles(
    shape: Sequence[int],
    spec: NetworkSpec,
    max_voxels: int,
    region: Region | None = None,
    margin: Shape | None = None,
) -> TilePlan:
    """Plan the tiles that compute the fewest pixels under a cap on the window.

    Parameters
    ----------
    shape
        Spatial shape of the image.
    spec
        The network; it gives halo, divisor and admissible sizes.
    max_voxels
        Largest number of pixels of one read window. Where even the smallest window with
        its halo exceeds it, the smallest window is taken.
    region
        The pixels that are wanted, all by default. Tiles see as much of the image
        around it as they need, so that the answer is the same as for the whole image.
    margin
        Context on each side, if not the network's halo: a multiple of the divisor along
        each axis, for padded networks only. A smaller one is an approximation.

    Returns
    -------
    TilePlan
        All windows have one shape. For padded networks the windows stay inside the
        image extended to the next multiple of the divisor; for valid ones they reach
        `trim` pixels out of it. Those of networks that are not local lie on a grid that
        depends on the image and the cap alone, not on the region.

    Raises
    ------
    InputError
        If the region is empty or leaves the image.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> spec = UNetSpec(channels=(8, 16, 32))
    >>> plan = plan_tiles((1000, 800), spec, 512 * 512)
    >>> len(plan), plan.window
    (4, (524, 424))
    >>> (tile,) = plan_tiles((1000, 800), spec, 512 * 512, np.s_[500:520, 0:40])
    >>> tile.read
    (slice(476, 544, None), slice(0, 64, None))
    """
    shape = tuple(int(s) for s in shape)
    region = checked_region(region, shape)
    halo = spec.halo if margin is None or any(spec.trim) else margin
    axes = [
        TileAxis(size, part.start, part.stop, side, spec.axes[axis], spec.local)
        for axis, (size, part, side) in enumerate(zip(shape, region, halo, strict=True))
    ]
    # The grid of blended tiles must not depend on the region.
    judged = axes if spec.local else [replace(a, start=0, stop=a.size) for a in axes]
    choices = [axis.candidates(_CANDIDATES[spec.ndim]) for axis in judged]
    lengths = np.meshgrid(
        *[[length for length, _ in c] for c in choices], indexing="ij"
    )
    counts = np.meshgrid(*[[count for _, count in c] for c in choices], indexing="ij")
    window = np.prod(np.array(lengths, dtype=float), axis=0)
    read = window * np.prod(np.array(counts, dtype=float), axis=0)
    fits = window <= max_voxels
    if not spec.local:  # a mean over a long strip is not one over a patch
        longest = _STRETCH * max_voxels ** (1 / spec.ndim)
        fits &= np.max(np.array(lengths), axis=0) <= longest
    cost = np.where(fits, read, np.inf) if fits.any() else window
    best = np.unravel_index(int(np.argmin(cost)), cost.shape)
    chosen = [c[index][0] for c, index in zip(choices, best, strict=True)]
    spans = [axis.spans(length) for axis, length in zip(axes, chosen, strict=True)]
    return TilePlan(tuple(map(tuple, spans)), tuple(chosen), region)


def checked_region(region: Any, shape: Shape) -> Region:
    """Return a region with whole numbers, all of the image for None.

    Raises
    ------
    InputError
        If it is no slice of steps of 1 for each axis, is empty or leaves the image.
    """
    if region is None:
        return tuple(slice(0, size) for size in shape)
    given = tuple(region) if isinstance(region, Iterable) else (region,)
    if not all(isinstance(p, slice) and p.step in (None, 1) for p in given):
        raise InputError(
            f"A region is a slice with steps of 1 for each axis, but it is {region!r}; "
            "give, for example, (slice(0, 256), slice(0, 256))."
        )
    found = []
    for part, size in zip(given, shape, strict=False):
        start = 0 if part.start is None else int(part.start)
        stop = size if part.stop is None else int(part.stop)
        if not 0 <= start < stop <= size:
            break
        found.append(slice(start, stop))
    if len(found) < len(shape) or len(given) != len(shape):
        wanted = ", ".join(f"{p.start}:{p.stop}" for p in given)
        raise InputError(
            f"The region [{wanted}] is empty or leaves the image of shape {shape}; "
            "give a start and a stop inside it for each axis."
        )
    return tuple(found)
