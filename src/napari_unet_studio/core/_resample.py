"""Kernels that deform arrays on the processor: displacement and sampling in one pass.

Images come with a margin of mirrored pixels and positions are mirrored into the image,
so that no neighbour has to be looked for beyond a border. Indices are unsigned where it
counts: that spares a check for negative ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import compiled

Values = NDArray[Any]  # float32 or float64
Places = NDArray[np.float64]

CUBIC_MARGIN = 1, 2  # pixels before and after each axis
LINEAR_MARGIN = 0, 1


@compiled
def place_row(
    vectors: Places, across: Places, start: Places, sizes: Places, row: Places
) -> None:
    """Write where the pixels of one row come from, mirrored into the image.

    Parameters
    ----------
    vectors
        Displacements at the points of the grid along this row, (axes, points).
    across
        Weights of the points for each pixel, (points, X).
    start
        Position of the first pixel.
    sizes
        Shape of the image.
    row
        Result, (axes, X).
    """
    axes, points = vectors.shape
    width = row.shape[1]
    for axis in range(axes):
        line = row[axis]
        line[:] = start[axis]
        for point in range(points):
            vector, weights = vectors[axis, point], across[point]
            for x in range(width):
                line[x] += vector * weights[x]
        if axis == axes - 1:
            for x in range(width):
                line[x] += x
        period = max(2.0 * (sizes[axis] - 1.0), 1e-9)
        rate = 1.0 / period
        for x in range(width):
            p = abs(line[x])
            p -= period * np.floor(p * rate)
            line[x] = max(min(p, period - p), 0.0)


@compiled
def resample_plane(
    images: Values,
    out: Values,
    nearest: NDArray[np.intp],
    coarse: Places,
    down: Places,
    across: Places,
    first: int,
) -> None:
    """Deform some rows of a plane, cubic: Keys' convolution with a = -0.75.

    Parameters
    ----------
    images
        Source with its margin, shape (C, 1 + Y + 2, 1 + X + 2).
    out
        Result, shape (C, rows, X).
    nearest
        Result: flat index of the nearest pixel without the margin, shape (rows, X).
    coarse
        Displacement vectors, shape (2, grid, grid).
    down, across
        Weights of the grid's rows for each row, (grid, Y), and columns, (grid, X).
    first
        Row of the plane that is row 0 of the result.
    """
    height, width = images.shape[1] - 3, images.shape[2] - 3
    kind = images.dtype.type
    row = np.empty((2, width))
    start = np.zeros(2)
    sizes = np.array([float(height), float(width)])
    a, one, two, three = kind(-0.75), kind(1), kind(1.25), kind(2.25)
    for y in range(first, first + nearest.shape[0]):
        vectors = np.zeros((2, coarse.shape[2]))
        for point in range(coarse.shape[1]):
            vectors += coarse[:, point] * down[point, y]
        start[0] = y
        place_row(vectors, across, start, sizes, row)
        for x in range(width):
            py, px = row[0, x], row[1, x]
            j, i = int(py), int(px)
            t, u = kind(py - j), kind(px - i)
            nearest[y - first, x] = int(py + 0.5) * width + int(px + 0.5)
            v = one - u
            u0, u3 = a * u * v * v, a * v * u * u
            u1, u2 = (two * u - three) * u * u + one, (two * v - three) * v * v + one
            v = one - t
            t0, t3 = a * t * v * v, a * v * t * t
            t1, t2 = (two * t - three) * t * t + one, (two * v - three) * v * v + one
            j0, j1 = np.uint64(j), np.uint64(j + 1)
            j2, j3 = np.uint64(j + 2), np.uint64(j + 3)
            i0, i1 = np.uint64(i), np.uint64(i + 1)
            i2, i3 = np.uint64(i + 2), np.uint64(i + 3)
            for c in range(images.shape[0]):
                k, m, n, p = images[c, j0], images[c, j1], images[c, j2], images[c, j3]
                out[c, y - first, x] = (
                    u0 * (t0 * k[i0] + t1 * m[i0] + t2 * n[i0] + t3 * p[i0])
                    + u1 * (t0 * k[i1] + t1 * m[i1] + t2 * n[i1] + t3 * p[i1])
                    + u2 * (t0 * k[i2] + t1 * m[i2] + t2 * n[i2] + t3 * p[i2])
                    + u3 * (t0 * k[i3] + t1 * m[i3] + t2 * n[i3] + t3 * p[i3])
                )


@compiled
def resample_volume(
    images: Values,
    out: Values,
    nearest: NDArray[np.intp],
    coarse: Places,
    deep: Places,
    down: Places,
    across: Places,
    first: int,
) -> None:
    """Deform some planes of a volume, linear.

    Parameters
    ----------
    images
        Source with its margin, shape (C, Z + 1, Y + 1, X + 1).
    out
        Result, shape (C, planes, Y, X).
    nearest
        Result: flat index of the nearest pixel without the margin, (planes, Y, X).
    coarse
        Displacement vectors, shape (3, grid, grid, grid).
    deep, down, across
        Weights of the grid's planes for each plane, (grid, Z), and so on.
    first
        Plane of the volume that is plane 0 of the result.
    """
    depth, height, width = np.array(images.shape[1:]) - 1
    kind = images.dtype.type
    row = np.empty((3, width))
    start = np.zeros(3)
    sizes = np.array([float(depth), float(height), float(width)])
    for z in range(first, first + nearest.shape[0]):
        plane = np.zeros((3, coarse.shape[2], coarse.shape[3]))
        for point in range(coarse.shape[1]):
            plane += coarse[:, point] * deep[point, z]
        for y in range(height):
            vectors = np.zeros((3, coarse.shape[3]))
            for point in range(coarse.shape[2]):
                vectors += plane[:, point] * down[point, y]
            start[0], start[1] = z, y
            place_row(vectors, across, start, sizes, row)
            for x in range(width):
                pz, py, px = row[0, x], row[1, x], row[2, x]
                k, j, i = int(pz), int(py), int(px)
                t, u, v = kind(pz - k), kind(py - j), kind(px - i)
                index = (int(pz + 0.5) * height + int(py + 0.5)) * width
                nearest[z - first, y, x] = index + int(px + 0.5)
                z0, z1 = np.uint64(k), np.uint64(k + 1)
                y0, y1 = np.uint64(j), np.uint64(j + 1)
                x0, x1 = np.uint64(i), np.uint64(i + 1)
                for c in range(images.shape[0]):
                    a, b = images[c, z0, y0], images[c, z0, y1]
                    d, e = images[c, z1, y0], images[c, z1, y1]
                    p = a[x0] + v * (a[x1] - a[x0])
                    q = b[x0] + v * (b[x1] - b[x0])
                    r = d[x0] + v * (d[x1] - d[x0])
                    s = e[x0] + v * (e[x1] - e[x0])
                    p += u * (q - p)
                    r += u * (s - r)
                    out[c, z - first, y, x] = p + t * (r - p)
