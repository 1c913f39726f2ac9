"""What is summed up over the pixels of objects, block by block.

Sums of blocks are joined without loss, so that labels of any size can be measured: an
object may lie in any number of blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure_kernels import (
    add_classes,
    add_places,
    add_surface,
    add_values,
    distinct,
    encode,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Where the second moments zz, yy, xx, zy, zx, yx have their two axes.
FIRST, SECOND = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
_LARGEST = np.iinfo(np.int64).max
_DENSE = 4  # places of a table of classes for each pixel, at most


class Contact(NamedTuple):
    """How neighbours of a pixel count.

    Parameters
    ----------
    steps
        To them, (k, 3).
    weights
        What each adds to the surface if it is outside the object, (k,).
    """

    steps: Ints
    weights: Floats


@dataclass(frozen=True, eq=False)
class Block:
    """The pixels of a block.

    Parameters
    ----------
    labels
        (Z, Y, X), with a margin that is 0 beyond the image.
    margin
        Width of the margin along each axis.
    origin
        Place of the first pixel without the margin in the image.
    images
        Intensities of the block without the margin, by name.
    classes
        Class of each pixel of the block without the margin, whole numbers.
    """

    labels: NDArray[Any]
    margin: Ints
    origin: Ints
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    classes: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of n objects.

    Parameters
    ----------
    ids
        Sorted, (n,).
    pixels
        (n,).
    centre
        Mean place in pixels of the image, (n, 3).
    spread
        Second moments about the centre, zz, yy, xx, zy, zx, yx, in pixels, (n, 6).
    boxes
        First pixel and the one after the last along each axis, (n, 6).
    surface
        Perimeter or surface, (n,); None if it was not asked for.
    values
        Sum, least and most of the intensities, and the sum of squares about their mean,
        (n, 4), by name.
    classes
        Rows of id, class and pixels; each id and class once.
    pairs
        Ids of objects that touch, the smaller first.
    """

    ids: Ints
    pixels: Ints
    centre: Floats
    spread: Floats
    boxes: Ints
    surface: Floats | None
    values: Mapping[str, Floats]
    classes: Ints | None
    pairs: Ints

    @classmethod
    def of(cls, block: Block, contact: Contact | None) -> Self:
        """Sum up a block.

        Raises
        ------
        InputError
            If labels are beyond what 64 bits with a sign hold.
        """
        labels = block.labels
        if labels.dtype.kind == "u" and labels.dtype.itemsize == 8:
            highest = int(labels.max(initial=0))
            if highest > _LARGEST:
                raise InputError(
                    f"The labels hold the id {highest}, but ids above {_LARGEST} "
                    "cannot be measured; number the objects anew."
                )
        whole = np.ascontiguousarray(labels, np.int64)
        ids = distinct(whole.reshape(-1))
        ids = ids[ids > 0]
        n, margin = len(ids), block.margin
        codes = np.empty(whole.shape, np.int32)
        encode(whole.reshape(-1), ids, codes.reshape(-1))
        first = np.zeros((n + 1, 3), np.int64)
        count = np.zeros(n + 1, np.int64)
        sums = np.zeros((n + 1, 9), np.int64)
        boxes = np.zeros((n + 1, 6), np.int64)
        add_places(codes, margin, first, count, sums, boxes)
        kept = np.flatnonzero(count)
        surface, pairs = _touching(codes, margin, contact, ids)
        values = {}
        for name, image in block.images.items():
            found = np.zeros((n + 1, 6))
            add_values(codes, margin, _numbers(name, image), found)
            values[name] = _moments(found[kept])
        classes = None
        if block.classes is not None:
            classes = _class_counts(codes, margin, block.classes, ids)
        pixels, shift = count[kept], block.origin - margin
        mean = sums[kept, :3] / pixels[:, None]
        spread = sums[kept, 3:] - mean[:, FIRST] * sums[kept][:, SECOND]
        return cls(
            ids[kept - 1],
            pixels,
            mean + first[kept] + shift,
            spread,
            boxes[kept] + np.tile(shift, 2),
            None if surface is None else surface[kept],
            values,
            classes,
            pairs,
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Add the sums of blocks of one image."""
        if len(parts) == 1:
            return parts[0]
        every = np.concatenate([part.ids for part in parts])
        order = np.argsort(every, kind="stable")
        every = every[order]
        starts = np.flatnonzero(np.diff(every, prepend=every[:1] - 1))

        def column(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])[order]

        def total(values: NDArray[Any]) -> NDArray[Any]:
            return np.add.reduceat(values, starts) if len(starts) else values

        counts, centre, boxes = column("pixels"), column("centre"), column("boxes")
        pixels = total(counts)
        lengths = np.diff(starts, append=len(every))
        mean = total(counts[:, None] * centre) / pixels[:, None]
        away = centre - np.repeat(mean, lengths, axis=0)
        moved = counts[:, None] * away[:, FIRST] * away[:, SECOND]
        least, most = np.minimum.reduceat, np.maximum.reduceat
        if len(starts):
            boxes = np.hstack((least(boxes[:, :3], starts), most(boxes[:, 3:], starts)))
        values = {}
        for name in parts[0].values:
            each = np.concatenate([part.values[name] for part in parts])[order]
            sums = total(each[:, 0])
            # Two blocks with infinite values have no difference, which is no error.
            with np.errstate(invalid="ignore"):
                off = each[:, 0] / counts - np.repeat(sums / pixels, lengths)
                squares = total(each[:, 3] + counts * off**2)
            low, high = each[:, 1], each[:, 2]
            if len(starts):
                low, high = least(low, starts), most(high, starts)
            values[name] = np.stack((sums, low, high, squares), axis=1)
        classes = None
        if parts[0].classes is not None:
            classes = _joined_classes([part.classes for part in parts])
        pairs = np.concatenate([part.pairs for part in parts])
        return cls(
            every[starts],
            pixels,
            mean,
            total(column("spread") + moved),
            boxes,
            None if parts[0].surface is None else total(column("surface")),
            values,
            classes,
            np.unique(pairs, axis=0) if len(pairs) else pairs,
        )


def _touching(
    codes: NDArray[np.int32], margin: Ints, contact: Contact | None, ids: Ints
) -> tuple[Floats | None, Ints]:
    """Return the surface of each object, and who touches whom."""
    if contact is None:
        return None, np.empty((0, 2), np.int64)
    room = 4 * len(ids) + 64
    while True:
        surface = np.zeros(len(ids) + 1)
        pairs = np.empty((room, 2), np.int32)
        found = add_surface(codes, margin, *contact, surface, pairs)
        if found <= room:
            break
        room = found
    keys = np.unique(pairs[:found, 0].astype(np.int64) << 32 | pairs[:found, 1])
    return surface, ids[np.stack((keys >> 32, keys & 0xFFFFFFFF), axis=1) - 1]


def _numbers(name: str, image: NDArray[Any]) -> Floats:
    if image.dtype.kind not in "buif":
        raise InputError(
            f"The image {name!r} has values of type {image.dtype}; intensities are "
            "integers or real numbers."
        )
    return np.ascontiguousarray(image, np.float64)


def _moments(found: Floats) -> Floats:
    """Return sum, least and most, and the sum of squares about the mean."""
    with np.errstate(invalid="ignore"):
        squares = found[:, 5] - found[:, 4] ** 2 / found[:, 0]
        return np.stack((*found.T[1:4], np.maximum(squares, 0)), axis=1)


def _class_counts(
    codes: NDArray[np.int32], margin: Ints, classes: NDArray[Any], ids: Ints
) -> Ints:
    """Return rows of id, class and pixels."""
    if classes.dtype.kind not in "biu":
        raise InputError(
            f"The class image has values of type {classes.dtype}; classes are whole "
            "numbers, one per pixel."
        )
    of = np.ascontiguousarray(classes, np.int64)
    names, kinds = distinct(of.reshape(-1)), np.empty(of.shape, np.int32)
    encode(of.reshape(-1), names, kinds.reshape(-1))
    if (len(ids) + 1) * (len(names) + 1) <= _DENSE * codes.size:
        table = np.zeros((len(ids) + 1, len(names) + 1), np.int64)
        add_classes(codes, margin, kinds, table)
        owner, kind = np.nonzero(table)
        counts = table[owner, kind]
    else:  # the classes are ids themselves
        dz, dy, dx = margin
        inner = codes[dz or None : -dz or None, dy:-dy, dx:-dx]
        keys = (inner.astype(np.int64) << 32 | kinds)[inner > 0]
        keys, counts = np.unique(keys, return_counts=True)
        owner, kind = keys >> 32, keys & 0xFFFFFFFF
    rows: Ints = np.stack((ids[owner - 1], names[kind - 1], counts), axis=1)
    return rows


def _joined_classes(parts: Sequence[Any]) -> Ints:
    rows: Ints = np.concatenate(parts)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    if not len(rows):
        return rows
    new = np.any(np.diff(rows[:, :2], axis=0, prepend=rows[:1, :2] - 1) != 0, axis=1)
    starts = np.flatnonzero(new)
    counts = np.add.reduceat(rows[:, 2], starts)
    return np.column_stack((rows[starts, :2], counts))
