"""A training and its files, without anything on screen."""

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_unet_studio.core.errors import InputError, StorageError, StudioError
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import (
    free_name,
    models_folder,
    user_folder,
)
from napari_unet_studio.tasks.progress import Progress, ShouldStop, TrainProgress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training_data import Pair

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

CHECKPOINT_SUFFIX = ".ckpt"
_PAUSE = 0.05  # seconds between two looks at whether to go on

How = Literal["finished", "kept", "discarded", "interrupted", "nothing"]


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Parameters
    ----------
    how
        "finished"; "kept" or "discarded" by the user; "interrupted" by closing the
        widget; "nothing" if it was stopped before the first update.
    model
        The model under its final name, if there is one.
    path
        Its file, or None if it could not be saved.
    error
        Why not.
    """

    how: How
    model: "Model | None" = None
    path: Path | None = None
    error: StorageError | None = None


@dataclass
class Training:
    """One training: what goes in, and what the user wants while it runs.

    Parameters
    ----------
    pairs, config, name
        See :func:`.tasks.train.train`.
    checkpoint
        Its own file, from :func:`reserve_checkpoint`; None if there can be none.
    resume
        The checkpoint to go on from; it stays until there is a newer one.
    keep, discard
        What to do with the model when the training is stopped.
    paused
        While set, the training waits.
    """

    pairs: Sequence[Pair]
    config: TrainConfig
    name: str
    checkpoint: Path | None = None
    resume: Path | None = None
    keep: bool = False
    discard: bool = False
    paused: threading.Event = field(default_factory=threading.Event)

    def task(self, should_stop: ShouldStop) -> Generator[Progress, None, Outcome]:
        """Train, save the model and tidy up; nothing is lost whatever happens."""
        from napari_unet_studio.tasks.train import train

        running = train(
            self.pairs,
            self.config,
            name=self.name,
            checkpoint=self.checkpoint,
            resume=self.resume,
            should_stop=should_stop,
        )
        try:
            while True:
                try:
                    record = next(running)
                except StopIteration as stop:
                    return self._end(stop.value, should_stop())
                yield record
                while self.paused.is_set() and not should_stop():
                    time.sleep(_PAUSE)
                    # A sign of life: napari, when closed, waits for the next record.
                    yield Progress(record.step, record.total, "Paused")
                preparing = not isinstance(record, TrainProgress)
                if should_stop() and (preparing or self.discard):
                    return self._end(None, stopped=True)
        finally:
            running.close()
            _remove_if_empty(self.checkpoint)

    def _end(self, model: "Model | None", stopped: bool) -> Outcome:
        updates = 0 if model is None else model.card.training["updates"]
        finished = updates >= self.config.updates
        if stopped and self.discard:
            _remove(self.checkpoint)
            return Outcome("discarded")
        if model is None or updates == 0:
            return Outcome("nothing")
        if not finished and not self.keep:
            self._supersede()
            return Outcome("interrupted")
        name = free_name(self.name)
        model = model.renamed(name)
        how: How = "finished" if finished else "kept"
        try:
            path = model.save(models_folder() / f"{name}{SUFFIX}")
        except StorageError as error:
            return Outcome(how, model, None, error)
        self._supersede()
        if finished:
            _remove(self.checkpoint)
            _remove(self.resume)
        return Outcome(how, model, path)

    def _supersede(self) -> None:
        """Drop the checkpoint that was resumed once there is a newer one."""
        newer = self.checkpoint
        if newer is not None and newer.is_file() and newer.stat().st_size:
            _remove(self.resume)


@dataclass(frozen=True)
class Unfinished:
    """A training that can be resumed.

    Parameters
    ----------
    path
        Its checkpoint.
    card
        Of the network as it is in the checkpoint.
    """

    path: Path
    card: ModelCard

    @property
    def config(self) -> TrainConfig:
        """The settings it was started with."""
        return TrainConfig.from_dict(self.card.training["config"])

    @property
    def title(self) -> str:
        """Name, progress and time for people."""
        training = self.card.training
        when = datetime.fromtimestamp(self.path.stat().st_mtime)
        return (
            f"{self.card.name}: {training['updates']} of "
            f"{training['config']['updates']} updates, {when:%d %b %Y, %H:%M}"
        )


def trainings_folder() -> Path:
    """Folder of the checkpoints of this user's unfinished trainings."""
    return user_folder() / "trainings"


def unfinished() -> list[Unfinished]:
    """Return the trainings that can be resumed, the latest first."""
    found = []
    for path in trainings_folder().glob(f"*{CHECKPOINT_SUFFIX}"):
        try:
            with Archive(path, "checkpoint") as archive:
                training = Unfinished(
                    path, ModelCard.from_dict(archive.document("card"))
                )
            found.append((path.stat().st_mtime, training.title, training))
        except (StudioError, OSError, KeyError):
            continue
    return [training for *_, training in sorted(found, key=lambda f: f[:2])[::-1]]


def reserve_checkpoint(name: str) -> Path | None:
    """Return a new empty file for a checkpoint, or None where none can be written."""
    folder = trainings_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    for number in count(1):
        path = (
            folder / f"{name}{'' if number == 1 else f' {number}'}{CHECKPOINT_SUFFIX}"
        )
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        except OSError:
            return None
        return path
    return None


def whole_name(path: Path) -> Path:
    """Return a file name with its suffix.

    Raises
    ------
    InputError
        If it had none and there is such a file: the dialog that asks before a file is
        replaced has only seen the name as it was typed.

    Examples
    --------
    >>> whole_name(Path("cells v1.2")).name
    'cells v1.2.unet'
    """
    whole = path.with_name(path.name.removesuffix(SUFFIX) + SUFFIX)
    if whole != path and whole.exists():
        raise InputError(
            f"There is a file {whole} already; choose that file to replace it, or "
            "another name."
        )
    return whole


def _remove(path: Path | None) -> None:
    if path is not None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return  # it stays in the list of unfinished trainings


def _remove_if_empty(path: Path | None) -> None:
    if path is not None and path.is_file() and not path.stat().st_size:
        _remove(path)
