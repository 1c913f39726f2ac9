"""From napari layers to arrays and back; below the widgets only this file knows them.

Layers are read once, when work begins (:class:`Source`), so that a user who switches,
renames or removes a layer meanwhile changes nothing. Results are plain
``LayerDataTuple``s that lie exactly on their source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError

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

LayerTuple = tuple[Any, dict[str, Any], str]

METADATA_KEY = "napari_unet_studio"
SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_NAMES = {"t": "T", "time": "T", "z": "Z", "y": "Y", "x": "X", "c": "C", "channel": "C"}


@dataclass(frozen=True, eq=False)
class Source:
    """A layer as it was when work began.

    Parameters
    ----------
    name
        Of the layer.
    data
        Its pixels at full resolution, possibly lazy.
    axes
        Names of its axes but the channels, such as "TYX".
    channel_axis
        Axis of `data` with channels, or None.
    spacing
        Pixel size of the spatial axes.
    spatial
        Keyword arguments that put a layer of the same pixels in the same place.
    multiscale
        Whether the layer has coarser resolutions besides.
    """

    name: str
    data: Any
    axes: str
    channel_axis: int | None
    spacing: tuple[float, ...]
    spatial: Mapping[str, Any]
    multiscale: bool = False

    @property
    def expression(self) -> str:
        """Python for `data`, in napari's console."""
        return f"viewer.layers[{self.name!r}].data{'[0]' * self.multiscale}"


def source_of(layer: "Layer", axes: str | None = None) -> Source:
    """Read an Image or Labels layer.

    Parameters
    ----------
    layer
        The layer.
    axes
        Names of the axes but the channels; by default the layer's ``axis_labels`` where
        they are among t, z, y, x and c, else "YX", "ZYX" or "TZYX".

    Raises
    ------
    InputError
        If the layer is neither, or its axes cannot be named.
    """
    kind = layer.__class__.__name__
    if kind not in ("Image", "Labels"):
        raise InputError(
            f"The layer {layer.name!r} is of type {kind}; choose an Image or a Labels "
            "layer."
        )
    data = layer.data[0] if layer.multiscale else layer.data
    if not hasattr(data, "__array_function__"):
        data = _lazy(data)
    found = _found(layer)
    channel_axis = found.index("C") if found.count("C") == 1 else None
    spatial = _spatial_of(layer, channel_axis)
    if getattr(layer, "rgb", False):
        channel_axis = data.ndim - 1
    named = [name for name in found if name != "C"]
    if len(named) > 4:
        raise InputError(
            f"The layer {layer.name!r} has {len(named)} axes, at most time, z, y and x "
            "can be used; split it first, or name the axis of the channels 'c'."
        )
    if axes is None:
        axes = axes_of(layer)
    if len(axes) != len(named):
        raise InputError(
            f"The layer {layer.name!r} has {len(named)} axes, which cannot be named "
            f"{axes!r}; give one letter for each."
        )
    count = spatial_ndim(axes)
    spacing = tuple(float(abs(s)) for s in spatial["scale"][-count:])
    return Source(
        layer.name, data, axes, channel_axis, spacing, spatial, bool(layer.multiscale)
    )


def axes_of(layer: "Layer") -> str:
    """Return the names of a layer's axes but the channels; see :func:`source_of`."""
    named = [name for name in _found(layer) if name != "C"]
    known = None not in named and len(set(named)) == len(named)
    ordered = named == [a for a in "TZYX" if a in named]
    return "".join(map(str, named)) if known and ordered else "TZYX"[-len(named) :]


def labels_tuple(
    data: Any, source: Source, name: str, provenance: Mapping[str, Any], **options: Any
) -> LayerTuple:
    """Return a Labels layer on the pixels of a source."""
    return (
        data,
        {
            "name": name,
            **source.spatial,
            "metadata": {METADATA_KEY: {"source": source.name, **provenance}},
            **options,
        },
        "labels",
    )


