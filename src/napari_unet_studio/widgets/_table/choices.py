"""The combo boxes of the object table: labels to measure, and their classes."""

from collections.abc import Callable
from typing import Any

from magicgui.widgets.bases import CategoricalWidget
from napari.layers import Labels

from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._fitting import pixel_shape


def labels_layers(viewer: Any) -> list[Labels]:
    """Return the labels layers of a viewer."""
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def labels_choice(viewer: Any) -> CategoricalWidget[Any]:
    """Return the choice of the labels to measure."""
    return layer_choice(
        Labels,
        "One id per object, 0 is background. The table is kept in the features of this "
        "layer.",
        lambda _: labels_layers(viewer),
    )


def class_choice(viewer: Any, chosen: Callable[[], Any]) -> CategoricalWidget[Any]:
    """Return the choice of labels on the same pixels as the chosen ones, or of none."""

    def fitting(_: object) -> list[Labels]:
        labels = chosen()
        return [
            layer
            for layer in labels_layers(viewer)
            if layer is not labels
            and labels is not None
            and pixel_shape(layer) == pixel_shape(labels)
        ]

    return layer_choice(
        Labels,
        "Labels on the same pixels that hold classes: each object gets the class of "
        "most of its pixels.",
        fitting,
        optional=True,
    )
