"""What ``--config`` of ``unet-studio predict`` may be: settings, a record, a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_unet_studio.cli.recorded import config_file, is_record, last_run
from napari_unet_studio.core.config import field_types
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.folders import BatchItem
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.record import Record, read_record
from napari_unet_studio.tasks.batch_config import BatchConfig


@dataclass(frozen=True)
class Settings:
    """What a file of settings says, beside those of the network.

    Parameters
    ----------
    batch
        What is written: "probabilities", "table" and "store".
    objects
        How probabilities become objects.
    place
        Axes and so on of all images, as options.
    model
        Name or file of a model.
    digest
        Of that model.
    record
        Of a batch that is to be repeated.
    """

    batch: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    digest: str = ""
    record: Record | None = None

    def items(self) -> list[BatchItem]:
        """Return the images of the record."""
        images = {} if self.record is None else self.record.named()
        return [BatchItem(name, path) for name, path in images.items()]


def prediction_in(
    document: dict[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of the network in a document of settings.

    Raises
    ------
    ConfigError
        If it is the record of something else.
    """
    path = config_file(arguments["ctx"])
    if path is not None and path.suffix == SUFFIX:
        return {}  # a model, not the settings of its training
    if is_record(document):
        document = dict(last_run(path, "predict").config)
    if not document.keys().isdisjoint(field_types(BatchConfig)):
        unknown = document.keys() - field_types(BatchConfig).keys()
        if unknown:
            raise ConfigError(
                f"{path} has no setting {min(unknown)!r}; a batch has "
                f"{', '.join(field_types(BatchConfig))}."
            )
        return dict(document.get("prediction", {}))
    return document


def settings_of(path: Path | None, document: Mapping[str, Any]) -> Settings:
    """Return all else that a file of settings says."""
    if path is None:
        return Settings()
    if path.suffix == SUFFIX:
        return Settings(model=str(path))
    if is_record(document):
        record = read_record(path)
        run = last_run(path, "predict", record)
        model = str(run.model.get("path") or run.model.get("name"))
        digest = str(run.model.get("digest", ""))
        return Settings(
            _without(run.config), run.objects, run.place, model, digest, record
        )
    if field_types(BatchConfig).keys().isdisjoint(document):
        return Settings()
    return Settings(_without(document))


def batch_options(
    given: Mapping[str, bool | None], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is written: as options say, else as the file does."""
    said = {name: value for name, value in given.items() if value is not None}
    return {**found, **said}


def given_place(place: Mapping[str, Any]) -> dict[str, Any]:
    """Return the place of a record as arguments of :func:`.batch`."""
    found = dict(place)
    if found.get("spacing") is not None:
        found["spacing"] = tuple(found["spacing"])
    if found.get("region") is not None:
        found["region"] = tuple(slice(*pair) for pair in found["region"])
    return found


def _without(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != "prediction"}
