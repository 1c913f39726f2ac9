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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blending import blend
from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.arithmetic import AxisGeometry
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

# Longest list of tile lengths tried per axis; more would only refine the optimum.
_CANDIDATES = {2: 256, 3: 64}


class Span(NamedTuple):
    """One axis of a tile; all numbers are pixels of the image, `crop` of the output."""

    core: slice
    read: slice
    crop: slice
    weights: NDArray[np.float32] | None = None


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
        _Axis(size, part.start, part.stop, side, spec.axes[axis], spec.local)
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
    cost = np.where(fits, read, np.inf) if fits.any() else window
    best = np.unravel_index(int(np.argmin(cost)), cost.shape)
    chosen = [c[index][0] for c, index in zip(choices, best, strict=True)]
    spans = [axis.spans(length) for axis, length in zip(axes, chosen, strict=True)]
    return TilePlan(tuple(map(tuple, spans)), tuple(chosen), region)


def checked_region(region: Region | None, shape: Shape) -> Region:
    """Return a region with whole numbers, all of the image for None.

    Raises
    ------
    InputError
        If it is empty or leaves the image.
    """
    if region is None:
        return tuple(slice(0, size) for size in shape)
    found = []
    for part, size in zip(region, shape, strict=False):
        start = 0 if part.start is None else int(part.start)
        stop = size if part.stop is None else int(part.stop)
        if part.step not in (None, 1) or not 0 <= start < stop <= size:
            break
        found.append(slice(start, stop))
    if len(found) < len(shape) or len(region) != len(shape):
        wanted = ", ".join(f"{p.start}:{p.stop}" for p in region)
        raise InputError(
            f"The region [{wanted}] is empty or leaves the image of shape {shape}; "
            "give a start and a stop inside it for each axis."
        )
    return tuple(found)


@dataclass(frozen=True)
class _Axis:
    """One axis of an image with the part of it that is wanted, and the network's grid.

    Of padded networks `low` and `high` bound the windows: the image extended to the
    grid, or less where the wanted part and its context end before.
    """

    size: int
    start: int
    stop: int
    halo: int
    network: AxisGeometry
    local: bool

    @property
    def step(self) -> int:
        return self.network.divisor

    @property
    def trim(self) -> int:
        return self.network.trim

    @property
    def padded(self) -> int:
        return _up(self.size, self.step)

    @property
    def low(self) -> int:
        return max(0, self.start // self.step * self.step - self.halo)

    @property
    def high(self) -> int:
        return min(self.padded, _up(self.stop, self.step) + self.halo)

    def candidates(self, most: int) -> list[tuple[int, int]]:
        """(window length, number of tiles) worth trying, longest window first."""
        extent = self.stop - self.start
        counts = np.unique(
            np.geomspace(1, max(1, -(-extent // self.step)), most).astype(int)
        )
        found: dict[int, int] = {}
        for count in counts.tolist():
            length = self.length(count)
            if length is None:
                break
            if length not in found:
                found[length] = len(self.spans(length))
        return list(found.items())

    def length(self, count: int) -> int | None:
        """Window length with which `count` tiles do; None if no core would be left."""
        if not self.local:
            # Windows share at least a quarter with the next one.
            total = _up(self.size, self.step)
            return self._input(_up(-(-4 * total // (3 * count + 1)), self.step))
        if self.trim:
            first = self.start // self.step * self.step
            return self._input(_up(-(-(self.stop - first) // count), self.step))
        # Inner tiles spend two halos, end tiles one: their lengths sum to this.
        total = self.high - self.low + 2 * (count - 1) * self.halo
        length = _up(-(-total // count), self.step)
        return None if count > 1 and length <= 2 * self.halo else length

    def _input(self, core: int) -> int:
        """Return the smallest window on the network's grid that answers for `core`."""
        least = self.network.smallest
        missing = max(0, core + 2 * self.trim - least)
        return least + _up(missing, self.step)

    def _core(self, length: int) -> int:
        """Return how far the places of windows of a length are apart at most."""
        return (length - 2 * self.trim) // self.step * self.step

    def spans(self, length: int) -> list[Span]:
        if not self.local:
            return self._blended(length)
        return self._valid(length) if self.trim else self._same(length)

    def _valid(self, length: int) -> list[Span]:
        core, found = self._core(length), []
        first = self.start // self.step * self.step
        for place in range(first, self.stop, core):
            begin, end = max(place, self.start), min(place + core, self.stop)
            read = slice(place - self.trim, place - self.trim + length)
            crop = slice(begin - place, end - place)
            found.append(Span(slice(begin, end), read, crop))
        return found

    def _same(self, length: int) -> list[Span]:
        found, begin = [], self.start
        while begin < self.stop:
            # From the grid on: the first pixel wanted need not lie on it.
            place = begin // self.step * self.step - self.halo
            place = min(max(self.low, place), self.high - length)
            last = place + length == self.high
            end = self.stop if last else min(place + length - self.halo, self.stop)
            crop = slice(begin - place, end - place)
            found.append(Span(slice(begin, end), slice(place, place + length), crop))
            begin = end
        return found

    def _blended(self, length: int) -> list[Span]:
        core = self._core(length)
        # A last output of a valid network may end beyond the image.
        room = max(0, self.padded - core)
        count = 1 + -(-4 * room // (3 * core))
        steps = [room * i // max(1, count - 1) // self.step for i in range(count)]
        places = [min(s * self.step, room) for s in steps]
        found = []
        for place, weights in zip(places, blend(places, core, self.size), strict=True):
            begin = max(place, self.start)
            end = min(place + core, self.stop, self.size)
            if begin < end:
                read = slice(place - self.trim, place - self.trim + length)
                crop = slice(begin - place, end - place)
                found.append(Span(slice(begin, end), read, crop, weights[crop]))
        return found


def _up(size: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-size // step) * step


def mirror_indices(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Map positions start..stop-1, possibly outside, into 0..size-1 by mirroring.

    The edge pixel is not repeated, and the reflection goes on for windows wider than
    the image. An axis of one pixel repeats that pixel.

    Examples
    --------
    >>> mirror_indices(-2, 5, 3).tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    if size == 1:
        return np.zeros(stop - start, dtype=np.intp)
    period = 2 * (size - 1)
    positions = np.arange(start, stop) % period
    return np.minimum(positions, period - positions).astype(np.intp)


def read_mirrored(array: Any, window: Sequence[slice]) -> NDArray[Any]:
    """Read a window over the last axes of an array, mirrored where it leaves it.

    Parameters
    ----------
    array
        Anything with ``shape`` and slicing: numpy, dask, zarr, memory map. Only the
        part under the window is read.
    window
        One slice with start and stop for each of the last axes.

    Returns
    -------
    ndarray
        A copy or view of the leading axes with the window's shape.
    """
    shape = array.shape[-len(window) :]
    indices = [
        mirror_indices(w.start, w.stop, size)
        for w, size in zip(window, shape, strict=True)
    ]
    part = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    block = np.asarray(array[(..., *part)])
    for axis, (index, box) in enumerate(zip(indices, part, strict=True)):
        if len(index) != box.stop - box.start or index[0] > index[-1]:
            block = np.take(block, index - box.start, axis=axis - len(window))
    return block
