"""The Train widget: from images and labels, in layers or files, to a model."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import napari.viewer
from qtpy.QtCore import Signal

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.names import checked_name
from napari_unet_studio.io.registry import free_name
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._asking import agreed
from napari_unet_studio.widgets._base import show_info, show_warning
from napari_unet_studio.widgets._train.checking import Check, Checked
from napari_unet_studio.widgets._train.checkpoints import Unfinished, reserve_checkpoint
from napari_unet_studio.widgets._train.code import Recipe, repetition_of
from napari_unet_studio.widgets._train.course import Stage
from napari_unet_studio.widgets._train.dock import TrainDock
from napari_unet_studio.widgets._train.outcome import Outcome
from napari_unet_studio.widgets._train.place import Place
from napari_unet_studio.widgets._train.reading import Taken
from napari_unet_studio.widgets._train.texts import (
    closed_text,
    discard_question,
    expectation,
    progress_text,
    summary,
    verdict,
)
from napari_unet_studio.widgets._train.training import Training
from napari_unet_studio.widgets._train.unsaved import Unsaved
from napari_unet_studio.widgets._worker import Failure

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.tasks.training.preflight import Preflight


class TrainWidget(TrainDock):
    """Trains a network on images and labels, in layers of the viewer or in files.

    Parameters
    ----------
    napari_viewer
        The napari viewer.
    """

    trained = Signal(str)
    """With the name of a model that was saved; it is in the list of models by then."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.training: Training | None = None
        self._resumed: Unfinished | None = None  # while it goes on
        self._recipe: Recipe | None = None  # holds layers while a training runs
        self.unsaved = Unsaved(self)
        self._checking = False
        self._other_data = False  # than those of the curves on show
        self.table.changed.connect(self._on_data)
        actions = self.actions
        actions.resume.chosen.connect(self.resume)
        actions.check.clicked.connect(self.check)
        actions.leave.clicked.connect(self.cancel)
        actions.pause.clicked.connect(self.pause)
        actions.discard.clicked.connect(self.ask_discard)
        actions.save.clicked.connect(self.unsaved.ask)
        actions.forget.clicked.connect(self.unsaved.ask_forget)
        self.set_running(False)
        self.table.refresh()

    # -- starting ---------------------------------------------------------------------

    def run(self) -> None:
        """Check, and train on the images in the table."""
        self._begin(None)

    def check(self) -> None:
        """Say what is wrong or doubtful, without training."""
        if self.running:
            return
        try:
            rows, config = self._prepared(None)
        except StudioError as error:
            self.complain(error)
            return
        self._checking = True
        if self._other_data:
            self.course.setVisible(False)
        self.launch(Check(rows, config).task, "Checking", self._on_checked)

    def resume(self, training: Unfinished) -> None:
        """Go on with an unfinished training, with its settings, on the same images."""
        if self.running:
            return
        try:
            self.form.set(training.config)
        except StudioError as error:
            self.complain(error)
            return
        self.name.setText(training.card.name)
        self._begin(training)

    def _begin(self, resumed: Unfinished | None) -> None:
        if self.running:
            return
        try:
            self.unsaved.refuse()
            name = checked_name(self.name.text())
            rows, config = self._prepared(resumed)
            repeat = partial(repetition_of, self.pairs(), config, free_name(name))
        except StudioError as error:
            self.complain(error)
            return
        checkpoint = reserve_checkpoint(name)
        if checkpoint is None:
            show_warning(
                "The folder of unfinished trainings cannot be written: this training "
                "cannot be resumed if it is interrupted."
            )
        path = None if resumed is None else resumed.path
        history = () if resumed is None else resumed.card.training["history"]
        self.training = Training(rows, config, name, checkpoint, path, repeat=repeat)
        self._resumed = resumed
        self._recipe = Recipe(self.pairs(), config)
        images = [row.image for row in rows if isinstance(row.image, Source)]
        places = tuple(Place(image) for image in images)
        self.panel.clear()
        self._other_data = False
        self.course.begin(
            Stage(self.viewer, places, config.target == "classes"), history
        )
        self.launch(self.training.task, f"Training {name!r}", self._on_outcome)

    def _prepared(self, resumed: Unfinished | None) -> tuple[list[Taken], TrainConfig]:
        """Read form and layers as they are now, or raise a StudioError."""
        # What a checkpoint was made with may be finer than the form can show.
        config = self.form.value() if resumed is None else resumed.config
        self.table.refresh()
        rows = [Taken.of(*pair) for pair in self.pairs() if pair[2] != "off"]
        if not rows and resumed is not None:
            raise InputError(f"Its images are not in the table. {resumed.made_with}")
        if not rows:
            raise InputError(
                "There is nothing to train on: add a row with an image and the labels "
                "painted on it."
            )
        self.load_torch()
        self.show_device(config.device)
        self.form.explain()
        return rows, config

    # -- stopping ---------------------------------------------------------------------

    def pause(self) -> None:
        """Pause, or go on."""
        if self.training is None or self.job is None or self.job.stopping:
            return
        paused = self.training.paused
        if paused.is_set():
            paused.clear()
            self.say("Training goes on…")
        else:
            paused.set()
            self.say("Paused; nothing is lost.")
        self.actions.pause.setText("Continue" if paused.is_set() else "Pause")

    def cancel(self) -> None:
        """Stop; a training saves what there is."""
        self._stop(keep=True)

    def ask_discard(self) -> None:
        """Ask, and stop without saving; the training goes on until the answer."""
        training = self.training
        if training is None or self.job is None or self.job.stopping:
            return
        # Before the first update there is nothing that could be lost.
        question = discard_question(training, self.progress.value())
        title = "Discard the training"
        if not self.course.empty and not agreed(self, title, question):
            return
        if self.training is training:  # it may have ended meanwhile
            self.discard()

    def discard(self) -> None:
        """Stop, and save nothing."""
        self._stop(keep=False)

    def _stop(self, keep: bool) -> None:
        if self.job is None or self.job.stopping:
            return
        if self.training is not None:
            self.training.keep, self.training.discard = keep, not keep
        saving = keep and self.training is not None
        self.say("Stopping and saving…" if saving else "Stopping…")
        self.actions.set_stoppable(False)
        self.job.stop()

    def on_closed(self) -> None:
        """Stop, and say so; the checkpoint stays: the training can be resumed."""
        if self.training is not None and self.job is not None and not self.job.stopping:
            show_info(closed_text(self.training, begun=not self.course.empty))
        self.unsaved.rescue()
        super().on_closed()
        self.course.end(keep=False)

    # -- the course of a training -----------------------------------------------------

    def set_running(self, running: bool) -> None:
        """Lock the settings while they are in use, and show the fitting buttons."""
        super().set_running(running)
        unsaved = self.unsaved.model is not None
        self.actions.show_state(running, unsaved, self._checking)
        if not running:
            self.course.end()
            self.training = self._recipe = self._resumed = None
            self._checking = False

    def on_progress(self, progress: Progress) -> None:
        """Show progress, the findings, the curves and the preview."""
        super().on_progress(progress)
        self.progress.setFormat(progress_text(progress, self.training))
        if isinstance(progress, Checked) and progress.found is not None:
            self._on_checked(progress.found)
        self.course.follow(progress)

    def on_failure(self, failure: Failure) -> None:
        """Tell what went wrong, without the curves of what was not gone on with."""
        resumed, error = self._resumed, failure.error
        if resumed is not None and self.course.empty and isinstance(error, InputError):
            failure = replace(failure, error=InputError(f"{error} {resumed.made_with}"))
        super().on_failure(failure)
        if self.training is not None and self.course.empty:
            self.course.setVisible(False)

    def _on_mended(self) -> None:
        if self.unsaved.model is None:  # that stays wrong, whatever is set
            super()._on_mended()

    def _on_data(self) -> None:
        self._other_data = True

    def _on_checked(self, found: "Preflight | None") -> None:
        if found is None:
            return
        expected = "" if found.expected is None else expectation(found.expected)
        self._show_check(found.findings, expected)
        if self._checking:
            self.say("Checked; see above.")

    def _on_outcome(self, outcome: Outcome) -> None:
        model = outcome.model
        if model is None:
            refused = outcome.how == "refused"
            self.course.setVisible(not refused)
            self.say(summary(outcome), error=refused)
            return
        self.course.conclude(model)
        if self._recipe is not None:
            self._recipe.record(self, outcome)
        found = verdict(model.card)
        if found:
            self._subjects = []  # it is of the training, and outlives the layers
            self.panel.show_findings("Diagnosis", found)
        if outcome.error is not None:
            self.unsaved.keep(model)
            self.complain(outcome.error)
        self.say(summary(outcome), error=outcome.error is not None)
        if outcome.path is not None:
            self.trained.emit(model.name)
