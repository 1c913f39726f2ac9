"""Deformed layers: how they look, and what makes them from the console."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.deform import (
    DeformConfig,
    Deformed,
    check_deformable,
    deform_channels,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.console import add_tuples
from napari_unet_studio.layers.finding import Kind, layer_named
from napari_unet_studio.layers.place import SPATIAL
from napari_unet_studio.layers.reading import frame_ndim
from napari_unet_studio.layers.results import METADATA_KEY, LayerTuple
from napari_unet_studio.layers.source import source_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

Part = Literal["images", "labels", "weight_map"]

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


def deformed_tuples(
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


def deform_layer(
    viewer: "napari.Viewer",
    layer: str,
    config: DeformConfig | Mapping[str, Any] | None = None,
    *,
    labels: str | None = None,
    weights: str | None = None,
    ndim: int = 2,
    add: bool = True,
) -> "list[Layer] | Deformed":
    """Deform a layer of a viewer, and what belongs to it alike.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of an Image layer; it is only read.
    config
        A :class:`.DeformConfig`, or some of its fields: grid, sigma, seed,
        interpolation.
    labels, weights
        Names of the layers of its labels and of the weights of its pixels, if any.
    ndim
        Axes that are deformed together, 2 or 3; all frames along the others alike.
    add
        Add the results to the viewer, named like their layers and "deformed".

    Returns
    -------
    list of layers or Deformed
        The layers, in the order image, labels, weights; if they are not added, the
        arrays.

    Raises
    ------
    StudioError
        If the layers do not fit together, or the image has holes.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> nuclei = viewer.add_image(sample.image, name="nuclei")
    >>> truth = viewer.add_labels(sample.labels, name="truth")
    >>> made = us.deform_layer(viewer, "nuclei", {"sigma": 5}, labels="truth")
    >>> [layer.name for layer in made]
    ['nuclei deformed', 'truth deformed']
    """
    if not isinstance(config, DeformConfig):
        config = DeformConfig.from_dict(config or {})
    given: list[tuple[str | None, Kind, Part]] = [
        (layer, "Image", "images"),
        (labels, "Labels", "labels"),
        (weights, "Image", "weight_map"),
    ]
    templates = [
        Template(layer_named(viewer, name, kind), part)
        for name, kind, part in given
        if name is not None
    ]
    ndim = frame_ndim(templates[0].source.axes, ndim)
    result = _deformed(templates, config, ndim)
    if not add:
        return result
    return add_tuples(viewer, deformed_tuples(templates, result, config, ndim))


def _deformed(templates: list[Template], config: DeformConfig, ndim: int) -> Deformed:
    """Deform all frames of some layers."""
    image = templates[0].source
    given = Frames.of(image.data, ndim, image.axes, image.channel_axis)
    whole = np.empty(image.data.shape, image.data.dtype)
    frames = Frames.of(whole, ndim, image.axes, image.channel_axis)
    others: dict[str, Any] = {}
    for template in templates[1:]:
        data = template.source.data
        if tuple(data.shape) != given.leading + given.shape:
            raise InputError(
                f"The layer {template.source.name!r} has shape {tuple(data.shape)} and "
                f"the image {image.name!r} has {given.leading + given.shape}; choose a "
                "layer on the pixels of this image."
            )
        others[template.part] = np.empty(data.shape, data.dtype)
    read = {template.part: template.source.data for template in templates[1:]}
    settings: dict[str, Any] = config.to_dict()
    for index in np.ndindex(*given.leading):
        images = np.asarray(given.array[index])
        check_deformable(images, image.name)
        labels, weights = (
            np.asarray(read[part][index]) if part in read else None
            for part in ("labels", "weight_map")
        )
        result = deform_channels(
            images,
            labels,
            spacing=image.spacing[-ndim:],
            weight_map=weights,
            **settings,
        )
        frames.array[index] = result[0]
        for part, done in zip(("labels", "weight_map"), result[1:], strict=True):
            if part in others:
                others[part][index] = done
    return Deformed(whole, others.get("labels"), others.get("weight_map"))
