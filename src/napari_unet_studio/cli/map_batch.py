"""One file after the other into a folder: bad ones are listed, what is done is kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.ending import NO_MEMORY
from napari_unet_studio.cli.interrupt import until_interrupted
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.shell import spoken
from napari_unet_studio.io.digests import Fingerprint, fingerprint
from napari_unet_studio.io.manifest import Manifest, Run
from napari_unet_studio.tasks.batch_read import is_full
from napari_unet_studio.tasks.progress import Progress

_SAID = b"\nStopping when this file is done; what is done is kept.\n"


class Job(NamedTuple):
    """What is done with one file.

    Parameters
    ----------
    name
        Of the results, without suffix.
    image
        The file.
    files
        Paths of the results by kind, relative to the folder, with "/".
    work
        Writes the results to the paths that it is given by kind, and returns what else
        is to be told.
    others
        Further files that the results come from.
    """

    name: str
    image: Path
    files: Mapping[str, str]
    work: Callable[[Mapping[str, Path]], Mapping[str, Any]]
    others: tuple[Path, ...] = ()


def run_batch(
    jobs: Sequence[Job], out: Path, run: Run, overwrite: bool, title: str
) -> tuple[list[dict[str, Any]], Path, bool]:
    """Do jobs and keep a record of them; returns rows, the record, and if it stopped.

    A row has "error" if its file could not be done. Results of an earlier run with the
    same settings and files are kept.

    Raises
    ------
    StorageError
        If the folder cannot be written, or its disk is full; what is done is kept.
    """
    inputs = [path for job in jobs for path in (job.image, *job.others)]
    manifest = Manifest(out, run, inputs, overwrite)
    rows: list[dict[str, Any]] = []
    try:
        with (
            until_interrupted(_SAID) as should_stop,
            console.progress_bar(title) as report,
        ):
            for number, job in enumerate(jobs):
                if should_stop():
                    break
                report(Progress(number, len(jobs), f"{title}: {job.image.name}"))
                rows.append(_do(job, manifest))
    finally:
        manifest.close(ended=len(rows) == len(jobs))
    return rows, manifest.path, len(rows) < len(jobs)


def show_batch(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    record: Path,
    stopped: bool,
    as_json: bool,
) -> None:
    """Print what became of the files, and end the program if not all is well."""
    if as_json:
        found = {"items": list(rows), "manifest": str(record), "stopped": stopped}
        console.show(found, True)
    else:
        done = [
            {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
            for row in rows
            if "error" not in row
        ]
        if done:
            console.show_table(done, columns, False)
        for row in rows:
            if "error" in row:
                console.err.print(
                    f"unet-studio: {row['image']}: {row['error']}", style="red"
                )
        console.err.print(f"what was done is told in {record}")
    if stopped:
        console.err.print("Stopped. The same command goes on from there.")
        raise typer.Exit(130)
    if any("error" in row for row in rows):
        raise typer.Exit(2)


def _do(job: Job, manifest: Manifest) -> dict[str, Any]:
    """Do one job, unless it is done; returns its row."""
    row: dict[str, Any] = {"image": str(job.image)}
    places = {kind: str(manifest.folder / file) for kind, file in job.files.items()}
    source = None
    began = time.monotonic()
    try:
        source = _source(job)
        kept = manifest.kept(job.name, source, job.files)
        if kept is not None:
            return {**row, **places, "status": "kept", "seconds": kept.seconds}
        staged = {kind: manifest.staged(file) for kind, file in job.files.items()}
        told = job.work(staged)
        seconds = round(time.monotonic() - began, 3)
        manifest.done(job.name, job.image, source, job.files, seconds=seconds)
    except (StudioError, MemoryError) as error:
        manifest.drop(job.files)
        if is_full(error):
            raise
        sentence = sentence_of(error, job.image)
        manifest.failed(job.name, job.image, source, sentence)
        return {**row, "status": "failed", "error": sentence}
    return {**row, **places, "status": "done", "seconds": seconds, **told}


def sentence_of(error: StudioError | MemoryError, image: Path) -> str:
    """Return what went wrong with a file, without its name in front."""
    if isinstance(error, MemoryError):
        return NO_MEMORY
    return spoken(str(error)).removeprefix(f"{image} ")


def _source(job: Job) -> Fingerprint:
    """Return what the files of a job are known again by, together."""
    own = fingerprint(job.image)
    for other in job.others:
        along = fingerprint(other)
        own = Fingerprint(
            f"{own.sha256} {along.sha256}",
            own.bytes + along.bytes,
            max(own.modified, along.modified),
        ).hashed()
    return own
