"""How a deformation looks: the grid that it bends, and its arrows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.deform import folding
from napari_unet_studio.core.displacement import dense_displacement, spline_basis

Points = NDArray[np.float64]

SAMPLES = 128  # per axis, along which lines are followed
LINES = 16  # of the grid along the longer side
ARROWS = 18  # along the longer side


class Plane(NamedTuple):
    """The displacement within one plane.

    Parameters
    ----------
    vectors
        At the points of the grid, components along Y and X, shape (2, grid, grid).
    shape
        Of the plane in pixels.
    """

    vectors: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, coarse: NDArray[np.float32], shape: tuple[int, ...], plane: int
    ) -> "Plane":
        """Cut a plane out of a deformation of a plane or a volume.

        Parameters
        ----------
        coarse
            Displacement vectors, shape (ndim, *grid).
        shape
            Of the image in pixels.
        plane
            Index of the plane, where there are several.
        """
        vectors = coarse.astype(np.float64)
        if len(shape) == 3:
            weights = spline_basis(coarse.shape[1], shape[0])[plane]
            vectors = np.tensordot(vectors, weights, (1, 0))[1:]  # (2, grid, grid)
        return cls(vectors, (shape[-2], shape[-1]))

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Points:
        """Return the displacement (2, rows, columns) of pixels on a raster."""
        points = self.vectors.shape[1]
        down = spline_basis(points, self.shape[0])[rows]
        across = spline_basis(points, self.shape[1])[columns]
        return down @ self.vectors @ across.T

    def raster(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return evenly spaced rows and columns, `count` along the longer side."""
        step = max(1.0, (max(self.shape) - 1) / max(1, count - 1))
        rows, columns = (
            np.unique(
                np.linspace(0, n - 1, max(2, round((n - 1) / step) + 1)).astype(int)
            )
            for n in self.shape
        )
        return rows, columns


def grid_step(shape: tuple[int, int]) -> int:
    """Return the distance of the grid's lines in pixels of the undeformed image."""
    return max(2, round(max(shape) / LINES))


def grid_lines(plane: Plane) -> Points:
    """Return where the lines of a regular grid lie after the deformation.

    A line of the image appears where the pixels come from this line: along a contour of
    their positions. Beyond the border the image is mirrored, and so are its lines.

    Returns
    -------
    ndarray
        Pieces of lines (n, 2, 2): a start and a step, each (Y, X) in pixels.
    """
    rows, columns = plane.raster(SAMPLES)
    from skimage.measure import find_contours  # slow: not for opening the widget

    if min(len(rows), len(columns)) < 2:
        return np.empty((0, 2, 2))
    origin = plane.at(rows, columns)
    origin += np.stack(np.meshgrid(rows, columns, indexing="ij"))
    step = grid_step(plane.shape)
    pieces = []
    for places, size in zip(origin, plane.shape, strict=True):
        period = 2 * (size - 1)
        first, last = np.floor(places.min() / period), np.ceil(places.max() / period)
        lines = np.arange(step // 2, size, step)
        starts = period * np.arange(first, last + 1)
        levels = np.unique(np.add.outer(starts, np.concatenate((lines, -lines))))
        for level in levels[(levels > places.min()) & (levels < places.max())]:
            for contour in find_contours(places, level):
                path = np.stack(
                    [
                        np.interp(contour[:, 0], np.arange(len(rows)), rows),
                        np.interp(contour[:, 1], np.arange(len(columns)), columns),
                    ],
                    axis=1,
                )
                pieces.append(np.stack((path[:-1], np.diff(path, axis=0)), axis=1))
    return np.concatenate(pieces) if pieces else np.empty((0, 2, 2))


def arrows(plane: Plane) -> Points:
    """Return arrows from pixels to where they are taken from, (n, 2, 2)."""
    rows, columns = plane.raster(ARROWS)
    start = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    both = np.stack((start, plane.at(rows, columns)))  # (2, 2, rows, columns)
    return np.asarray(both.reshape(2, 2, -1).transpose(2, 0, 1), float)


def folded(coarse: NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Return the share of pixels where the image folds over itself, on a raster."""
    most = 160 if len(shape) == 2 else 40
    small = tuple(min(n, most) for n in shape)
    field = dense_displacement(coarse.astype(np.float64), small)
    for axis, (few, many) in enumerate(zip(small, shape, strict=True)):
        field[axis] *= (few - 1) / max(1, many - 1)
    return folding(field)


def largest(coarse: NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Return the largest displacement in pixels, on a raster."""
    small = tuple(min(n, 160 if len(shape) == 2 else 40) for n in shape)
    field = dense_displacement(coarse.astype(np.float64), small)
    return float(np.sqrt(np.square(field).sum(axis=0)).max())


def fold_text(share: float) -> str:
    """Say how much of an image folds over itself.

    Examples
    --------
    >>> fold_text(0.0), fold_text(0.021)
    ('No folds.', '2.1 % of the image folds over itself.')
    """
    if share == 0:
        return "No folds."
    number = f"{100 * share:.1f} %" if share >= 0.0005 else "Less than 0.1 %"
    return f"{number} of the image folds over itself."
