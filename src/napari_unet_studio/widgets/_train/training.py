"""A training and its files, without anything on screen."""

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import free_name, models_folder
from napari_unet_studio.tasks.progress import Progress, ShouldStop, TrainProgress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.widgets._train.checking import Checked, checked, opened
from napari_unet_studio.widgets._train.checkpoints import remove, remove_if_empty
from napari_unet_studio.widgets._train.outcome import How, Outcome
from napari_unet_studio.widgets._train.reading import Taken

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

_PAUSE = 0.05  # seconds between two looks at whether to go on


@dataclass
class Training:
    """One training: what goes in, and what the user wants while it runs.

    Parameters
    ----------
    rows
        The pairs; files are opened when the task begins.
    config, name
        See :func:`.tasks.train.train`.
    checkpoint
        Its own file, from :func:`reserve_checkpoint`; None if there can be none.
    resume
        The checkpoint to go on from; it stays until there is a newer one. What it was
        made with was checked then.
    keep, discard
        What to do with the model when the training is stopped.
    paused
        While set, the training waits.
    repeat
        Returns what the card is to say of how to repeat it. Called when the task
        begins, and not before: it may read whole files to compare layers with them.
    """

    rows: Sequence[Taken]
    config: TrainConfig
    name: str
    checkpoint: Path | None = None
    resume: Path | None = None
    keep: bool = False
    discard: bool = False
    paused: threading.Event = field(default_factory=threading.Event)
    repeat: Callable[[], Mapping[str, Any]] = dict

    def task(self, should_stop: ShouldStop) -> Generator[Progress, None, Outcome]:
        """Check, train, save the model and tidy up; nothing is lost whatever happens.

        Yields a :class:`.Checked` before the first update, unless it is resumed.
        """
        try:
            rows = yield from opened(self.rows, should_stop)
            if rows is None:
                return self._end(None, stopped=True)
            repeat = self.repeat()
            if self.resume is None or rows.findings:
                found = yield from checked(rows, self.config, should_stop)
                if found is None:
                    return self._end(None, stopped=True)
                yield Checked(1, 1, "Checked", found)
                if not found.passed:
                    return Outcome("refused")
            return (yield from self._train(rows.pairs, repeat, should_stop))
        finally:
            remove_if_empty(self.checkpoint)

    def _train(
        self, pairs: Sequence[Pair], repeat: Mapping[str, Any], should_stop: ShouldStop
    ) -> Generator[Progress, None, Outcome]:
        from napari_unet_studio.tasks.train import train

        running = train(
            pairs,
            self.config,
            name=self.name,
            checkpoint=self.checkpoint,
            resume=self.resume,
            should_stop=should_stop,
            repeat=repeat,
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

    def _end(self, model: "Model | None", stopped: bool) -> Outcome:
        course = {} if model is None else model.card.training
        # One that was stopped after its last update is finished all the same.
        finished = course.get("finished", not stopped)
        if stopped and self.discard:
            remove(self.checkpoint)
            return Outcome("discarded")
        if model is None or not course["updates"]:
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
            remove(self.checkpoint)
            remove(self.resume)
        return Outcome(how, model, path)

    def _supersede(self) -> None:
        """Drop the checkpoint that was resumed once there is a newer one."""
        newer = self.checkpoint
        if newer is not None and newer.is_file() and newer.stat().st_size:
            remove(self.resume)
