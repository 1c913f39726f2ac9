"""Electron microscopy: a section through densely packed neurites."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_studio.sample_data.blobs import Blob, crowd, random_blob
from napari_unet_studio.sample_data.drawing import draw, keep_largest, smooth_outlines
from napari_unet_studio.sample_data.fields import FloatArray, smooth_noise, to_uint8
from napari_unet_studio.sample_data.sample import Sample, check_shape


def membranes_2d(shape: tuple[int, int] = (512, 512), seed: int = 0) -> Sample:
    """Make an electron-microscopy section: cells that fill the plane, dark membranes.

    Parameters
    ----------
    shape
        Rows and columns.
    seed
        Same seed, same image.

    Notes
    -----
    Neighbours meet in the middle of a thin membrane. Where the section cuts a
    membrane obliquely, so that it is wide and blurred, its middle is background.

    Examples
    --------
    >>> sample = membranes_2d((128, 128), seed=1)
    >>> sample.image.dtype, sample.spacing
    (dtype('uint8'), (0.004, 0.004))
    """
    check_shape(shape, "YX")
    rng = np.random.default_rng(seed)
    labels = tessellation(rng, shape)
    depth = membrane_distance(labels)
    oblique = np.clip(smooth_noise(rng, shape, 22) - 1.1, 0, 1.5)
    width = 1.5 * np.exp(0.2 * smooth_noise(rng, shape, 8)) + 3.0 * oblique
    labels = np.where(depth < width - 2.2, 0, labels).astype(np.int32)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            keep_largest(labels[box], number)
    image = cytoplasm(rng, labels)
    organelles(rng, labels, depth, image)
    shade = np.exp(-0.5 * (depth / width) ** 2) * (0.92 - 0.3 * np.minimum(oblique, 1))
    shade *= 1 - 0.12 * np.abs(smooth_noise(rng, shape, 4))
    image = image * (1 - shade) + 28 * shade
    densities(rng, depth, image)
    image = ndimage.gaussian_filter(image, 0.65)
    image += 11 * smooth_noise(rng, shape, 0.7) + 5 * rng.standard_normal(shape)
    image += 5 * smooth_noise(rng, shape, 60)
    return Sample("EM membranes", to_uint8(image), labels, "YX", (0.004, 0.004))


def tessellation(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Divide the plane into rounded cells of very different sizes, without gaps."""
    area = shape[0] * shape[1]
    count = max(6, round(area / 1500))
    sizes = iter(np.sort(np.exp(rng.normal(2.75, 0.5, count)))[::-1])

    def neurite() -> Blob:
        length = min(next(sizes), min(shape) / 5)
        return random_blob(rng, (length * rng.uniform(0.45, 0.95), length), 0.1, 0.5)

    blobs = crowd(rng, np.array(shape, float), count, 1.2, neurite, (0.0, 0.15))
    labels, _ = draw(blobs, shape, (1.0, 1.0), visible=0.3, smallest=150, limit=2.2)
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return smooth_outlines(labels[tuple(nearest)], 3.0)


def membrane_distance(labels: NDArray[np.int32]) -> FloatArray:
    """Distance of each pixel to the middle of the nearest membrane, in pixels."""
    border = ndimage.maximum_filter(labels, 2) != ndimage.minimum_filter(labels, 2)
    return np.asarray(ndimage.distance_transform_edt(~border))


def cytoplasm(rng: np.random.Generator, labels: NDArray[np.int32]) -> FloatArray:
    """Grey cytoplasm, its own shade in each cell, with filaments and ribosomes."""
    shades = rng.normal(178, 13, int(labels.max()) + 1)
    image = shades[labels]
    image += 15 * smooth_noise(rng, labels.shape, 1.1)
    image += 9 * smooth_noise(rng, labels.shape, 3)
    specks = smooth_noise(rng, labels.shape, 1.0)
    return np.asarray(image - 60 * np.clip(specks - 1.9, 0, 1))


def organelles(
    rng: np.random.Generator,
    labels: NDArray[np.int32],
    depth: FloatArray,
    image: FloatArray,
) -> None:
    """Paint mitochondria and vesicles into the cells, in place.

    Parameters
    ----------
    rng
        Source of randomness.
    labels
        The cells.
    depth
        Distance to the nearest membrane, in pixels.
    image
        Grey values, changed in place.
    """
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        own = labels[box] == number
        room = np.where(own, depth[box], 0)
        y, x = np.mgrid[: room.shape[0], : room.shape[1]]
        if room.max() > 13 and rng.random() < 0.45:
            centre = np.array(np.unravel_index(room.argmax(), room.shape), float)
            short = rng.uniform(0.5, 0.72) * room.max()
            long = short * rng.uniform(1.0, 1.4)
            blob = random_blob(rng, (short, long), 0.03, 0.2)
            local = blob.local(np.stack([y, x]) - centre[:, None, None])
            inside = own & (room > 4)
            mitochondrion(rng, local, blob.radius(local), short, inside, image[box])
            room = np.where(blob.radius(local) < 1.2, 0, room)
        for _ in range(int(rng.poisson(own.sum() / rng.choice([250, 900, 3000])))):
            row, column = np.argwhere(own)[rng.integers(own.sum())]
            radius = rng.uniform(3.0, 4.6)
            if room[row, column] < radius + 3:
                continue
            away = np.hypot(y - row, x - column)
            ring = np.exp(-0.5 * ((away - radius) / 1.0) ** 2)
            image[box] += 12 * (away < radius) - rng.uniform(55, 95) * ring
            room = np.where(away < 2 * radius, 0, room)


def mitochondrion(
    rng: np.random.Generator,
    local: FloatArray,
    radius: FloatArray,
    short: float,
    inside: NDArray[np.bool_],
    image: FloatArray,
) -> None:
    """Paint a mitochondrion, in place: dark matrix, double membrane, cristae.

    Parameters
    ----------
    rng
        Source of randomness.
    local
        Positions in its own frame, shape ``(2, Y, X)``.
    radius
        Distance from its centre, 1 on its outline.
    short
        Its smaller half-length, in pixels.
    inside
        Where the cell has room for it.
    image
        Grey values of the surroundings, changed in place.
    """
    matrix = inside / (1 + np.exp((radius - 1) * short / 0.8))
    wavy = local[1] + 2.5 * np.sin(local[0] / rng.uniform(3, 6)) + rng.uniform(0, 9)
    wavy += 3 * smooth_noise(rng, radius.shape, 5)
    broken = np.clip(0.6 + 0.5 * smooth_noise(rng, radius.shape, 4), 0, 1)
    cristae = np.cos(2 * np.pi * wavy / rng.uniform(6, 8)) * broken * (radius < 0.86)
    target = rng.uniform(95, 125) + 30 * cristae + 0.5 * (image - 170)
    outline = np.exp(-0.5 * ((radius - 1) * short / 1.2) ** 2) * inside
    image += matrix * (target - image)
    image -= 80 * outline


def densities(rng: np.random.Generator, depth: FloatArray, image: FloatArray) -> None:
    """Darken some stretches of membrane, in place, as synapses do."""
    places = np.argwhere(depth < 1)
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]]
    for row, column in places[
        rng.integers(len(places), size=round(depth.size / 26000))
    ]:
        away = np.hypot(y - row, x - column) / rng.uniform(5, 10)
        image *= 1 - 0.55 * np.exp(-0.5 * away**2 - 0.5 * (depth / 5) ** 2)
