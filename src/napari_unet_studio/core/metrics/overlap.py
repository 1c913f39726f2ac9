"""How the objects of two label images overlap: what their measures are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.counting import count_pairs
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair, whole_numbers

HIGHEST = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Overlap:
    """Sparse overlap of two instance labellings; no step loops over objects.

    Objects are numbered from 1 in the order of their ids; 0 is background.

    Parameters
    ----------
    predicted, reference
        Numbers of each overlapping pair, background left out.
    pixels
        Pixels of each pair.
    predicted_area, reference_area
        Pixels of each object; index = number.
    predicted_ids, reference_ids
        Id of each object in its image; index = number.
    predicted_ignored
        Pixels of each predicted object that are ignored, and not in its area.
    """

    predicted: NDArray[np.intp]
    reference: NDArray[np.intp]
    pixels: NDArray[np.int64]
    predicted_area: NDArray[np.int64]
    reference_area: NDArray[np.int64]
    predicted_ids: NDArray[Any]
    reference_ids: NDArray[Any]
    predicted_ignored: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        predicted: ArrayLike,
        reference: ArrayLike,
        ignored: ArrayLike | None = None,
    ) -> "Overlap":
        """Count the overlaps of two label images.

        Parameters
        ----------
        predicted, reference
            Instance ids of the same shape and of any integer type; 0 and what is below
            is background.
        ignored
            Mask of the pixels that do not count; what lies in them wholly does not
            exist.

        Raises
        ------
        InputError
            If the shapes differ, or the ids are no whole numbers.

        Examples
        --------
        >>> overlap = Overlap.of([[7, 7, 0, 9]], [[3, 3, 3, 0]])
        >>> overlap.predicted_ids[overlap.predicted], overlap.pixels, overlap.iou
        (array([7]), array([2]), array([0.66666667]))
        """
        p, r = (whole_numbers(labels) for labels in as_pair(predicted, reference))
        out = None
        if ignored is not None:
            out = np.asarray(ignored, dtype=np.bool_)
            as_pair(out, r)
        (p, found_names), (r, there_names) = _narrowed(p), _narrowed(r)
        found, there, pixels = count_pairs(p, r, out)
        left = there < 0
        found_out, pixels_out = found[left], pixels[left]
        found, there, pixels = found[~left], there[~left], pixels[~left]
        found_ids, first = _numbers(found)
        there_ids, second = _numbers(there)
        outside = np.zeros(len(found_ids), np.int64)
        places = np.searchsorted(found_ids, found_out)
        known = places < len(found_ids)
        known[known] = found_ids[places[known]] == found_out[known]
        outside[places[known]] = pixels_out[known]
        both = (first > 0) & (second > 0)
        return cls(
            first[both],
            second[both],
            pixels[both],
            _sums(first, pixels, len(found_ids)),
            _sums(second, pixels, len(there_ids)),
            found_ids if found_names is None else found_names[found_ids],
            there_ids if there_names is None else there_names[there_ids],
            outside,
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each overlapping pair."""
        areas = (
            self.predicted_area[self.predicted] + self.reference_area[self.reference]
        )
        return np.asarray(self.pixels / (areas - self.pixels), np.float64)

    @property
    def covers(self) -> NDArray[np.bool_]:
        """Which pairs cover more than half of the reference object."""
        return 2 * self.pixels > self.reference_area[self.reference]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which pairs hold more than half of the predicted object."""
        return 2 * self.pixels > self.predicted_area[self.predicted]

    @property
    def found(self) -> int:
        """Number of predicted objects."""
        return len(self.predicted_area) - 1

    @property
    def there(self) -> int:
        """Number of reference objects."""
        return len(self.reference_area) - 1

    def matches(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Return which overlapping pairs match: those whose IoU exceeds `threshold`.

        Raises
        ------
        InputError
            If it is below 0.5, where an object could match several, or not below 1.
        """
        if not 0.5 <= threshold < 1:
            raise InputError(
                f"The IoU threshold is {threshold}; matches are unique from 0.5 to 1."
            )
        return np.asarray(self.iou > threshold)

    def excused(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Return which predicted objects cannot be judged; index = number.

        Those are the ones without a match that lie in ignored pixels to more than half.
        """
        alone = (
            2 * self.predicted_ignored > self.predicted_area + self.predicted_ignored
        )
        alone[self.predicted[self.matches(threshold)]] = False
        alone[0] = False
        return alone


def _narrowed(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return labels that fit int64, and the ids they stand for if these do not."""
    if labels.dtype != np.uint64 or int(labels.max(initial=0)) <= HIGHEST:
        return labels, None
    ids, codes = np.unique(labels, return_inverse=True)
    if ids[0]:
        ids, codes = np.concatenate((np.zeros(1, np.uint64), ids)), codes + 1
    return codes.reshape(labels.shape), ids


def _numbers(
    values: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the values that occur, 0 first, and the place of each among them."""
    ids = np.unique(np.concatenate((np.zeros(1, np.int64), values)))
    return ids, np.searchsorted(ids, values)


def _sums(
    numbers: NDArray[np.intp], pixels: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    # Sums of pixels are whole numbers far below 2 ** 53.
    return np.bincount(numbers, pixels, minlength=size).astype(np.int64)
