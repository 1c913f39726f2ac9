"""Gaussian smoothing whose parts are those of the whole, bit for bit."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Floats = NDArray[np.float32]

TRUNCATE = 3.0  # standard deviations


def smoothing_reach(
    sigma: float, ndim: int, spacing: Sequence[float] | None = None
) -> tuple[int, ...]:
    """Return how far each pixel looks along each axis: three standard deviations.

    Examples
    --------
    >>> smoothing_reach(1.0, 3, (2.0, 1.0, 1.0))
    (2, 3, 3)
    """
    return tuple(ceil(TRUNCATE * s) for s in _sigmas(sigma, ndim, spacing))


def smoothed(
    values: NDArray[Any], sigma: float, spacing: Sequence[float] | None = None
) -> Floats:
    """Smooth by a Gaussian that is cut off at three standard deviations.

    Parameters
    ----------
    values
        Shape (*S); NaN counts as 0.
    sigma
        Standard deviation in pixels of the finest axis; along a coarser axis it is as
        much in physical units.
    spacing
        Pixel size per axis.

    Returns
    -------
    ndarray of float32, shape (*S)
        Beyond the border the image is mirrored, the pixel at the border being repeated.

    Notes
    -----
    A pixel is computed from those within `smoothing_reach`, in the same order wherever
    they lie. So a part of an image with so much around it gives the same numbers as the
    whole.

    Examples
    --------
    >>> row = np.array([[0, 0, 0, 1, 0, 0, 0]], np.float32)
    >>> smoothed(row, 0.5)[0, 2:5].round(2)
    array([0.11, 0.79, 0.11], dtype=float32)
    >>> row[0, 6] = np.nan
    >>> smoothed(row, 0.5)[0, 2:5].round(2)
    array([0.11, 0.79, 0.11], dtype=float32)
    """
    found = np.ascontiguousarray(values, np.float32)
    unknown = np.isnan(found)
    if unknown.any():
        found = np.where(unknown, np.float32(0), found)
    for axis, step in enumerate(_sigmas(sigma, found.ndim, spacing)):
        if found.shape[axis] < 2:
            continue
        offsets = np.arange(ceil(TRUNCATE * step) + 1)
        weights = np.exp(-0.5 * (offsets / step) ** 2)
        weights /= weights[0] + 2 * weights[1:].sum()
        shape = found.shape
        inner = int(np.prod(shape[axis + 1 :]))
        lines = found.reshape(-1, shape[axis], inner)
        result = np.empty_like(lines)
        kernel = _along_rows if inner == 1 else _across_rows
        kernel(lines, weights.astype(np.float32), result)
        found = result.reshape(shape)
    return found


def _sigmas(
    sigma: float, ndim: int, spacing: Sequence[float] | None
) -> tuple[float, ...]:
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    return tuple((sigma * steps.min() / steps).tolist())


@compiled
def _mirrored(index: int, length: int) -> int:
    index %= 2 * length
    return min(index, 2 * length - 1 - index)


@compiled
def _across_rows(lines: Floats, weights: Floats, result: Floats) -> None:
    """Smooth (A, n, B) along the middle axis, whole rows at a time."""
    length = lines.shape[1]
    for a in range(lines.shape[0]):
        for i in range(length):
            row, out = lines[a, i], result[a, i]
            for x in range(row.size):
                out[x] = weights[0] * row[x]
            for k in range(1, weights.size):
                weight = weights[k]
                low = lines[a, _mirrored(i - k, length)]
                high = lines[a, _mirrored(i + k, length)]
                for x in range(row.size):
                    out[x] += weight * (low[x] + high[x])


@compiled
def _along_rows(lines: Floats, weights: Floats, result: Floats) -> None:
    """Smooth (A, n, 1) along the middle axis."""
    reach, length = weights.size - 1, lines.shape[1]
    padded = np.empty(length + 2 * reach, np.float32)
    for a in range(lines.shape[0]):
        row, out = lines[a, :, 0], result[a, :, 0]
        for x in range(reach):
            padded[x] = row[_mirrored(x - reach, length)]
            padded[reach + length + x] = row[_mirrored(length + x, length)]
        padded[reach : reach + length] = row
        for x in range(length):
            out[x] = weights[0] * row[x]
        for k in range(1, weights.size):
            weight = weights[k]
            low = padded[reach - k : reach - k + length]
            high = padded[reach + k : reach + k + length]
            for x in range(length):
                out[x] += weight * (low[x] + high[x])
