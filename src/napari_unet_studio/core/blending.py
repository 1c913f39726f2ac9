"""Weights with which overlapping tiles are blended into one answer.

Networks that look at all they are given (squeeze-and-excitation, instance and group
normalisation, a guided module) answer each tile a little differently. Their tiles
overlap, and each counts most at its middle, by a Gaussian whose deviation is an eighth
of the tile (Isensee et al. 2021, nnU-Net).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Deviation of the Gaussian as a share of the tile.
_DEVIATION = 0.125


def blend(places: Sequence[int], length: int) -> list[NDArray[np.float32]]:
    """Return the weights of tiles along one axis; they add up to 1 at each pixel.

    The weights of a grid of tiles are the products of those along its axes, so nothing
    has to be added up and divided afterwards.

    Parameters
    ----------
    places
        First pixel of each tile, in ascending order.
    length
        Of each tile.

    Returns
    -------
    list of ndarray of float32, shape (length,)
        One for each tile.

    Examples
    --------
    >>> first, second = blend([0, 2], 4)
    >>> print(first.round(2), second.round(2))
    [1.   1.   0.98 0.02] [0.02 0.98 1.   1.  ]
    """
    middle = (length - 1) / 2
    offsets = (np.arange(length) - middle) / (_DEVIATION * length)
    bump = np.exp(-(offsets**2) / 2)
    starts = [place - places[0] for place in places]
    total = np.zeros(starts[-1] + length)
    for start in starts:
        total[start : start + length] += bump
    return [(bump / total[s : s + length]).astype(np.float32) for s in starts]
