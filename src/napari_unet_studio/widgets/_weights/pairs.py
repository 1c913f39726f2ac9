"""Counts pairs of touching objects, in steps that leave the window time to work."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS = 1 << 20  # pixels of a step


def touching_pairs_of(codes: NDArray[np.int32]) -> Iterator[int]:
    """Count pairs of objects of which pixels are neighbours, corners included.

    Parameters
    ----------
    codes
        Object codes, 0 for background, shape ``(Y, X)`` or ``(Z, Y, X)``.

    Yields
    ------
    int
        The pairs found so far, at last all of them.
    """
    base = np.int64(codes.max(initial=0)) + 1
    rows = max(1, ROWS // max(1, codes[:1].size))
    found = np.empty(0, np.int64)
    for start in range(0, len(codes), rows):
        block = codes[start : start + rows + 1]  # with the first row of the next
        keys = [found]
        for offset in np.ndindex(*(3,) * codes.ndim):
            shift = tuple(o - 1 for o in offset)
            if shift <= (0,) * codes.ndim:
                continue  # each direction once
            here = tuple(slice(max(0, -s), -s if s > 0 else None) for s in shift)
            there = tuple(slice(max(0, s), s if s < 0 else None) for s in shift)
            a, b = block[here], block[there]
            meet = a != b
            meet &= a != 0
            meet &= b != 0
            first, second = a[meet], b[meet]
            low, high = np.minimum(first, second), np.maximum(first, second)
            keys.append(np.unique(low * base + high))
        found = np.unique(np.concatenate(keys))
        yield len(found)
    if not len(codes):
        yield 0
