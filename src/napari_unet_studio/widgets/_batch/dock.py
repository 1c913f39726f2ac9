"""What the dock "Batch" consists of, and what can be dropped on it."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import napari.viewer
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._base import StudioWidget
from napari_unet_studio.widgets._batch.form import BatchForm
from napari_unet_studio.widgets._batch.loading import load_settings
from napari_unet_studio.widgets._batch.outcomes import Outcomes
from napari_unet_studio.widgets._batch.table import BatchTable
from napari_unet_studio.widgets._batch.texts import detail, hint, in_the_window
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._segment.rows import remark, small_label


class BatchDock(StudioWidget):
    """The table of images between its settings, and what follows from the chosen row.

    Parameters
    ----------
    viewer
        The viewer.
    """

    computes = True

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, "Run batch")
        self._closed = False
        self._complaint = ""  # what was said last in red
        self._outcomes = Outcomes()
        self.form = BatchForm(self.viewer, self)
        self.table = BatchTable()
        self.detail = small_label()
        self.setAcceptDrops(True)
        self._build()
        self._show_entries()

    def _build(self) -> None:
        self.run_button.setToolTip(
            "Segment all ticked images. What is done already with the same settings "
            "is kept, so that a run that was stopped goes on."
        )
        self.cancel_button.setToolTip("Stop; what is done is kept.")
        self.copy = copy_button(
            self.as_python,
            "Copy code that does the same: Python, or a command of the shell.",
            self.as_shell,
        )
        self.buttons.addWidget(self.copy, 1)
        self.show_button = _button(
            "Show", "Show the chosen image and its result in the viewer.", self._on_show
        )
        self.folder_button = _button(
            "Open folder", "Open the folder with the results.", self.open_folder
        )
        self.save_button = _button(
            "Save table…", "Save this table as CSV.", self._on_save
        )
        self.load_button = _button(
            "Load settings…",
            "Take model, settings and images from the record of an earlier batch, the "
            "file batch.json in its folder.",
            self._on_load,
        )
        row, more = QHBoxLayout(), QHBoxLayout()
        for layout, buttons in (
            (row, (self.show_button, self.folder_button)),
            (more, (self.save_button, self.load_button)),
        ):
            layout.setSpacing(4)
            for button in buttons:
                layout.addWidget(button, 1)
        self.body.addWidget(self.form.top)
        self.body.addWidget(self.table, 1000)  # all the height that it has rows for
        self.body.addWidget(self.detail)
        self.body.addLayout(row)
        self.body.addLayout(more)
        self.body.addWidget(self.form.bottom)
        self.body.addStretch(1)
        self.form.images_changed.connect(self._show_entries)
        self.form.changed.connect(self._on_form)
        self.form.failed.connect(self.complain)
        self.table.chosen.connect(self._on_row)
        self.table.opened.connect(self.show_result)
        self.table.ticked.connect(self._show_buttons)

    def complain(self, error: Exception, report: str = "") -> None:
        """Show an error, options of the shell by their names in this dock."""
        if isinstance(error, StudioError):
            error = type(error)(in_the_window(str(error)))
        super().complain(error, report)
        self._complaint = self.status.text()

    def _on_form(self) -> None:
        """Take back what was wrong with the form as it was before."""
        if not self.running and self.status.text() == self._complaint:
            self.say("")
        self._show_buttons()

    # -- images -----------------------------------------------------------------------

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer: new, renamed and removed layers."""
        super().reset_choices(event)
        if not self._closed and not self.running and self.form.of_layers:
            self.form.refresh()

    def dragEnterEvent(self, event: Any) -> None:
        """Take files and folders, but not while a batch runs."""
        if event.mimeData().hasUrls() and not self.running:
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Take what was dropped: images, a model, or the record of a batch."""
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        event.acceptProposedAction()
        self.take(paths)

    def take(self, paths: list[Path]) -> None:
        """Take images, folders of images, a model, or the record of a batch."""
        if self.running:
            return
        images = []
        for path in paths:
            if path.suffix == ".unet":
                self.form.models.open(path)
            elif path.suffix == ".json":
                self.load(path)
            else:
                images.append(path)
        if images:
            self.form.add_paths(images)

    def load(self, path: str | Path) -> None:
        """Take model, settings and images from the record of an earlier batch."""
        try:
            self.say(load_settings(self.form, Path(path)))
        except StudioError as error:
            self.complain(error)

    def _show_entries(self) -> None:
        self.table.show_entries(self.form.entries)
        self._outcomes.keep([entry.key for entry in self.form.entries])
        self._on_form()

    def _ticked(self) -> list[Any]:
        return [e for e in self.form.entries if self.table.is_ticked(e.key)]

    def _show_buttons(self) -> None:
        if self._closed:
            return
        text = "" if self.form.entries else hint(self.form.of_layers)
        self.run_button.setEnabled(not self.running)  # it says what is missing
        self.show_button.setEnabled(self.table.key is not None)
        self.save_button.setEnabled(bool(self.form.entries))
        folder = self._folder
        self.folder_button.setEnabled(folder is not None and folder.is_dir())
        if text or self.table.key is None:
            remark(self.detail, text)

    def _on_row(self, key: Hashable) -> None:
        """Say what there is to know of the chosen image."""
        found = [entry for entry in self.form.entries if entry.key == key]
        outcome = self._outcomes.known.get(key) if found else None
        if found:
            failed = outcome is not None and outcome.status == "failed"
            remark(self.detail, detail(found[0].name, outcome), error=failed)
        self._show_buttons()

    @property
    def _folder(self) -> Path | None:
        """The folder of the results, of the chosen row or of the next run."""
        plan = self._outcomes.plan(self.table.key)
        if plan is not None and plan.out is not None:
            return plan.out
        try:
            return self.form.place.read()
        except StudioError:
            return None

    # -- what the buttons do ----------------------------------------------------------

    def as_python(self) -> str:
        """Return code that does what a run would do now; "" if that is nothing."""
        raise NotImplementedError

    def as_shell(self) -> str:
        """Return a command that does what a run would do now, on files."""
        raise NotImplementedError

    def show_result(self, key: Hashable) -> None:
        """Show an image, and the result if there is one, in the viewer."""
        raise NotImplementedError

    def open_folder(self) -> None:
        """Open the folder of the results in the window of the system for files."""
        raise NotImplementedError

    def _on_show(self) -> None:
        self.show_result(self.table.key)

    def _on_save(self) -> None:
        raise NotImplementedError

    def _on_load(self) -> None:
        raise NotImplementedError


def _button(text: str, tooltip: str, action: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: action())
    return button
