"""Measures of a segmentation against a reference: pixels, classes and objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.distances import numbered
from napari_unet_studio.core.errors import InputError

IntArray = NDArray[np.integer]


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[IntArray, IntArray]:
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        raise InputError(
            f"The two label images have different shapes, {a.shape} and {b.shape}; "
            "compare images of the same pixels."
        )
    return a, b


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixel counts of every (predicted class, reference class); sums over images.

    Parameters
    ----------
    counts
        Array (K, K); rows are the prediction, columns the reference.

    Examples
    --------
    >>> c = Confusion.of([[0, 1, 1, 1]], [[0, 0, 1, 1]])
    >>> c.pixel_error, c.iou(1).round(3), c.dice(1)
    (0.25, np.float64(0.667), np.float64(0.8))
    """

    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        predicted: ArrayLike,
        reference: ArrayLike,
        num_classes: int = 2,
        ignore: int | None = None,
    ) -> "Confusion":
        """Count the pixels of two arrays of class indices 0..num_classes - 1.

        Pixels whose reference is `ignore` are left out.

        Raises
        ------
        InputError
            If the shapes differ, or another value than these occurs.
        """
        p, r = _pair(predicted, reference)
        keep = np.ones(r.shape, bool) if ignore is None else r != ignore
        p, r = p[keep].astype(np.int64), r[keep].astype(np.int64)
        for values in (p, r):
            if values.size and not 0 <= values.min() <= values.max() < num_classes:
                raise InputError(
                    f"There are classes from {values.min()} to {values.max()}; "
                    f"expected are 0 to {num_classes - 1}."
                )
        codes = p * num_classes + r
        counts = np.bincount(codes.ravel(), minlength=num_classes**2)
        return cls(counts.reshape(num_classes, num_classes))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def pixel_error(self) -> float:
        """Share of pixels with the wrong class (ISBI 2012); NaN without pixels."""
        total = self.counts.sum()
        return float(1 - np.trace(self.counts) / total) if total else float("nan")

    def iou(self, label: int) -> np.float64:
        """Intersection over union of a class; NaN if it is in neither image."""
        both = self.counts[label, label]
        union = self.counts[label].sum() + self.counts[:, label].sum() - both
        return np.float64(both / union) if union else np.float64("nan")

    def dice(self, label: int) -> np.float64:
        """Dice coefficient of a class; NaN if it is in neither image."""
        both = self.counts[label, label]
        total = self.counts[label].sum() + self.counts[:, label].sum()
        return np.float64(2 * both / total) if total else np.float64("nan")

    def mean_iou(self) -> float:
        """Mean IoU of the classes but background that occur; NaN if none does."""
        values = [self.iou(label) for label in range(1, len(self.counts))]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def mean_dice(self) -> float:
        """Mean Dice of the classes but background that occur; NaN if none does."""
        values = [self.dice(label) for label in range(1, len(self.counts))]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True, eq=False)
class Overlap:
    """Sparse overlap of two instance labellings; no step loops over objects.

    Parameters
    ----------
    predicted, reference
        Ids of each overlapping pair, background left out.
    pixels
        Pixels of each pair.
    predicted_area, reference_area
        Pixels of each id; index = id.
    """

    predicted: NDArray[np.intp]
    reference: NDArray[np.intp]
    pixels: NDArray[np.int64]
    predicted_area: NDArray[np.int64]
    reference_area: NDArray[np.int64]

    @classmethod
    def of(cls, predicted: ArrayLike, reference: ArrayLike) -> "Overlap":
        """Count overlaps; ids are renumbered 1..n in increasing order."""
        p, r = _pair(predicted, reference)
        p, r = _renumber(p), _renumber(r)
        width = int(r.max(initial=0)) + 1
        pairs, pixels = np.unique(p.ravel() * width + r.ravel(), return_counts=True)
        first, second = pairs // width, pairs % width
        keep = (first > 0) & (second > 0)
        return cls(
            first[keep],
            second[keep],
            pixels[keep].astype(np.int64),
            np.bincount(p.ravel(), minlength=1).astype(np.int64),
            np.bincount(r.ravel(), minlength=1).astype(np.int64),
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each overlapping pair."""
        areas = (
            self.predicted_area[self.predicted] + self.reference_area[self.reference]
        )
        return self.pixels / (areas - self.pixels)


@dataclass(frozen=True)
class ObjectScores:
    """Objects found, at one IoU threshold; sums over images.

    Parameters
    ----------
    true_positives, false_positives, false_negatives
        Matched objects, spurious objects and missed objects.
    """

    true_positives: int
    false_positives: int
    false_negatives: int

    @classmethod
    def of(
        cls, predicted: ArrayLike, reference: ArrayLike, threshold: float = 0.5
    ) -> "ObjectScores":
        """Match objects whose IoU exceeds `threshold` (at least 0.5: then unique)."""
        if not 0.5 <= threshold < 1:
            raise InputError(
                f"The IoU threshold is {threshold}; matches are unique from 0.5 to 1."
            )
        overlap = Overlap.of(predicted, reference)
        matched = int(np.count_nonzero(overlap.iou > threshold))
        found = len(overlap.predicted_area) - 1
        there = len(overlap.reference_area) - 1
        return cls(matched, found - matched, there - matched)

    def __add__(self, other: "ObjectScores") -> "ObjectScores":
        return ObjectScores(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without any object."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else float("nan")

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN) (Data Science Bowl 2018); NaN without any object."""
        total = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / total if total else float("nan")


def touching_pairs(labels: ArrayLike, within: int = 1) -> NDArray[np.intp]:
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
        Each pair once, the smaller id first.

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
    pairs = np.stack((keys >> 32, keys & 0xFFFFFFFF), axis=1).astype(np.intp)
    return ids[pairs].astype(np.intp)


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
    p, r = _pair(predicted, reference)
    r = _renumber(r)
    pairs = touching_pairs(r, within)
    overlap = Overlap.of(p, r)
    best = np.zeros(len(overlap.reference_area), dtype=np.intp)
    major = 2 * overlap.pixels > overlap.reference_area[overlap.reference]
    best[overlap.reference[major]] = overlap.predicted[major]
    first, second = best[pairs[:, 0]], best[pairs[:, 1]]
    apart = (first > 0) & (second > 0) & (first != second)
    return int(np.count_nonzero(apart)), len(pairs)


def _renumber(labels: IntArray) -> NDArray[np.int64]:
    """Map the ids to 0..n keeping their order, with background at 0."""
    values, inverse = np.unique(labels, return_inverse=True)
    codes = np.cumsum(values > 0)
    return codes[inverse].reshape(labels.shape).astype(np.int64)


def mean_finite(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    finite = [v for v in values if v == v]
    return float(np.mean(finite)) if finite else float("nan")
