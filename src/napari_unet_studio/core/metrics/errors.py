"""What went wrong with each object: missed, spurious, merged or split."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.metrics._arrays import as_pair
from napari_unet_studio.core.metrics.overlap import Overlap


class Verdict(IntEnum):
    """What is said of an object, or of a pixel of an error map."""

    BACKGROUND = 0
    MATCHED = 1
    MISSED = 2
    SPURIOUS = 3
    MERGED = 4
    SPLIT = 5


@dataclass(frozen=True, eq=False)
class ObjectErrors:
    """The verdict on each object, and how often each error occurs.

    Parameters
    ----------
    predicted, reference
        The :class:`Verdict` of each object, in the order of its ids.
    predicted_ids, reference_ids
        Ids of the objects, in increasing order.
    matched
        Pairs of objects whose IoU exceeds the threshold.
    missed, spurious
        Reference objects, and predicted ones, that neither match nor belong to a merger
        or a split.
    merges
        Predicted objects that each cover more than half of two or more reference
        objects.
    splits
        Reference objects that hold more than half of each of two or more predicted
        ones.
    is_merge, is_split
        Which predicted objects are counted as merges, and which reference objects as
        splits.

    Notes
    -----
    MERGED are a predicted object that is a merge and the reference objects it covers;
    SPLIT a reference object that is split and the predicted ones it holds. Of several
    verdicts an object has the first of MERGED, SPLIT and MATCHED: a large object that
    swallowed a small one may match, and is a merge nevertheless. Two wrong boundaries
    between the same two objects can make a merge and a split of one object. A predicted
    object that cannot be judged, see :meth:`.Overlap.excused`, is BACKGROUND.

    Examples
    --------
    >>> errors = ObjectErrors.of([[5, 5, 5, 5, 0, 8]], [[1, 1, 2, 2, 3, 0]])
    >>> errors.merges, errors.splits, errors.missed, errors.spurious, errors.matched
    (1, 0, 1, 1, 0)
    >>> [Verdict(v).name for v in errors.reference]
    ['MERGED', 'MERGED', 'MISSED']
    """

    predicted: NDArray[np.int8]
    predicted_ids: NDArray[Any]
    reference: NDArray[np.int8]
    reference_ids: NDArray[Any]
    matched: int
    missed: int
    spurious: int
    merges: int
    splits: int
    is_merge: NDArray[np.bool_]
    is_split: NDArray[np.bool_]

    @classmethod
    def of(
        cls, predicted: ArrayLike, reference: ArrayLike, threshold: float = 0.5
    ) -> "ObjectErrors":
        """Judge the objects of two label images.

        Parameters
        ----------
        predicted, reference
            Instance ids of the same shape, 0 is background.
        threshold
            IoU that a match exceeds, from 0.5 on: then it is unique.

        Raises
        ------
        InputError
            If the shapes differ, the ids are no whole numbers, or the threshold is
            below 0.5.
        """
        return cls.from_overlap(Overlap.of(predicted, reference), threshold)

    @classmethod
    def from_overlap(cls, overlap: Overlap, threshold: float = 0.5) -> "ObjectErrors":
        """Judge the objects of an overlap."""
        p, r = overlap.predicted, overlap.reference
        matched = overlap.matches(threshold)
        covers, inside = overlap.covers, overlap.inside
        merges = np.bincount(p[covers], minlength=overlap.found + 1) > 1
        splits = np.bincount(r[inside], minlength=overlap.there + 1) > 1
        in_merge, in_split = covers & merges[p], inside & splits[r]

        found = np.full(overlap.found + 1, Verdict.SPURIOUS, np.int8)
        found[overlap.excused(threshold)] = Verdict.BACKGROUND
        found[p[matched]] = Verdict.MATCHED
        found[p[in_split]] = Verdict.SPLIT
        found[p[in_merge]] = Verdict.MERGED
        there = np.full(overlap.there + 1, Verdict.MISSED, np.int8)
        there[r[matched]] = Verdict.MATCHED
        there[r[in_split]] = Verdict.SPLIT
        there[r[in_merge]] = Verdict.MERGED
        return cls(
            found[1:],
            overlap.predicted_ids[1:],
            there[1:],
            overlap.reference_ids[1:],
            int(np.count_nonzero(matched)),
            int(np.count_nonzero(there[1:] == Verdict.MISSED)),
            int(np.count_nonzero(found[1:] == Verdict.SPURIOUS)),
            int(np.count_nonzero(merges)),
            int(np.count_nonzero(splits)),
            merges[1:],
            splits[1:],
        )


def error_map(
    predicted: ArrayLike,
    reference: ArrayLike,
    threshold: float = 0.5,
    ignored: ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """Return the :class:`Verdict` of each pixel.

    Parameters
    ----------
    predicted, reference
        Instance ids of the same shape, 0 is background.
    threshold
        See :meth:`ObjectErrors.of`.
    ignored
        Mask of the pixels that do not count, which are BACKGROUND.

    Returns
    -------
    ndarray of uint8
        Of the shape of the labels. Of several verdicts a pixel has the first of these:
        that of its reference object, if this was missed, merged or split; SPURIOUS,
        if its predicted object is; MATCHED, if both its objects are. The rest is
        BACKGROUND, and so are the margins where a matched object is too large or too
        small.

    Raises
    ------
    InputError
        If the shapes differ, the ids are no whole numbers, or the threshold is below
        0.5.

    Examples
    --------
    >>> error_map([[1, 1, 0, 0, 7, 7]], [[2, 2, 2, 0, 0, 3]])
    array([[1, 1, 0, 0, 3, 2]], dtype=uint8)
    """
    p, r = as_pair(predicted, reference)
    overlap = Overlap.of(p, r, ignored)
    errors = ObjectErrors.from_overlap(overlap, threshold)
    if ignored is not None:
        p, r = (np.where(ignored, 0, labels) for labels in (p, r))
    there = _painted(r, errors.reference_ids, errors.reference)
    found = _painted(p, errors.predicted_ids, errors.predicted)
    shown = np.where(found == Verdict.SPURIOUS, found, 0).astype(np.uint8)
    agree = _painted(p, errors.predicted_ids, _partners(overlap, threshold))
    numbers = np.arange(1, overlap.there + 1, dtype=np.int32)
    agree *= agree == _painted(r, errors.reference_ids, numbers)
    shown[agree > 0] = Verdict.MATCHED
    wrong = there > Verdict.MATCHED
    shown[wrong] = there[wrong]
    return shown


def _partners(overlap: Overlap, threshold: float) -> NDArray[np.int32]:
    """Return the number of the reference object that each predicted one matches."""
    matched = overlap.matches(threshold)
    partners = np.zeros(overlap.found + 1, np.int32)
    partners[overlap.predicted[matched]] = overlap.reference[matched]
    return partners[1:]


def _painted(
    labels: NDArray[Any], ids: NDArray[Any], values: NDArray[Any]
) -> NDArray[Any]:
    """Give each pixel the value of its object; ids are in increasing order."""
    if not len(ids):
        return np.zeros(labels.shape, values.dtype)
    highest = int(ids[-1])
    if highest <= labels.size + 255:  # a table is quicker than a search
        table = np.zeros(highest + 1, values.dtype)
        table[ids.astype(np.int64)] = values
        return np.asarray(table[np.maximum(labels, 0).astype(np.int64, copy=False)])
    labels = labels.astype(ids.dtype, copy=False)  # as float64, ids could be alike
    places = np.minimum(np.searchsorted(ids, labels), len(ids) - 1)
    return np.where(ids[places] == labels, values[places], values.dtype.type(0))
