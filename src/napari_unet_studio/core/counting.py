"""Counts the pixels that two label images share, in one pass, however many objects."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled, core_count, for_each

CHUNK = 1 << 20  # pixels counted at once: copies of another type stay small
FIRST = 1 << 10  # places of a table before it grows

Ids = NDArray[np.int64]


class Pairs(NamedTuple):
    """Each pair of values that meet in a pixel, once, in increasing order.

    Parameters
    ----------
    first, second
        The values; those below 0 are counted as 0, but pixels that are left out have
        -1 as their second value.
    pixels
        How many pixels hold both.
    """

    first: Ids
    second: Ids
    pixels: NDArray[np.int64]


def count_pairs(
    first: NDArray[Any],
    second: NDArray[Any],
    left_out: NDArray[np.bool_] | None = None,
) -> Pairs:
    """Count the pairs of values of two arrays of whole numbers of the same shape.

    Notes
    -----
    Equal neighbours along the last axis are counted as one run, and runs are summed in
    a hash table, so that nothing is sorted but the pairs that were found.

    Examples
    --------
    >>> count_pairs(np.array([1, 1, 7, 7]), np.array([2, 2, 2, 0])).pixels
    array([2, 1, 1])
    """
    kind = _kind(first, second)
    one, two = first.reshape(-1), second.reshape(-1)
    out = None if left_out is None else left_out.reshape(-1)
    parts: list[Pairs] = [_NONE] * -(-one.size // CHUNK)

    def count(part: int) -> None:
        here = slice(part * CHUNK, (part + 1) * CHUNK)
        a, b = (_clipped(values[here], kind) for values in (one, two))
        if out is not None:
            b = np.where(out[here], kind(-1), b)
        parts[part] = Pairs(*_count(a, b, FIRST))

    for_each(count, range(len(parts)), core_count() if len(parts) > 1 else 1)
    return joined(parts)


_NONE = Pairs(*(np.empty(0, np.int64) for _ in range(3)))


def _kind(*arrays: NDArray[Any]) -> Callable[[Any], Any]:
    """Return the smaller of two types that holds all values: few kernels to compile."""
    small = all(np.can_cast(array.dtype, np.int32) for array in arrays)
    return np.int32 if small else np.int64


def _clipped(values: NDArray[Any], kind: Callable[[Any], Any]) -> NDArray[Any]:
    if values.dtype.kind == "i" and values.size and values.min() < 0:
        values = np.maximum(values, 0)
    return np.ascontiguousarray(values, dtype=kind)  # type: ignore[call-overload, no-any-return]


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Sum the pairs of several parts of an image."""
    first, second, pixels = (
        (np.concatenate(each) for each in zip(*parts, strict=True)) if parts else _NONE
    )
    order = np.lexsort((second, first))
    first, second, pixels = first[order], second[order], pixels[order]
    new = np.ones(len(first), np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts = np.flatnonzero(new)
    sums = np.add.reduceat(pixels, starts) if len(starts) else pixels
    return Pairs(first[starts], second[starts], sums)


@compiled
def _place(first: Ids, second: Ids, pixels: Ids, a: np.int64, b: np.int64) -> int:
    """Return where a pair is in a table, or where it belongs."""
    mask = len(first) - 1
    mixed = a * 0x9E3779B97F4A7C1 + b * 0x2545F4914F6CDD1D
    place = (mixed ^ (mixed >> 29)) & mask
    while pixels[place] and (first[place] != a or second[place] != b):
        place = (place + 1) & mask
    return int(place)


@compiled
def _count(
    a: NDArray[Any], b: NDArray[Any], size: int
) -> tuple[Ids, Ids, NDArray[np.int64]]:
    """Count the pairs of two flat arrays."""
    first = np.empty(size, np.int64)
    second = np.empty(size, np.int64)
    pixels = np.zeros(size, np.int64)
    used = 0
    start = 0
    n = len(a)
    while start < n:
        p, r = np.int64(a[start]), np.int64(b[start])
        stop = start + 1
        while stop < n and a[stop] == p and b[stop] == r:
            stop += 1
        place = _place(first, second, pixels, p, r)
        if not pixels[place]:
            first[place], second[place] = p, r
            used += 1
        pixels[place] += stop - start
        start = stop
        if 2 * used > len(first):
            wider = 4 * len(first)
            first_, second_ = np.empty(wider, np.int64), np.empty(wider, np.int64)
            pixels_ = np.zeros(wider, np.int64)
            for old in range(len(first)):
                if pixels[old]:
                    place = _place(first_, second_, pixels_, first[old], second[old])
                    first_[place], second_[place] = first[old], second[old]
                    pixels_[place] = pixels[old]
            first, second, pixels = first_, second_, pixels_
    there = np.flatnonzero(pixels)
    return first[there], second[there], pixels[there]
