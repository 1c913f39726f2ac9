"""Kernels that deform arrays on the processor: where pixels come from, and sampling.

Positions are mirrored into the image. A kernel per interpolation samples one image at
any number of them, so that channels, weight maps and labels share their positions. All
arrays are C-contiguous. Indices are unsigned where it counts: that spares a check for
negative ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled
from napari_unet_studio.core._vectors import column_sums

Values = NDArray[Any]  # float32 or float64
Places = NDArray[np.float64]
Indices = NDArray[np.int32]

CHUNK = 512  # pixels between two steps of `cubic_plane`


@compiled
def place(
    vectors: Places, across: Places, starts: Places, sizes: Places, places: Places
) -> None:
    """Write where the pixels of some rows come from, mirrored into the image.

    Parameters
    ----------
    vectors
        Displacements at the points of the grid along each row, (axes, rows, points).
    across
        Weights of the points for each pixel of a row, (points, X).
    starts
        Position of the first pixel of each row, (axes, rows).
    sizes
        Shape of the image.
    places
        Result, (axes, rows * X).
    """
    axes, rows, points = vectors.shape
    width = across.shape[1]
    for axis in range(axes):
        period = 2.0 * (sizes[axis] - 1.0)
        rate = 1.0 / period if period else 0.0  # an axis of one pixel: always 0
        for row in range(rows):
            line = places[axis, row * width : (row + 1) * width]
            line[:] = starts[axis, row]
            for point in range(points):
                vector, weights = vectors[axis, row, point], across[point]
                for x in range(width):
                    line[x] += vector * weights[x]
            if axis == axes - 1:
                for x in range(width):
                    line[x] += x
            for x in range(width):
                p = abs(line[x])
                p -= period * np.int32(p * rate)
                line[x] = max(min(p, period - p), 0.0)


@compiled
def mirrored(index: int, size: int) -> int:
    """Return the index within an axis that one beyond its ends mirrors."""
    period = max(2 * (size - 1), 1)
    index = abs(index) % period
    return min(index, period - index) if size > 1 else 0


@compiled
def split(positions: Places, size: int, first: Indices, part: Values) -> bool:
    """Split positions along an axis into pixel and fraction.

    Parameters
    ----------
    positions
        Within 0 to `size` - 1, (pixels,).
    first
        Result: first of the four pixels around each position; of the last four, or 0,
        where some of them would lie outside.
    part
        Result: how far each position is beyond the pixel before it.

    Returns
    -------
    bool
        Whether there are such positions; it may be true without any.
    """
    held_back = 0
    for x in range(len(positions)):
        position = positions[x]
        inside = max(min(position, size - 2.5), 1.0)
        held_back += inside != position
        first[x] = np.int32(inside) - 1
        part[x] = position - np.int32(position)
    return held_back > 0


@compiled
def weigh(part: Values, weights: Values) -> None:
    """Write the weights of four pixels by Keys' convolution with a = -0.75.

    Parameters
    ----------
    part
        Fraction of a position beyond the second of the pixels, (pixels,).
    weights
        Result, (4, pixels).
    """
    kind = part.dtype.type
    a, one, two, three = kind(-0.75), kind(1), kind(1.25), kind(2.25)
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for x in range(len(part)):
        u = part[x]
        v = one - u
        w0[x] = a * u * v * v
        w1[x] = (two * u - three) * u * u + one
        w2[x] = (two * v - three) * v * v + one
        w3[x] = a * v * u * u


@compiled
def cubic_plane(image: Values, places: Places, out: Values) -> None:
    """Sample a plane by Keys' convolution with a = -0.75.

    The steps take some hundred pixels at a time: their results stay in the cache, and
    all but the last run on vectors of pixels.

    Parameters
    ----------
    image
        Shape (Y, X).
    places
        Positions within the image, shape (2, pixels).
    out
        Result, shape (pixels,).
    """
    height, width = image.shape
    first = np.empty((2, CHUNK), np.int32)
    part = np.empty(CHUNK, image.dtype)
    weights = np.empty((2, 4, CHUNK), image.dtype)
    for start in range(0, len(out), CHUNK):
        stop = min(start + CHUNK, len(out))
        result = out[start:stop]
        fraction = part[: len(result)]
        border = height < 4 or width < 4
        for axis in range(2):
            near = places[axis, start:stop]  # contiguous, unlike a part of both axes
            border |= split(near, image.shape[axis], first[axis], fraction)
            weigh(fraction, weights[axis])
        if height > 3 and width > 3:
            sum_inside(image, first, weights, result)
        if border:
            sum_at_border(image, places[:, start:stop], first, weights, result)


@compiled
def sum_inside(image: Values, first: Indices, weights: Values, out: Values) -> None:
    """Sum 4 x 4 weighted pixels from `first` on; wrong at a border."""
    t, u = weights[0], weights[1]
    for x in range(len(out)):
        p, q, r, s = column_sums(
            image, first[0, x], first[1, x], t[0, x], t[1, x], t[2, x], t[3, x]
        )
        out[x] = u[0, x] * p + u[1, x] * q + u[2, x] * r + u[3, x] * s


@compiled
def sum_at_border(
    image: Values, places: Places, first: Indices, weights: Values, out: Values
) -> None:
    """Sum 4 x 4 weighted pixels again where some are mirrored."""
    height, width = image.shape
    for x in range(len(out)):
        j, i = int(places[0, x]) - 1, int(places[1, x]) - 1
        if j == first[0, x] and i == first[1, x] and min(height, width) > 3:
            continue
        total = image.dtype.type(0)
        for row in range(4):
            line = image[mirrored(j + row, height)]
            for column in range(4):
                weight = weights[0, row, x] * weights[1, column, x]
                total += weight * line[mirrored(i + column, width)]
        out[x] = total


@compiled
def linear_plane(image: Values, places: Places, out: Values) -> None:
    """Sample a plane (Y, X) linearly at positions (2, pixels)."""
    height, width = image.shape
    kind = image.dtype.type
    for x in range(len(out)):
        py, px = places[0, x], places[1, x]
        j, i = int(py), int(px)
        t, u = kind(py - j), kind(px - i)
        i0, i1 = np.uint64(i), np.uint64(min(i + 1, width - 1))
        a, b = image[np.uint64(j)], image[np.uint64(min(j + 1, height - 1))]
        p = a[i0] + u * (a[i1] - a[i0])
        q = b[i0] + u * (b[i1] - b[i0])
        out[x] = p + t * (q - p)


@compiled
def linear_volume(image: Values, places: Places, out: Values) -> None:
    """Sample a volume (Z, Y, X) linearly at positions (3, pixels)."""
    depth, height, width = image.shape
    kind = image.dtype.type
    for x in range(len(out)):
        pz, py, px = places[0, x], places[1, x], places[2, x]
        k, j, i = int(pz), int(py), int(px)
        t, u, v = kind(pz - k), kind(py - j), kind(px - i)
        z0, z1 = np.uint64(k), np.uint64(min(k + 1, depth - 1))
        y0, y1 = np.uint64(j), np.uint64(min(j + 1, height - 1))
        x0, x1 = np.uint64(i), np.uint64(min(i + 1, width - 1))
        a, b, d, e = image[z0, y0], image[z0, y1], image[z1, y0], image[z1, y1]
        p = a[x0] + v * (a[x1] - a[x0])
        q = b[x0] + v * (b[x1] - b[x0])
        r = d[x0] + v * (d[x1] - d[x0])
        s = e[x0] + v * (e[x1] - e[x0])
        p += u * (q - p)
        r += u * (s - r)
        out[x] = p + t * (r - p)


@compiled
def nearest_plane(labels: Values, places: Places, out: Values) -> None:
    """Copy the nearest pixels of labels (Y, X) at positions (2, pixels)."""
    for x in range(len(out)):
        j, i = int(places[0, x] + 0.5), int(places[1, x] + 0.5)
        out[x] = labels[np.uint64(j), np.uint64(i)]


@compiled
def nearest_volume(labels: Values, places: Places, out: Values) -> None:
    """Copy the nearest voxels of labels (Z, Y, X) at positions (3, pixels)."""
    for x in range(len(out)):
        k, j = int(places[0, x] + 0.5), int(places[1, x] + 0.5)
        i = int(places[2, x] + 0.5)
        out[x] = labels[np.uint64(k), np.uint64(j), np.uint64(i)]
