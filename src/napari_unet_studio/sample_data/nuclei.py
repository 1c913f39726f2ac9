"""Fluorescent nuclei: a monolayer, a stack, and how one nucleus is stained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_unet_studio.sample_data.blobs import Blob, crowd, random_blob
from napari_unet_studio.sample_data.drawing import Drawn, draw
from napari_unet_studio.sample_data.fields import (
    FloatArray,
    expose,
    illumination,
    smooth_noise,
)
from napari_unet_studio.sample_data.sample import Sample, check_shape


@dataclass(frozen=True, eq=False)
class Stain:
    """How the DNA dye shows one nucleus.

    Parameters
    ----------
    brightness
        Photo-electrons per pixel in its thick middle.
    spots
        Rows ``(strength, width, position...)``: bright chromocentres (positive) and
        dark nucleoli (negative). Width in physical units, position relative to the
        half-lengths of the nucleus.
    contrast
        Strength of the fine chromatin texture.
    origin
        Where in the common texture this nucleus takes its own from.
    """

    brightness: float
    spots: FloatArray
    contrast: float
    origin: FloatArray


def random_stain(
    rng: np.random.Generator, ndim: int, brightness: float, variation: float = 0.35
) -> Stain:
    """Stain a nucleus: its own brightness, two to four nucleoli, some chromocentres.

    Parameters
    ----------
    rng
        Source of randomness.
    ndim
        Number of spatial axes.
    brightness
        Typical brightness.
    variation
        Standard deviation of the logarithm of the brightness between nuclei.
    """
    dark, bright = int(rng.integers(2, 5)), int(rng.integers(1, 7))
    strength = np.concatenate(
        [rng.uniform(-0.45, -0.15, dark), rng.uniform(0.1, 0.5, bright)]
    )
    width = np.concatenate([rng.uniform(0.6, 1.2, dark), rng.uniform(0.3, 0.6, bright)])
    places = rng.standard_normal((dark + bright, ndim))
    places *= (
        rng.uniform(0.1, 0.75, (dark + bright, 1))
        / np.linalg.norm(places, axis=1)[:, None]
    )
    return Stain(
        brightness=brightness * float(np.exp(rng.normal(0, variation))),
        spots=np.column_stack([strength, width, places]),
        contrast=float(rng.uniform(0.1, 0.24)),
        origin=rng.uniform(0, 1000, ndim),
    )


def emit(
    drawn: Mapping[int, Drawn],
    stains: Mapping[int, Stain],
    texture: FloatArray,
    shape: tuple[int, ...],
    spacing: Sequence[float],
    flatness: float = 0.5,
) -> FloatArray:
    """Add up the light of all nuclei, before the microscope blurs it.

    Parameters
    ----------
    drawn, stains
        The nuclei by id.
    texture
        Periodic noise, the chromatin of all nuclei; each takes its own part of it.
    shape
        Shape of the image.
    spacing
        Physical distance between samples, one per axis.
    flatness
        Brightness at the outline as a share of that in the middle: low for a widefield
        image, which shows the thickness of a nucleus; 1 for a thin optical section.

    Returns
    -------
    ndarray of float, shape ``shape``
        Expected photo-electrons. Overlapping nuclei add up.
    """
    light = np.zeros(shape)
    scale = np.asarray(spacing, float)
    for number, item in drawn.items():
        stain, axes = stains[number], item.blob.axes
        inside = item.radius < 1.15
        local = item.local[:, inside]  # (ndim, n)
        radius = item.radius[inside]
        lookup = local / scale[:, None] + stain.origin[:, None]
        chromatin = ndimage.map_coordinates(texture, lookup, order=1, mode="grid-wrap")
        value = 1 + stain.contrast * chromatin
        for strength, width, *place in stain.spots:
            away = local - (np.asarray(place) * axes)[:, None]
            value += strength * np.exp(-0.5 * (away**2).sum(axis=0) / width**2)
        dome = np.sqrt(np.clip(1 - radius**2, 0, 1))
        edge = 1 / (1 + np.exp((radius - 1) / 0.03))
        value *= edge * (flatness + (1 - flatness) * dome)
        light[item.box][inside] += stain.brightness * np.maximum(value, 0.05)
    return light


def blur(light: FloatArray, sigma: Sequence[float], haze: float) -> FloatArray:
    """Image through a point spread function: a sharp core and a faint wide skirt.

    Parameters
    ----------
    light
        What the specimen emits.
    sigma
        Width of the core in pixels, one per axis.
    haze
        Share of the light in the skirt, which is six times as wide.
    """
    core = ndimage.gaussian_filter(light, sigma)
    skirt = ndimage.gaussian_filter(light, np.asarray(sigma) * 6, truncate=2.5)
    return np.asarray((1 - haze) * core + haze * skirt)


def nuclei_2d(shape: tuple[int, int] = (512, 512), seed: int = 0) -> Sample:
    """Make a widefield fluorescence image of crowded nuclei in a cell culture.

    Parameters
    ----------
    shape
        Rows and columns.
    seed
        Same seed, same image.

    Examples
    --------
    >>> sample = nuclei_2d((128, 128), seed=1)
    >>> sample.image.dtype, sample.labels.shape
    (dtype('uint16'), (128, 128))
    """
    check_shape(shape, "YX")
    rng = np.random.default_rng(seed)
    spacing = (0.325, 0.325)
    size = np.array(shape) * spacing

    def nucleus() -> Blob:
        length = rng.normal(5.6, 0.8) * (1.35 if rng.random() < 0.06 else 1)
        aspect = rng.uniform(0.6, 0.97)
        return random_blob(rng, (length * aspect, length), 0.03, 0.18)

    count = max(3, round(size.prod() / 150))
    blobs = crowd(rng, size, count, 14, nucleus, overlap=(0.02, 0.15))
    labels, drawn = draw(blobs, shape, spacing)
    texture = chromatin(rng, 2, spacing)
    stains = {number: random_stain(rng, 2, 260) for number in drawn}
    light = emit(drawn, stains, texture, shape, spacing, flatness=0.45)
    light = blur(light, (1.3, 1.3), haze=0.22)
    cytoplasm = 1 + 0.25 * smooth_noise(rng, shape, 20)
    light = (light + 9 * cytoplasm) * illumination(rng, shape, 0.12, 0.3)
    image = expose(rng, light, gain=14, offset=110, read_noise=22)
    return Sample("Nuclei", image, labels, "YX", spacing)


def nuclei_3d(shape: tuple[int, int, int] = (32, 192, 192), seed: int = 0) -> Sample:
    """Make a confocal stack of a dense clump of nuclei, with larger steps in depth.

    Parameters
    ----------
    shape
        Planes, rows and columns.
    seed
        Same seed, same image.

    Examples
    --------
    >>> sample = nuclei_3d((8, 64, 64), seed=1)
    >>> sample.image.dtype, sample.spacing
    (dtype('uint16'), (1.0, 0.25, 0.25))
    """
    check_shape(shape, "ZYX")
    rng = np.random.default_rng(seed)
    spacing = (1.0, 0.25, 0.25)
    size = np.array(shape) * spacing

    def nucleus() -> Blob:
        length = rng.normal(4.6, 0.5)
        return random_blob(
            rng, length * rng.uniform([0.65, 0.7, 1], [0.9, 0.95, 1]), 0.04
        )

    count = max(4, round(size.prod() / 480))
    blobs = crowd(rng, size, count, 40, nucleus, overlap=(0.0, 0.12))
    labels, drawn = draw(blobs, shape, spacing, smallest=40)
    texture = chromatin(rng, 3, spacing)
    stains = {number: random_stain(rng, 3, 90) for number in drawn}
    light = emit(drawn, stains, texture, shape, spacing, flatness=0.9)
    light = blur(light, (1.1, 0.9, 0.9), haze=0.12)
    depth = np.exp(-np.arange(shape[0]) * spacing[0] / 55)
    light = (light + 3) * depth[:, None, None] * illumination(rng, shape[1:], 0.08, 0.2)
    image = expose(rng, light, gain=25, offset=100, read_noise=15)
    return Sample("Nuclei 3D", image, labels, "ZYX", spacing)


def chromatin(
    rng: np.random.Generator, ndim: int, spacing: Sequence[float]
) -> FloatArray:
    """Make the periodic noise that textures nuclei: coarse domains and fine grains."""
    shape = tuple(128 if d < 0.5 else 16 for d in spacing[-ndim:])
    scale = np.asarray(spacing[-ndim:])
    coarse = smooth_noise(rng, shape, np.minimum(1.3 / scale, 5.9))
    return 0.75 * coarse + 0.65 * smooth_noise(rng, shape, 0.45 / scale)
