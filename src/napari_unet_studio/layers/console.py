"""What the widgets do with layers, for the console and for scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.channels import named_source, training_source
from napari_unet_studio.layers.finding import Kind, layer_named
from napari_unet_studio.layers.place import Region
from napari_unet_studio.layers.results import LayerTuple, prediction_tuples
from napari_unet_studio.layers.source import source_of
from napari_unet_studio.layers.stored import stored_tuples

if TYPE_CHECKING:  # at run time these load torch, which a widget opens without
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

Used = Literal["train", "validate"]
_PAIR: tuple[Kind, Kind] = ("Image", "Labels")
LayerRow = tuple[str | Path, str | Path] | tuple[str | Path, str | Path, Used]


def pair_of(
    image: "Layer | str | Path",
    labels: "Layer | str | Path",
    role: Literal["train", "validate", "off"] = "train",
    axes: str | None = None,
) -> "Pair":
    """Return an image and its labels as a training pair.

    Parameters
    ----------
    image, labels
        An Image and a Labels layer, or files; large files and zarr are read in parts
        when they are needed.
    role
        "train", "validate" or "off".
    axes
        Names of the axes of an image layer, if its ``axis_labels`` do not say. An axis
        without a name that the labels lack holds the channels.

    Raises
    ------
    StudioError
        If a layer or a file cannot be used, with the remedy.
    """
    from napari_unet_studio.api import Pair
    from napari_unet_studio.io.images import read_image, read_label_array

    if isinstance(labels, str | Path):
        painted = read_label_array(labels)
    else:
        painted = source_of(labels).data
    if isinstance(image, str | Path):
        found = read_image(image)
        described = (found.axes, found.channel_axis, found.spacing, found.unit)
        return Pair(found.array, painted, role, Path(image).stem, *described)
    painted_on = None if isinstance(labels, str | Path) else labels
    source = training_source(image, painted_on, axes)
    described = (source.axes, source.channel_axis, source.spacing, source.unit)
    return Pair(source.data, painted, role, source.name, *described)


def predict_layer(
    viewer: "napari.Viewer",
    layer: str | Sequence[str],
    model: "Model | str | Path" = "nuclei",
    config: "PredictConfig | Mapping[str, Any] | None" = None,
    objects: "ObjectConfig | Mapping[str, Any] | None" = None,
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

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> nuclei = viewer.add_image(sample.image, name="nuclei")
    >>> found = us.predict_layer(viewer, "nuclei")
    >>> [layer.name for layer in viewer.layers[1:]]
    ['nuclei [nuclei] probability', 'nuclei [nuclei] labels']
    >>> bool((viewer.layers[-1].data == found.labels).all())
    True
    """
    from napari_unet_studio.api import load_model, predict, predict_zarr

    model = load_model(model)
    expected = model.card.spec.in_channels
    source = named_source(viewer, layer, expected, axes, channel, level)
    given = config if isinstance(config, Mapping) else config and config.to_dict()
    if (given or {}).get("pixel_size") == "model" and source.unit == "pixel":
        raise InputError(
            f"The layer {source.name!r} has no unit of length, so its pixel size is "
            "not known; set its units and scale, or pixel_size to 'image'."
        )
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
        if region is not None:  # with numbers where a slice has none
            source = replace(source, region=prediction.region)
        add_tuples(viewer, prediction_tuples(prediction, source))
    return prediction


def train_layers(
    viewer: "napari.Viewer",
    layers: Sequence[LayerRow],
    config: "TrainConfig | Mapping[str, Any] | None" = None,
    name: str = "model",
) -> "Model":
    """Train on layers of a viewer, from the console or a script.

    Parameters
    ----------
    viewer
        A napari viewer.
    layers
        Names of an Image and a Labels layer each, or paths of files as
        :class:`~pathlib.Path`, and possibly a role.
    config
        See :func:`napari_unet_studio.train`.
    name
        Name of the model.

    Raises
    ------
    StudioError
        If layers or settings cannot be used, with the remedy.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> nuclei = viewer.add_image(sample.image, name="nuclei")
    >>> truth = viewer.add_labels(sample.labels, name="truth")
    >>> settings = {"updates": 1, "patch": 32, "batch": 1, "device": "cpu"}
    >>> model = us.train_layers(viewer, [("nuclei", "truth")], settings, name="mine")
    >>> us.predict_layer(viewer, "nuclei", model).card.name
    'mine'
    """
    from napari_unet_studio.api import train

    pairs = []
    for row in layers:
        if isinstance(row, str) or len(row) < 2:
            raise InputError(
                f"A row is an Image and a Labels layer, not {row!r}; give rows such as "
                '[("cells", "cells labels")].'
            )
        image, labels = (
            part if isinstance(part, Path) else layer_named(viewer, part, kind)
            for part, kind in zip(row[:2], _PAIR, strict=True)
        )
        pairs.append(pair_of(image, labels, *row[2:]))
    return train(pairs, config, name=name)


def add_tuples(viewer: "napari.Viewer", tuples: Sequence[LayerTuple]) -> list["Layer"]:
    """Add layers to a viewer and return them; an existing layer is never touched."""
    return [
        getattr(viewer, f"add_{kind}")(data, **options)
        for data, options, kind in tuples
    ]
