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

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.displacement import (
    DeformConfig,
    Interpolation,
    coarse_displacement,
    dense_displacement,
    folding,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import check_finite
from napari_unet_studio.core.resampling import (
    BLOCK,
    Deformed,
    Resampler,
    check_inputs,
)
from napari_unet_studio.core.warping import pixel_coordinates, warp

__all__ = [
    "DeformConfig",
    "Deformed",
    "Interpolation",
    "check_deformable",
    "coarse_displacement",
    "deform_blocks",
    "deform_channels",
    "dense_displacement",
    "elastic_deform",
    "folding",
    "pixel_coordinates",
    "warp",
]

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
    weight_map: None = ...,
    interpolation: Interpolation = ...,
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
    weight_map: None = ...,
    interpolation: Interpolation = ...,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
@overload
def elastic_deform(
    image: ArrayLike,
    labels: None = ...,
    grid: int = ...,
    sigma: float = ...,
    seed: int = ...,
    spacing: Sequence[float] | None = ...,
    channel_axis: int | None = ...,
    *,
    weight_map: ArrayLike,
    interpolation: Interpolation = ...,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
@overload
def elastic_deform(
    image: ArrayLike,
    labels: ArrayLike,
    grid: int = ...,
    sigma: float = ...,
    seed: int = ...,
    spacing: Sequence[float] | None = ...,
    channel_axis: int | None = ...,
    *,
    weight_map: ArrayLike,
    interpolation: Interpolation = ...,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def elastic_deform(
    image: ArrayLike,
    labels: ArrayLike | None = None,
    grid: int = 3,
    sigma: float = 10.0,
    seed: int = 0,
    spacing: Sequence[float] | None = None,
    channel_axis: int | None = None,
    weight_map: ArrayLike | None = None,
    interpolation: Interpolation = "cubic",
) -> NDArray[Any] | tuple[NDArray[Any], ...]:
    """Deform an image, its labels and its weight map alike, by a smooth random field.

    Parameters
    ----------
    image
        Shape ``(Y, X)`` or ``(Z, Y, X)``, and an axis of channels if `channel_axis`
        names it.
    labels
        Instance ids of the same spatial shape, of any integer type. A mask, such as one
        of pixels to ignore, is passed as labels too.
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
    weight_map
        Weight of each pixel, of the spatial shape of the image and a floating type.
    interpolation
        Of a plane, "cubic" or "linear". Volumes are always sampled linearly, for torch
        has no cubic interpolation of volumes.

    Returns
    -------
    ndarray or tuple of ndarray
        The deformed image alone or, in this order, with the labels and the weight map
        that were given, of unchanged shape and type.

    Notes
    -----
    Images are interpolated as `warp` does, in float32 or, for types that need it,
    float64. Integer images are rounded. They and float16 images are clipped to the
    range of their type, which cubic interpolation can leave. Labels take the nearest
    pixel, weight maps are sampled linearly, as in training, and stay within their
    range. NaN and infinity are refused, for they would spread. Beyond the border the
    image is mirrored. Strong settings fold the image over itself; see `folding`.

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
    weights = None if weight_map is None else np.asarray(weight_map)
    channels = _channels_first(array, channel_axis)
    check_deformable(array)
    result, *others = deform_channels(
        channels, ids, grid, sigma, seed, spacing, weights, interpolation
    )
    if channel_axis is None:
        result = result[0]
    else:
        result = np.ascontiguousarray(np.moveaxis(result, 0, channel_axis))
    given = [other for other in others if other is not None]
    return (result, *given) if given else result


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
    weight_map: NDArray[Any] | None = None,
    interpolation: Interpolation = "cubic",
) -> Deformed:
    """Deform images (C, *S), labels (*S) and a weight map (*S), even if NaN spreads."""
    blocks = deform_blocks(
        images, labels, grid, sigma, seed, spacing, weight_map, interpolation
    )
    while True:
        try:
            next(blocks)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def deform_blocks(
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    grid: int,
    sigma: float,
    seed: int,
    spacing: Sequence[float] | None,
    weight_map: NDArray[Any] | None = None,
    interpolation: Interpolation = "cubic",
) -> Generator[float, None, Deformed]:
    """Deform as `deform_channels`, block by block; closing the generator stops it.

    Yields
    ------
    float
        The share that is done, above 0 to 1.

    Returns
    -------
    Deformed
        Images (C, *S), labels (*S) and weight map (*S), None for what was not given.
    """
    config = DeformConfig(grid, sigma, seed, interpolation)
    shape = images.shape[1:]
    check_inputs(images, labels, weight_map)
    coarse = coarse_displacement(len(shape), grid, sigma, seed, spacing)
    if not coarse.any() or images.size == 0:
        return Deformed(
            images.copy(),
            None if labels is None else labels.copy(),
            None if weight_map is None else weight_map.copy(),
        )
    resampler = Resampler(images, labels, weight_map, config.interpolation)
    result = resampler.empty(shape[0])
    rows = max(1, BLOCK // prod(shape[1:]))
    starts = range(0, shape[0], rows)

    def fill(start: int) -> None:
        block = slice(start, start + rows)
        part = Deformed(
            result.images[:, block],
            None if result.labels is None else result.labels[block],
            None if result.weight_map is None else result.weight_map[block],
        )
        resampler.fill(coarse, start, part)

    if images.size < LARGE or core_count() == 1:
        for done, start in enumerate(starts, 1):
            fill(start)
            yield done / len(starts)
        return result
    pool = ThreadPoolExecutor(core_count())
    try:
        for done, _ in enumerate(pool.map(fill, starts), 1):
            yield done / len(starts)
    finally:
        pool.shutdown(cancel_futures=True)
    return result


def _channels_first(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    if channel_axis is None:
        return image[None]
    if not -image.ndim <= channel_axis < image.ndim:
        raise InputError(
            f"The channel axis {channel_axis} is not among the {image.ndim} axes of the"
            " image; count from 0."
        )
    return np.moveaxis(image, channel_axis, 0)
