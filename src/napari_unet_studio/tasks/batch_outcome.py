"""What a batch tells: of each image, on the way, and in the end."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from napari_unet_studio.io.label_images import label_images
from napari_unet_studio.io.manifest import Entry, Manifest
from napari_unet_studio.tasks.predict import Prediction
from napari_unet_studio.tasks.progress import PredictProgress

Status = Literal["done", "kept", "failed"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one image.

    Parameters
    ----------
    name
        Of the item.
    image
        Its file, as it was given; the name of an image in memory.
    status
        "done"; "kept" if an earlier run had done it; or "failed".
    labels
        The file of the labels, or the label image in a store.
    objects
        Their number, summed over time points; None for classes and where it failed.
    seconds
        That it took; of what was kept, then.
    notes
        Sentences for the user.
    error
        What went wrong, one sentence, if it failed.
    prediction
        The result itself, if nothing was written.
    """

    name: str
    image: str
    status: Status
    labels: Path | None = None
    objects: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""
    prediction: Prediction | None = None


@dataclass(frozen=True, eq=False)
class BatchProgress(PredictProgress):
    """One step of a batch; `seconds_left` are those of the whole batch.

    Parameters
    ----------
    number
        Of the item that is under way, from 0.
    outcome
        Of that item, once it is finished.
    """

    number: int = 0
    outcome: Outcome | None = None

    @property
    def routine(self) -> bool:
        """Whether the record says nothing but the count."""
        return self.outcome is None


@dataclass(frozen=True, eq=False)
class BatchResult:
    """What became of a batch.

    Parameters
    ----------
    outcomes
        One for each item that was reached, in their order.
    stopped
        Whether it was asked to stop before the end.
    manifest
        The record of the batch in the folder of the results, ``batch.json``.
    table
        All objects of all images, if that was wanted.

    Examples
    --------
    >>> BatchResult(stopped=True)
    <BatchResult: 0 done, 0 kept, 0 failed, stopped>
    """

    outcomes: tuple[Outcome, ...] = field(default=())
    stopped: bool = False
    manifest: Path | None = None
    table: Path | None = None

    @property
    def done(self) -> tuple[Outcome, ...]:
        """What this run has made."""
        return self._of("done")

    @property
    def kept(self) -> tuple[Outcome, ...]:
        """What an earlier run had made and this one left as it was."""
        return self._of("kept")

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What could not be done."""
        return self._of("failed")

    def _of(self, status: Status) -> tuple[Outcome, ...]:
        return tuple(each for each in self.outcomes if each.status == status)

    def __repr__(self) -> str:
        counts = f"{len(self.done)} done, {len(self.kept)} kept"
        stopped = ", stopped" if self.stopped else ""
        return f"<BatchResult: {counts}, {len(self.failed)} failed{stopped}>"


def labels_of(entry: Entry, manifest: Manifest) -> Path:
    """Return the file of the labels, or the label image in a store."""
    path = manifest.folder / entry.results["labels"].path
    inside = label_images(path) if path.suffix == ".zarr" else []
    return inside[0] if inside else path


def kept_outcome(outcome: Outcome, entry: Entry, manifest: Manifest) -> Outcome:
    """Return the outcome of an image that an earlier run has done."""
    return replace(
        outcome,
        status="kept",
        labels=labels_of(entry, manifest),
        objects=entry.objects,
        seconds=entry.seconds,
        notes=entry.notes,
        error="",
    )
