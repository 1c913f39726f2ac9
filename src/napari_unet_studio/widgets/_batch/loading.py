"""Settings of an earlier batch, from its record or from a file of settings."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import ConfigError, StorageError, StudioError
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.io.record import NAME, Run, read_record
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.widgets._batch.reading import Stated

if TYPE_CHECKING:
    from napari_unet_studio.widgets._batch.form import BatchForm

_ELSEWHERE = ("level", "region")  # what only the shell and Python have


def load_settings(form: "BatchForm", path: Path) -> str:
    """Show the settings that a file holds; returns what there is to say about them.

    Parameters
    ----------
    form
        Where they are shown.
    path
        The record ``batch.json`` of a batch, or its folder; or a
        :class:`.BatchConfig` or :class:`.PredictConfig` as JSON.

    Raises
    ------
    StorageError, ConfigError
        If the file is none of these, or broken; then nothing is changed.
    """
    if path.is_dir():
        path = path / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}. Check the path."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is not JSON; choose the file {NAME} of a batch."
        ) from error
    if isinstance(values, dict) and "runs" in values:
        return _load_record(form, path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no settings; choose the {NAME} of a batch.")
    nested = not values or values.keys() & {"prediction", *_batch_fields()}
    form.set_config(BatchConfig.from_dict(values if nested else {"prediction": values}))
    return f"Settings of {path.name} loaded."


def _load_record(form: "BatchForm", path: Path) -> str:
    record = read_record(path)
    run = record.last
    if run.task != "predict":
        raise ConfigError(
            f"{path} is the record of {run.task!r}; choose that of a segmentation."
        )
    config = BatchConfig.from_dict(run.config)
    objects = ObjectConfig.from_dict(run.objects) if run.objects else None
    missing = _choose_model(form, run)
    notes = [missing]
    form.set_config(config)
    if objects is not None and not missing:  # they suit no other model
        form.objects.set(objects)
    form.reading.set(_stated(run.place))
    notes += [
        f"Its {name} is not taken over; use the shell for that."
        for name in _ELSEWHERE
        if run.place.get(name)
    ]
    there = [image for image in record.images() if image.exists()]
    if there:
        form.set_paths(there)
        form.place.set(record.folder.absolute())
    else:
        notes.append("Its images are not where they were; choose some.")
    return " ".join([f"Settings of {path.parent.name}/{path.name} loaded.", *notes])


def _choose_model(form: "BatchForm", run: Run) -> str:
    """Choose the model of a run; returns what there is to say if it is not there."""
    name = str(run.model.get("name", ""))
    for known in (run.model.get("path"), name):
        if known:
            try:
                form.models.choose(str(known))
            except StudioError:
                continue
            return ""
    return f"Its model {name!r} is not here; choose it, and load the settings again."


def _stated(place: Any) -> Stated:
    spacing = place.get("spacing")
    return Stated(
        place.get("axes"),
        place.get("channel"),
        None if spacing is None else tuple(spacing),
        place.get("unit"),
    )


def _batch_fields() -> set[str]:
    return set(BatchConfig().to_dict())
