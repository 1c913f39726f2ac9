"""Objects that touch, and whether a segmentation keeps them apart."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.distances import numbered
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair
from napari_unet_studio.core.metrics.overlap import Overlap


def touching_pairs(labels: ArrayLike, within: int = 1) -> NDArray[Any]:
    """Return the pairs of ids that come within `within` pixels of each other.

    Parameters
    ----------
    labels
        Instance ids, 0 background; any number of axes.
    within
        Largest Chebyshev distance between pixels of the two objects; 1 means that they
        touch, corners included.

    Returns
    -------
    ndarray of int, shape (n, 2)
        Each pair once, the smaller id first; of the type of the labels.

    Examples
    --------
    >>> touching_pairs([[1, 1, 2, 0, 3]]).tolist()
    [[1, 2]]
    >>> touching_pairs([[1, 1, 2, 0, 3]], within=2).tolist()
    [[1, 2], [2, 3]]
    """
    array = np.asarray(labels)
    if within < 1:
        raise InputError(f"The distance within is {within}; it must be 1 or more.")
    codes, ids = numbered(np.maximum(array, 0))
    found = [np.empty(0, np.int64)]
    for offset in np.ndindex(*(2 * within + 1,) * array.ndim):
        shift = tuple(o - within for o in offset)
        if shift <= (0,) * array.ndim:
            continue  # each direction once
        if any(abs(s) >= n for s, n in zip(shift, array.shape, strict=True)):
            continue  # further apart than the image is long
        here = tuple(slice(max(0, -s), -s if s > 0 else None) for s in shift)
        there = tuple(slice(max(0, s), s if s < 0 else None) for s in shift)
        a, b = codes[here], codes[there]
        meet = a != b
        meet &= a > 0
        meet &= b > 0
        first, second = a[meet].astype(np.int64), b[meet].astype(np.int64)
        low, high = np.minimum(first, second), np.maximum(first, second)
        found.append(np.unique(low << 32 | high))
    keys = np.unique(np.concatenate(found))
    return np.asarray(ids[np.stack((keys >> 32, keys & 0xFFFFFFFF), axis=1)])


def pairs_kept_apart(
    predicted: ArrayLike, reference: ArrayLike, within: int = 1
) -> tuple[int, int]:
    """Count touching reference pairs, and those that stay two objects in a prediction.

    Notes
    -----
    A pair is kept apart if each of its two objects is covered to more than half by
    predicted objects' single best matches and these two are different objects. A pair
    of which one is missed counts as not kept apart.

    Returns
    -------
    tuple of int
        (pairs kept apart, touching pairs).

    Examples
    --------
    >>> truth = [[1, 1, 2, 2]]
    >>> pairs_kept_apart([[7, 7, 0, 8]], truth), pairs_kept_apart([[7, 7, 7, 7]], truth)
    ((0, 1), (0, 1))
    >>> pairs_kept_apart([[7, 7, 8, 8]], truth)
    (1, 1)
    """
    p, r = as_pair(predicted, reference)
    return kept_apart(Overlap.of(p, r), touching_pairs(r, within))


def kept_apart(overlap: Overlap, pairs: NDArray[Any]) -> tuple[int, int]:
    """Count pairs of reference ids as `pairs_kept_apart`, from what overlaps.

    Parameters
    ----------
    overlap
        Of the two label images; pairs with objects that it does not know do not count.
    pairs
        Ids of the reference, see `touching_pairs`.
    """
    ids = overlap.reference_ids
    pairs = pairs.astype(ids.dtype, copy=False)  # as float64, ids could be alike
    numbers = np.minimum(np.searchsorted(ids, pairs), len(ids) - 1)
    numbers = numbers[(ids[numbers] == pairs).all(axis=1)]
    best = np.zeros(len(overlap.reference_area), dtype=np.intp)
    major = overlap.covers
    best[overlap.reference[major]] = overlap.predicted[major]
    first, second = best[numbers[:, 0]], best[numbers[:, 1]]
    apart = (first > 0) & (second > 0) & (first != second)
    return int(np.count_nonzero(apart)), len(numbers)
