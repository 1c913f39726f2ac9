"""Prediction of images of any size into an OME-Zarr store, as a task."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.networks.network import digest
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.ome_layout import Version
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.tasks.begin import (
    alone,
    begun,
    check_separate,
    create,
    fingerprint,
)
from napari_unet_studio.tasks.checks import check_channels, check_spacing
from napari_unet_studio.tasks.job import PREDICT, Job, Step, ledger_of
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import (
    Clock,
    PredictProgress,
    ShouldStop,
    never,
    until,
)
from napari_unet_studio.tasks.worker import Worker

Mapper = Callable[[Worker, str, Sequence[int], ShouldStop], Iterator[Step]]
"""Does the calls of a stage, here or elsewhere; stops early when asked to."""

# A call of the network counts as much as so many others in the progress.
_WEIGHT = 8


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """What a network says about an image, in an OME-Zarr store.

    Parameters
    ----------
    path
        The store. Its image holds probabilities, float16 (C, *image axes), and it has
        the labels as an OME-Zarr label image.
    name
        Of the labels.
    card, axes, objects, config
        As in :class:`.Prediction`. The labels follow from the probabilities as stored.
    count
        Number of objects, summed over time points; 0 for classes.
    notes
        Sentences for the user.
    digest
        Of the model, see :attr:`.Model.digest`.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]((64, 64)).image
    >>> stored = us.predict_zarr(image, getfixture("tmp_path") / "nuclei.zarr")
    >>> stored.path.name, stored.name, stored.axes
    ('nuclei.zarr', 'nuclei', 'YX')
    """

    path: Path
    name: str
    card: ModelCard
    axes: str
    objects: ObjectConfig
    config: PredictConfig
    count: int
    notes: tuple[str, ...]
    digest: str = ""

    def __repr__(self) -> str:
        return (
            f"<StoredPrediction {str(self.path)!r} by {self.card.name!r}: {self.axes}, "
            f"{self.count} objects>"
        )


def serial(
    worker: Worker, stage: str, numbers: Sequence[int], should_stop: ShouldStop
) -> Iterator[Step]:
    """Do the calls of a stage here, one after the other."""
    for number in numbers:
        yield from worker.call(stage, number, should_stop)
        if should_stop():
            return


def predict_zarr(
    image: Any,
    out: str | Path,
    model: Model,
    config: PredictConfig | None = None,
    *,
    objects: ObjectConfig | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    channel: Channel | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "pixel",
    level: int = 0,
    version: Version = "0.5",
    overwrite: bool = False,
    mapper: Mapper = serial,
    should_stop: ShouldStop = never,
) -> Generator[PredictProgress, None, StoredPrediction | None]:
    """Predict an image of any size into a store, with the memory of a few blocks.

    Parameters
    ----------
    image
        A file or OME-Zarr folder, read by path; or an array, numpy, dask or zarr.
    out
        Path of the result, ending in ".zarr". What is not finished lies beside it with
        the further suffix ".part". The same call goes on from there.
    model, config, objects
        As in :func:`napari_unet_studio.tasks.predict.predict`.
    axes, channel_axis, spacing, unit
        Of an array; of a file, instead of what it says itself.
    channel
        Take this channel alone, or "grey"; see :func:`.pick_channel`.
    level
        Resolution level of an OME-Zarr image.
    version
        Of OME-Zarr.
    overwrite
        Start anew, and replace what there is once the result is finished.
    mapper
        Does the calls: :func:`serial`, or one of :mod:`napari_unet_studio.distributed`.
    should_stop
        Asked before each tile. What is done is kept.

    Yields
    ------
    PredictProgress
        One record per tile or call.

    Returns
    -------
    StoredPrediction or None
        None if stopped.

    Raises
    ------
    StudioError
        If image, model, settings, device or place cannot be used, with the remedy. What
        is done is kept here too.
    """
    out, config = Path(out), config or PredictConfig()
    objects = objects or model.card.objects
    source: tuple[Path, int] | None = None
    if isinstance(image, str | Path):
        source = Path(image).absolute(), level
        check_separate(source[0], out)
        read = read_image(*source)
        image = read.array
        if axes is None or len(axes) == len(read.axes):
            channel_axis = read.channel_axis if channel_axis is None else channel_axis
        axes = axes or read.axes
        if spacing is None and read.spacing is not None:
            spacing, unit = read.spacing, read.unit
    axis = channel_axis
    if channel is not None:
        if axis is None:
            raise InputError(
                f"The image has no channels, of which {channel!r} could be taken; "
                "leave the channel out."
            )
        image, axis = pick_channel(image, axis, channel), None
    frames = Frames.of(image, model.card.spec.ndim, axes, axis)
    check_channels(frames, model.card)
    if spacing is not None:
        spacing = tuple(spacing)[-len(frames.axes.replace("T", "")) :]
    check_spacing(spacing, frames.axes)
    asked = {
        "image": str(source[0]) if source else "an array",
        "level": level,
        "shape": list(frames.array.shape),
        "type": str(frames.array.dtype),
        "pixels": fingerprint(frames),
        "axes": frames.axes,
        "channel": channel,
        "spacing": None if spacing is None else list(spacing),
        "unit": unit,
        "model": digest(model.network, str(model.card.to_dict())),
        "network": config.to_dict(),
        "objects": objects.to_dict(),
        "version": version,
    }
    with alone(out):
        resumed = False
        if ResultStore.unfinished(out):
            resumed = not overwrite and ledger_of(out).begin(asked)
            if not resumed:  # unwanted, or killed before it had begun
                ResultStore.discard(out)
        notes: tuple[str, ...] = ()
        if resumed:
            job = Job.load(out, None if source else frames.array)
            notes = ("An unfinished result was there: its blocks were kept.",)
        else:
            beginning = begun(
                frames,
                out,
                model,
                config,
                objects,
                source,
                spacing,
                channel_axis,
                channel,
            )
            new = yield from until(should_stop, beginning)
            if new is None:
                return None
            job, notes = new
            create(job, frames, model, unit, version, overwrite)
            ledger_of(out).begin(asked)
        with Worker(job, model) as worker:
            try:
                stages = [*job.stages(model.card), *_levels(worker)]
                finished = yield from _run(worker, stages, mapper, should_stop)
            except StudioError:
                if not job.ledger.done(PREDICT):
                    ResultStore.discard(out)  # nothing is lost, and nothing in the way
                raise
            if not finished:
                return None
            count, unsplit = _counted(worker)
            name = worker.store.layout.name
            digest_of_model = model.digest
            provenance = {
                "model": model.card.name,
                "digest": digest_of_model,
                "network": model.card.spec.to_dict(),
                "created": model.card.created,
                "objects": objects.to_dict(),
                "prediction": job.config.to_dict(),
                **{key: asked[key] for key in ("image", "level", "channel")},
                "channel_axis": channel_axis,
                "axes": frames.axes,
                **{key: asked[key] for key in ("spacing", "unit")},
                "count": count,
                "version": version_of("napari-unet-studio"),
            }
            worker.store.publish(provenance)
    notes = (*notes, *worker.notes)
    if unsplit:
        notes = (*notes, f"{unsplit} objects were too large to be split.")
    return StoredPrediction(
        out,
        name,
        model.card,
        frames.axes,
        objects,
        job.config,
        count,
        notes,
        digest_of_model,
    )


def _run(
    worker: Worker, stages: Sequence[str], mapper: Mapper, should_stop: ShouldStop
) -> Generator[PredictProgress, None, bool]:
    """Do all stages; returns whether nothing stopped it."""
    weights = {stage: _WEIGHT if stage == PREDICT else 1 for stage in stages}
    calls = {stage: worker.calls(stage) for stage in stages}
    total = sum(weights[stage] * calls[stage] for stage in stages)
    before, clock = 0.0, Clock()
    for stage in stages:
        done = worker.job.ledger.done(stage)
        numbers = [n for n in range(calls[stage]) if n not in done]
        shares: dict[int, float] = {}
        complete = calls[stage] - len(numbers)
        for step in mapper(worker, stage, numbers, should_stop):
            shares[step.number] = step.share
            if step.share == 1:
                complete += 1
                del shares[step.number]
            now = before + weights[stage] * (complete + sum(shares.values()))
            yield PredictProgress(
                int(now), total, _said(stage), clock.left(int(now), total)
            )
        if should_stop() or complete < calls[stage]:
            return False
        before += weights[stage] * calls[stage]
        if not (stage in (PREDICT, "classes") or stage.startswith("level-")):
            worker.merge(stage)
    yield PredictProgress(total, total, "Done", 0.0)
    return True


def _said(stage: str) -> str:
    if stage == PREDICT:
        return "Predicting"
    return "Writing overviews" if stage.startswith("level-") else "Finding objects"


def _levels(worker: Worker) -> list[str]:
    count = len(worker.store.layout.levels)
    return [f"level-{number}" for number in range(1, count)]


def _counted(worker: Worker) -> tuple[int, int]:
    """Return the number of objects, and of those that were too large to be split."""
    if worker.model.card.target == "classes":
        return 0, 0
    last = worker.job.stages(worker.model.card)[-1]
    states = [worker.state(last, time) for time in range(worker.times)]
    return tuple(  # type: ignore[return-value]
        sum(int(state.get(key, 0)) for state in states) for key in ("count", "unsplit")
    )
