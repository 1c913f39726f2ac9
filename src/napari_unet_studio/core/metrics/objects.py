"""Measures of objects: which were found, and how well they are covered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair, renumbered

IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds of the average precision."""


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
        p, r = as_pair(predicted, reference)
        p, r = renumbered(p), renumbered(r)
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

    def matches(self, threshold: float = 0.5) -> "ObjectScores":
        """Match objects whose IoU exceeds `threshold` (at least 0.5: then unique)."""
        if not 0.5 <= threshold < 1:
            raise InputError(
                f"The IoU threshold is {threshold}; matches are unique from 0.5 to 1."
            )
        matched = int(np.count_nonzero(self.iou > threshold))
        found = len(self.predicted_area) - 1
        there = len(self.reference_area) - 1
        return ObjectScores(matched, found - matched, there - matched)

    def seg(self) -> "Seg":
        """Sum the IoU of the reference objects with what covers more than half."""
        covered = 2 * self.pixels > self.reference_area[self.reference]
        return Seg(float(self.iou[covered].sum()), len(self.reference_area) - 1)


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
        return Overlap.of(predicted, reference).matches(threshold)

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


@dataclass(frozen=True)
class Seg:
    """SEG of the Cell Tracking Challenge; sums over images.

    Parameters
    ----------
    total
        Sum of the IoU of the reference objects; 0 for one without a match.
    objects
        Number of reference objects.

    Notes
    -----
    A reference object is matched by the one that covers more than half of its pixels
    [1]_. Objects that match nothing cost nothing by themselves.

    References
    ----------
    .. [1] Ulman et al. Nature Methods 14, 1141-1152, 2017.

    Examples
    --------
    >>> Seg.of([[1, 1, 0, 2, 2, 2]], [[1, 1, 1, 0, 2, 0]])
    Seg(total=1.0, objects=2)
    """

    total: float
    objects: int

    @classmethod
    def of(cls, predicted: ArrayLike, reference: ArrayLike) -> "Seg":
        """Match the objects of two label images, 0 is background."""
        return Overlap.of(predicted, reference).seg()

    def __add__(self, other: "Seg") -> "Seg":
        return Seg(self.total + other.total, self.objects + other.objects)

    @property
    def value(self) -> float:
        """Mean IoU of the reference objects, 0 to 1; NaN without any."""
        return self.total / self.objects if self.objects else float("nan")
