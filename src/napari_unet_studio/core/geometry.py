"""Overlap-tile geometry: which window to read, which core to keep, how to mirror.

A network sees a *read* window and answers for a *core* inside it. With enough context
on each side (:attr:`~.networks.spec.NetworkSpec.halo`) and cores on multiples of the
network's divisor, the cores put together equal the answer for the whole image
(Ronneberger et al. 2015, figure 2), if the network is
:attr:`~.networks.spec.NetworkSpec.local`; one that looks at all it is given answers
each window for itself. Windows that leave the image are filled by mirroring.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

# Longest list of tile lengths tried per axis; more would only refine the optimum.
_CANDIDATES = {2: 256, 3: 64}


class Span(NamedTuple):
    """One axis of a tile; all numbers are pixels of the image, `crop` of the output."""

    core: slice
    read: slice
    crop: slice


@dataclass(frozen=True)
class Tile:
    """One step of tiled inference.

    Parameters
    ----------
    core
        The image pixels this tile answers for. The cores of a plan cover every pixel
        once.
    read
        The window the network sees. It may start below 0 and stop beyond the image.
    crop
        Where the core lies in the network's output for that window.
    """

    core: tuple[slice, ...]
    read: tuple[slice, ...]
    crop: tuple[slice, ...]


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one common window shape that cover an image.

    Parameters
    ----------
    spans
        Per axis, the spans whose product are the tiles.
    window
        Shape of every read window.
    """

    spans: tuple[tuple[Span, ...], ...]
    window: Shape

    def __len__(self) -> int:
        return int(np.prod([len(axis) for axis in self.spans]))

    def __iter__(self) -> Iterator[Tile]:
        for spans in itertools.product(*self.spans):
            yield Tile(*zip(*spans, strict=True))

    @property
    def read_ratio(self) -> float:
        """Pixels computed per pixel of the image; 1 would be no overlap at all."""
        read = len(self) * float(np.prod(self.window))
        return read / float(np.prod([axis[-1].core.stop for axis in self.spans]))


def plan_tiles(shape: Sequence[int], spec: NetworkSpec, max_voxels: int) -> TilePlan:
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

    Returns
    -------
    TilePlan
        All windows have one shape. For padded networks the windows stay inside the
        image extended to the next multiple of the divisor; for valid ones they reach
        `trim` pixels out of it.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> plan = plan_tiles((1000, 800), UNetSpec(channels=(8, 16, 32)), 512 * 512)
    >>> len(plan), plan.window
    (4, (524, 424))
    """
    shape = tuple(int(s) for s in shape)
    axes = [_axis_candidates(size, axis, spec) for axis, size in enumerate(shape)]
    windows = np.meshgrid(*[[w for w, _ in a] for a in axes], indexing="ij")
    counts = np.meshgrid(*[[n for _, n in a] for a in axes], indexing="ij")
    window = np.prod(np.array(windows, dtype=float), axis=0)
    read = window * np.prod(np.array(counts, dtype=float), axis=0)
    fits = window <= max_voxels
    cost = np.where(fits, read, np.inf) if fits.any() else window
    best = np.unravel_index(int(np.argmin(cost)), cost.shape)
    chosen = [axis[index] for axis, index in zip(axes, best, strict=True)]
    return TilePlan(
        spans=tuple(
            tuple(_spans(size, axis, spec, count))
            for axis, (size, (_, count)) in enumerate(zip(shape, chosen, strict=True))
        ),
        window=tuple(length for length, _ in chosen),
    )


def _length(size: int, axis: int, spec: NetworkSpec, count: int) -> int:
    """Window length with which `count` tiles cover an axis of `size` pixels."""
    step, halo, trim = spec.divisor[axis], spec.halo[axis], spec.trim[axis]
    if trim:
        core = -(-size // (count * step)) * step
        return spec.input_shape((core,) * spec.ndim)[axis]
    padded = -(-size // step) * step
    # Inner tiles spend two halos, end tiles one: their lengths sum to this.
    total = padded + 2 * (count - 1) * halo
    return -(-total // (count * step)) * step


def _axis_candidates(size: int, axis: int, spec: NetworkSpec) -> list[tuple[int, int]]:
    """(window length, number of tiles) worth trying, longest window first."""
    step, halo = spec.divisor[axis], spec.halo[axis]
    most = max(1, -(-size // step))
    counts = np.unique(np.geomspace(1, most, _CANDIDATES[spec.ndim]).astype(int))
    shortest: dict[int, int] = {}
    for count in counts.tolist():
        length = _length(size, axis, spec, count)
        if count > 1 and not spec.trim[axis] and length <= 2 * halo:
            break  # no core would be left
        if length not in shortest:
            shortest[length] = len(_spans(size, axis, spec, count))
    return list(shortest.items())


def _spans(size: int, axis: int, spec: NetworkSpec, count: int) -> list[Span]:
    step, halo, trim = spec.divisor[axis], spec.halo[axis], spec.trim[axis]
    length = _length(size, axis, spec, count)
    spans = []
    if trim:
        core = -(-size // (count * step)) * step
        for start in range(0, size, core):
            stop = min(start + core, size)
            read = slice(start - trim, start - trim + length)
            spans.append(Span(slice(start, stop), read, slice(0, stop - start)))
        return spans
    padded = -(-size // step) * step
    start = 0
    while start < size:
        low = min(max(0, start - halo), padded - length)
        stop = size if low + length == padded else low + length - halo
        crop = slice(start - low, stop - low)
        spans.append(Span(slice(start, stop), slice(low, low + length), crop))
        start = stop
    return spans


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
