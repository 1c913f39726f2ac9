"""The layers that are deformed, and how those look that are made of them."""

from typing import Any

from napari_unet_studio.core.deform import DeformConfig, Deformed
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import (
    METADATA_KEY,
    SPATIAL,
    LayerTuple,
    source_of,
)
from napari_unet_studio.widgets._controls import position_in
from napari_unet_studio.widgets._deform.array import Part
from napari_unet_studio.widgets._deform.preview import Deformation, Index

_COLOURS = ("colormap", "contrast_limits", "gamma", "interpolation2d")
_LOOKS: dict[Part, tuple[str, ...]] = {
    "images": _COLOURS,
    "labels": ("colormap", "opacity"),
    "weight_map": (*_COLOURS, "opacity", "blending", "visible"),  # lies over the image
}


class Template:
    """What layers that show the pixels of a layer in the same place are made with.

    Parameters
    ----------
    layer
        The layer; it may be removed later.
    part
        What it is: the image, its labels or its weights.
    """

    def __init__(self, layer: Any, part: Part) -> None:
        self.source = source_of(layer)
        self.part = part
        self.kind = layer.__class__.__name__.lower()
        self.rgb = bool(getattr(layer, "rgb", False))
        self.place = {name: getattr(layer, name) for name in SPATIAL}
        self.looks = {name: getattr(layer, name) for name in _LOOKS[part]}
        if self.rgb:
            self.looks = {"rgb": True}

    def tuple(
        self, data: Any, name: str, config: DeformConfig, ndim: int
    ) -> LayerTuple:
        """Return a layer of deformed pixels."""
        return (
            data,
            {
                "name": name,
                **self.place,
                **self.looks,
                "metadata": {
                    METADATA_KEY: {
                        "source": self.source.name,
                        "deform": config.to_dict(),
                        "spatial_axes": ndim,
                    }
                },
            },
            self.kind,
        )


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


def result_tuples(
    templates: list[Template], result: Deformed, config: DeformConfig, ndim: int
) -> list[LayerTuple]:
    """Return the deformed image, labels and weights as layers of their own."""
    return [
        template.tuple(
            getattr(result, template.part),
            f"{template.source.name} deformed",
            config,
            ndim,
        )
        for template in templates
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
