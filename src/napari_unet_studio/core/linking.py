"""Objects that keep their ids from one time point to the next, by overlap."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.counting import Pairs, count_pairs
from napari_unet_studio.core.distances import check_labels, object_codes

Labels = NDArray[Any]
Ids = NDArray[np.int64]


class Linked(NamedTuple):
    """Ids of the objects of one time point.

    Parameters
    ----------
    ids
        By the number that an object has in its time point alone; 0 stays 0.
    highest
        Largest id given so far.
    """

    ids: Ids
    highest: int


def matched(found: Pairs, least: float) -> tuple[Ids, Ids]:
    """Pair objects one to one, the pair with the largest overlap first.

    Parameters
    ----------
    found
        Pixels of each pair of ids of the whole image, 0 included.
    least
        Pairs need this intersection over union, above 0.

    Returns
    -------
    before, after
        Ids of the pairs. Of equal overlaps the smaller id of the later, then of the
        earlier time point comes first.

    Notes
    -----
    Above 0.5 an object has at most one such partner, so no other pairing is better.
    """
    before, after = found.first, found.second
    sizes = [
        np.bincount(ids, weights=found.pixels, minlength=1) for ids in (before, after)
    ]
    both = (before > 0) & (after > 0)
    before, after, common = before[both], after[both], found.pixels[both]
    iou = common / (sizes[0][before] + sizes[1][after] - common)
    order = np.lexsort((before, after, -iou))
    order = order[iou[order] >= least]
    before, after = before[order], after[order]
    pairs: list[tuple[Ids, Ids]] = [(before[:0], after[:0])]
    # What is the best pair of both its objects is taken; then again, without these.
    while len(before):
        best = _first(before) & _first(after)
        pairs.append((before[best], after[best]))
        left = ~np.isin(before, before[best]) & ~np.isin(after, after[best])
        before, after = before[left], after[left]
    one, two = zip(*pairs, strict=True)
    return np.concatenate(one), np.concatenate(two)


def follow(earlier: Linked, count: int, found: Pairs | None, least: float) -> Linked:
    """Give ids to the objects 1..count of the next time point.

    Those without a partner get new ids, counted on in their order.
    """
    ids = np.zeros(count + 1, np.int64)
    if found is not None:
        before, after = matched(found, least)
        ids[after] = earlier.ids[before]
    new = np.flatnonzero(ids[1:] == 0) + 1
    ids[new] = earlier.highest + np.arange(1, len(new) + 1)
    return Linked(ids, earlier.highest + len(new))


NOTHING = Linked(np.zeros(1, np.int64), 0)


def link_objects(labels: Labels, least: float = 0.1) -> Labels:
    """Let objects keep their ids over time.

    Parameters
    ----------
    labels
        Shape (T, *S) with two or three axes besides time; ids of any integer type, 0
        and what is below is background.
    least
        Intersection over union that an object needs with one of the time point before
        to take over its id, above 0. Each id is given on once, to the object with the
        largest overlap.

    Returns
    -------
    ndarray of int32, shape (T, *S)
        An object without such a predecessor gets an id that no other has had: also one
        that was lost for a time point. If those of the first time point are 1..n, they
        stay.

    Raises
    ------
    InputError
        If the labels are no whole numbers, or have too few axes or too many.

    Examples
    --------
    >>> film = np.array([[[1, 1, 0, 2]], [[0, 1, 0, 2]], [[1, 0, 0, 2]]])
    >>> link_objects(film)[:, 0].tolist()
    [[1, 1, 0, 2], [0, 1, 0, 2], [3, 0, 0, 2]]
    """
    result = np.empty(labels.shape, np.int32)
    linked, before = NOTHING, None
    for time, frame in enumerate(labels):
        check_labels(frame.dtype, frame.shape)
        codes = _counted(object_codes(np.maximum(frame, 0)))
        found = None if before is None else count_pairs(before, codes)
        linked = follow(linked, int(codes.max(initial=0)), found, least)
        result[time] = linked.ids[codes]
        before = codes
    return result


def _counted(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number objects 1..n: ids that no object has would use up those of later ones."""
    there = np.bincount(codes.ravel(), minlength=1) > 0
    there[0] = True
    return codes if there.all() else (np.cumsum(there) - 1).astype(np.int32)[codes]


def _first(ids: Ids) -> NDArray[np.bool_]:
    """Return where each id is met for the first time."""
    found = np.zeros(len(ids), bool)
    found[np.unique(ids, return_index=True)[1]] = True
    return found
