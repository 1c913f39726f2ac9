"""Coarser levels of an image: half of Y and of X at each, one piece at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.spec import Shape

_LONGEST = 1024  # pixels along Y and X that need no coarser level


def level_shapes(shape: Sequence[int], longest: int = _LONGEST) -> tuple[Shape, ...]:
    """Return the shapes of all levels; Y and X are the last axes.

    Examples
    --------
    >>> level_shapes((5, 3000, 700))
    ((5, 3000, 700), (5, 1500, 350), (5, 750, 175))
    """
    levels = [tuple(shape)]
    while max(levels[-1][-2:]) > longest:
        *others, y, x = levels[-1]
        levels.append((*others, -(-y // 2), -(-x // 2)))
    return tuple(levels)


def finer(region: Region, shape: Sequence[int]) -> Region:
    """Return the pixels of the next finer level, of a shape, that make up a region."""
    plane = tuple(
        slice(2 * part.start, min(2 * part.stop, size))
        for part, size in zip(region[-2:], shape[-2:], strict=True)
    )
    return (*region[:-2], *plane)


def halved(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return means of 2 x 2 pixels, in the same type; of fewer at an odd end.

    Examples
    --------
    >>> halved(np.float16([[0, 1, 4], [2, 1, 4]]))
    array([[1., 4.]], dtype=float16)
    """
    odd = [(0, 0)] * (pixels.ndim - 2) + [(0, n % 2) for n in pixels.shape[-2:]]
    full = np.pad(pixels, odd, mode="edge").astype(np.float32)
    rows = full[..., 0::2, :] + full[..., 1::2, :]
    return ((rows[..., 0::2] + rows[..., 1::2]) / 4).astype(pixels.dtype)
