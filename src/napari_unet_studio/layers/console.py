"""What the widgets do with layers, for the console and for scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.channels import combined_source, fitting_channels
from napari_unet_studio.layers.place import Region
from napari_unet_studio.layers.results import LayerTuple, prediction_tuples
from napari_unet_studio.layers.source import source_of
from napari_unet_studio.layers.stored import stored_tuples

if TYPE_CHECKING:  # at run time these load torch, which a widget opens without
    from pathlib import Path

    import napari
    from napari.layers import Layer

    from napari_unet_studio.api import (
        Model,
        ObjectConfig,
        Pair,
        PredictConfig,
        Prediction,
        TrainConfig,
    )
    from napari_unet_studio.tasks.stream import StoredPrediction


def pair_of(
    image: "Layer",
    labels: "Layer",
    role: Literal["train", "validate", "off"] = "train",
    axes: str | None = None,
) -> "Pair":
    """Return an Image and a Labels layer as a training pair."""
    from napari_unet_studio.api import Pair

    source = source_of(image, axes)
    data = labels.data[0] if labels.multiscale else labels.data
    return Pair(
        source.data,
        np.asarray(data),
        role,
        source.name,
        source.axes,
        source.channel_axis,
        source.spacing,
    )


def predict_layer(
    viewer: "napari.Viewer",
    layer: str | Sequence[str],
    model: "Model | str | Path" = "nuclei",
    config: "PredictConfig | None" = None,
    objects: "ObjectConfig | None" = None,
    axes: str | None = None,
    add: bool = True,
    *,
    channel: Channel | None = None,
    level: int = 0,
    region: Region | None = None,
    out: "str | Path | None" = None,
) -> "Prediction | StoredPrediction":
    """Predict a layer of a viewer, from the console or a script.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of an Image layer; or names of several of one channel each, one for each
        channel of the model.
    model, config, objects
        See :func:`napari_unet_studio.predict`.
    axes
        Names of the layer's axes, such as "TYX" or "CZYX", if its ``axis_labels`` do
        not say.
    add
        Add the labels and the probabilities to the viewer.
    channel
        The channel to use of a layer that has several: its number, or "grey", the
        luminance of colours.
    level
        Resolution of a multiscale layer; 0 is the finest.
    region
        Slices over the axes but the channels, in pixels of that level: predict this
        part only.
    out
        Write the result to a folder, ending in ".zarr", and show it from there: for
        images that are larger than the memory. Not with a region.

    Returns
    -------
    Prediction or StoredPrediction
        Of the region; stored if `out` is given.

    Raises
    ------
    StudioError
        If layer, model, settings or region cannot be used, with the remedy.
    """
    from napari_unet_studio.api import load_model, predict, predict_zarr

    model = load_model(model)
    if isinstance(layer, str):
        image = viewer.layers[layer]
        source = source_of(image, axes, level=level, channel=channel)
        source = fitting_channels(source, image, model.card.spec.in_channels)
    else:
        layers = [viewer.layers[name] for name in layer]
        source = combined_source(layers, axes, level=level)
    image_of: dict[str, Any] = {
        "objects": objects,
        "axes": source.axes,
        "channel_axis": source.channel_axis,
        "spacing": source.spacing,
    }
    if out is not None:
        if region is not None:
            raise InputError(
                "A region is not written to a folder; leave out the region or the "
                "folder."
            )
        unit = source.unit
        stored = predict_zarr(source.data, out, model, config, unit=unit, **image_of)
        if add:
            add_tuples(viewer, stored_tuples(stored, source))
        return stored
    prediction = predict(source.data, model, config, region=region, **image_of)
    if add:
        source = replace(source, region=region)
        add_tuples(viewer, prediction_tuples(prediction, source))
    return prediction


def train_layers(
    viewer: "napari.Viewer",
    layers: Sequence[tuple[str, str] | tuple[str, str, Literal["train", "validate"]]],
    config: "TrainConfig | Mapping[str, Any] | None" = None,
    name: str = "model",
) -> "Model":
    """Train on layers of a viewer, from the console or a script.

    Parameters
    ----------
    viewer
        A napari viewer.
    layers
        Names of an Image and a Labels layer each, and possibly a role.
    config
        See :func:`napari_unet_studio.train`.
    name
        Name of the model.
    """
    from napari_unet_studio.api import train

    pairs = [
        pair_of(viewer.layers[image], viewer.layers[labels], *role)
        for image, labels, *role in layers
    ]
    return train(pairs, config, name=name)


def add_tuples(viewer: "napari.Viewer", tuples: Sequence[LayerTuple]) -> list["Layer"]:
    """Add layers to a viewer and return them; an existing layer is never touched."""
    return [
        getattr(viewer, f"add_{kind}")(data, **options)
        for data, options, kind in tuples
    ]
