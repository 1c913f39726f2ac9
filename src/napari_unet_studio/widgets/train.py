"""The Train widget: from image and labels layers to a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.viewer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import available_models
from napari_unet_studio.tasks.progress import Progress, TrainProgress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._base import StudioWidget, show_warning
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._pairs import LayerPair, PairsTable, read_pair
from napari_unet_studio.widgets._preview import Place, PreviewLayer
from napari_unet_studio.widgets._train_buttons import TrainButtons
from napari_unet_studio.widgets._train_course import Course
from napari_unet_studio.widgets._train_form import TrainForm, fine_print
from napari_unet_studio.widgets._train_texts import (
    checked_name,
    script,
    summary,
    time_left,
)
from napari_unet_studio.widgets._training import (
    Outcome,
    Training,
    Unfinished,
    reserve_checkpoint,
    whole_name,
)

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

_WIDTH = 330  # pixels, for the names of two layers beside each other


class TrainWidget(StudioWidget):
    """Trains a network on image and labels layers of the viewer.

    Parameters
    ----------
    napari_viewer
        The napari viewer.
    """

    trained = Signal(str)
    """With the name of a model that was saved; it is in the list of models by then."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Train")
        self.training: Training | None = None
        self.unsaved: Model | None = None
        self._time_left = ""
        self.table = PairsTable(napari_viewer)
        self.name = QLineEdit("my model")
        self.name.setToolTip(
            "Name of the model in the list of models and of its file. A number is "
            "added if it is taken: no model is ever overwritten."
        )
        self.form = TrainForm(TrainConfig())
        self.form.insert_row("Model name", self.name)
        self.device = fine_print("Runs on the fastest device of this computer.")
        for part in (self.table, self.form, self.device):
            self.body.addWidget(part)

        self.course = Course()
        self.run_button.setToolTip(
            "Start. Labels are copied: go on painting meanwhile if you like."
        )
        copy = copy_button(
            self.script, "Copy a script that repeats this training on these layers."
        )
        self.actions = TrainButtons(self.cancel_button, copy)
        self.actions.resume.chosen.connect(self.resume)
        self.actions.pause.clicked.connect(self.pause)
        self.actions.discard.clicked.connect(self.discard)
        self.actions.save.clicked.connect(self._ask_where)
        self.actions.forget.clicked.connect(self.forget)
        self.buttons.addWidget(self.actions.pause, 1)
        self.footer.insertWidget(1, self.actions)
        self.footer.insertWidget(0, self.course)
        self.setMinimumWidth(_WIDTH)
        self.set_running(False)
        self.table.refresh()

    # -- for programs -----------------------------------------------------------------

    def set_pairs(self, pairs: Sequence[LayerPair]) -> None:
        """Set the rows: image layer, labels layer and role."""
        self.table.set_pairs(pairs)

    def pairs(self) -> list[LayerPair]:
        """Return the rows."""
        return self.table.pairs()

    def script(self) -> str:
        """Return Python code that does what the Train button does."""
        rows = [(image.name, labels.name, role) for image, labels, role in self.pairs()]
        try:
            config = self.form.value()
        except StudioError as error:
            self.complain(error)
            return ""
        return script(rows, config, self.name.text().strip() or "model")

    # -- buttons ----------------------------------------------------------------------

    def run(self) -> None:
        """Train on the layers in the table."""
        self._begin(None)

    def resume(self, training: Unfinished) -> None:
        """Go on with an unfinished training, with its settings, on the same layers."""
        if self.running:
            return
        try:
            self.form.set(training.config)
        except StudioError as error:
            self.complain(error)
            return
        self.name.setText(training.card.name)
        self._begin(training)

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
        """Stop, and save what there is."""
        self._stop(keep=True)

    def discard(self) -> None:
        """Stop, and save nothing."""
        self._stop(keep=False)

    def save_as(self, path: str | Path) -> None:
        """Save the model that could not be saved when its training ended."""
        if self.unsaved is None:
            return
        try:
            file = whole_name(Path(path))
            model = self.unsaved.renamed(file.name.removesuffix(SUFFIX))
            saved = model.save(file)
        except StudioError as error:
            self.complain(error)
            return
        self.unsaved = None
        self.actions.show_state(running=False, unsaved=False)
        self.say(f"Saved: {saved}")
        if available_models().get(model.name) == saved:
            self.trained.emit(model.name)

    def forget(self) -> None:
        """Give up the model that could not be saved."""
        self.unsaved = None
        self.actions.show_state(running=False, unsaved=False)
        self.say("The model was discarded.")

    def _ask_where(self) -> None:
        if self.unsaved is None:
            return
        start = str(Path.home() / f"{self.unsaved.name}{SUFFIX}")
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the model", start, f"U-Net models (*{SUFFIX})"
        )
        if path:
            self.save_as(path)

    # -- the viewer -------------------------------------------------------------------

    def reset_choices(self, event: object = None) -> None:
        """Follow the layers of the viewer."""
        super().reset_choices(event)
        self.table.refresh()

    def enterEvent(self, event: Any) -> None:
        """Look at the layers again: nothing tells that empty labels were painted on."""
        super().enterEvent(event)
        self.table.refresh()

    def on_closed(self) -> None:
        """Stop; the checkpoint stays, so that the training can be resumed."""
        super().on_closed()
        self.course.end(keep=False)

    # -- the course of a training -----------------------------------------------------

    def _begin(self, resumed: Unfinished | None) -> None:
        if self.running:
            return
        try:
            training, preview = self._prepared(resumed)
        except StudioError as error:
            self.complain(error)
            return
        if training.checkpoint is None:
            show_warning(
                "The folder of unfinished trainings cannot be written: this training "
                "cannot be resumed if it is interrupted."
            )
        self.training = training
        history = () if resumed is None else resumed.card.training["history"]
        self.course.begin(preview, history)
        self.launch(training.task, f"Training {training.name!r}", self._on_outcome)

    def _prepared(self, resumed: Unfinished | None) -> tuple[Training, PreviewLayer]:
        """Read form, layers and device as they are now, or raise a StudioError."""
        if self.unsaved is not None:
            raise InputError(
                f"The model {self.unsaved.name!r} is not saved yet; save or discard it "
                "first."
            )
        name = checked_name(self.name.text())
        # What a checkpoint was made with may be finer than the form can show.
        config = self.form.value() if resumed is None else resumed.config
        self.table.refresh()
        read = [read_pair(*pair) for pair in self.pairs() if pair[2] != "off"]
        if not read:
            raise InputError(
                "There is nothing to train on: add a row with an image and the labels "
                "painted on it."
            )
        self.say("Loading PyTorch…")
        self.status.repaint()
        # Here and not in the thread: torch wants to be imported in the main one.
        from napari_unet_studio.tasks.device import choose_device, describe_device

        device = choose_device(config.device)
        self.device.setText(f"Runs on {describe_device(device)}.")
        self.form.explain()
        training = Training(
            [pair for _, pair in read],
            config,
            name,
            reserve_checkpoint(name),
            None if resumed is None else resumed.path,
        )
        places = [Place(source) for source, _ in read]
        classes = config.target == "classes"
        return training, PreviewLayer(self.viewer, places, classes)

    def _stop(self, keep: bool) -> None:
        if self.training is None or self.job is None or self.job.stopping:
            return
        self.training.keep, self.training.discard = keep, not keep
        self.say("Stopping and saving…" if keep else "Stopping…")
        self.actions.set_stoppable(False)
        self.job.stop()

    def set_running(self, running: bool) -> None:
        """Lock the settings while they are in use."""
        super().set_running(running)
        self.table.setEnabled(not running)
        self.form.set_locked(running)
        self.actions.show_state(running, self.unsaved is not None)
        self._time_left = ""
        if not running:
            self.course.end()
            self.training = None

    def on_progress(self, progress: Progress) -> None:
        """Show progress, the time left, the curves and the preview."""
        super().on_progress(progress)
        if isinstance(progress, TrainProgress):
            if progress.seconds_left is not None:
                self._time_left = f", {time_left(progress.seconds_left)}"
            if progress.preview is not None and self.training is not None:
                self._name_preview(self.training, progress.preview.name)
        self.progress.setFormat(f"{progress.message} %v of %m{self._time_left}")
        self.course.follow(progress)

    def _name_preview(self, training: Training, frame: str) -> None:
        text = f"Training {training.name!r}; the preview layer shows {frame}."
        if not training.paused.is_set() and not training.keep and not training.discard:
            self.say(text)

    def _on_outcome(self, outcome: Outcome) -> None:
        text = summary(outcome)
        if outcome.model is None:
            self.say(text)
            return
        self.course.conclude(outcome.model)
        for note in outcome.model.card.training["notes"]:
            show_warning(note)
        if outcome.error is not None:
            self.unsaved = outcome.model
            self.complain(outcome.error)
        self.say(text, error=outcome.error is not None)
        if outcome.path is not None:
            self.trained.emit(outcome.model.name)
