"""Deformation of arrays on the processor, in parts of any size."""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._resample import (
    cubic_plane,
    linear_plane,
    linear_volume,
    nearest_plane,
    nearest_volume,
    place,
)
from napari_unet_studio.core.displacement import Interpolation, spline_basis
from napari_unet_studio.core.errors import InputError

BLOCK = 1 << 16  # pixels that are sampled in one call: their positions stay in a cache


class Deformed(NamedTuple):
    """Deformed images (C, *S), labels (*S) and weight map (*S); None if not given."""

    images: NDArray[Any]
    labels: NDArray[Any] | None = None
    weight_map: NDArray[Any] | None = None


class Resampler:
    """Images and what belongs to them, ready to be deformed in parts.

    Parameters
    ----------
    images
        Shape (C, *S), two or three spatial axes, real numbers.
    labels
        Shape (*S), integers or booleans.
    weight_map
        Shape (*S), of a floating type.
    interpolation
        Of the images, if they are planes.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any] | None = None,
        weight_map: NDArray[Any] | None = None,
        interpolation: Interpolation = "cubic",
    ) -> None:
        self.shape = images.shape[1:]
        self._types = Deformed(
            np.empty(0, images.dtype),
            None if labels is None else np.empty(0, labels.dtype),
            None if weight_map is None else np.empty(0, weight_map.dtype),
        )
        self._images = _working(images)
        self._weights = None if weight_map is None else _working(weight_map)
        # As unsigned numbers of the same bits, there are few types to compile for.
        self._labels = None if labels is None else _read_only(_bits(labels))
        self._linear = linear_plane if len(self.shape) == 2 else linear_volume
        self._nearest = nearest_plane if len(self.shape) == 2 else nearest_volume
        is_cubic = interpolation == "cubic" and len(self.shape) == 2
        self._sample = cubic_plane if is_cubic else self._linear

    def empty(self, rows: int) -> Deformed:
        """Return room for some rows (planes of a volume) of the result."""
        images, labels, weight_map = self._types
        shape = (rows, *self.shape[1:])
        return Deformed(
            np.empty((len(self._images), *shape), images.dtype),
            None if labels is None else np.empty(shape, labels.dtype),
            None if weight_map is None else np.empty(shape, weight_map.dtype),
        )

    def part(self, coarse: NDArray[np.float32], start: int, stop: int) -> Deformed:
        """Deform some rows (planes of a volume) by vectors of `coarse_displacement`."""
        out = self.empty(stop - start)
        self.fill(coarse, start, out)
        return out

    def fill(self, coarse: NDArray[np.float32], start: int, out: Deformed) -> None:
        """Deform as many rows from `start` on as `out` holds.

        The rows of `out` are contiguous, they may be part of a larger array.
        """
        vectors, starts = self._lines(coarse, start, start + out.images.shape[1])
        across = _across(coarse.shape[-1], self.shape[-1])
        sizes = np.array(self.shape, np.float64)
        width = self.shape[-1]
        step = max(1, BLOCK // width)  # a plane of a volume can be large
        for first in range(0, starts.shape[1], step):
            lines = slice(first, first + step)
            origins = np.ascontiguousarray(starts[:, lines])
            places = np.empty((len(sizes), origins.shape[1] * width))
            place(
                np.ascontiguousarray(vectors[:, lines]), across, origins, sizes, places
            )
            self._sample_at(places, first * width, out)

    def _sample_at(
        self, places: NDArray[np.float64], first: int, out: Deformed
    ) -> None:
        """Fill the pixels of `out` from the `first` one on."""
        part = slice(first, first + places.shape[1])
        for image, result in zip(self._images, out.images, strict=True):
            _sample(self._sample, image, places, result.reshape(-1)[part])
        if self._weights is not None and out.weight_map is not None:
            flat = out.weight_map.reshape(-1)
            _sample(self._linear, self._weights, places, flat[part])
        if self._labels is not None and out.labels is not None:
            ids = _bits(out.labels).reshape(-1)
            self._nearest(self._labels, places, ids[part])

    def _lines(
        self, coarse: NDArray[np.float32], start: int, stop: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the vectors along lines of pixels and where the lines start.

        Shapes (ndim, lines, points) and (ndim, lines); a line is a row of a plane.
        """
        ndim = len(self.shape)
        bases = [
            spline_basis(points, size)
            for points, size in zip(coarse.shape[1:], self.shape, strict=True)
        ]
        bases[0] = bases[0][start:stop]
        vectors = coarse.astype(np.float64)
        lead: tuple[int, ...] = ()
        for basis in bases[:-1]:  # by einsum, for it starts no threads
            vectors = vectors.reshape(ndim, prod(lead), basis.shape[1], -1)
            vectors = np.einsum("arpq,sp->arsq", vectors, basis)
            lead = (*lead, len(basis))
        vectors = vectors.reshape(ndim, prod(lead), -1)
        starts = np.zeros((ndim, prod(lead)))
        starts[:-1] = np.indices(lead).reshape(ndim - 1, -1)
        starts[0] += start
        return vectors, starts


