"""What the scores of objects are made of, for each image and for each object."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.metrics import ratios
from napari_unet_studio.core.metrics.errors import ObjectErrors, Verdict
from napari_unet_studio.core.metrics.objects import IOU_THRESHOLDS
from napari_unet_studio.core.metrics.overlap import Overlap
from napari_unet_studio.core.metrics.sums import Sums

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ObjectSums(Sums):
    """Sums over objects; each array has one row for each unit.

    Parameters
    ----------
    there, matched
        Reference objects, and those that are matched.
    true, false
        Matched objects, and predicted ones without a match, (units, thresholds); those
        that cannot be judged are not counted.
    iou, seg
        Sums of the IoU of matched objects, and of those that cover more than half.
    both, found_pixels, there_pixels, pixels
        Pixels of objects in both images, in the prediction, in the reference, and all;
        of a single object the last is 0.
    missed, spurious, merges, splits
        See :class:`.ObjectErrors`.
    apart, touching
        Touching pairs that are kept apart, and all; of a single object 0.
    """

    there: Numbers
    matched: Numbers
    true: Numbers
    false: Numbers
    iou: Numbers
    seg: Numbers
    both: Numbers
    found_pixels: Numbers
    there_pixels: Numbers
    pixels: Numbers
    missed: Numbers
    spurious: Numbers
    merges: Numbers
    splits: Numbers
    apart: Numbers
    touching: Numbers

    @classmethod
    def none(cls) -> "ObjectSums":
        """Return the sums of no unit."""
        wide = ("true", "false")
        return cls(
            **{
                name: np.zeros((0, len(IOU_THRESHOLDS)) if name in wide else 0)
                for name in cls.__dataclass_fields__
            }
        )

    @classmethod
    def of_objects(cls, overlap: Overlap) -> "ObjectSums":
        """Return a unit for each reference object, and for each predicted one alone.

        A predicted object that matches belongs to the unit of its reference object.
        """
        iou = overlap.iou
        matched, covers = overlap.matches(), overlap.covers
        p, r, there, found = (
            overlap.predicted,
            overlap.reference,
            overlap.there,
            overlap.found,
        )
        unit = np.zeros(found + 1, np.intp)  # of each predicted object
        unit[p[matched]] = r[matched]
        alone = unit == 0
        alone[0] = False
        count = there + int(np.count_nonzero(alone))
        unit[alone] = np.arange(there + 1, count + 1)

        def of_pairs(chosen: NDArray[np.bool_], values: NDArray[Any]) -> Numbers:
            sums = np.bincount(r[chosen], values[chosen], minlength=count + 1)
            return sums[1:].astype(np.float64)

        def of_reference(values: NDArray[Any]) -> Numbers:
            return np.concatenate((values, np.zeros(count - there))).astype(np.float64)

        def of_predicted(values: NDArray[Any]) -> Numbers:
            sums = np.bincount(unit[1:], values, minlength=count + 1)
            return sums[1:].astype(np.float64)

        true = np.zeros((count, len(IOU_THRESHOLDS)))
        false = np.zeros_like(true)
        for place, threshold in enumerate(IOU_THRESHOLDS):
            pairs = overlap.matches(threshold)
            true[:, place] = of_pairs(pairs, pairs)
            wrong = ~overlap.excused(threshold)
            wrong[p[pairs]] = False
            false[:, place] = of_predicted(wrong[1:])
        errors = ObjectErrors.from_overlap(overlap)
        nothing = np.zeros(count)
        return cls(
            there=of_reference(np.ones(there)),
            matched=of_pairs(matched, matched),
            true=true,
            false=false,
            iou=of_pairs(matched, iou),
            seg=of_pairs(covers, iou),
            both=of_pairs(np.ones_like(matched), overlap.pixels),
            found_pixels=of_predicted(overlap.predicted_area[1:]),
            there_pixels=of_reference(overlap.reference_area[1:]),
            pixels=nothing,
            missed=of_reference(errors.reference == Verdict.MISSED),
            spurious=of_predicted(errors.predicted == Verdict.SPURIOUS),
            merges=of_predicted(errors.is_merge),
            splits=of_reference(errors.is_split),
            apart=nothing,
            touching=nothing,
        )

    @classmethod
    def of_image(
        cls, overlap: Overlap, objects: "ObjectSums", apart: int, touching: int
    ) -> "ObjectSums":
        """Return an image as one unit, given its objects and its touching pairs."""
        whole = objects.total()
        values = {name: getattr(whole, name) for name in cls.__dataclass_fields__}
        values["pixels"] += overlap.predicted_area.sum()
        values["apart"] += apart
        values["touching"] += touching
        return cls(**values)

    def scores(self) -> dict[str, NDArray[Any]]:
        """Return the scores of each unit; NaN where nothing can be measured."""
        true, false = self.true, self.false
        missed = self.there[:, None] - true
        precisions = ratios.average_precision(true, false, missed)
        first = (true[:, 0], false[:, 0], missed[:, 0])
        wrong = self.found_pixels + self.there_pixels - 2 * self.both
        areas = (self.both, self.found_pixels, self.there_pixels)
        return {
            "iou": ratios.iou(*areas),
            "dice": ratios.dice(*areas),
            "pixel_error": ratios.ratio(wrong, self.pixels),
            "precision": ratios.ratio(true[:, 0], true[:, 0] + false[:, 0]),
            "recall": ratios.ratio(true[:, 0], self.there),
            "f1": ratios.f1(*first),
            "panoptic_quality": ratios.panoptic_quality(self.iou, *first),
            "matched_iou": ratios.ratio(self.iou, self.matched),
            "seg": ratios.ratio(self.seg, self.there),
            "average_precision": precisions[:, 0],
            **{
                f"average_precision_{threshold:g}": precisions[:, place]
                for place, threshold in enumerate(IOU_THRESHOLDS)
                if place
            },
            "average_precision_mean": precisions.mean(axis=1),
            "pairs_kept_apart": ratios.ratio(self.apart, self.touching),
        }

    def counts(self) -> dict[str, NDArray[Any]]:
        """Return the numbers of errors; NaN where there is no object."""
        none = self.there + self.false[:, 0] == 0
        names = ("matched", "missed", "spurious", "merges", "splits")
        return {name: np.where(none, np.nan, getattr(self, name)) for name in names}
