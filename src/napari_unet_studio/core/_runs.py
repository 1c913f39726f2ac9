"""Kernels of masks as runs of pixels.

`row` says where the runs of each row begin, `start` and `stop` where each run does and
the pixel behind it.
"""

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Ids = NDArray[np.int32]
Flags = NDArray[np.bool_]


@compiled
def count_runs(pixels: NDArray[np.uint8], row: NDArray[np.int64]) -> None:
    """Count the runs of each row, one place behind."""
    for r in range(pixels.shape[0]):
        line = pixels[r]
        found = np.int64(line[0])
        for x in range(1, line.size):
            found += line[x] > line[x - 1]
        row[r + 1] = found


@compiled
def find_runs(
    pixels: NDArray[np.uint8], row: NDArray[np.int64], start: Ids, stop: Ids
) -> None:
    for r in range(pixels.shape[0]):
        line, at, last = pixels[r], row[r], 0
        if row[r + 1] == at:
            continue
        for x in range(line.size):
            if line[x] != last:
                last = line[x]
                if last:
                    start[at] = x
                else:
                    stop[at] = x
                    at += 1
        if last:
            stop[at] = line.size


@compiled
def count_gaps(
    row: NDArray[np.int64], start: Ids, stop: Ids, width: int, out: NDArray[np.int64]
) -> None:
    for r in range(row.size - 1):
        at = 0
        for i in range(row[r], row[r + 1]):
            out[r + 1] += start[i] > at
            at = stop[i]
        out[r + 1] += at < width


@compiled
def find_gaps(
    row: NDArray[np.int64],
    start: Ids,
    stop: Ids,
    width: int,
    out: NDArray[np.int64],
    low: Ids,
    high: Ids,
) -> None:
    for r in range(row.size - 1):
        at, k = 0, out[r]
        for i in range(row[r], row[r + 1]):
            if start[i] > at:
                low[k], high[k] = at, start[i]
                k += 1
            at = stop[i]
        if at < width:
            low[k], high[k] = at, width


@compiled
def unite_rows(
    row: NDArray[np.int64],
    start: Ids,
    stop: Ids,
    row2: NDArray[np.int64],
    start2: Ids,
    stop2: Ids,
    out: NDArray[np.int64],
    low: Ids,
    high: Ids,
) -> int:
    """Merge the runs of each row; those that touch become one. Returns their number."""
    k = 0
    for r in range(row.size - 1):
        i, j = row[r], row2[r]
        first = k
        while i < row[r + 1] or j < row2[r + 1]:
            if j == row2[r + 1] or (i < row[r + 1] and start[i] < start2[j]):
                a, b = start[i], stop[i]
                i += 1
            else:
                a, b = start2[j], stop2[j]
                j += 1
            if k > first and high[k - 1] == a:
                high[k - 1] = b
            else:
                low[k], high[k] = a, b
                k += 1
        out[r + 1] = k
    return k


@compiled
def root_of(parent: Ids, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def join_rows(
    row: NDArray[np.int64],
    start: Ids,
    stop: Ids,
    height: int,
    corners: bool,
    groups: Ids,
    parent: Ids,
) -> None:
    """Join the runs that touch, each with those of the rows before it.

    The root of a tree is its first run: no parent comes after its child.
    """
    reach = 1 if corners else 0
    for r in range(row.size - 1):
        z, y = r // height, r % height
        for k in range(4):
            # The rows (z, y - 1), (z - 1, y), and at corners (z - 1, y - 1 and y + 1).
            dz = 0 if k == 0 else 1
            dy = -1 if k == 0 or k == 2 else (1 if k == 3 else 0)
            if (k > 1 and not corners) or z < dz or y + dy < 0 or y + dy >= height:
                continue
            q = r - dz * height + dy
            i, j = row[r], row[q]
            while i < row[r + 1] and j < row[q + 1]:
                if stop[i] + reach <= start[j]:
                    i += 1
                elif stop[j] + reach <= start[i]:
                    j += 1
                else:
                    a, b = root_of(parent, i), root_of(parent, j)
                    if groups[i] == groups[j] and a < b:
                        parent[b] = a
                    elif groups[i] == groups[j]:
                        parent[a] = b
                    if stop[i] < stop[j]:
                        i += 1
                    else:
                        j += 1


@compiled
def number_trees(parent: Ids) -> int:
    """Replace each parent by the number of its tree; returns how many trees."""
    count = 0
    for i in range(parent.size):
        if parent[i] == i:
            parent[i] = count
            count += 1
        else:
            parent[i] = parent[parent[i]]
    return count


@compiled
def mark_reaching(
    row: NDArray[np.int64],
    start: Ids,
    stop: Ids,
    pixels: NDArray[np.uint8],
    found: Flags,
) -> None:
    for r in range(row.size - 1):
        for i in range(row[r], row[r + 1]):
            for x in range(start[i], stop[i]):
                if pixels[r, x]:
                    found[i] = True
                    break


@compiled
def paint_runs(
    row: NDArray[np.int64], start: Ids, stop: Ids, ids: Ids, image: Ids
) -> None:
    for r in range(row.size - 1):
        line = image[r]
        at = 0
        for i in range(row[r], row[r + 1]):
            line[at : start[i]] = 0
            line[start[i] : stop[i]] = ids[i]
            at = stop[i]
        line[at:] = 0
