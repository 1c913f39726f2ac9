"""The weight map of labels, from the console: the layers that its dock shows."""

from collections.abc import Mapping
from dataclasses import asdict
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.weights import (
    WeightConfig,
    balanced,
    carve_gap,
    class_counts,
    separation_weights,
)
from napari_unet_studio.layers.console import add_tuples
from napari_unet_studio.layers.finding import layer_named
from napari_unet_studio.layers.reading import Reading, classes_of, frame_ndim
from napari_unet_studio.layers.results import LayerTuple, image_tuple, labels_tuple
from napari_unet_studio.layers.source import Source, source_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer


def weights_tuple(
    data: Any, source: Source, facts: Mapping[str, Any], top: float
) -> LayerTuple:
    """Return a weight map on its labels, coloured from 0 to `top`.

    Weights of 0, where nothing was annotated, are see-through.
    """
    return image_tuple(
        data,
        source,
        f"{source.name} weights",
        facts,
        colormap="inferno",
        contrast_limits=(0, top),
        blending="additive",
        opacity=0.7,
    )


def target_tuple(data: Any, source: Source, facts: Mapping[str, Any]) -> LayerTuple:
    """Return labels with a gap carved; they are for looking at."""
    return labels_tuple(data, source, f"{source.name} target", facts, opacity=0.6)


def weight_facts(
    config: WeightConfig, reading: Reading, numbers: tuple[float, ...] | None
) -> dict[str, Any]:
    """Return what made weights, as plain types for ``layer.metadata``.

    Parameters
    ----------
    config, reading
        The settings, and what counts as an object.
    numbers
        Weight of each class over all frames, where these have one balance.
    """
    return {
        "weights": config.to_dict(),
        "balance": numbers,
        "spatial_axes": reading.ndim,
        "connected_pieces": reading.pieces,
        "ignore": reading.ignore,
        "classes": reading.classes and reading.classes.column,
    }


def weights_layer(
    viewer: "napari.Viewer",
    layer: str,
    config: WeightConfig | Mapping[str, Any] | None = None,
    *,
    ndim: int = 2,
    pieces: bool = False,
    ignore: int | None = None,
    classes: str | None = None,
    target: bool = False,
    add: bool = True,
) -> "Layer | np.ndarray[Any, np.dtype[np.float32]]":
    """Weigh the pixels of a labels layer of a viewer, highest in gaps between objects.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of a Labels layer; it is only read.
    config
        A :class:`.WeightConfig`, or some of its fields: preset, w0, sigma, balance,
        gap, inside.
    ndim
        Axes of a frame of labels with depth, 2 or 3; frames are weighed one by one.
    pieces
        Take what hangs together as an object, instead of each id.
    ignore
        Id of the pixels without annotation, which weigh 0.
    classes
        Column of the layer's features that holds the class of each object.
    target
        Also add the labels with the gap carved.
    add
        Add the weights to the viewer, as "... weights".

    Returns
    -------
    Image layer or ndarray
        The layer of weights; if it is not added, the weights.

    Raises
    ------
    StudioError
        If the labels or the settings cannot be used, with the remedy.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> cells = viewer.add_labels(np.kron([[1, 0, 2]], np.ones((9, 4), int)), name="a")
    >>> weights = us.weights_layer(viewer, "a", {"sigma": 3, "w0": 10})
    >>> weights.name, float(weights.data.max()) > 2
    ('a weights', True)
    """
    if not isinstance(config, WeightConfig):
        config = WeightConfig.from_dict(config or {})
    labels = layer_named(viewer, layer, "Labels")
    source, reading = _read(labels, ndim, pieces, ignore, classes)
    frames = source.data.ndim - reading.ndim
    weights = np.empty(source.data.shape, np.float32)
    carved: Any = None
    spacing = source.spacing[-reading.ndim :]
    settings: dict[str, Any] = asdict(config) | {"spacing": spacing}
    numbers = None
    if config.balance == "global":
        settings["balance"] = "image"  # which the preset of 2019 has no use for
        if config.preset != "2019":
            numbers = settings["balance"] = balanced(_counted(source, reading, config))
    top = 0.0
    for index in np.ndindex(*source.data.shape[:frames]):
        ids, outside = reading.objects(np.asarray(source.data[index]))
        asked: dict[str, Any] = {"ignore": outside, "classes": reading.numbers}
        weights[index] = separation_weights(ids, **settings, **asked)
        top = max(top, _highest(config, numbers, ids, asked))
        if target:
            frame = carve_gap(ids, config.gap, outside)
            if carved is None:
                carved = np.zeros(source.data.shape, frame.dtype)
            carved[index] = frame
    if not add:
        return weights
    facts = weight_facts(config, reading, numbers)
    made = [weights_tuple(weights, source, facts, float(ceil(top)))]
    if target:
        made.append(target_tuple(carved, source, {"connected_pieces": pieces}))
    added = add_tuples(viewer, made)
    for each in added[1:]:
        each.editable = False
    return added[0]


def _read(
    layer: Any, ndim: int, pieces: bool, ignore: int | None, classes: str | None
) -> tuple[Source, Reading]:
    """Read labels, and what counts as an object of them."""
    source = source_of(layer)
    if source.channel_axis is not None:
        raise InputError(
            f"The labels layer {layer.name!r} has an axis of channels; choose labels "
            "without one."
        )
    kinds = None
    if classes is not None:
        kinds = classes_of(layer, classes)
        if kinds is None:
            raise InputError(
                f"The features of {layer.name!r} have no column {classes!r} of classes "
                "beside one with ids; give them one, or leave the classes out."
            )
    return source, Reading(frame_ndim(source.axes, ndim), pieces, ignore, kinds)


def _counted(source: Source, reading: Reading, config: WeightConfig) -> Any:
    """Return the pixels of each class in all frames."""
    total: Any = 0
    for index in np.ndindex(*source.data.shape[: source.data.ndim - reading.ndim]):
        ids, outside = reading.objects(np.asarray(source.data[index]))
        total = total + class_counts(ids, config.gap, outside, reading.numbers)
    return total


def _highest(
    config: WeightConfig,
    numbers: tuple[float, ...] | None,
    ids: Any,
    asked: Mapping[str, Any],
) -> float:
    """Return the largest weight that the formula can give in a frame."""
    if config.preset == "2019":
        return 1 + config.w0
    table: tuple[float, ...] = (1.0,)
    if numbers is not None:
        table = numbers
    elif config.balance != "none":
        table = balanced(class_counts(ids, config.gap, **asked))
    return max(table) + config.w0 * (config.preset == "2015")