@lru_cache(maxsize=8)
def _across(points: int, size: int) -> NDArray[np.float64]:
    return spline_basis(points, size).T.copy()  # never the read-only one itself


def _sample(kernel: Any, image: Any, places: Any, flat: NDArray[Any]) -> None:
    """Sample one image, converted to the type of the result."""
    if flat.dtype == image.dtype:
        kernel(image, places, flat)
    else:
        part = np.empty(flat.shape, image.dtype)
        kernel(image, places, part)
        flat[:] = _as_type(part, flat.dtype)


def _working(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 or, for types that need it, float64."""
    wide = values.dtype.itemsize > (4 if values.dtype.kind == "f" else 2)
    return _read_only(values.astype(np.float64 if wide else np.float32, copy=False))


def _bits(labels: NDArray[Any]) -> NDArray[Any]:
    return labels.view(f"u{labels.dtype.itemsize}")


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return a view that kernels are compiled for, whether the array is or not."""
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view


def _as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert interpolated values, integers rounded, clipped to what the type holds."""
    if dtype.kind == "f" and dtype.itemsize == 2:
        values = np.clip(values, np.finfo(dtype).min, np.finfo(dtype).max)
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        highest = float(limits.max)
        if highest > limits.max:  # the next float above the largest 64-bit integer
            highest = np.nextafter(highest, 0)
        values = np.clip(np.rint(values), limits.min, highest)
    return values.astype(dtype, copy=False)


def check_inputs(
    images: NDArray[Any],
    labels: NDArray[Any] | None = None,
    weight_map: NDArray[Any] | None = None,
) -> None:
    """Raise an :class:`InputError` unless a `Resampler` can be made of these."""
    shape = images.shape[1:]
    _check_images(images, shape)
    if labels is not None:
        _check_labels(labels, shape)
    if weight_map is not None:
        _check_weight_map(weight_map, shape)


def _check_images(image: NDArray[Any], shape: tuple[int, ...]) -> None:
    if image.dtype.kind not in "biuf" or image.dtype.itemsize > 8:
        raise InputError(
            f"An image of type {image.dtype} cannot be deformed; convert it to real "
            "numbers of at most 64 bits."
        )
    if len(shape) not in (2, 3):
        raise InputError(
            f"An image of shape {shape} has {len(shape)} spatial axes; expected "
            "(Y, X) or (Z, Y, X). Name the axis of channels if there is one."
        )


def _check_labels(labels: NDArray[Any], shape: tuple[int, ...]) -> None:
    if labels.dtype.kind not in "biu":
        raise InputError(
            f"Labels are integer ids, but this array holds {labels.dtype}. Convert it "
            "with labels.astype(int) if its values are whole numbers."
        )
    if labels.shape != shape:
        raise InputError(
            f"The labels have shape {labels.shape} and the image {shape}; choose labels"
            " of this image."
        )


def _check_weight_map(weight_map: NDArray[Any], shape: tuple[int, ...]) -> None:
    if weight_map.dtype.kind != "f" or weight_map.dtype.itemsize > 8:
        raise InputError(
            "A weight map holds floating numbers of at most 64 bits, but this one "
            f"holds {weight_map.dtype}. Convert it with "
            "weight_map.astype('float32'); pass a mask as labels."
        )
    if weight_map.shape != shape:
        raise InputError(
            f"The weight map has shape {weight_map.shape} and the image {shape}; "
            "choose the weight map of this image."
        )
    if not np.isfinite(weight_map).all():
        raise InputError(
            "The weight map contains NaN or infinite values, which interpolation would "
            "spread to their neighbours. Replace them first, for example with "
            "numpy.nan_to_num(weight_map)."
        )
