"""Images beyond their borders: mirrored, without repeating the edge."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
