"""What all measures do to their arrays first, and means of what is defined."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError

IntArray = NDArray[np.integer]


def as_pair(first: ArrayLike, second: ArrayLike) -> tuple[IntArray, IntArray]:
    """Return two arrays of the same shape; raises an InputError if it is not."""
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        raise InputError(
            f"The two label images have different shapes, {a.shape} and {b.shape}; "
            "compare images of the same pixels."
        )
    return a, b


def renumbered(labels: IntArray) -> NDArray[np.int64]:
    """Map the ids to 0..n keeping their order, with background at 0."""
    values, inverse = np.unique(labels, return_inverse=True)
    codes = np.cumsum(values > 0)
    return codes[inverse].reshape(labels.shape).astype(np.int64)


def mean_finite(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    finite = [v for v in values if v == v]
    return float(np.mean(finite)) if finite else float("nan")
