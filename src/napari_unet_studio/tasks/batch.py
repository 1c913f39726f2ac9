"""Many images through one model, as a task: what fails is listed, the rest goes on."""

from collections.abc import Generator, Sequence
from pathlib import Path

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.io.folders import BatchItem
from napari_unet_studio.io.manifest import Manifest
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.batch_course import Course
from napari_unet_studio.tasks.batch_one import Work
from napari_unet_studio.tasks.batch_outcome import (
    BatchProgress,
    BatchResult,
    Outcome,
)
from napari_unet_studio.tasks.batch_read import Reading, check_items
from napari_unet_studio.tasks.batch_record import run_of
from napari_unet_studio.tasks.batch_table import TABLE, write_table
from napari_unet_studio.tasks.device import choose_device
from napari_unet_studio.tasks.progress import ShouldStop, never
from napari_unet_studio.tasks.setup import part_of

__all__ = [
    "BatchConfig",
    "BatchItem",
    "BatchProgress",
    "BatchResult",
    "Outcome",
    "batch",
]


def batch(
    items: Sequence[BatchItem],
    out: Path | None,
    model: Model,
    config: BatchConfig | None = None,
    *,
    objects: ObjectConfig | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    channel: Channel | None = None,
    level: int = 0,
    region: tuple[slice, ...] | None = None,
    overwrite: bool = False,
    loaded_from: str = "",
    should_stop: ShouldStop = never,
) -> Generator[BatchProgress, None, BatchResult]:
    """Predict images one after the other, with one model.

    Parameters
    ----------
    items
        The images, with names for their results; see :func:`.batch_items`.
    out
        Folder of the results, and of their record ``batch.json``. None writes nothing:
        each outcome has its prediction.
    model
        A trained model.
    config
        Settings; None is the default.
    objects
        How probabilities become objects; the default is that of the model.
    axes, spacing, unit
        Of all images, instead of what their files say; see :func:`.described`.
    channel
        Take this channel alone, or "grey"; see :func:`.pick_channel`.
    level
        Resolution level of images that have several.
    region
        A slice for each axis but the channels: predict these pixels only.
    overwrite
        Replace files in the way, but neither images nor results of this run. What an
        earlier run has done with the same settings is kept all the same.
    loaded_from
        Name or file that the model was loaded by, for the record.
    should_stop
        Asked before each tile. What is done is kept.

    Yields
    ------
    BatchProgress
        One record per tile, and one with the outcome when an image is finished.

    Returns
    -------
    BatchResult
        What became of the images that were reached.

    Raises
    ------
    StudioError
        If there are no images, settings, device or folder cannot be used, or the disk
        is full. What is done is kept.
    """
    config = config or BatchConfig()
    model = model.settled()  # else its weights were hashed for each image
    objects = objects or model.card.objects
    if out is None and (config.store or config.table or config.probabilities):
        raise InputError("Files need a folder; give one, or leave these files out.")
    if config.store and region is not None:
        raise InputError(
            "A region is not written to zarr stores; leave the region out, or the "
            "stores."
        )
    choose_device(config.prediction.device)  # what all would fail with is said at once
    part_of(model, config.prediction)
    complaints = check_items(items, config, out)
    reading = Reading(
        axes, None if spacing is None else tuple(spacing), unit, channel, level
    )
    manifest = None
    if out is not None:
        run = run_of(model, loaded_from, config, objects, reading, region)
        inputs = [item.image for item in items if isinstance(item.image, Path)]
        manifest = Manifest(out, run, inputs, overwrite)
        if config.table:
            manifest.of_all.check("table", TABLE)
    mark = "" if manifest is None else dumps(run.compared())
    work = Work(model, config, objects, region, overwrite, mark, should_stop)
    course = Course(items, config, complaints, work, reading, manifest)
    ended = False
    try:
        yield from course.run()
        ended = not course.stopped
        table = None
        if manifest is not None and ended:
            if config.table:
                table = write_table(manifest)
            elif course.has_done and manifest.of_all.is_ours("table", TABLE):
                write_table(manifest)  # it tells of labels that were replaced
    finally:
        if manifest is not None:
            manifest.close(ended)
    path = None if manifest is None else manifest.path
    return BatchResult(tuple(course.outcomes), course.stopped, path, table)
