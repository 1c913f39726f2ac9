"""Measures of objects: which were found, and how well they are covered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_unet_studio.core.metrics import ratios
from napari_unet_studio.core.metrics.overlap import Overlap

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Thresholds of the average precision; objects count as found from the first one."""


@dataclass(frozen=True)
class ObjectScores:
    """Objects found, at one IoU threshold; sums over images.

    Parameters
    ----------
    true_positives, false_positives, false_negatives
        Matched objects, predicted objects without a match, reference objects without.

    Notes
    -----
    Scores are NaN where there is no object to measure.

    Examples
    --------
    >>> scores = ObjectScores.of([[1, 1, 0, 2]], [[1, 1, 3, 0]])
    >>> scores
    ObjectScores(true_positives=1, false_positives=1, false_negatives=1)
    >>> scores.precision, scores.f1, round(scores.average_precision, 3)
    (0.5, 0.5, 0.333)
    """

    true_positives: int
    false_positives: int
    false_negatives: int

    @classmethod
    def of(
        cls, predicted: ArrayLike, reference: ArrayLike, threshold: float = 0.5
    ) -> "ObjectScores":
        """Match objects whose IoU exceeds `threshold` (at least 0.5: then unique)."""
        return cls.from_overlap(Overlap.of(predicted, reference), threshold)

    @classmethod
    def from_overlap(cls, overlap: Overlap, threshold: float = 0.5) -> "ObjectScores":
        """Match objects whose IoU exceeds `threshold` (at least 0.5: then unique).

        Predicted objects that cannot be judged, see :meth:`.Overlap.excused`, do not
        count.
        """
        matched = int(np.count_nonzero(overlap.matches(threshold)))
        excused = int(np.count_nonzero(overlap.excused(threshold)))
        return cls(matched, overlap.found - matched - excused, overlap.there - matched)

    def __add__(self, other: "ObjectScores") -> "ObjectScores":
        return ObjectScores(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are right."""
        total = self.true_positives + self.false_positives
        return float(ratios.ratio(self.true_positives, total))

    @property
    def recall(self) -> float:
        """Share of the reference objects that were found."""
        total = self.true_positives + self.false_negatives
        return float(ratios.ratio(self.true_positives, total))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without any object."""
        return float(ratios.f1(*self._counts))

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN) (Data Science Bowl 2018); NaN without any object."""
        return float(ratios.average_precision(*self._counts))

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.true_positives, self.false_positives, self.false_negatives


@dataclass(frozen=True)
class PanopticQuality:
    """Panoptic quality of objects of one kind; sums over images.

    Parameters
    ----------
    total
        Sum of the IoU of the matched objects.
    objects
        Matched and unmatched objects at IoU 0.5.

    Notes
    -----
    The product of the mean IoU of matched objects (`segmentation`) and F1
    (`recognition`) [1]_.

    References
    ----------
    .. [1] Kirillov et al. Panoptic Segmentation. CVPR 2019.

    Examples
    --------
    >>> quality = PanopticQuality.of([[1, 1, 1, 0, 2]], [[1, 1, 1, 1, 0]])
    >>> quality.segmentation, round(quality.recognition, 3), quality.value
    (0.75, 0.667, 0.5)
    """

    total: float
    objects: ObjectScores

    @classmethod
    def of(cls, predicted: ArrayLike, reference: ArrayLike) -> "PanopticQuality":
        """Match the objects of two label images, 0 is background."""
        return cls.from_overlap(Overlap.of(predicted, reference))

    @classmethod
    def from_overlap(cls, overlap: Overlap) -> "PanopticQuality":
        """Match objects whose IoU exceeds one half."""
        total = float(overlap.iou[overlap.matches()].sum())
        return cls(total, ObjectScores.from_overlap(overlap))

    def __add__(self, other: "PanopticQuality") -> "PanopticQuality":
        return PanopticQuality(self.total + other.total, self.objects + other.objects)

    @property
    def value(self) -> float:
        """Panoptic quality, 0 to 1; NaN without any object."""
        counts = self.objects
        return float(
            ratios.panoptic_quality(
                self.total,
                counts.true_positives,
                counts.false_positives,
                counts.false_negatives,
            )
        )

    @property
    def segmentation(self) -> float:
        """Mean IoU of the matched objects; NaN if none is."""
        return float(ratios.ratio(self.total, self.objects.true_positives))

    @property
    def recognition(self) -> float:
        """F1 of the objects; NaN without any."""
        return self.objects.f1


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
        return cls.from_overlap(Overlap.of(predicted, reference))

    @classmethod
    def from_overlap(cls, overlap: Overlap) -> "Seg":
        """Sum the IoU of the reference objects with what covers more than half."""
        covered = overlap.covers
        return cls(float(overlap.iou[covered].sum()), overlap.there)

    def __add__(self, other: "Seg") -> "Seg":
        return Seg(self.total + other.total, self.objects + other.objects)

    @property
    def value(self) -> float:
        """Mean IoU of the reference objects, 0 to 1; NaN without any."""
        return float(ratios.ratio(self.total, self.objects))
