"""What all measures do to their arrays first, and means of what is defined."""

from collections.abc import Sequence
from typing import Any

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


def whole_numbers(labels: ArrayLike) -> NDArray[Any]:
    """Return labels as an array; raises an InputError if they are no whole numbers.

    Nothing has no type: without a pixel they are int64.
    """
    array = np.asarray(labels)
    if not array.size:
        return array.astype(np.int64)
    if array.dtype.kind not in "bui":
        raise InputError(
            f"Labels of type {array.dtype} were given; whole numbers are needed."
        )
    return array


def mean_finite(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    finite = [v for v in values if v == v]
    return float(np.mean(finite)) if finite else float("nan")
