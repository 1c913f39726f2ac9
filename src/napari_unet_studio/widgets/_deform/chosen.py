"""The layers that are deformed: an image, its labels and its weights."""

from collections.abc import Sequence
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.layers.deformed import Part, Template
from napari_unet_studio.widgets._controls import position_in
from napari_unet_studio.widgets._deform.preview import Deformation, Index
from napari_unet_studio.widgets._fitting import pixel_shape


class Chosen:
    """An image, and its labels and weights if there are some, read from their layers.

    Parameters
    ----------
    image, labels, weights
        The layers; they are only read. Labels and weights may be None.
    ndim
        Axes that are deformed together, where there is a Z axis; else they are 2.

    Raises
    ------
    StudioError
        If there is no image, or if they do not fit together.
    """

    def __init__(self, image: Any, labels: Any, weights: Any, ndim: int) -> None:
        if image is None:
            raise InputError("No image is chosen; open an image, or choose one.")
        given: list[tuple[Any, Part]] = [
            (image, "images"),
            (labels, "labels"),
            (weights, "weight_map"),
        ]
        self.layers = [layer for layer, _ in given if layer is not None]
        self.templates = [Template(*pair) for pair in given if pair[0] is not None]
        sources = {template.part: template.source for template in self.templates}
        image_source = sources["images"]
        self.deformation = Deformation(
            image_source,
            sources.get("labels"),
            sources.get("weight_map"),
            ndim if "Z" in image_source.axes else 2,
        )


def labels_on(image: Any, layers: Sequence[Any]) -> list[Any]:
    """Return those of some labels layers that the user gave for an image's pixels."""
    return [
        layer
        for layer in layers
        if METADATA_KEY not in layer.metadata
        and pixel_shape(layer) == pixel_shape(image)
    ]


def position_of(viewer: Any, layer: Any, deformation: Deformation) -> tuple[Index, int]:
    """Return the viewer's position in the axes of an image but the channels, and these.

    Parameters
    ----------
    viewer
        The viewer.
    layer
        A layer with the axes of the image.
    deformation
        Of the image; it knows which axis holds channels.
    """
    place = position_in(viewer, layer)
    axis = deformation.image.channel_axis
    if axis is None or axis >= len(place):  # no channels, or those of RGB
        return place, 0
    return place[:axis] + place[axis + 1 :], place[axis]
