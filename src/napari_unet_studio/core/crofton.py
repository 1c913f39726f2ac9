"""Perimeter and surface from how often lines on the pixel grid cross a border.

By the formula of Cauchy and Crofton the perimeter is pi / 2 times, the surface 2 times
the mean over all directions of the crossings per length or area. The grid offers four
directions in a plane and thirteen in a volume; each counts with the share of all
directions that are nearest to it [1]_, which holds for pixels of any shape.

References
----------
.. [1] Legland, Kieu, Devaux. Computation of Minkowski measures on 2D and 3D binary
   images. Image Analysis & Stereology 26, 2007.
"""

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray


def neighbours(ndim: int) -> NDArray[np.int64]:
    """Return the steps to the 8 or 26 neighbours of a pixel, (k, 3) along Z, Y and X.

    Examples
    --------
    >>> neighbours(2)[:3].tolist()
    [[0, -1, -1], [0, -1, 0], [0, -1, 1]]
    """
    reach = (1, 3, 3) if ndim == 2 else (3, 3, 3)
    every = np.array(list(np.ndindex(*reach)), np.int64) - (np.array(reach) - 1) // 2
    steps: NDArray[np.int64] = every[np.any(every != 0, axis=1)]
    return steps


def crossing_weights(spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return what a neighbour outside an object adds to its perimeter or surface.

    Parameters
    ----------
    spacing
        Size of a pixel along (Y, X) or (Z, Y, X).

    Returns
    -------
    ndarray of float64
        One number for each of `neighbours`.

    Examples
    --------
    >>> crossing_weights((1, 1)).round(4).tolist()
    [0.2777, 0.3927, 0.2777, 0.3927, 0.3927, 0.2777, 0.3927, 0.2777]
    """
    ndim = len(spacing)
    vectors = neighbours(ndim)[:, -ndim:] * np.asarray(spacing, float)
    lengths = np.linalg.norm(vectors, axis=1)
    shares = _shares(vectors / lengths[:, None])
    # A line goes in two opposite directions; what it counts has the share of both.
    factor = pi / 2 if ndim == 2 else 2.0
    found: NDArray[np.float64] = 2 * factor * shares * np.prod(spacing) / lengths
    return found


def _shares(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of all directions that are nearest to each of some."""
    if units.shape[1] == 2:
        angles = np.arctan2(units[:, 0], units[:, 1])
        order = np.argsort(angles)
        gaps = np.diff(angles[order], append=angles[order[0]] + 2 * pi)
        shares = np.empty(len(units))
        shares[order] = (gaps + np.roll(gaps, 1)) / (4 * pi)
        return shares
    from scipy.spatial import SphericalVoronoi

    areas: NDArray[np.float64] = SphericalVoronoi(units).calculate_areas()
    return areas / (4 * pi)
