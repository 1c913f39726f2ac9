"""Elastic deformation: a coarse random grid, a smooth dense field, one resampling.

Random displacement vectors on a coarse grid, interpolated per pixel, as the U-Net paper
augments its training images [1]_. Preview and training share one definition of the
field and have two executors of it: `elastic_deform` for arrays on the processor, `warp`
for batches of tensors on any device.

References
----------
.. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
   segmentation. MICCAI 2015, section 3.1.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import core_count, for_each
from napari_unet_studio.core._resample import (
    CUBIC_MARGIN,
    LINEAR_MARGIN,
    resample_plane,
    resample_volume,
)
from napari_unet_studio.core.displacement import (
    DeformConfig,
    coarse_displacement,
    dense_displacement,
    folding,
    spline_basis,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import check_finite
from napari_unet_studio.core.warping import pixel_coordinates, warp

__all__ = [
    "DeformConfig",
    "check_deformable",
    "coarse_displacement",
    "deform_channels",
    "dense_displacement",
    "elastic_deform",
    "folding",
    "pixel_coordinates",
    "warp",
]

BLOCK = 1 << 16  # pixels that are sampled in one call
LARGE = 1 << 21  # values from which several threads pay


@overload
def elastic_deform(
    image: ArrayLike,
    labels: None = ...,
    grid: int = ...,
    sigma: float = ...,
    seed: int = ...,
    spacing: Sequence[float] | None = ...,
    channel_axis: int | None = ...,
) -> NDArray[Any]: ...
@overload
def elastic_deform(
    image: ArrayLike,
    labels: ArrayLike,
    grid: int = ...,
    sigma: float = ...,
    seed: int = ...,
    spacing: Sequence[float] | None = ...,
    channel_axis: int | None = ...,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def elastic_deform(
    image: ArrayLike,
    labels: ArrayLike | None = None,
    grid: int = 3,
    sigma: float = 10.0,
    seed: int = 0,
    spacing: Sequence[float] | None = None,
    channel_axis: int | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """Deform an image, and its labels alike, by a smooth random field.

    Parameters
    ----------
    image
        Shape ``(Y, X)`` or ``(Z, Y, X)``, and an axis of channels if `channel_axis`
        names it.
    labels
        Instance ids of the same spatial shape, of any integer type.
    grid
        Points of the coarse grid along each axis, at least 2.
    sigma
        Standard deviation of the displacement at these points, in pixels of the finest
        axis; 0 returns unchanged copies.
    seed
        The same number gives the same deformation.
    spacing
        Distance of neighbouring pixels per axis, see `coarse_displacement`.
    channel_axis
        Axis of `image` that holds channels; all are deformed alike.

    Returns
    -------
    ndarray or tuple of ndarray
        The deformed image, and the deformed labels if there are some, of unchanged
        shape and type.

    Notes
    -----
    Images are interpolated as `warp` does, cubic in a plane and linear in a volume, in
    float32 or, for types that need it, float64. Integer images are rounded and clipped
    to the range of their type, which cubic interpolation can leave. Labels take the
    nearest pixel. NaN and infinity are refused, for they would spread. Beyond the
    border the image is mirrored. Strong settings fold the image over itself; see
    `folding`.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. MICCAI 2015, section 3.1.

    Examples
    --------
    >>> image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> deformed, labels = elastic_deform(image, image // 32, sigma=1, seed=3)
    >>> deformed.shape, deformed.dtype, np.unique(labels)
    ((8, 8), dtype('uint8'), array([0, 1], dtype=uint8))
    """
    array = np.asarray(image)
    ids = None if labels is None else np.asarray(labels)
    channels = _channels_first(array, channel_axis)
    check_deformable(array)
    result, moved = deform_channels(channels, ids, grid, sigma, seed, spacing)
    if channel_axis is None:
        result = result[0]
    else:
        result = np.ascontiguousarray(np.moveaxis(result, 0, channel_axis))
    return result if moved is None else (result, moved)


def check_deformable(image: NDArray[Any], name: str | None = None) -> None:
    """Raise an :class:`InputError` that counts NaN and infinite values, if any."""
    check_finite(image, name, "which interpolation would spread to their neighbours")


def deform_channels(
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    grid: int,
    sigma: float,
    seed: int,
    spacing: Sequence[float] | None,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Deform images (C, *S) and labels (*S), even if NaN spreads to its neighbours."""
    shape = images.shape[1:]
    _check_pair(images, labels, shape)
    coarse = coarse_displacement(len(shape), grid, sigma, seed, spacing)
    if not coarse.any() or images.size == 0:
        return images.copy(), None if labels is None else labels.copy()
    return _resample(images, labels, coarse)


def _resample(
    images: NDArray[Any], labels: NDArray[Any] | None, coarse: NDArray[np.float32]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Deform images (C, *S) and labels (*S), block by block of the first axis."""
    shape = images.shape[1:]
    wide = images.dtype.itemsize > (4 if images.dtype.kind == "f" else 2)
    margin = CUBIC_MARGIN if len(shape) == 2 else LINEAR_MARGIN
    source = np.pad(
        images.astype(np.float64 if wide else np.float32, copy=False),
        [(0, 0), *[margin] * len(shape)],
        mode="reflect",
    )
    result = np.empty(images.shape, images.dtype)
    ids = None if labels is None else labels.ravel()
    moved = None if labels is None else np.empty(shape, labels.dtype)
    vectors = coarse.astype(np.float64)
    bases = [
        np.ascontiguousarray(spline_basis(points, size).T)
        for points, size in zip(coarse.shape[1:], shape, strict=True)
    ]
    rows = max(1, BLOCK // prod(shape[1:]))

    def fill(start: int) -> None:
        block = slice(start, min(start + rows, shape[0]))
        part = np.empty((len(images), block.stop - start, *shape[1:]), source.dtype)
        nearest = np.empty(part.shape[1:], np.intp)
        if len(shape) == 2:
            down, across = bases
            resample_plane(source, part, nearest, vectors, down, across, start)
        else:
            deep, down, across = bases
            resample_volume(source, part, nearest, vectors, deep, down, across, start)
        result[:, block] = _as_type(part, images.dtype)
        if ids is not None and moved is not None:
            np.take(ids, nearest, out=moved[block], mode="clip")

    threads = core_count() if images.size >= LARGE else 1
    for_each(fill, range(0, shape[0], rows), threads)
    return result, moved


def _channels_first(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    if channel_axis is None:
        return image[None]
    if not -image.ndim <= channel_axis < image.ndim:
        raise InputError(
            f"The channel axis {channel_axis} is not among the {image.ndim} axes of the"
            " image; count from 0."
        )
    return np.moveaxis(image, channel_axis, 0)


def _check_pair(
    image: NDArray[Any], labels: NDArray[Any] | None, shape: tuple[int, ...]
) -> None:
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
    if labels is None:
        return
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


def _as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        highest = float(limits.max)
        if highest > limits.max:  # the next float above the largest 64-bit integer
            highest = np.nextafter(highest, 0)
        values = np.clip(np.rint(values), limits.min, highest)
    return values.astype(dtype, copy=False)
