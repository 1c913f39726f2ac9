"""What the dock "Train" consists of, and how its parts keep each other informed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import napari.viewer
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QLineEdit

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.names import checked_name
from napari_unet_studio.io.registry import free_name
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding, changed
from napari_unet_studio.widgets._base import StudioWidget, show_error
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._settings import begun_with, follow_start
from napari_unet_studio.widgets._train.buttons import TrainButtons
from napari_unet_studio.widgets._train.code import code_rows, command, script
from napari_unet_studio.widgets._train.course import Course
from napari_unet_studio.widgets._train.device import device_text
from napari_unet_studio.widgets._train.form import TrainForm, fine_print
from napari_unet_studio.widgets._train.pairs import PairsTable
from napari_unet_studio.widgets._train.panel import FindingsPanel, changes_text
from napari_unet_studio.widgets._train.rows import RowTuple

# Pixels: for the names of two layers beside each other, and what is opened with.
_NARROWEST, _USUAL = 330, 400


class TrainDock(StudioWidget):
    """The table of pairs, the form and the findings above curves and buttons.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    computes = True
    welcome = "No image is open yet. These samples come with their labels:"
    samples = ("nuclei_2d", "membranes", "nuclei_3d")

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, "Train")
        self.table = PairsTable(viewer)
        self.name = QLineEdit("my model")
        self.name.setToolTip(
            "Name of the model in the list of models and of its file. A number is "
            "added if it is taken: no model is ever overwritten."
        )
        self.form = TrainForm(begun_with(TrainConfig()))
        follow_start(self, self.form)
        self.form.insert_row("Model name", self.name)
        self.device = fine_print()
        self.panel = FindingsPanel()
        # The layers that the check on show is of; not kept alive.
        self._subjects: list[ReferenceType[Any]] = []
        self._complained = False  # in the line below the buttons
        for part in (self.table, self.form, self.device, self.panel):
            self.body.addWidget(part)
        self.course = Course()
        self.run_button.setToolTip(
            "Check, and start. Labels are copied: go on painting meanwhile if you "
            "like. If napari is closed meanwhile, it ends the update under way and "
            "writes a checkpoint before it goes: “Resume…” goes on from there."
        )
        copy = copy_button(
            self.script,
            "Copy code that repeats this training: Python for layers and files, or a "
            "command of the shell for files.",
            self.command,
        )
        self.actions = TrainButtons(self.cancel_button, copy)
        for button in (self.actions.check, self.actions.pause):
            self.buttons.addWidget(button, 1)
        self.footer.insertWidget(1, self.actions)
        self.footer.insertWidget(0, self.course)
        self.setMinimumWidth(_NARROWEST)
        self.course.said.connect(self.say)
        self.course.failed.connect(self._on_unsaved_curves)
        self.panel.mend.connect(self._mend)
        self.form.changed.connect(self._on_settings)
        self.table.changed.connect(self.panel.grow_stale)
        for change in (self.form.changed, self.table.changed, self.name.textChanged):
            change.connect(self._on_mended)
        self._on_settings()

    # -- for programs -----------------------------------------------------------------

    def set_pairs(self, pairs: Sequence[RowTuple]) -> None:
        """Set the rows: image and labels, each a layer or a path, and role."""
        self.table.set_pairs(pairs)

    def pairs(self) -> list[RowTuple]:
        """Return the rows."""
        return self.table.pairs()

    def script(self) -> str:
        """Return Python code that does what the Train button does."""
        return self._code(lambda *given: script(code_rows(given[0]), *given[1:]))

    def command(self) -> str:
        """Return a shell command that does what the Train button does, on files."""
        return self._code(command)

    def _code(self, made: Callable[[Sequence[RowTuple], TrainConfig, str], str]) -> str:
        try:
            name = free_name(checked_name(self.name.text()))
            return made(self.pairs(), self.form.value(), name)
        except StudioError as error:
            self.complain(error)
            return ""

    # -- the viewer -------------------------------------------------------------------

    def reset_choices(self, event: object = None) -> None:
        """Follow the layers of the viewer."""
        super().reset_choices(event)
        self.table.refresh()
        subjects = [reference() for reference in self._subjects]
        if subjects and not any(layer in self.viewer.layers for layer in subjects):
            self._subjects = []
            self.panel.clear()

    def _show_check(self, findings: Sequence[Finding], expected: str) -> None:
        """Show what was found; it is taken away once all of its layers have gone."""
        used = [pair for pair in self.pairs() if pair[2] != "off"]
        parts = [part for pair in used for part in pair[:2]]
        files = any(isinstance(part, Path) for part in parts)
        self._subjects = [] if files else [ref(part) for part in parts]
        self.panel.show_findings("Check", findings, expected)

    def enterEvent(self, event: Any) -> None:
        """Look at the layers again: nothing tells that empty labels were painted on."""
        super().enterEvent(event)
        self.table.refresh()

    def sizeHint(self) -> QSize:
        """Leave the images as much room as the table of pairs allows."""
        return QSize(_USUAL, super().sizeHint().height())

    def _on_unsaved_curves(self, error: Exception) -> None:
        if self.running:  # the line would be written over by the next preview
            show_error(str(error))
        else:
            self.complain(error)

    # -- settings ---------------------------------------------------------------------

    def _on_settings(self) -> None:
        """Say where the training would run, and that a check is of no use any more."""
        self.panel.grow_stale()
        self.show_device(self.form.values()["device"])

    def show_device(self, device: str) -> None:
        """Say where a training runs."""
        self.device.setText(device_text(device))

    def say(self, text: str, error: bool = False) -> None:
        """Show a line below the buttons."""
        super().say(text, error)
        self._complained = error

    def _on_mended(self) -> None:
        """Take back what was wrong with other images or settings."""
        if self._complained and not self.running:
            self.say("")

    def _mend(self, finding: Finding) -> None:
        """Make the changes that a finding proposes."""
        try:
            self.form.set(changed(self.form.value(), finding.changes))
        except StudioError as error:
            self.complain(error)
        else:
            self.panel.set_mended(finding)
            self.say(f"Set {changes_text(finding)}.")

    def set_running(self, running: bool) -> None:
        """Lock the settings while they are in use."""
        super().set_running(running)
        self.table.setEnabled(not running)
        self.form.set_locked(running)
        self.panel.set_locked(running)
