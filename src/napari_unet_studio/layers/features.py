"""Layers of what a network makes of an image: feature maps and saliency, in place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.layers.channels import named_source
from napari_unet_studio.layers.console import add_tuples
from napari_unet_studio.layers.place import Region, part_of
from napari_unet_studio.layers.results import METADATA_KEY, LayerTuple, choice_of
from napari_unet_studio.layers.source import Source

if TYPE_CHECKING:  # at run time these load torch, which a widget opens without
    from pathlib import Path

    import napari
    from napari.layers import Layer

    from napari_unet_studio.api import FeatureMaps, InspectConfig, Model, Saliency
    from napari_unet_studio.core.networks.points import Node
    from napari_unet_studio.io.model import ModelCard

CHANNEL = "channel"
"""Name of the axis along which feature maps lie."""


def features_tuple(found: "FeatureMaps", source: Source, title: str = "") -> LayerTuple:
    """Return an Image layer of feature maps, along an axis "channel" before the others.

    Its pixels cover the pixels of the image that they stand for.

    Parameters
    ----------
    found
        The maps.
    source
        The image.
    title
        What they are of; by default their nodes.
    """
    nodes = list(dict.fromkeys(channel.node for channel in found.channels))
    several = len(nodes) > 1
    names = [
        f"{channel.node} · {channel.number}" if several else f"{channel.number}"
        for channel in found.channels
    ]
    title = title or (f"{nodes[0]} … {nodes[-1]}" if several else nodes[0])
    made = {
        "nodes": nodes,
        "channels": [[c.node, c.number, c.strength] for c in found.channels],
        "config": found.config.to_dict(),
    }
    place = part_of(source.spatial, found.start, found.step)
    low, high = np.percentile(found.maps, (0.2, 99.8)).tolist()
    return (
        found.maps,
        {
            "name": f"{source.title} [{found.card.name}] {title}",
            **_with_channels(place, len(found.axes)),
            "metadata": {
                METADATA_KEY: _provenance(found.card, source, made),
                "channel_names": names,
            },
            "rgb": False,
            "colormap": "viridis",
            "contrast_limits": (low, high if high > low else low + 1),
            "blending": "translucent",
        },
        "image",
    )


def saliency_tuple(found: "Saliency", source: Source) -> LayerTuple:
    """Return an Image layer of the absolute gradient, where it lies on the image."""
    lead = len(found.pixel) - len(found.start)
    start = (*map(float, found.pixel[:lead]), *found.start)
    step = (*(1.0,) * lead, *found.step)
    made = {
        "pixel": list(found.pixel),
        "logit": found.logit,
        "output": found.output,
        "config": found.config.to_dict(),
    }
    data = found.map[(np.newaxis,) * lead]
    return (
        data,
        {
            "name": f"{source.title} [{found.card.name}] saliency",
            **part_of(source.spatial, start, step),
            "metadata": {METADATA_KEY: _provenance(found.card, source, made)},
            "rgb": False,
            "colormap": "inferno",
            "contrast_limits": (0, float(data.max()) or 1.0),
            "gamma": 0.5,
            "blending": "additive",
        },
        "image",
    )


def feature_layer(
    viewer: "napari.Viewer",
    layer: str | Sequence[str],
    model: "Model | str | Path" = "nuclei",
    node: "Node" = "heads",
    config: "InspectConfig | Mapping[str, Any] | None" = None,
    *,
    channels: Sequence[int] | None = None,
    axes: str | None = None,
    channel: Channel | None = None,
    level: int = 0,
    region: Region | None = None,
) -> "Layer":
    """Show feature maps of a layer of a viewer, from the console or a script.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of an Image layer; or names of several, one for each channel of the model.
    model, node, config, channels
        See :func:`napari_unet_studio.api.feature_maps`.
    axes, channel, level, region
        See :func:`predict_layer`.

    Raises
    ------
    StudioError
        If layer, model, node or region cannot be used, with the remedy.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> nuclei = viewer.add_image(sample.image, name="nuclei")
    >>> layer = us.feature_layer(viewer, "nuclei", "nuclei", "encoder.2", {"count": 4})
    >>> layer.name, layer.data.shape
    ('nuclei [nuclei] encoder.2', (4, 16, 16))
    """
    from napari_unet_studio.api import feature_maps, load_model

    model = load_model(model)
    source = named_source(
        viewer, layer, model.card.spec.in_channels, axes, channel, level
    )
    found = feature_maps(
        source.data,
        model,
        node,
        config,
        channels=channels,
        axes=source.axes,
        channel_axis=source.channel_axis,
        spacing=source.spacing,
        region=region,
    )
    if region is not None:  # with numbers where a slice has none
        source = replace(source, region=found.region)
    return add_tuples(viewer, [features_tuple(found, source)])[0]


def saliency_layer(
    viewer: "napari.Viewer",
    layer: str | Sequence[str],
    model: "Model | str | Path" = "nuclei",
    pixel: Sequence[int] = (0, 0),
    config: "InspectConfig | Mapping[str, Any] | None" = None,
    *,
    output: int | None = None,
    axes: str | None = None,
    channel: Channel | None = None,
    level: int = 0,
) -> "Layer":
    """Show on a layer of a viewer what the answer at a pixel rests on.

    Parameters
    ----------
    viewer, layer, axes, channel, level
        As in :func:`feature_layer`.
    model, pixel, config, output
        See :func:`napari_unet_studio.api.saliency`.

    Raises
    ------
    StudioError
        If layer, model or pixel cannot be used, with the remedy.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> nuclei = viewer.add_image(sample.image, name="nuclei")
    >>> us.saliency_layer(viewer, "nuclei", "nuclei", (30, 20)).name
    'nuclei [nuclei] saliency'
    """
    from napari_unet_studio.api import load_model, saliency

    model = load_model(model)
    source = named_source(
        viewer, layer, model.card.spec.in_channels, axes, channel, level
    )
    found = saliency(
        source.data,
        model,
        pixel,
        config,
        output=output,
        axes=source.axes,
        channel_axis=source.channel_axis,
        spacing=source.spacing,
    )
    return add_tuples(viewer, [saliency_tuple(found, source)])[0]


def _provenance(
    card: "ModelCard", source: Source, made: Mapping[str, Any]
) -> dict[str, Any]:
    from napari_unet_studio import __version__

    return {
        "source": source.name,
        "model": card.name,
        "network": card.spec.to_dict(),
        "created": card.created,
        "version": __version__,
        **made,
        **choice_of(source),
    }


def _with_channels(place: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """Return a place with one axis more before the others."""
    from napari.layers import Image

    guide = Image(np.zeros((1,) * ndim, np.uint8), **place)
    scale = np.asarray(guide.scale, float)
    origin = np.asarray(guide.data_to_world((0,) * ndim), float)
    matrix = np.eye(ndim + 2)
    for axis in range(ndim):
        step = np.asarray(guide.data_to_world(tuple(np.eye(ndim)[axis]))) - origin
        matrix[1:-1, 1 + axis] = step / scale[axis]
    made: dict[str, Any] = {
        "scale": (1.0, *scale),
        "units": ("pixel", *guide.units),
        "axis_labels": (CHANNEL, *guide.axis_labels),
    }
    if np.allclose(matrix, np.eye(ndim + 2), atol=1e-12):
        return made | {"translate": (0.0, *origin)}
    matrix[1:-1, -1] = origin
    return made | {"affine": matrix}
