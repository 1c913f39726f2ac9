"""Kernels of the two-label distance transform.

A candidate is one integer key ``(q << shift) | code``: the squared distance ``q`` in
the high bits, the code of the object in the low bits. The smaller key is the nearer
object, so that keeping the two best *distinct* objects of a pixel takes a minimum, a
maximum and a comparison of the low bits, without a branch.

One pass per axis is exact, as for the squared distance transform of one label [1]_: an
object that is third within its line is third or later for every pixel that sees it
through that line, so two keys per pixel carry all that the next pass needs.

References
----------
.. [1] Felzenszwalb, Huttenlocher. Distance transforms of sampled functions. Theory of
   Computing 8, 2012.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Keys = NDArray[Any]  # int32 or int64, the same for all arrays of one search

CHUNK = 512  # pixels of a line that end their search together


@compiled
def push(line: Keys, near: Keys, second: Keys, one: int, none: int, mask: int) -> None:
    """Move the keys of a sweep one row on and put the objects of that row first.

    These keys hold plain distances in rows, not squares.
    """
    kind = near.dtype.type
    for i in range(near.shape[0]):
        code = kind(line[i])
        a = min(kind(near[i] + one), none)
        b = min(kind(second[i] + one), none)
        other = code != 0 and kind(a & mask) != code
        second[i] = a if other else b
        near[i] = code if code != 0 else a


@compiled
def merge(near: Keys, second: Keys, keys: Keys, add: int, mask: int) -> None:
    """Offer one candidate, `add` further away, to each pixel."""
    kind = near.dtype.type
    for i in range(near.shape[0]):
        a, b, k = near[i], second[i], kind(keys[i] + add)
        kept = min(b, max(a, k))
        second[i] = b if kind(k ^ a) & mask == 0 else kept
        near[i] = min(a, k)


@compiled
def merge_both(
    near: Keys, second: Keys, left: Keys, right: Keys, add: int, mask: int
) -> None:
    """Offer two candidates, `add` further away, to each pixel."""
    kind = near.dtype.type
    for i in range(near.shape[0]):
        a, b, k = near[i], second[i], kind(left[i] + add)
        kept = min(b, max(a, k))
        b = b if kind(k ^ a) & mask == 0 else kept
        a = min(a, k)
        k = kind(right[i] + add)
        kept = min(b, max(a, k))
        second[i] = b if kind(k ^ a) & mask == 0 else kept
        near[i] = min(a, k)


@compiled
def square(keys: Keys, shift: int, mask: int, unit: int, radius: int, far: int) -> None:
    """Turn distances in rows into squared distances."""
    kind = keys.dtype.type
    for i in range(keys.shape[0]):
        k = keys[i]
        d = kind(k >> shift)
        q = kind(kind(d * d) * unit)
        keys[i] = far if d > radius else kind(kind(q << shift) | kind(k & mask))


@compiled
def least(keys: Keys) -> int:
    """Return the smallest key."""
    result: int = keys[0]
    for i in range(keys.shape[0]):
        result = min(result, keys[i])
    return result


@compiled
def most(keys: Keys) -> int:
    """Return the largest key."""
    result: int = keys[0]
    for i in range(keys.shape[0]):
        result = max(result, keys[i])
    return result


@compiled
def scan(
    codes: NDArray[np.int32],
    start: int,
    near: Keys,
    second: Keys,
    radius: int,
    unit: int,
    shift: int,
    far: int,
) -> None:
    """First pass, along the first axis: one sweep down and one sweep up.

    `codes` has the shape (rows, pixels) and is read from `radius` rows before the block
    to as many behind it; `near` and `second` (block, pixels) begin at row `start`.
    """
    kind = near.dtype.type
    one, mask, zero = kind(1 << shift), kind((1 << shift) - 1), kind(0)
    none, nothing = kind((radius + 1) << shift), kind(far << shift)
    bits, step, reach = kind(shift), kind(unit), kind(radius)
    block, pixels = near.shape
    above = np.full((2, pixels), none, near.dtype)
    for row in range(max(0, start - radius), start + block):
        push(codes[row], above[0], above[1], one, none, mask)
        if row >= start:
            near[row - start] = above[0]
            second[row - start] = above[1]
    below = np.full((2, pixels), none, near.dtype)
    for row in range(min(len(codes), start + block + radius) - 1, start - 1, -1):
        push(codes[row], below[0], below[1], one, none, mask)
        if row < start + block:
            a, b = near[row - start], second[row - start]
            merge(a, b, below[0], zero, mask)
            merge(a, b, below[1], zero, mask)
            square(a, bits, mask, step, reach, nothing)
            square(b, bits, mask, step, reach, nothing)


@compiled
def down_columns(near: Keys, second: Keys, radius: int, unit: int, shift: int) -> None:
    """Middle pass of a volume, along its second axis, in place."""
    kind = near.dtype.type
    mask = kind((1 << shift) - 1)
    height, width = near.shape[1:]
    for z in range(near.shape[0]):
        k1, k2 = near[z].copy(), second[z].copy()
        for y in range(height):
            for x in range(0, width, CHUNK):
                part = slice(x, min(width, x + CHUNK))
                a, b = near[z, y, part], second[z, y, part]
                worst = most(b)
                for dy in range(1, radius + 1):
                    add = kind((unit * dy * dy) << shift)
                    if add > worst:
                        break
                    if y >= dy:
                        merge(a, b, k1[y - dy, part], add, mask)
                        merge(a, b, k2[y - dy, part], add, mask)
                    if y + dy < height:
                        merge(a, b, k1[y + dy, part], add, mask)
                        merge(a, b, k2[y + dy, part], add, mask)
                    if dy % 4 == 0:
                        worst = most(b)


@compiled
def along_rows(
    near: Keys, second: Keys, radius: int, unit: int, shift: int, far: int
) -> None:
    """Last pass, along the rows of (rows, X), in place.

    The search of a chunk goes outwards and ends when no pixel of it can gain.
    """
    kind = near.dtype.type
    mask, nothing = kind((1 << shift) - 1), kind(far << shift)
    width = near.shape[1]
    line = np.full((2, width + 2 * radius), nothing, near.dtype)
    k1, k2 = line[0], line[1]
    for y in range(near.shape[0]):
        k1[radius : radius + width] = near[y]
        k2[radius : radius + width] = second[y]
        for x in range(0, width, CHUNK):
            end = min(width, x + CHUNK)
            a, b = near[y, x:end], second[y, x:end]
            first = least(k1[x : end + 2 * radius])
            other = least(k2[x : end + 2 * radius])
            worst = most(b)
            for dx in range(1, radius + 1):
                add = kind((unit * dx * dx) << shift)
                if kind(first + add) >= worst:
                    break
                left = slice(x + radius - dx, end + radius - dx)
                right = slice(x + radius + dx, end + radius + dx)
                merge_both(a, b, k1[left], k1[right], add, mask)
                if kind(other + add) < worst:
                    merge_both(a, b, k2[left], k2[right], add, mask)
                if dx % 4 == 0:
                    worst = most(b)


@compiled
def to_distance(
    keys: Keys, distance: NDArray[np.float32], shift: int, limit: int, area: float
) -> None:
    """Turn keys into distances, infinite beyond the limit."""
    kind = keys.dtype.type
    bits, last, unit = kind(shift), kind(limit), np.float32(area)
    for i in range(keys.shape[0]):
        q = kind(keys[i] >> bits)
        length = np.sqrt(np.float32(q) * unit)
        distance[i] = length if q <= last else np.float32(np.inf)
