"""What label images have to be like to be compared."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError


def label_pair(
    labels: ArrayLike, reference: ArrayLike, axes: str | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two label images as arrays.

    Raises
    ------
    InputError
        If the values are no whole numbers, or shapes and axes do not fit.
    """
    found, truth = _as_labels(labels), _as_labels(reference)
    if found.shape != truth.shape:
        raise InputError(
            f"The two label images have different shapes, {found.shape} and "
            f"{truth.shape}; compare images of the same pixels."
        )
    if axes is not None and len(axes) != truth.ndim:
        raise InputError(
            f"Labels of shape {truth.shape} cannot have the axes {axes!r}; name "
            "each of them."
        )
    return found, truth


def _as_labels(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "bui":
        raise InputError(
            f"Labels of type {array.dtype} were given; whole numbers are needed."
        )
    return array
