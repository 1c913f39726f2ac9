"""Settings that the record of a batch, ``batch.json``, holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from napari_unet_studio.cli.files import Place
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.record import Record, Run, read_record


def config_file(ctx: typer.Context) -> Path | None:
    """Return what ``--config`` names."""
    path = ctx.params.get("config")
    return path if isinstance(path, Path) else None


def is_record(document: Mapping[str, Any]) -> bool:
    """Return whether a document of settings is a record."""
    return "runs" in document


def last_run(path: Path | None, task: str, record: Record | None = None) -> Run:
    """Return the latest run of a record.

    Parameters
    ----------
    path
        The file.
    task
        The command that asks.
    record
        What is in it, if it has been read.

    Raises
    ------
    StorageError, ConfigError
        If it cannot be read, or is the record of another command.
    """
    run = (record or read_record(path or Path())).last
    if run.task != task:
        raise ConfigError(
            f"{path} is the record of unet-studio {run.task}; choose one of "
            f"unet-studio {task}."
        )
    return run


def place_of(run: Run, given: Place) -> Place:
    """Return axes, pixel size and unit: those given, else those of a run."""
    axes, spacing, unit = given
    known = run.place.get("spacing")
    if spacing is None and known is not None:
        # The two belong together.
        spacing, unit = tuple(known), unit or run.place.get("unit")
    return axes or run.place.get("axes"), spacing, unit
