"""An image seen through another pixel grid: resampled or turned, read part by part.

A :class:`Canvas` is an array that computes what is asked for. The network runs on the
canvas; :func:`sample` then brings its answer back to the pixels of the image. Both are
linear interpolation after a Gaussian that removes what the coarser grid cannot hold,
and both depend on the pixel alone, not on the part that is asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.core.networks.spec import Shape

Numbers = NDArray[np.floating]

# The Gaussian ends after so many deviations.
_REACH = 4.0


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image (C, *S) on another grid.

    Parameters
    ----------
    array
        The image; numpy or lazy, mirrored where the grid leaves it.
    matrix, offset
        Position p of the canvas shows position ``matrix @ p + offset`` of the image, in
        pixels, counted from pixel centres.
    size
        Spatial shape of the canvas.
    """

    array: Any
    matrix: Numbers
    offset: Numbers
    size: Shape
    dtype: np.dtype[Any] = field(default=np.dtype(np.float32))

    @property
    def shape(self) -> Shape:
        """Shape (C, *S) of the canvas."""
        return (int(self.array.shape[0]), *self.size)

    @property
    def ndim(self) -> int:
        """Number of axes, the channels included."""
        return 1 + len(self.size)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float32]:
        """Return (C, *part) for an index ``(..., slice, ..., slice)``."""
        parts = index[-len(self.size) :]
        region = tuple(
            slice(*part.indices(size)[:2])
            for part, size in zip(parts, self.size, strict=True)
        )
        return sample(self.array, self.matrix, self.offset, region)

    def bring_back(self, region: Region) -> Region:
        """Return the part of the canvas that the pixels of an image's region need."""
        inverse = np.linalg.inv(self.matrix)
        corners = _corners(region)
        places = (corners - self.offset) @ inverse.T
        margin = 1 + _reach(_deviations(inverse))
        low = np.floor(places.min(axis=0) - margin).astype(int)
        high = np.ceil(places.max(axis=0) + margin).astype(int) + 1
        return tuple(
            slice(max(0, int(a)), min(size, int(b)))
            for a, b, size in zip(low, high, self.size, strict=True)
        )

    def answer(
        self, values: NDArray[np.float32], part: Region, region: Region
    ) -> NDArray[np.float32]:
        """Return values (C, *part) of a part of the canvas at an image's region."""
        inverse = np.linalg.inv(self.matrix)
        start = np.array([p.start for p in part])
        return sample(values, inverse, -inverse @ self.offset - start, region)


def sample(
    array: Any,
    matrix: Numbers,
    offset: Numbers,
    region: Region,
) -> NDArray[np.float32]:
    """Return an image (C, *S) at the positions ``matrix @ p + offset`` of a region.

    Parameters
    ----------
    array
        The image; only what is needed is read, mirrored where positions leave it.
    matrix, offset
        From positions p to positions in the image.
    region
        The positions p: whole numbers from start to stop of each axis.

    Returns
    -------
    ndarray of float32, shape (C, *region)
    """
    deviations = _deviations(matrix)
    places = _corners(region) @ matrix.T + offset
    margin = 1 + _reach(deviations)
    low = np.floor(places.min(axis=0) - margin).astype(int)
    high = np.ceil(places.max(axis=0) + margin).astype(int) + 1
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    block = read_mirrored(array, window).astype(np.float32)
    shape = tuple(part.stop - part.start for part in region)
    start = matrix @ np.array([part.start for part in region]) + offset - low
    result = np.empty((len(block), *shape), np.float32)
    for channel, plane in zip(result, block, strict=True):
        if deviations.any():
            plane = ndimage.gaussian_filter(plane, deviations, truncate=_REACH)
        ndimage.affine_transform(
            plane, matrix, start, shape, channel, order=1, mode="nearest"
        )
    return result


def rescaled(array: Any, factors: Sequence[float]) -> Canvas:
    """Return an image on a grid whose pixels are `factors` times as large.

    Examples
    --------
    >>> ramp = np.arange(8.0)[np.newaxis] * np.ones((1, 8, 1))
    >>> coarse = rescaled(ramp, (1.0, 2.0))
    >>> coarse.shape
    (1, 8, 4)
    >>> coarse[..., 0:1, 1:3].round(1)
    array([[[2.5, 4.5]]], dtype=float32)
    """
    scale = np.asarray(factors, float)
    sizes = [
        max(1, math.ceil(size / factor - 1e-6))
        for size, factor in zip(array.shape[1:], factors, strict=True)
    ]
    return Canvas(array, np.diag(scale), (scale - 1) / 2, tuple(sizes))


def turned(array: Any, degrees: float, margin: int) -> Canvas:
    """Return an image turned in its last two axes, on a canvas that holds all of it.

    Parameters
    ----------
    degrees
        From the Y axis towards the X axis.
    margin
        Mirrored pixels around the turned image, so that a network does not see the end
        of the canvas.
    """
    ndim = len(array.shape) - 1
    angle = math.radians(degrees)
    matrix = np.eye(ndim)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix[-2:, -2:] = [[cos, -sin], [sin, cos]]
    extent = np.array(array.shape[1:])
    sizes = np.ceil(np.abs(matrix.T) @ extent - 1e-6).astype(int)
    sizes[-2:] += 2 * margin
    sizes[:-2] = extent[:-2]
    # The middles of image and canvas coincide.
    offset = (extent - 1) / 2 - matrix @ ((sizes - 1) / 2)
    return Canvas(array, matrix, offset, tuple(int(s) for s in sizes))


def _corners(region: Region) -> Numbers:
    ends = [(part.start, part.stop - 1) for part in region]
    return np.array(np.meshgrid(*ends), float).reshape(len(ends), -1).T


def _deviations(matrix: Numbers) -> Numbers:
    """Deviations of the Gaussian along the axes of the image that is sampled.

    Half of what a step of the new grid exceeds a pixel, as in scikit-image's `resize`.
    """
    steps = np.linalg.norm(matrix, axis=1)
    return np.where(steps > 1 + 1e-6, (steps - 1) / 2, 0.0)


def _reach(deviations: Numbers) -> Numbers:
    return np.asarray(np.ceil(_REACH * deviations))
