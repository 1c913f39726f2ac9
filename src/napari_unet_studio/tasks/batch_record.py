"""The settings of a batch, as its record holds them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.io.manifest import Run
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.batch_read import Reading


def run_of(
    model: Model,
    loaded_from: str,
    config: BatchConfig,
    objects: ObjectConfig,
    reading: Reading,
    region: Region | None,
) -> Run:
    """Return all settings that results depend on."""
    place: dict[str, Any] = asdict(reading)
    if region is not None:
        place["region"] = [[part.start, part.stop] for part in region]
    return Run(
        "predict",
        model_facts(model, loaded_from),
        config.to_dict(),
        objects.to_dict(),
        {key: value for key, value in place.items() if value is not None},
    )


def model_facts(model: Model, loaded_from: str = "") -> dict[str, Any]:
    """Return what tells a model from others: its weights, and how it is used."""
    card = model.card
    file = Path(loaded_from)
    return {
        "name": card.name,
        "path": str(file.absolute()) if file.is_file() else loaded_from,
        "digest": model.digest,
        "target": card.target,
        "class_values": list(card.class_values),
        "normalisation": asdict(card.normalisation),
        "spacing": None if card.spacing is None else list(card.spacing),
        "unit": card.unit,
    }
