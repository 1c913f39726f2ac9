"""A zarr array that is written by several processes, channels first, errors named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.guard import reading, writing

_SIDES = {"T": 1, "Z": 32, "Y": 256, "X": 256}
_FLAT_SIDE = 1024  # of Y and X where there is no Z
_FEW = 4  # a chunk this many times smaller than it should be makes too many files


def chunk_for(block: Sequence[int], shape: Sequence[int], axes: str) -> Shape:
    """Return a chunk of which every block is a multiple, up to the array's end.

    Blocks then never share a chunk, so that processes may write them at the same time.

    Examples
    --------
    >>> chunk_for((4096, 3000), (100_000, 2500), "YX")
    (1024, 1024)
    >>> chunk_for((1, 1500, 1009), (9, 9000, 9000), "TYX")
    (1, 750, 1009)
    """
    found = []
    for axis, length, size in zip(axes, block, shape, strict=True):
        flat = "Z" not in axes and axis in "YX"
        side = _FLAT_SIDE if flat else _SIDES[axis]
        if length >= size:
            found.append(min(side, size))
            continue
        divisor = max(d for d in range(1, min(side, length) + 1) if length % d == 0)
        found.append(divisor if divisor * _FEW > min(side, length) else length)
    return tuple(found)


class Pixels:
    """A zarr array, indexed by whole numbers and slices of step 1.

    Several processes may write different chunks at the same time; so what is written
    has to start at a chunk and to end at one, or at the array's end.

    Parameters
    ----------
    array
        The array.
    path
        The file that messages name.
    channel
        Axis of channels in the array. It comes first here; where OME-Zarr has time,
        it is stored after that.
    shared
        Whether several processes write to it. If not, what is written may cut chunks.
    """

    def __init__(
        self,
        array: Any,
        path: Path,
        channel: int | None = None,
        shared: bool = True,
    ) -> None:
        self.zarr = array
        self.shared = shared
        self.path = path
        order = list(range(len(array.shape)))
        if channel is not None:
            order.insert(0, order.pop(channel))
        self._order = order
        self.shape: Shape = tuple(array.shape[axis] for axis in order)
        self.chunks: Shape = tuple(array.chunks[axis] for axis in order)
        self.dtype = np.dtype(array.dtype)
        self.ndim = len(order)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        region, single = self._region(key)
        with reading(self.path):
            found = np.asarray(self.zarr[self._stored(region)])
        return found.transpose(self._order).squeeze(single)

    def __setitem__(self, key: Any, values: Any) -> None:
        region, single = self._region(key)
        for part, chunk, size in zip(region, self.chunks, self.shape, strict=True):
            cut = part.start % chunk or (part.stop % chunk and part.stop != size)
            if cut and self.shared:
                raise InputError(
                    f"Pixels {part.start} to {part.stop} cut chunks of {self.path}, "
                    f"which are {chunk} long; write whole ones."
                )
        shape = [part.stop - part.start for part in region]
        kept = [n for axis, n in enumerate(shape) if axis not in single]
        filled = np.broadcast_to(np.asarray(values, self.dtype), kept).reshape(shape)
        back = np.argsort(self._order)
        with writing(self.path):
            self.zarr[self._stored(region)] = filled.transpose(back)

    def _stored(self, region: Sequence[slice]) -> tuple[slice, ...]:
        return tuple(region[axis] for axis in np.argsort(self._order))

    def _region(self, key: Any) -> tuple[list[slice], tuple[int, ...]]:
        """Return a slice for each axis, and the axes that single numbers choose."""
        parts = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in parts):
            place = next(n for n, part in enumerate(parts) if part is Ellipsis)
            missing = self.ndim - len(parts) + 1
            parts[place : place + 1] = [slice(None)] * missing
        parts += [slice(None)] * (self.ndim - len(parts))
        region, single = [], []
        for axis, (part, size) in enumerate(zip(parts, self.shape, strict=True)):
            if isinstance(part, slice):
                start, stop, step = part.indices(size)
                if step != 1:
                    raise IndexError("slices of step 1 only")
                region.append(slice(start, max(start, stop)))
            else:
                index = range(size)[part]
                region.append(slice(index, index + 1))
                single.append(axis)
        return region, tuple(single)
