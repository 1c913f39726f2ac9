"""Phase contrast: islands of flat adherent cells, dark in a bright halo."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_studio.sample_data.blobs import Blob, crowd, random_blob
from napari_unet_studio.sample_data.drawing import Drawn, draw
from napari_unet_studio.sample_data.fields import (
    FloatArray,
    illumination,
    smooth_noise,
    to_uint8,
)
from napari_unet_studio.sample_data.sample import Sample, check_shape


def phase_cells_2d(shape: tuple[int, int] = (512, 512), seed: int = 0) -> Sample:
    """Make a phase-contrast image of adherent cells that grow in islands.

    Parameters
    ----------
    shape
        Rows and columns.
    seed
        Same seed, same image.

    Notes
    -----
    A phase plate passes the background but also the coarse part of what the cells
    diffract. The image of a phase ``phi`` is then about ``1 - a (phi - blur(phi))``:
    dark cells that fade towards their middle, in a bright halo.

    Examples
    --------
    >>> sample = phase_cells_2d((128, 128), seed=1)
    >>> sample.image.dtype, sample.axes
    (dtype('uint8'), 'YX')
    """
    check_shape(shape, "YX")
    rng = np.random.default_rng(seed)
    spacing = (0.5, 0.5)
    size = np.array(shape) * spacing

    def cell() -> Blob:
        if rng.random() < 0.07:
            return random_blob(rng, rng.normal((7.5, 8), 0.4), 0.015, kind="rounded")
        length = rng.normal(14.5, 1.8)
        return random_blob(rng, (length * rng.uniform(0.5, 0.9), length), 0.075, 0.3)

    count = max(3, round(size.prod() / 800))
    blobs = crowd(rng, size, count, 14, cell, overlap=(0.08, 0.28))
    labels, drawn = draw(blobs, shape, spacing)
    phase = thickness(rng, labels)
    grains = smooth_noise(rng, shape, 0.9) + 0.8 * smooth_noise(rng, shape, 2.2)
    for number, item in drawn.items():
        own = labels[item.box] == number
        if item.blob.kind == "rounded":
            phase[item.box][own] *= 1.7
        else:
            interior(rng, item, own, phase, grains)
    contrast = np.zeros(shape)
    for strength, width in ((0.35, 1.5), (0.45, 4), (0.5, 14)):
        contrast -= strength * (phase - ndimage.gaussian_filter(phase, width))
    for number, item in drawn.items():
        if item.blob.kind == "rounded":
            dome = np.sqrt(np.clip(1 - (item.radius / 0.85) ** 2, 0, None))
            contrast[item.box] += 1.3 * dome * (labels[item.box] == number)
    contrast += dust(rng, shape)
    image = 118 * illumination(rng, shape, 0.1, 0.15) * (1 + contrast)
    image = ndimage.gaussian_filter(image, 0.7)
    image += 1.6 * smooth_noise(rng, shape, 0.6) + rng.normal(0, 1.5, shape)
    return Sample("Phase contrast cells", to_uint8(image), labels, "YX", spacing)


def thickness(rng: np.random.Generator, labels: NDArray[np.int32]) -> FloatArray:
    """Model adherent cells: a steep rim and a plateau, a groove where two cells touch.

    Some grooves are deep, others hardly visible, as where cells overlap a little.
    """
    largest = ndimage.maximum_filter(labels, 3)
    border = (labels != largest) | (labels != ndimage.minimum_filter(labels, 3))
    depth = ndimage.distance_transform_edt((labels > 0) & ~border)
    free = ndimage.distance_transform_edt(labels > 0) < 3
    floor = np.clip(0.45 + 0.3 * smooth_noise(rng, labels.shape, 12), 0.15, 0.85)
    floor = np.where(free, 0.15, floor)
    return np.asarray((labels > 0) * (floor + (1 - floor) * (1 - np.exp(-depth / 4.5))))


def interior(
    rng: np.random.Generator,
    item: Drawn,
    own: NDArray[np.bool_],
    phase: FloatArray,
    grains: FloatArray,
) -> None:
    """Add, in place, what is inside a cell: nucleus, nucleoli and granules.

    Parameters
    ----------
    rng
        Source of randomness.
    item
        The cell.
    own
        Its pixels within its box.
    phase
        Phase of the whole image, changed in place.
    grains
        Texture of the whole image.
    """
    local = item.local
    centre = rng.uniform(-0.15, 0.15, (2, 1, 1)) * item.blob.axes[:, None, None]
    half = (item.blob.axes * rng.uniform(0.4, 0.52))[:, None, None]
    distance = np.sqrt((((local - centre) / half) ** 2).sum(axis=0))
    nucleus = 1 / (1 + np.exp((distance - 1) / 0.07))
    envelope = np.exp(-0.5 * ((distance - 1) / 0.1) ** 2)
    around = np.exp(-0.5 * ((distance - 1.45) / 0.4) ** 2)
    granules = grains[item.box] * (0.05 + 0.11 * around - 0.02 * nucleus)
    granules += 0.2 * around * np.clip(grains[item.box] - 1.5, 0, None)
    inside = 0.14 * envelope - 0.16 * nucleus + granules
    for _ in range(int(rng.integers(1, 4))):
        place = centre + rng.uniform(-0.5, 0.5, (2, 1, 1)) * half
        away = ((local - place) ** 2).sum(axis=0)
        inside += 0.4 * np.exp(-0.5 * away / rng.uniform(0.8, 1.3) ** 2)
    phase[item.box] += own * inside * rng.uniform(0.8, 1.2)


def dust(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Model specks of dust far out of focus: faint rings on the background."""
    rings = np.zeros(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(3):
        radius = np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1]))
        width = rng.uniform(7, 14)
        fringes = np.cos(2.2 * np.pi * (radius / width) ** 2)
        rings += 0.03 * fringes * np.exp(-((radius / width) ** 4))
    return rings
