"""The layers of a weight map: how they look, and how they come into the viewer."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from napari_unet_studio.layers import (
    LayerTuple,
    Source,
    add_tuples,
    image_tuple,
    labels_tuple,
)


def add_weights(
    viewer: Any,
    data: NDArray[Any],
    source: Source,
    facts: Mapping[str, Any],
    top: float,
) -> Any:
    """Add a weight map on its labels, coloured from 0 to `top`.

    Weights of 0, where nothing was annotated, are see-through.
    """
    return _add(
        viewer,
        image_tuple(
            data,
            source,
            f"{source.name} weights",
            facts,
            colormap="inferno",
            contrast_limits=(0, top),
            blending="additive",
            opacity=0.7,
        ),
    )


def add_target(
    viewer: Any, data: NDArray[Any], source: Source, facts: Mapping[str, Any]
) -> Any:
    """Add carved labels; they are for looking at."""
    layer = _add(
        viewer, labels_tuple(data, source, f"{source.name} target", facts, opacity=0.6)
    )
    layer.editable = False
    return layer


def _add(viewer: Any, layer_tuple: LayerTuple) -> Any:
    """Add a layer and leave the selection alone: the user may be painting."""
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    (layer,) = add_tuples(viewer, [layer_tuple])
    selection.active = active  # one change where a single layer was selected
    if selected != set(selection):
        selection.update(selected)
        selection.intersection_update(selected)
        selection.active = active
    return layer
