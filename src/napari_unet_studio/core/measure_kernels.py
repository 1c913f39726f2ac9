"""Kernels that sum over the pixels of all objects of a block in one pass.

A block is an array (Z, Y, X) of codes, the objects from 1 on; a plane has one Z. Around
the block lies a margin of one pixel that belongs to its neighbours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def encode(labels: Ints, ids: Ints, codes: Codes) -> None:
    """Replace ids by their place among the sorted `ids`, from 1; others become 0."""
    n = len(ids)
    known, code = 0, 0
    for i in range(labels.shape[0]):
        label = labels[i]
        if label != known or i == 0:
            known, code = label, 0
            low, high = 0, n
            while low < high:
                middle = (low + high) >> 1
                if ids[middle] < label:
                    low = middle + 1
                else:
                    high = middle
            if low < n and ids[low] == label:
                code = low + 1
        codes[i] = code


@compiled
def add_places(
    codes: Codes, margin: Ints, first: Ints, count: Ints, sums: Ints, boxes: Ints
) -> None:
    """Sum up places, run by run along X.

    Parameters
    ----------
    codes
        The block with its margin.
    margin
        Width of the margin along each axis.
    first
        Out, (n, 3): the first pixel of each object; sums count from there.
    count
        Out, (n,), zeros: its pixels.
    sums
        Out, (n, 9), zeros: sums of z, y, x, zz, yy, xx, zy, zx, yx.
    boxes
        Out, (n, 6): smallest z, y, x, then one more than the largest.
    """
    depth, height, width = codes.shape
    right = width - margin[2]
    for z in range(margin[0], depth - margin[0]):
        for y in range(margin[1], height - margin[1]):
            line = codes[z, y]
            x = margin[2]
            while x < right:
                c = line[x]
                start = x
                x += 1
                while x < right and line[x] == c:
                    x += 1
                if c == 0:
                    continue
                m = x - start
                if count[c] == 0:
                    first[c, 0], first[c, 1], first[c, 2] = z, y, start
                    boxes[c, 0], boxes[c, 1], boxes[c, 2] = z, y, start
                    boxes[c, 3], boxes[c, 4], boxes[c, 5] = z + 1, y + 1, x
                else:
                    boxes[c, 1] = min(boxes[c, 1], y)
                    boxes[c, 2] = min(boxes[c, 2], start)
                    boxes[c, 3] = z + 1
                    boxes[c, 4] = max(boxes[c, 4], y + 1)
                    boxes[c, 5] = max(boxes[c, 5], x)
                dz, dy, u = z - first[c, 0], y - first[c, 1], start - first[c, 2]
                sum_x = m * u + m * (m - 1) // 2
                count[c] += m
                sums[c, 0] += m * dz
                sums[c, 1] += m * dy
                sums[c, 2] += sum_x
                sums[c, 3] += m * dz * dz
                sums[c, 4] += m * dy * dy
                squares = (m - 1) * m * (2 * m - 1) // 6
                sums[c, 5] += m * u * u + u * m * (m - 1) + squares
                sums[c, 6] += m * dz * dy
                sums[c, 7] += dz * sum_x
                sums[c, 8] += dy * sum_x


@compiled
def add_values(codes: Codes, margin: Ints, values: Floats, found: Floats) -> None:
    """Sum up the values of an image over the pixels of each object.

    Parameters
    ----------
    values
        Of the block without its margin.
    found
        Out, (n, 6), zeros: pixels, sum, least, most; then, of the differences from the
        object's first value, the sum and the sum of squares. NaN makes all of them NaN.
    """
    depth, height, width = values.shape
    base = np.zeros(found.shape[0])
    for z in range(depth):
        for y in range(height):
            line = codes[z + margin[0], y + margin[1]]
            for x in range(width):
                c = line[x + margin[2]]
                if c == 0:
                    continue
                v = values[z, y, x]
                if found[c, 0] == 0:
                    base[c] = v
                    found[c, 2] = v
                    found[c, 3] = v
                found[c, 0] += 1
                found[c, 1] += v
                if v < found[c, 2] or v != v:
                    found[c, 2] = v
                if v > found[c, 3] or v != v:
                    found[c, 3] = v
                d = v - base[c]
                found[c, 4] += d
                found[c, 5] += d * d


@compiled
def add_classes(codes: Codes, margin: Ints, kinds: Codes, table: Ints) -> None:
    """Count the pixels of each object and class.

    Parameters
    ----------
    kinds
        Classes of the block without its margin, from 1.
    table
        Out, (n, classes), zeros.
    """
    depth, height, width = kinds.shape
    for z in range(depth):
        for y in range(height):
            line = codes[z + margin[0], y + margin[1]]
            for x in range(width):
                c = line[x + margin[2]]
                if c != 0:
                    table[c, kinds[z, y, x]] += 1


@compiled
def add_surface(
    codes: Codes,
    margin: Ints,
    steps: Ints,
    weights: Floats,
    surface: Floats,
    pairs: Codes,
) -> int:
    """Sum up what of each object borders on something else, and note who touches whom.

    Parameters
    ----------
    steps
        To the neighbours of a pixel, (k, 3).
    weights
        What a neighbour outside the object adds to its surface, (k,).
    surface
        Out, (n,), zeros.
    pairs
        Out, (m, 2): objects that touch, the smaller code first; pairs come often.

    Returns
    -------
    int
        Number of pairs found; if it exceeds m, the rest was not kept.
    """
    depth, height, width = codes.shape
    flat = codes.reshape(-1)
    k = len(weights)
    offsets = np.empty(k, np.int64)
    for i in range(k):
        offsets[i] = (steps[i, 0] * height + steps[i, 1]) * width + steps[i, 2]
    last = np.zeros(len(surface), np.int32)
    found = 0
    for z in range(margin[0], depth - margin[0]):
        for y in range(margin[1], height - margin[1]):
            row = (z * height + y) * width
            for x in range(margin[2], width - margin[2]):
                c = flat[row + x]
                if c == 0:
                    continue
                for i in range(k):
                    other = flat[row + x + offsets[i]]
                    if other != c:
                        surface[c] += weights[i]
                        if other > c and last[c] != other:
                            last[c] = other
                            if found < len(pairs):
                                pairs[found, 0] = c
                                pairs[found, 1] = other
                            found += 1
    return found


def distinct(flat: Ints) -> Ints:
    """Return each value once, sorted; quick where neighbours are often equal."""
    if not len(flat):
        return flat
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    values: NDArray[Any] = np.unique(np.append(flat[changes + 1], flat[0]))
    return values
