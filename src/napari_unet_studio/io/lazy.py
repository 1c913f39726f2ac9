"""Arrays in files as dask arrays: read in parts, errors named, sent by path."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.guard import reading

LAZY_FROM = 64 * 2**20  # bytes of pixels from which files are not read whole
_CHUNK_BYTES = 2**24


class GuardedArray:
    """An array in a file; what reading it raises is a StorageError that names it.

    Parameters
    ----------
    array
        Anything with ``shape``, ``dtype`` and slicing.
    path
        The file.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self.array = array
        self.path = path
        self.shape: Shape = tuple(array.shape)
        self.dtype = np.dtype(array.dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with reading(self.path):
            return np.asarray(self.array[key])


class MappedArray:
    """An array that lies in a file as it is, in C order, mapped piece by piece.

    Parameters
    ----------
    path
        The file.
    stored
        Type in the file; the pieces have that type in the machine's byte order.
    offset
        Bytes before the array.
    shape
        Of the array.
    """

    def __init__(
        self, path: Path, stored: DTypeLike, offset: int, shape: Sequence[int]
    ) -> None:
        self.path = path
        self.stored = np.dtype(stored)
        self.dtype = self.stored.newbyteorder("=")
        self.offset = offset
        self.shape: Shape = tuple(shape)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with reading(self.path):
            # A map of its own: no file stays open.
            mapped = np.memmap(self.path, self.stored, "r", self.offset, self.shape)
            return np.array(mapped[key], dtype=self.dtype)

    @property
    def chunks(self) -> Shape:
        """Lengths that suit parts of planes; any would do."""
        sides = [256 if length >= 32 else 1 for length in self.shape]
        return tuple(sides)


def as_dask(array: Any, base: Sequence[int]) -> Any:
    """Return a dask array whose chunks are multiples of `base`, about 16 MB each."""
    import dask.array as da

    return da.from_array(
        array,
        chunks=grouped(base, array.shape, array.dtype.itemsize),
        name=False,  # a name from the content would mean reading the content
        fancy=False,
        meta=np.empty((0,) * len(array.shape), array.dtype),
    )


def grouped(
    base: Sequence[int], shape: Sequence[int], itemsize: int, goal: int = _CHUNK_BYTES
) -> Shape:
    """Return multiples of small chunks: fewer of them keep dask's graphs small.

    Examples
    --------
    >>> grouped((1, 64, 64), (10, 5000, 5000), 2)
    (1, 2048, 4096)
    >>> grouped((1, 1, 300), (10, 200, 300), 2)
    (10, 200, 300)
    """
    chunk = [min(b, s) for b, s in zip(base, shape, strict=True)]
    while prod(chunk) * itemsize * 2 <= goal:
        short = [axis for axis, length in enumerate(shape) if chunk[axis] < length]
        if not short:
            break
        # Along the axes that the file itself cuts into pieces of some length first.
        cut = [axis for axis in short if base[axis] > 1] or short[-1:]
        axis = min(reversed(cut), key=lambda a: chunk[a])
        chunk[axis] = min(2 * chunk[axis], shape[axis])
    return tuple(chunk)
