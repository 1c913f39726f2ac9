"""Layers of results: where they lie, how they look, and what made them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time these load torch, which a widget opens without
    from napari_unet_studio.api import Prediction
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.layers.source import Source
    from napari_unet_studio.tasks.stream import StoredPrediction

LayerTuple = tuple[Any, dict[str, Any], str]

METADATA_KEY = "napari_unet_studio"
PROBABILITY: dict[str, Any] = {
    "rgb": False,  # whatever the length of the last axis
    "colormap": "magma",
    "contrast_limits": (0, 1),
    "blending": "additive",
    "opacity": 0.7,
}


def labels_tuple(
    data: Any,
    source: "Source",
    name: str,
    provenance: Mapping[str, Any],
    **options: Any,
) -> LayerTuple:
    """Return a Labels layer on the pixels of a source, or of its region."""
    return (
        data,
        {
            "name": name,
            **source.of(source.region),
            "metadata": {METADATA_KEY: {"source": source.name, **provenance}},
            **options,
        },
        "labels",
    )


def image_tuple(
    data: Any,
    source: "Source",
    name: str,
    provenance: Mapping[str, Any],
    **options: Any,
) -> LayerTuple:
    """Return an Image layer on the pixels of a source, or of its region."""
    return (*labels_tuple(data, source, name, provenance, **options)[:2], "image")


def shown_probabilities(card: "ModelCard", count: int) -> list[tuple[int, str]]:
    """Return which of a model's probabilities are shown, each with its name.

    Of classes they are those of all but the first. A model may give `count` 1 for two
    classes: that of the second.
    """
    if card.target == "objects":
        return [(0, "probability")]
    return [
        (min(index, count - 1), f"probability of {value}")
        for index, value in enumerate(card.class_values)
        if index
    ]


def prediction_tuples(prediction: "Prediction", source: "Source") -> list[LayerTuple]:
    """Return the layers of a prediction: probabilities (hidden), then labels.

    A model of classes gives one probability layer for each class but the first.
    """
    card = prediction.card
    provenance = provenance_of(prediction, source)
    base = f"{source.title} [{card.name}]"
    looks = {**PROBABILITY, "visible": False}
    layers = []
    for index, what in shown_probabilities(card, len(prediction.probabilities)):
        data = prediction.probabilities[index]
        layers.append(image_tuple(data, source, f"{base} {what}", provenance, **looks))
    layers.append(
        labels_tuple(
            prediction.labels, source, f"{base} labels", provenance, opacity=0.5
        )
    )
    return layers


def provenance_of(
    prediction: "Prediction | StoredPrediction", source: "Source | None" = None
) -> dict[str, Any]:
    """Return what made a prediction, as plain types for ``layer.metadata``."""
    from napari_unet_studio import __version__

    card = prediction.card
    made = {
        "model": card.name,
        "digest": prediction.digest,
        "network": card.spec.to_dict(),
        "created": card.created,
        "prediction": prediction.config.to_dict(),
        "objects": prediction.objects.to_dict(),
        "axes": prediction.axes,
        "version": __version__,
    }
    return made if source is None else made | choice_of(source)


def choice_of(source: "Source") -> dict[str, Any]:
    """Return the axes of the layer, and what was taken of it where that was not all."""
    made: dict[str, Any] = {"layer_axes": source.letters}
    if source.layers:
        made["channels"] = list(source.layers)
    if source.channel is not None:
        made["channel"] = source.channel
    if source.level:
        made["level"] = source.level
    if source.region is not None:
        made["region"] = [[part.start, part.stop] for part in source.region]
    return made
