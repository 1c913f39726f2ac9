"""Small pictures of results: outlines over the image, as one would look at them."""

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

_LETTERS = 16  # height in pixels


def middle_plane(array: NDArray[Any], ndim: int = 2) -> NDArray[Any]:
    """Return the middle of all axes before the last `ndim`."""
    while array.ndim > ndim:
        array = array[len(array) // 2]
    return array


def grey_picture(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a plane (Y, X), or RGB (Y, X, 3), as 8-bit RGB between its percentiles.

    NaN becomes black; so does an image that is the same everywhere. Infinity is as
    bright, or as dark, as the finite values get.
    """
    if plane.ndim == 3:
        plane = plane[..., :3]  # an alpha channel is no colour
        if plane.dtype == np.uint8:
            return plane.copy()
    values = plane.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.8)) if finite.size else (0.0, 1.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    scaled = (values - low) / ((high - low) or 1.0)
    grey = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return grey if plane.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)


def outlined(plane: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a plane as RGB with the outline of each object in a colour of its own."""
    picture = grey_picture(plane)
    edge = find_boundaries(labels, mode="inner")
    ids = labels[edge].astype(np.int64)
    # Golden-ratio steps of the hue keep neighbouring ids apart.
    hues = np.arange(256) * 0.618034 % 1
    palette = np.array([colorsys.hsv_to_rgb(h, 0.85, 1.0) for h in hues])
    picture[edge] = (palette[ids % 256] * 255).astype(np.uint8)
    return picture


def captioned(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Return an RGB picture with a few words in its upper left corner."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    left, top, right, bottom = draw.textbbox((8, 6), text, font_size=_LETTERS)
    draw.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill="black")
    draw.text((8, 6), text, fill="white", font_size=_LETTERS)
    return np.asarray(canvas)
