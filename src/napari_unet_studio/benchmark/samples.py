"""Synthetic images of any number of objects, made in seconds."""

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError

OBJECT = 800  # pixels of an object in a picture


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


def write_mosaic(path: Path, side: int, chunk: int = 1024, seed: int = 0) -> None:
    """Write a square zarr array of bright blobs, uint8, without holding it in memory.

    Parameters
    ----------
    path
        Of the array, to be made.
    side
        Pixels of each side.
    chunk
        Pixels of each side of a chunk, written one after another.
    seed
        Of numpy's generator.

    Notes
    -----
    Every chunk is the same picture, turned by quarters and mirrored: objects are cut
    where chunks meet, and no two neighbours are alike.
    """
    import zarr

    image, _ = picture((chunk, chunk), seed)
    views = [np.rot90(image, turns) for turns in range(4)]
    views += [view[::-1] for view in views]
    step = min(chunk, side)
    array = zarr.create_array(
        str(path), shape=(side, side), chunks=(step, step), dtype="uint8"
    )
    for row, top in enumerate(range(0, side, chunk)):
        for column, left in enumerate(range(0, side, chunk)):
            view = views[(3 * row + column) % len(views)]
            bottom, right = min(chunk, side - top), min(chunk, side - left)
            place = slice(top, top + bottom), slice(left, left + right)
            array[place] = view[:bottom, :right]


def picture(
    shape: tuple[int, ...], seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw blobs of different brightness on a dark ground, blurred and noisy.

    Returns
    -------
    image, mask
        The grey values, and where the blobs are.
    """
    from scipy import ndimage

    labels = blobs(shape, max(1, prod(shape) // OBJECT), seed)
    generator = np.random.default_rng(seed)
    brightness = generator.uniform(80, 200, labels.max() + 1)
    brightness[0] = 20
    smooth = ndimage.gaussian_filter(brightness[labels], 1.5)
    noisy = smooth + generator.normal(0, 4, smooth.shape)
    return noisy.clip(0, 255).astype(np.uint8), labels > 0