def image_tuple(
    data: Any, source: Source, name: str, provenance: Mapping[str, Any], **options: Any
) -> LayerTuple:
    """Return an Image layer on the pixels of a source."""
    return (*labels_tuple(data, source, name, provenance, **options)[:2], "image")


def prediction_tuples(prediction: "Prediction", source: Source) -> list[LayerTuple]:
    """Return the layers of a prediction: probabilities (hidden), then labels.

    A model of classes gives one probability layer for each class but the first.
    """
    card = prediction.card
    provenance = provenance_of(prediction)
    base = f"{source.name} [{card.name}]"
    layers = []
    if card.target == "objects":
        shown = [(prediction.probabilities[0], f"{base} probability")]
    else:
        shown = [
            (prediction.probabilities[index], f"{base} probability of {value}")
            for index, value in enumerate(card.class_values)
            if index
        ]
    for data, name in shown:
        layers.append(
            image_tuple(
                data,
                source,
                name,
                provenance,
                colormap="magma",
                contrast_limits=(0, 1),
                blending="additive",
                opacity=0.7,
                visible=False,
            )
        )
    layers.append(
        labels_tuple(
            prediction.labels, source, f"{base} labels", provenance, opacity=0.5
        )
    )
    return layers


def provenance_of(prediction: "Prediction") -> dict[str, Any]:
    """Return what made a prediction, as plain types for ``layer.metadata``."""
    from napari_unet_studio import __version__

    card = prediction.card
    return {
        "model": card.name,
        "network": card.spec.to_dict(),
        "created": card.created,
        "objects": prediction.objects.to_dict(),
        "axes": prediction.axes,
        "version": __version__,
    }


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
    layer: str,
    model: "Model | str | Path" = "nuclei",
    config: "PredictConfig | None" = None,
    objects: "ObjectConfig | None" = None,
    axes: str | None = None,
    add: bool = True,
) -> "Prediction":
    """Predict a layer of a viewer, from the console or a script.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of an Image layer.
    model, config, objects
        See :func:`napari_unet_studio.predict`.
    axes
        Names of the layer's axes, such as "TYX", if its ``axis_labels`` do not say.
    add
        Add the labels and the probabilities to the viewer.
    """
    from napari_unet_studio.api import load_model, predict

    source = source_of(viewer.layers[layer], axes)
    prediction = predict(
        source.data,
        load_model(model),
        config,
        objects=objects,
        axes=source.axes,
        channel_axis=source.channel_axis,
        spacing=source.spacing,
    )
    if add:
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


def moved(source: Source, data: Any) -> Source:
    """Return a source with other data of the same pixels, for derived layers."""
    return replace(source, data=data, channel_axis=None)


def _found(layer: "Layer") -> list[str | None]:
    return [_NAMES.get(str(label).lower()) for label in layer.axis_labels]


def _spatial_of(layer: "Layer", channel_axis: int | None) -> dict[str, Any]:
    if channel_axis is None:
        return {name: getattr(layer, name) for name in SPATIAL}
    # Without the channels: the map from the other axes to the world, scale kept apart.
    keep = [axis for axis in range(layer.ndim) if axis != channel_axis]
    origin = np.asarray(layer.data_to_world((0,) * layer.ndim))
    scale = np.asarray(layer.scale)[keep]
    matrix = np.eye(len(keep) + 1)
    matrix[:-1, -1] = origin[keep]
    for column, axis in enumerate(keep):
        unit = np.eye(layer.ndim)[axis]
        step = np.asarray(layer.data_to_world(tuple(unit))) - origin
        matrix[:-1, column] = step[keep] / scale[column]
    return {
        "scale": scale,
        "affine": matrix,
        "units": tuple(layer.units[axis] for axis in keep),
        "axis_labels": tuple(layer.axis_labels[axis] for axis in keep),
    }


def _lazy(data: Any) -> Any:
    """Return zarr arrays and the like as dask arrays, anything else as numpy."""
    if hasattr(data, "chunks") and hasattr(data, "store"):
        import dask.array as da

        return da.from_zarr(data)
    return np.asarray(data)
