"""Masks as runs of pixels along their last axis: components, holes and sizes, quickly.

An image of objects has far fewer runs than pixels. So the pixels are read once and
written once, and all between is done with the runs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._runs import (
    count_gaps,
    count_runs,
    find_gaps,
    find_runs,
    join_rows,
    mark_reaching,
    number_trees,
    paint_runs,
    unite_rows,
)

Ids = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Runs(NamedTuple):
    """Pixels of a mask with two or three axes, row by row.

    Parameters
    ----------
    shape
        Of the mask.
    row
        Where the runs of each row begin, and at last how many there are.
    start, stop
        First pixel of each run along the last axis, and the one behind it. Runs of a
        row do not touch.
    """

    shape: tuple[int, ...]
    row: NDArray[np.int64]
    start: Ids
    stop: Ids

    @property
    def length(self) -> Ids:
        """Pixels of each run."""
        return self.stop - self.start


def runs_of(mask: NDArray[Any]) -> Runs:
    """Return the runs of a mask, bool, shape (*S) with two or three axes.

    Examples
    --------
    >>> runs = runs_of(np.array([[True, False, True], [False, True, True]]))
    >>> runs.row.tolist(), runs.start.tolist(), runs.stop.tolist()
    ([0, 2, 3], [0, 2, 1], [1, 3, 3])
    """
    width = mask.shape[-1]
    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8).reshape(-1, width)
    row = np.zeros(len(pixels) + 1, np.int64)
    count_runs(pixels, row)
    np.cumsum(row, out=row)
    start, stop = (np.empty(int(row[-1]), np.int32) for _ in range(2))
    find_runs(pixels, row, start, stop)
    return Runs(mask.shape, row, start, stop)


def complement(runs: Runs) -> Runs:
    """Return the runs of the background."""
    row = np.zeros_like(runs.row)
    count_gaps(*runs[1:], runs.shape[-1], row)
    np.cumsum(row, out=row)
    start, stop = (np.empty(int(row[-1]), np.int32) for _ in range(2))
    find_gaps(*runs[1:], runs.shape[-1], row, start, stop)
    return Runs(runs.shape, row, start, stop)


def chosen(runs: Runs, keep: Flags) -> Runs:
    """Return some of the runs."""
    before = np.concatenate(([0], np.cumsum(keep)))
    return Runs(runs.shape, before[runs.row], runs.start[keep], runs.stop[keep])


def united(one: Runs, two: Runs) -> Runs:
    """Return the pixels of two masks that have none in common."""
    row = np.zeros_like(one.row)
    most = len(one.start) + len(two.start)
    start, stop = (np.empty(most, np.int32) for _ in range(2))
    count = unite_rows(*one[1:], *two[1:], row, start, stop)
    return Runs(one.shape, row, start[:count].copy(), stop[:count].copy())


def components(
    runs: Runs, corners: bool = False, groups: Ids | None = None
) -> tuple[Ids, int]:
    """Number the components, from 0 in the order of their first pixels.

    Parameters
    ----------
    runs
        The mask.
    corners
        Whether edges and corners connect pixels, too, not only faces.
    groups
        A number for each run; those of different numbers are never connected.

    Returns
    -------
    part
        The component of each run.
    count
        How many there are.
    """
    parent = np.arange(len(runs.start), dtype=np.int32)
    height = runs.shape[-2] if len(runs.shape) > 1 else 1
    if groups is None:
        groups = np.zeros_like(parent)
    join_rows(*runs[1:], height, corners, groups, parent)
    count = number_trees(parent)
    return parent, count


def sizes(runs: Runs, part: Ids, count: int) -> NDArray[np.int64]:
    """Return the pixels of each component."""
    total = np.bincount(part, weights=runs.length, minlength=count)
    return total.astype(np.int64)


def on_border(runs: Runs, axes: tuple[int, ...]) -> Flags:
    """Return which runs touch the first or last pixel along some axes.

    An axis of one pixel has no border: a stack of one plane is a plane.
    """
    touching = np.zeros(len(runs.start), bool)
    ndim = len(runs.shape)
    rows = np.repeat(np.arange(len(runs.row) - 1), np.diff(runs.row))
    places = np.unravel_index(rows, runs.shape[:-1])
    for axis in axes:
        length = runs.shape[axis]
        if length < 2:
            continue
        if axis % ndim == ndim - 1:
            touching |= (runs.start == 0) | (runs.stop == length)
        else:
            place = places[axis % ndim]
            touching |= (place == 0) | (place == length - 1)
    return touching


def first_of(runs: Runs) -> NDArray[np.int64]:
    """Return the flat index of the first pixel of each run."""
    rows = np.repeat(np.arange(len(runs.row) - 1), np.diff(runs.row))
    return np.asarray(rows * runs.shape[-1] + runs.start)


def any_of(flags: Flags, part: Ids, count: int) -> Flags:
    """Return for each component whether any of its runs is marked."""
    found = np.zeros(count, bool)
    found[part[flags]] = True
    return found


def reaching(runs: Runs, mask: NDArray[Any]) -> Flags:
    """Return which runs hold a pixel of another mask."""
    pixels = np.ascontiguousarray(mask, np.bool_).view(np.uint8)
    found = np.zeros(len(runs.start), np.bool_)
    mark_reaching(*runs[1:], pixels.reshape(-1, runs.shape[-1]), found)
    return found


def painted(runs: Runs, ids: NDArray[Any]) -> Ids:
    """Return an image with an id for each run, int32, and 0 elsewhere."""
    image = np.empty(runs.shape, np.int32)
    flat = image.reshape(-1, runs.shape[-1])
    paint_runs(*runs[1:], np.asarray(ids, np.int32), flat)
    return image


def filled(runs: Runs, max_size: int) -> Runs:
    """Add the holes of up to `max_size` pixels.

    Corners connect the background as faces connect objects. So one object encloses a
    hole, and filling it never joins neighbours. What lies in the hole, a bright spot in
    a ring, becomes part of the ring.
    """
    if sum(size > 1 for size in runs.shape) < 2:
        return runs  # nothing can be enclosed in a row
    background = complement(runs)
    part, count = components(background, corners=True)
    small = sizes(background, part, count) <= max_size
    outside = on_border(background, tuple(range(len(runs.shape))))
    small &= ~any_of(outside, part, count)
    return united(runs, chosen(background, small[part])) if small.any() else runs


def label_mask(mask: NDArray[Any], corners: bool = False) -> Ids:
    """Return the components of a mask with two or three axes, ids in scan order.

    Examples
    --------
    >>> label_mask(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1]]) > 0).tolist()
    [[1, 0, 2], [1, 0, 0], [0, 3, 3]]
    """
    runs = runs_of(mask)
    part, _ = components(runs, corners)
    return painted(runs, part + 1)
