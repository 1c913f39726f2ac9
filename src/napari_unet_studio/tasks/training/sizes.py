"""How small an object can be, from those that were painted."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.tasks.training.items import Item, KeptTruth

# An object that is found may lack a rim, and may lie at the border of an image: what is
# smaller than this part of nearly all that were painted is none.
_PART, _NEARLY_ALL = 0.25, 0.95
_SPECKS = 0.01
_FRAMES = 200  # that are looked at


def smallest_object(items: Iterable[Item], masks: bool = False) -> int | None:
    """Return the pixels below which nothing can be an object.

    A quarter of what 95 % of the painted objects exceed; those at borders of frames
    count only if there are no others. Some pieces of a mask are specks that nobody
    meant: of masks it is a quarter of the smallest piece without those that make up one
    percent of the foreground together.

    Parameters
    ----------
    items
        To train on. Frames whose labels are not kept in memory are left out.
    masks
        Whether the objects are the connected pieces of masks.

    Returns
    -------
    int or None
        1 or more; None where there are no objects to go by.

    Examples
    --------
    >>> labels = np.zeros((12, 12), int)
    >>> labels[4:8, 2:10] = 7
    >>> smallest_object([Item.of(labels[None], labels)])
    8
    """
    whole: list[NDArray[np.int64]] = []
    cut: list[NDArray[np.int64]] = []
    for item in list(items)[:_FRAMES]:
        if not isinstance(item.truth, KeptTruth):
            continue
        ids, areas = np.unique(item.truth.labels, return_counts=True)
        inside = ~np.isin(ids, _at_border(item.truth.labels))
        whole.append(areas[inside & (ids > 0)])
        cut.append(areas[~inside & (ids > 0)])
    for found in (whole, cut):
        areas = np.concatenate([np.empty(0, np.int64), *found])
        if len(areas):
            least = float(np.quantile(areas, 1 - _NEARLY_ALL))
            if masks:
                areas = np.sort(areas)
                meant = np.cumsum(areas) > _SPECKS * areas.sum()
                least = float(areas[meant][0])
            return max(1, round(_PART * least))
    return None


def _at_border(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the ids that occur at the border of a frame."""
    faces = [
        np.take(labels, (0, -1), axis).reshape(-1)
        for axis, size in enumerate(labels.shape)
        if size > 1
    ]
    return np.unique(np.concatenate([labels.reshape(-1)[:0], *faces]))
