"""Synthetic images of any number of objects, made in seconds."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError


def blobs(shape: tuple[int, ...], objects: int, seed: int = 0) -> NDArray[np.int32]:
    """Draw discs or balls of different sizes that touch where they meet.

    Parameters
    ----------
    shape
        Shape of the labels, two or three axes.
    objects
        Number of objects, each with its id from 1 on.
    seed
        Of numpy's generator.

    Notes
    -----
    Every pixel belongs to the nearest of the random centres, if it is within that
    object's radius: there are contacts without a gap, narrow gaps and free places at
    any density.

    Examples
    --------
    >>> labels = blobs((64, 64), 30)
    >>> labels.max(), np.unique(labels).size
    (np.int32(30), 31)
    """
    from scipy import ndimage

    if not 0 < objects <= prod(shape):
        raise InputError(
            f"{objects} objects do not fit an image of shape {shape}; ask for at least "
            "one and at most one per pixel."
        )
    generator = np.random.default_rng(seed)
    places = generator.choice(prod(shape), objects, replace=False)
    centres = np.zeros(shape, np.int32)
    centres.flat[places] = np.arange(1, objects + 1)
    distance, nearest = ndimage.distance_transform_edt(
        centres == 0, return_indices=True
    )
    labels: NDArray[np.int32] = centres[tuple(nearest)]
    pitch = (prod(shape) / objects) ** (1 / len(shape))
    radii = pitch * generator.uniform(0.35, 0.75, objects + 1)
    labels[distance > radii[labels]] = 0
    return labels


def texture(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Draw a float32 image of grains a few pixels wide, from 0 to 1."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).random(shape, np.float32)
    image: NDArray[np.float32] = ndimage.gaussian_filter(noise, 1.5)
    image -= image.min()
    image /= image.max()
    return image
