"""Training from files into a model file, with a checkpoint on the way."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import check_writable, refuse_existing
from napari_unet_studio.cli.interrupt import SAID, SAID_BY_SEVERAL, until_interrupted
from napari_unet_studio.cli.train_texts import expectation
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.checkpoint import last_model
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import free_name, models_folder
from napari_unet_studio.tasks.progress import Progress, ShouldStop, run
from napari_unet_studio.tasks.train import train as train_task
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.command import Row, repetition
from napari_unet_studio.tasks.training.diagnosis import diagnose
from napari_unet_studio.tasks.training.expected import Expected
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.tasks.training.preflight import preflight
from napari_unet_studio.tasks.training.tensorboard import TensorBoard


def places(out: Path, resume: bool, overwrite: bool) -> tuple[Path, Path]:
    """Return the files for model and checkpoint, after making sure they may be written.

    Raises
    ------
    InputError
        If one exists and neither `resume` nor `overwrite` allows to replace it, or
        there is nothing to resume.
    StorageError
        If the folder cannot be written to.
    """
    if not out.name:
        raise InputError(f"{out} is no name for a file; give one with --out.")
    model = out if out.suffix == SUFFIX else out.with_name(out.name + SUFFIX)
    checkpoint = model.with_suffix(".ckpt")
    refuse_existing(model, overwrite or resume)
    if checkpoint.exists() and not (resume or overwrite):
        raise InputError(
            f"{checkpoint} holds an unfinished training; go on with it by --resume, "
            "choose another place with --out, or allow --overwrite."
        )
    if resume and not checkpoint.exists():
        raise InputError(
            f"There is no unfinished training {checkpoint} to go on with; start one "
            "without --resume."
        )
    check_writable(model)
    return model, checkpoint


def train_files(
    pairs: list[Pair],
    config: TrainConfig,
    out: Path,
    checkpoint: Path,
    resume: bool,
    tensorboard: Path | None,
    keep_last: bool,
    rows: Sequence[Row],
) -> dict[str, Any] | None:
    """Train, save the model and return what is to be said about it.

    Of several processes only the first one writes and has something to say.

    Parameters
    ----------
    pairs, config
        See :func:`.tasks.train.train`.
    out, checkpoint
        Files from :func:`places`.
    resume
        Go on from the checkpoint.
    tensorboard
        Folder for curves.
    keep_last
        Save the last network too.
    rows
        The pairs as they were given, for the card.
    """
    from napari_unet_studio.distributed.ddp import in_torchrun, torchrun

    with ExitStack() as stack:
        team = stack.enter_context(torchrun(config.device)) if in_torchrun() else None
        leads = team is None or not team.rank
        curves = None
        if tensorboard is not None and leads:
            curves = stack.enter_context(closing(TensorBoard(tensorboard)))
        report = stack.enter_context(console.progress_bar("Training", quiet=not leads))

        def tell(progress: Progress) -> None:
            report(progress)
            if curves is not None:
                curves.add(progress)

        said = SAID if team is None else SAID_BY_SEVERAL
        should_stop = stack.enter_context(
            until_interrupted(said if leads else b"", patient=team is not None)
        )
        if leads and not resume:
            _warn(pairs, config, report, should_stop)
        task = train_task(
            pairs,
            config,
            name=out.stem,
            checkpoint=checkpoint,
            resume=checkpoint if resume else None,
            should_stop=should_stop,
            team=team,
            repeat=repetition(rows, config, out),
        )
        model = run(task, tell)
        if not leads:
            return None
        if model is None or not model.card.training["updates"]:
            console.err.print("Stopped before the first update: nothing was written.")
            raise typer.Exit(130)
        course = model.card.training
        path = save(model, out)
        last = None
        if keep_last:
            name = f"{out.stem}-last"
            last = save(last_model(checkpoint, name), out.with_stem(name))
        if course["finished"]:
            checkpoint.unlink(missing_ok=True)
    return {
        "model": str(path),
        **({} if last is None else {"last": str(last)}),
        **({} if course["finished"] else {"checkpoint": str(checkpoint)}),
        **{k: course[k] for k in ("updates", "best_update", "seconds", "device")},
        **{f"held-out {name}": value for name, value in model.card.scores.items()},
        "threshold": model.card.threshold,
        "notes": course["notes"]
        + [str(f) for f in diagnose(course, model.card.scores)],
    }


def _warn(
    pairs: list[Pair],
    config: TrainConfig,
    report: Callable[[Progress], None],
    should_stop: ShouldStop,
) -> None:
    """Say on the way what is doubtful; errors are those of the training itself."""
    found = run(preflight(pairs, config, should_stop=should_stop), report)
    if found is None:
        return
    for finding in found.findings:
        if finding.kind == "doubt":
            console.err.print(f"doubtful: {finding}", style="yellow")
    expected = found.expected
    if expected is not None:
        console.err.print(expectation(about(expected)))


def check_files(pairs: list[Pair], config: TrainConfig) -> tuple[dict[str, Any], bool]:
    """Return what is wrong or doubtful about a training, and whether it can start."""
    with console.progress_bar("Checking") as report:
        found = run(preflight(pairs, config), report)
    assert found is not None  # nobody stopped it
    result: dict[str, Any] = {
        "findings": [f"{finding.kind}: {finding}" for finding in found.findings]
    }
    if found.expected is not None:
        result |= about(found.expected)
    return result, found.passed


def about(expected: Expected) -> dict[str, Any]:
    """Return what a training will take, as --json tells it."""
    return {
        "minutes": expected.minutes,
        "more_memory_mb": round(expected.memory / 1e6),
        "device": expected.device,
        "parameters": expected.parameters,
    }


def save(model: Model, out: Path) -> Path:
    """Save a model; if it cannot be where it should, among the models of the user.

    Raises
    ------
    StorageError
        If it is not where it should be; it says where it is.
    """
    try:
        return model.save(out)
    except StorageError as error:
        name = free_name(model.name)
        try:
            path = model.renamed(name).save(models_folder() / f"{name}{SUFFIX}")
        except StorageError:
            raise error from None
        raise StorageError(
            f"{error} The trained model was saved as {path} instead."
        ) from error
