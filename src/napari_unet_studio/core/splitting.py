"""Objects divided at their necks, each as if it were alone in the image."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import watershed

from napari_unet_studio.core._compiled import compiled
from napari_unet_studio.core.inner_distance import inner_distance
from napari_unet_studio.core.runs import components, first_of, painted, runs_of

Labels = NDArray[Any]  # of any integer type
Floats = NDArray[np.float32]


def split_objects(
    labels: Labels,
    depth: float,
    spacing: Sequence[float] | None = None,
    relief: NDArray[Any] | None = None,
) -> Labels:
    """Divide objects by a seeded watershed of the distance to the border.

    Parameters
    ----------
    labels
        The components of a mask (*S), connected by faces; 0 is background.
    depth
        Seeds are maxima of the distance that are at least this much deeper than the
        neck between them, in pixels of the finest axis.
    spacing
        Pixel size per axis.
    relief
        Takes the place of the distance, such as a probability: values of at least 0,
        shape (*S). `depth` is in its units then.

    Returns
    -------
    ndarray of int, shape (*S)
        Ids 1..n in scan order. Pixels as near to two seeds go to the one whose first
        pixel comes first.

    Notes
    -----
    The pieces of an object depend on its own pixels alone. So a part of an image gives
    the same as the whole, if the object and a margin of one pixel lie in it: the
    background next to it decides every distance. Beyond the border of the image there
    is no background.

    Examples
    --------
    >>> dumbbell = np.zeros((5, 10), int)
    >>> dumbbell[1:4, 1:9] = 1
    >>> dumbbell[[1, 3], 4:6] = 0
    >>> split_objects(dumbbell, 0.5)[2].tolist()
    [0, 1, 1, 1, 1, 2, 2, 2, 2, 0]
    """
    mask = labels > 0
    if relief is None:
        step = None if spacing is None else np.asarray(spacing) / np.min(spacing)
        relief = inner_distance(mask, step)
    # Only an edited probability holds NaN.
    distance = np.nan_to_num(np.asarray(relief, np.float32))
    # Extended maxima: cut off `depth` from every maximum; those whose neck is higher
    # than that have become one plateau, also where they were equally high.
    lowered = reconstruct(np.maximum(distance - depth, 0), distance, labels)
    # What is a little lower everywhere is raised again but where nothing is higher.
    below = np.nextafter(lowered, np.float32(-1))
    domes = reconstruct(below, lowered, labels) < lowered
    # Domes of two objects may meet at a corner: one seed for each object.
    runs = runs_of(domes & mask)
    owner = labels.ravel()[first_of(runs)].astype(np.int32)
    part, count = components(runs, corners=True, groups=owner)
    number = np.zeros(count, np.int32)
    number[part] = owner
    several = np.bincount(number, minlength=int(labels.max(initial=0)) + 1) > 1
    seeds = painted(runs, part + 1)
    divided = several[labels]
    # All others stay as they are: most objects have one seed.
    pieces = np.where(mask & ~divided, labels + count, 0)
    if divided.any():
        seeds[~divided] = 0
        pieces += watershed(_ranked(distance, seeds), seeds, mask=divided)
    return in_scan_order(pieces)


def in_scan_order(labels: Labels) -> Labels:
    """Number labels 1..n in the order of their first pixels.

    Examples
    --------
    >>> in_scan_order(np.array([[0, 7, 2], [2, 7, 0]])).tolist()
    [[0, 1, 2], [2, 1, 0]]
    """
    first = first_pixels(labels)
    found = np.flatnonzero(first < labels.size)
    ids = np.zeros(len(first) + 1, labels.dtype)
    ids[found[np.argsort(first[found])] + 1] = np.arange(1, len(found) + 1)
    return np.asarray(ids[labels])


def first_pixels(labels: Labels) -> NDArray[np.int64]:
    """Return the flat index of the first pixel of each id from 1 to the highest.

    It is labels.size for ids without pixels.

    Examples
    --------
    >>> first_pixels(np.array([[0, 3, 1], [3, 1, 0]])).tolist()
    [2, 6, 1]
    """
    flat = labels.ravel()
    # Where each run of one id starts: far fewer than there are pixels.
    starts = np.flatnonzero(np.diff(flat, prepend=flat.dtype.type(0)))[::-1]
    first = np.full(int(labels.max(initial=0)) + 1, labels.size, np.int64)
    first[flat[starts]] = starts  # the last of several values stays
    return first[1:]


def reconstruct(marker: Floats, ceiling: Floats, labels: Labels) -> Floats:
    """Raise a marker under a ceiling within each object: greyscale reconstruction.

    A pixel becomes the largest value that reaches it, from any pixel of its object,
    over neighbours at faces, edges and corners, none of whose ceilings is lower.
    Background becomes 0. By the hybrid algorithm of [1]_.

    References
    ----------
    .. [1] Vincent. Morphological grayscale reconstruction in image analysis. IEEE
       Transactions on Image Processing 2, 1993.

    Examples
    --------
    >>> ceiling = np.array([[3, 1, 2, 0, 2]], np.float32)
    >>> marker = np.array([[2, 0, 0, 0, 0]], np.float32)
    >>> reconstruct(marker, ceiling, np.array([[1, 1, 1, 0, 2]]))
    array([[2., 1., 1., 0., 0.]], dtype=float32)
    """
    inner = (slice(1, -1),) * labels.ndim
    padded = [np.pad(array, 1) for array in (marker, ceiling, labels)]
    strides = np.array(padded[0].strides) // padded[0].itemsize
    shifts = np.array(list(product((-1, 0, 1), repeat=labels.ndim)))
    before = (shifts @ strides)[: len(shifts) // 2]
    level, top, ids = (array.ravel() for array in padded)
    level[ids == 0] = 0
    # Untouched pages of this queue cost nothing.
    queue = np.empty(np.count_nonzero(ids) + 1, np.int64)
    _raise(level, top, ids, before.astype(np.int64), queue)
    return level.reshape(padded[0].shape)[inner]


@compiled
def _raise(
    level: Floats,
    top: Floats,
    ids: Labels,
    before: NDArray[np.int64],
    queue: NDArray[np.int64],
) -> None:
    """Two scans, which do nearly all of it, then a queue of what is left.

    `before` are the offsets of the neighbours that come first in scan order. The
    border of the arrays is background. A pixel waits once at a time, so that the
    circular queue needs one place more than there are pixels.
    """
    waiting = np.zeros(ids.size, np.bool_)
    end = 0
    for i in range(ids.size):
        if ids[i] > 0:
            value = level[i]
            for k in before:
                if ids[i + k] == ids[i] and level[i + k] > value:
                    value = level[i + k]
            level[i] = min(value, top[i])
    for i in range(ids.size - 1, -1, -1):
        if ids[i] > 0:
            value = level[i]
            for k in before:
                if ids[i - k] == ids[i] and level[i - k] > value:
                    value = level[i - k]
            level[i] = min(value, top[i])
            for k in before:
                j = i - k
                if ids[j] == ids[i] and level[j] < level[i] and level[j] < top[j]:
                    queue[end] = i
                    end += 1
                    waiting[i] = True
                    break
    start = 0
    while start != end:
        i = queue[start]
        start = (start + 1) % queue.size
        waiting[i] = False
        for n in range(2 * before.size):
            j = i + before[n] if n < before.size else i - before[n - before.size]
            if ids[j] == ids[i] and level[j] < level[i] and level[j] < top[j]:
                level[j] = min(level[i], top[j])
                if not waiting[j]:
                    waiting[j] = True
                    queue[end] = j
                    end = (end + 1) % queue.size


def _ranked(distance: Floats, seeds: Labels) -> NDArray[np.float64]:
    """Return the relief for the watershed, without ties between pixels of seeds.

    The watershed takes equal pixels in the order in which it met them, but those of the
    seeds in an order that depends on all others of the image. Here they are taken in
    scan order: each is lower by less than the resolution of the distances, the first
    one most. There is room for 2**28 of them.
    """
    relief = -distance.astype(np.float64)
    places = np.flatnonzero(seeds)
    later = np.arange(len(places), 0, -1) / (2.0 * max(len(places), 1))
    relief.ravel()[places] -= np.spacing(distance.ravel()[places]) * later
    return relief
