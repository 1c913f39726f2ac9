"""Images through a model into a folder, and what the shell tells of it."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from napari_unet_studio.cli import console
from napari_unet_studio.cli.interrupt import until_interrupted
from napari_unet_studio.cli.predict_store import SAID
from napari_unet_studio.core.shell import spoken
from napari_unet_studio.io.folders import BatchItem
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.batch import BatchConfig, BatchResult, Outcome, batch
from napari_unet_studio.tasks.batch_read import files_of
from napari_unet_studio.tasks.progress import run

_NAMED = 8  # files that one sentence names
_COLUMNS = ("status", "image", "labels", "objects", "notes")
_STYLES = {"done": "green", "kept": "cyan", "failed": "red"}


def predict_files(
    items: Sequence[BatchItem],
    out: Path,
    model: Model,
    config: BatchConfig,
    as_json: bool,
    **settings: Any,
) -> BatchResult:
    """Predict files into a folder; on a terminal each one is told when it is done.

    Parameters
    ----------
    settings
        Of :func:`.batch`.
    """
    live = console.out.is_terminal and not as_json
    with (
        console.progress_bar("Predicting") as report,
        until_interrupted(SAID) as should_stop,
    ):

        def told(progress: Any) -> None:
            report(progress)
            if live and progress.outcome is not None:
                show_outcome(progress.outcome)

        task = batch(items, out, model, config, should_stop=should_stop, **settings)
        with closing(task):
            return run(task, told)


def show_outcome(outcome: Outcome) -> None:
    """Print what became of an image, in one line that may be folded."""
    words = [outcome.image]
    if outcome.status == "failed":
        words = [_shortened(outcome.image, spoken(outcome.error))]
    else:
        words.append(f"-> {outcome.labels}")
        if outcome.objects is not None:
            words.append(f"{outcome.objects} objects")
        words += [f"{outcome.seconds:.1f} s", *map(spoken, outcome.notes)]
    console.out.print(f"{outcome.status:6}", style=_STYLES[outcome.status], end=" ")
    console.out.print("  ".join(words), soft_wrap=True)


def show_result(
    result: BatchResult, out: Path, config: BatchConfig, as_json: bool
) -> None:
    """Print what became of a batch: as JSON, or as a table and sentences."""
    rows = [row_of(outcome) for outcome in result.outcomes]
    if as_json:
        whole = {
            "items": rows,
            "manifest": None if result.manifest is None else str(result.manifest),
            "table": None if result.table is None else str(result.table),
            "stopped": result.stopped,
        }
        console.show(whole, True)
        return
    if not console.out.is_terminal:
        good = [
            {**row, "objects": "" if row["objects"] is None else row["objects"]}
            for row in rows
            if "error" not in row
        ]
        if all(row["status"] == "done" for row in good):
            good = [{**row, "status": ""} for row in good]
        if good:
            console.show_table(good, _COLUMNS, False)
        for line in complaints(result.failed, out, config):
            console.err.print(f"unet-studio: {line}", style="red")
    if not (result.done or result.kept or result.stopped):
        return
    counts = [
        f"{len(each)} {word}"
        for word, each in (
            ("done", result.done),
            ("kept", result.kept),
            ("failed", result.failed),
        )
        if each
    ]
    table = "" if result.table is None else f"All objects are in {result.table}. "
    console.err.print(
        f"{', '.join(counts) or 'nothing done'}. {table}The record is "
        f"{result.manifest}."
    )


def row_of(outcome: Outcome) -> dict[str, Any]:
    """Return what became of an image as plain values."""
    row: dict[str, Any] = {"image": outcome.image, "status": outcome.status}
    if outcome.status == "failed":
        return {**row, "error": spoken(outcome.error)}
    return {
        **row,
        "labels": str(outcome.labels),
        "objects": outcome.objects,
        "seconds": round(outcome.seconds, 3),
        "notes": " ".join(map(spoken, outcome.notes)),
    }


def complaints(failed: Sequence[Outcome], out: Path, config: BatchConfig) -> list[str]:
    """Return what failed for people, each sentence once with its files.

    Parameters
    ----------
    out, config
        Of the results, which the sentences may name too.
    """
    files: dict[str, list[str]] = {}
    for outcome in failed:
        name, sentence = outcome.image, spoken(outcome.error)
        item = BatchItem(outcome.name, Path(outcome.image))
        results = (str(out / file) for file in files_of(item, config).values())
        for subject in (name, *results):
            if sentence.startswith(f"{subject} "):
                name, sentence = subject, sentence.removeprefix(f"{subject} ")
                break
        files.setdefault(sentence, []).append(name)
    lines = []
    for sentence, names in files.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"{', '.join(names[:_NAMED])}{more}: {sentence}")
    return lines


def _shortened(image: str, sentence: str) -> str:
    """Return a sentence with the name of its image in front, once."""
    return f"{image}: {sentence.removeprefix(f'{image} ')}"
