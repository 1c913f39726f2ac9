"""The picture that a package shows of itself."""

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.io.model_file import encode_png

# Twice as wide as high, as the zoo wants it.
_SIDE = 256


def draw_cover(image: NDArray[np.float32], answer: NDArray[np.float32]) -> bytes:
    """Return a PNG of an image (C, *S) on the left and an answer (K, *S') on the right.

    Of volumes the middle plane, of several channels the first of the image and the last
    of the answer.
    """
    shown = [_grey(image[0]), _grey(answer[-1])]
    picture = np.concatenate(shown, axis=1)
    return encode_png(np.repeat(picture[..., np.newaxis], 3, axis=2))


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a plane as a square of grey values."""
    while values.ndim > 2:
        values = values[len(values) // 2]
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = (values - low) / max(float(high - low), 1e-12)
    rows, columns = (np.arange(_SIDE) * size // _SIDE for size in values.shape)
    square = np.clip(scaled, 0, 1)[np.ix_(rows, columns)]
    return np.asarray((square * 255).round(), dtype=np.uint8)
