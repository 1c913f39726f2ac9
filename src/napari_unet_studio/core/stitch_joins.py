"""Components of single blocks, and which of them are one across the borders."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_studio.core.blocks import BlockGrid, Region
from napari_unet_studio.core.object_config import ObjectConfig

Labels = NDArray[Any]
Summary = dict[str, NDArray[Any]]
FACES = ("low", "high")


def faces(labels: Labels, grid: BlockGrid, number: int) -> Summary:
    """Return the ids on the faces of a block that has neighbours there.

    Runs of equal ids, in C order, as a pair of arrays per face: smooth objects need a
    small part of the space of the pixels.
    """
    found = {}
    for axis, side in inner_sides(grid, number):
        flat = labels.take(-side, axis=axis).ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=flat.dtype.type(-1)))
        name = f"{FACES[side]}{axis}"
        found[f"{name}_ids"] = flat[starts].astype(np.int32)
        found[f"{name}_runs"] = np.diff(starts, append=flat.size).astype(np.int32)
    return found


def inner_sides(grid: BlockGrid, number: int) -> Iterator[tuple[int, int]]:
    """Yield the axis and the side, 0 or 1, of faces that another block adjoins."""
    places = zip(grid.position(number), grid.counts, strict=True)
    for axis, (index, count) in enumerate(places):
        if index > 0:
            yield axis, 0
        if index < count - 1:
            yield axis, 1


class Joined(NamedTuple):
    """Components of all blocks, one after the other.

    Parameters
    ----------
    start
        Where those of each block begin, and at last how many there are.
    group
        For each component, the number of the whole one that it is part of.
    """

    start: NDArray[np.int64]
    group: NDArray[np.int64]


def join(grid: BlockGrid, summaries: Sequence[Summary], corners: bool) -> Joined:
    """Join components that touch across block borders.

    Parameters
    ----------
    grid
        The blocks.
    summaries
        Of each block: "size" of its components, and its `faces`.
    corners
        Whether edges and corners connect pixels, too.
    """
    start = starts(summaries)
    pairs = [np.empty((2, 0), np.int64)]
    for number, summary in enumerate(summaries):
        position = grid.position(number)
        for direction in _directions(len(position), corners):
            place = [p + d for p, d in zip(position, direction, strict=True)]
            if all(0 <= p < n for p, n in zip(place, grid.counts, strict=True)):
                other = grid.number(place)
                axis = next(axis for axis, step in enumerate(direction) if step)
                here = _face(summary, grid.region(number), axis, 1)
                there = _face(summaries[other], grid.region(other), axis, 0)
                found = _touching(here, there, direction, corners)
                first = np.array([[start[number]], [start[other]]])
                pairs.append(found + first - 1)
    return Joined(start, groups(int(start[-1]), np.concatenate(pairs, axis=1)))


def starts(summaries: Sequence[Mapping[str, NDArray[Any]]]) -> NDArray[np.int64]:
    """Return where the components of each block begin, and how many there are."""
    return np.cumsum([0, *(len(summary["size"]) for summary in summaries)])


def groups(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the groups that pairs, shape (2, P), make of things 0..count-1."""
    if count == 0:
        return np.empty(0, np.int64)
    edges = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (count, count))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def numbering(
    group: NDArray[np.int64], summaries: Sequence[Summary], config: ObjectConfig
) -> tuple[NDArray[np.int64], int]:
    """Give the final ids to parts of objects, in scan order, and count the objects.

    Parameters
    ----------
    group
        The object of each part.
    summaries
        Of each block: "size", "first" and "border" of its parts, see
        :meth:`.Step.measures`.
    config
        Which objects get id 0.
    """
    size, first, border = (
        np.concatenate([summary[name] for summary in summaries])
        for name in ("size", "first", "border")
    )
    total = int(group.max(initial=-1)) + 1
    foremost = np.full(total, np.iinfo(np.int64).max)
    np.minimum.at(foremost, group, first)
    outside = np.zeros(total, bool)
    outside[group[border]] = True
    kept = np.flatnonzero(config.fits(totals(group, size, total), outside))
    ids = np.zeros(total, np.int64)
    ids[kept[np.argsort(foremost[kept])]] = np.arange(1, len(kept) + 1)
    return ids[group], len(kept)


def totals(
    group: NDArray[np.int64], size: NDArray[np.int64], total: int
) -> NDArray[np.int64]:
    """Sum sizes by group."""
    return np.bincount(group, weights=size, minlength=total).astype(np.int64)


def _directions(ndim: int, corners: bool) -> list[tuple[int, ...]]:
    """Return the steps to half of the neighbours, so that each pair comes once."""
    steps = list(product((-1, 0, 1), repeat=ndim))
    later = steps[len(steps) // 2 + 1 :]
    return later if corners else [step for step in later if np.abs(step).sum() == 1]


def _face(summary: Summary, region: Region, axis: int, side: int) -> Labels:
    """Return a face, one pixel thick along its axis."""
    name = f"{FACES[side]}{axis}"
    flat = np.repeat(summary[f"{name}_ids"], summary[f"{name}_runs"])
    shape = [part.stop - part.start for part in region]
    shape[axis] = 1
    return flat.reshape(shape)


def _touching(
    here: Labels, there: Labels, direction: Sequence[int], corners: bool
) -> NDArray[np.int64]:
    """Return the pairs of ids, shape (2, P), that touch between two blocks' faces."""
    ends = {-1: (slice(0, 1), slice(-1, None)), 1: (slice(-1, None), slice(0, 1))}
    thick = next(axis for axis, step in enumerate(direction) if step)
    for axis, step in enumerate(direction):
        if step and axis != thick:
            along = (slice(None),) * axis
            here = here[(*along, ends[step][0])]
            there = there[(*along, ends[step][1])]
    reach = (-1, 0, 1) if corners else (0,)
    keys = []
    base = int(there.max(initial=0)) + 1
    for shift in product(*((0,) if step else reach for step in direction)):
        # Two views of the pixels that are `shift` apart.
        a = here[tuple(slice(-s if s < 0 else 0, -s if s > 0 else None) for s in shift)]
        b = there[tuple(slice(s if s > 0 else 0, s if s < 0 else None) for s in shift)]
        both = (a > 0) & (b > 0)
        keys.append(np.unique(a[both].astype(np.int64) * base + b[both]))
    return np.stack(np.divmod(np.unique(np.concatenate(keys)), base))
