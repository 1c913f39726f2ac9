"""Distance of each pixel of a mask to the background, exactly, also block by block."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Squares = NDArray[np.float64]

NEAR = 64  # pixels along an axis, within which all candidates are compared


def inner_distance(
    mask: NDArray[Any], spacing: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Return the Euclidean distance to the nearest pixel of the background.

    Parameters
    ----------
    mask
        bool, shape (*S).
    spacing
        Pixel size per axis; distances are in the same unit.

    Returns
    -------
    ndarray of float32, shape (*S)
        0 in the background, infinite if there is none.

    Notes
    -----
    One pass per axis. Each takes the smallest of the candidates themselves, without the
    intersections of parabolas by which others find it: so no rounding depends on what
    lies further away. That takes as many steps per pixel as the distance is pixels, so
    beyond 64 pixels along an axis the intersections [1]_ choose the candidates; where
    pixels are no cubes the last bit may then depend on what lies further away.

    References
    ----------
    .. [1] Felzenszwalb and Huttenlocher. Distance transforms of sampled functions.
       Theory of Computing 8, 2012.

    Examples
    --------
    >>> inner_distance(np.array([[0, 1, 1, 1, 0, 0]]) > 0)
    array([[0., 1., 2., 1., 0., 0.]], dtype=float32)
    """
    steps = np.ones(mask.ndim) if spacing is None else np.asarray(spacing, float)
    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8)
    found: Squares = np.empty(mask.shape, np.float64)
    width = mask.shape[-1]
    _within_rows(pixels.reshape(-1, width), float(steps[-1]), found.reshape(-1, width))
    for axis in range(mask.ndim - 2, -1, -1):
        inner = int(np.prod(mask.shape[axis + 1 :]))
        lines = found.reshape(-1, mask.shape[axis], inner)
        result = np.empty_like(lines)
        _between_rows(lines, float(steps[axis]), result)
        found = result
    return np.sqrt(found).astype(np.float32).reshape(mask.shape)


@compiled
def _within_rows(pixels: NDArray[np.uint8], step: float, squares: Squares) -> None:
    """Square the distance to the nearest background of the same row."""
    width = pixels.shape[1]
    for r in range(pixels.shape[0]):
        line, out = pixels[r], squares[r]
        away = np.inf
        for x in range(width):
            away = away + step if line[x] else 0.0
            out[x] = away
        away = np.inf
        for x in range(width - 1, -1, -1):
            away = away + step if line[x] else 0.0
            nearer = min(away, out[x])
            out[x] = nearer * nearer


@compiled
def _between_rows(lines: Squares, step: float, result: Squares) -> None:
    """Lower the squares of (A, n, B) by what is along the middle axis."""
    length = lines.shape[1]
    limit = (NEAR * step) * (NEAR * step)
    for a in range(lines.shape[0]):
        far = np.zeros(lines.shape[2], np.bool_)
        for i in range(length):
            last = min(NEAR, max(i, length - 1 - i))
            for x in range(lines.shape[2]):
                best = lines[a, i, x]
                if best > 0:
                    for d in range(1, last + 1):
                        add = (d * step) * (d * step)
                        if add >= best:
                            break
                        if i >= d:
                            best = min(best, lines[a, i - d, x] + add)
                        if i + d < length:
                            best = min(best, lines[a, i + d, x] + add)
                    far[x] |= best > limit
                result[a, i, x] = best
        if length > NEAR:
            for x in range(lines.shape[2]):
                if far[x]:
                    _lower(lines[a, :, x], step, result[a, :, x])


@compiled
def _lower(line: Squares, step: float, result: Squares) -> None:
    """Lower the squares of a line to the lower envelope of all its parabolas."""
    length = line.size
    lowest = np.empty(length, np.int64)  # the parabolas of the envelope
    begin = np.empty(length, np.float64)  # where each of them begins to be the lowest
    count = 0
    square = step * step
    for q in range(length):
        if line[q] == np.inf:
            continue
        at = -np.inf
        while count:
            p = lowest[count - 1]
            rise = (line[q] - line[p]) / square
            at = (rise + q * q - p * p) / (2.0 * (q - p))
            if at > begin[count - 1]:
                break
            count -= 1
            at = -np.inf
        lowest[count], begin[count] = q, at
        count += 1
    k = 0
    for i in range(length):
        while k + 1 < count and begin[k + 1] <= i:
            k += 1
        for n in range(max(k - 1, 0), min(k + 2, count)):
            away = (i - lowest[n]) * step
            result[i] = min(result[i], line[lowest[n]] + away * away)
