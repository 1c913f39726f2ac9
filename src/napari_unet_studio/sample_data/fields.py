"""Random fields and the camera: what all synthetic images are textured with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]


def smooth_noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    sigma: float | Sequence[float] | FloatArray,
) -> FloatArray:
    """Draw Gaussian noise of a given smoothness, zero mean and unit variance.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Shape of the field.
    sigma
        Width of the Gaussian that correlates neighbours, in pixels; one for all axes
        or one per axis.

    Returns
    -------
    ndarray of float, shape ``shape``
        The field. It continues without a seam across opposite borders unless a sigma
        is 6 or more, where it is drawn coarsely and enlarged.

    Examples
    --------
    >>> field = smooth_noise(np.random.default_rng(0), (64, 64), 3.0)
    >>> bool(np.isclose(field.std(), 1))
    True
    """
    sigmas = np.broadcast_to(np.asarray(sigma, dtype=float), (len(shape),))
    steps = np.maximum(1, sigmas // 3).astype(int)
    coarse = [
        -(-n // step) + 2 * (step > 1) for n, step in zip(shape, steps, strict=True)
    ]
    field = ndimage.gaussian_filter(
        rng.standard_normal(coarse), sigmas / steps, mode="wrap"
    )
    if np.any(steps > 1):
        field = ndimage.zoom(field, steps, order=3, mode="nearest", grid_mode=True)
        field = field[tuple(slice(n) for n in shape)]
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-12))


def illumination(
    rng: np.random.Generator, shape: tuple[int, ...], gradient: float, vignette: float
) -> FloatArray:
    """Model uneven illumination: a tilt in a random direction and darker corners.

    Parameters
    ----------
    rng
        Source of randomness, for the direction of the tilt.
    shape
        Rows and columns.
    gradient
        Change from the centre to a border along the tilt, as a share of the mean.
    vignette
        Loss in the corners, as a share of the brightness in the centre.

    Returns
    -------
    ndarray of float, shape ``shape``
        Factors around 1.
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    tilt = gradient * (y * np.sin(angle) + x * np.cos(angle))
    return np.asarray((1 + tilt) * (1 - vignette * (y**2 + x**2) / 2))


def expose(
    rng: np.random.Generator,
    photons: FloatArray,
    gain: float,
    offset: float,
    read_noise: float,
) -> NDArray[np.uint16]:
    """Read out a camera: shot noise, gain, read noise, dark offset and saturation.

    Parameters
    ----------
    rng
        Source of randomness.
    photons
        Expected number of photo-electrons per pixel.
    gain
        Grey levels per photo-electron.
    offset
        Grey level of a dark pixel.
    read_noise
        Standard deviation of the read noise, in grey levels.

    Returns
    -------
    ndarray of uint16, shape of ``photons``
        Grey levels.
    """
    counts = rng.poisson(np.maximum(photons, 0)) * gain + offset
    counts = counts + rng.normal(0, read_noise, counts.shape)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def to_uint8(values: FloatArray) -> NDArray[np.uint8]:
    """Round grey values to whole levels from 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
