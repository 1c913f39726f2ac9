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
    part, places = mirrored_part(array.shape[-len(window) :], window)
    return spread(np.asarray(array[(..., *part)]), places)


def mirrored_part(
    shape: Sequence[int], window: Sequence[slice]
) -> tuple[tuple[slice, ...], list[NDArray[np.intp]]]:
    """Return what has to be read for a window that may leave an array.

    Parameters
    ----------
    shape
        Of the array.
    window
        One slice with start and stop for each axis.

    Returns
    -------
    tuple
        The part to read, and for each axis the place in it of each pixel of the window,
        for :func:`spread`.

    Examples
    --------
    >>> part, places = mirrored_part((10,), [slice(-2, 3)])
    >>> part, places[0].tolist()
    ((slice(0, 3, None),), [2, 1, 0, 1, 2])
    """
    indices = [
        mirror_indices(w.start, w.stop, size)
        for w, size in zip(window, shape, strict=True)
    ]
    part = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    return part, [i - box.start for i, box in zip(indices, part, strict=True)]


def spread(block: NDArray[Any], places: Sequence[NDArray[np.intp]]) -> NDArray[Any]:
    """Return a window from the part that was read for it; over the last axes."""
    for axis, place in enumerate(places):
        length = block.shape[axis - len(places)]
        if len(place) != length or place[0] > place[-1]:
            block = np.take(block, place, axis=axis - len(places))
    return block
