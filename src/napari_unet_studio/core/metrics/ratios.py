"""The formulas of scores, for numbers and for arrays of them alike."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def ratio(part: ArrayLike, whole: ArrayLike) -> Values:
    """Return part / whole; NaN where the whole is 0: there is nothing to measure.

    Examples
    --------
    >>> ratio([1, 0], [2, 0])
    array([0.5, nan])
    """
    a, b = np.broadcast_arrays(
        np.asarray(part, np.float64), np.asarray(whole, np.float64)
    )
    result = np.full(b.shape, np.nan)
    np.divide(a, b, out=result, where=b != 0)
    return result


def iou(both: ArrayLike, first: ArrayLike, second: ArrayLike) -> Values:
    """Intersection over union, of the sizes of the intersection and of two sets."""
    return ratio(both, np.add(first, second) - np.asarray(both))


def dice(both: ArrayLike, first: ArrayLike, second: ArrayLike) -> Values:
    """Dice coefficient, of the sizes of the intersection and of two sets."""
    return ratio(2 * np.asarray(both), np.add(first, second))


def f1(true: ArrayLike, spurious: ArrayLike, missed: ArrayLike) -> Values:
    """Harmonic mean of precision and recall, of numbers of objects."""
    doubled = 2 * np.asarray(true)
    return ratio(doubled, doubled + np.add(spurious, missed))


def average_precision(
    true: ArrayLike, spurious: ArrayLike, missed: ArrayLike
) -> Values:
    """TP / (TP + FP + FN) of the Data Science Bowl 2018, of numbers of objects."""
    return ratio(true, np.asarray(true) + np.add(spurious, missed))


def panoptic_quality(
    iou_sum: ArrayLike, true: ArrayLike, spurious: ArrayLike, missed: ArrayLike
) -> Values:
    """Sum of the IoU of matched objects, divided by TP + FP / 2 + FN / 2."""
    return ratio(
        2 * np.asarray(iou_sum), 2 * np.asarray(true) + np.add(spurious, missed)
    )


def mean_known(values: Values) -> Values:
    """Return the mean along the last axis of what is not NaN; NaN of nothing.

    Examples
    --------
    >>> mean_known(np.array([[1, 3], [2, np.nan], [np.nan, np.nan]]))
    array([ 2.,  2., nan])
    """
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))
