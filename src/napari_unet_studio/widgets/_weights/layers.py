"""The layers of a weight map: how they look, and how they come into the viewer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import Source
from napari_unet_studio.layers.weighted import target_tuple, weights_tuple
from napari_unet_studio.widgets._viewing import add_quietly


def zeros(source: Source, dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of the shape of a layer.

    Raises
    ------
    InputError
        If there is no room for it.
    """
    shape = tuple(source.data.shape)
    try:
        return np.zeros(shape, dtype)
    except MemoryError:
        size = np.prod(shape, dtype=float) * np.dtype(dtype).itemsize / 1e9
        raise InputError(
            f"A layer on all of {source.name!r} would take {size:,.0f} GB, more memory "
            "than there is. Crop the layer; of lazy labels, the code of Copy as Python "
            "computes any size in blocks."
        ) from None


def add_weights(
    viewer: Any,
    data: NDArray[Any],
    source: Source,
    facts: Mapping[str, Any],
    top: float,
) -> Any:
    """Add a weight map on its labels, coloured from 0 to `top`."""
    return add_quietly(viewer, [weights_tuple(data, source, facts, top)])[0]


def add_target(
    viewer: Any, data: NDArray[Any], source: Source, facts: Mapping[str, Any]
) -> Any:
    """Add carved labels; they are for looking at."""
    (layer,) = add_quietly(viewer, [target_tuple(data, source, facts)])
    layer.editable = False
    return layer
