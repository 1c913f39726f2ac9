"""Dock widget "Batch": a model over a folder of images, or over all layers."""

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.viewer
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.tables import rows_text
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._base import show_info
from napari_unet_studio.widgets._batch.code import as_python, as_shell
from napari_unet_studio.widgets._batch.dock import BatchDock
from napari_unet_studio.widgets._batch.entries import Entry
from napari_unet_studio.widgets._batch.opening import Opened
from napari_unet_studio.widgets._batch.outcomes import provenance_of
from napari_unet_studio.widgets._batch.plan import Plan, plan_of, source_for
from napari_unet_studio.widgets._batch.results import LayerResults
from napari_unet_studio.widgets._batch.steps import record_files, record_layer
from napari_unet_studio.widgets._batch.texts import (
    progress_text,
    summary,
)
from napari_unet_studio.widgets._saving import ask_where

if TYPE_CHECKING:  # at run time this loads torch: not for opening
    from napari_unet_studio.tasks.batch import BatchResult, Outcome


class BatchWidget(BatchDock):
    """Runs a model over many images, and lists what became of each.

    Files and folders can be dropped on it; so can a model, and the record of a batch.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    ended = Signal(object)
    """With the :class:`.BatchResult` of a run, also of one that was stopped."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self._plan: Plan | None = None
        self._opened = Opened(self.viewer)
        self._results = LayerResults(self.viewer)

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer: new, renamed and removed layers."""
        super().reset_choices(event)
        if not self.running:
            self._results.tidy()

    # -- running ----------------------------------------------------------------------

    def run(self) -> None:
        """Segment the ticked images."""
        if self.running:
            return
        try:
            listed = bool(self.form.entries)
            self.form.refresh()  # there may be new files in the folders, or none
            if listed and not self.form.entries:
                return  # the reason was told
            plan = plan_of(self.form, self._ticked())
        except StudioError as error:
            self.complain(error)
            return
        self.load_torch()
        self._plan = plan
        self._outcomes.begin(plan)
        self.table.show_outcomes(self._outcomes.known)
        self._on_row(self.table.key)
        if not plan.items:
            self.say(summary(self._outcomes.of(plan), 0.0))
            return
        self.launch(plan.task, "Segmenting", self._on_result, self._on_step)

    def set_running(self, running: bool) -> None:
        """Keep the choices while a batch runs; the table can be looked at."""
        super().set_running(running)
        for part in (self.form.top, self.form.bottom, self.load_button):
            part.setEnabled(not running)

    def on_progress(self, progress: Progress) -> None:
        """Move the progress bar and say how long it will take."""
        super().on_progress(progress)
        count = 0 if self._plan is None else len(self._plan.items)
        self.progress.setFormat(progress_text(progress, count))

    def _on_step(self, progress: Progress) -> None:
        """Show which image is under way, or what became of it."""
        plan = self._plan
        number = getattr(progress, "number", None)
        if plan is None or number is None or self._closed:
            return
        key = plan.entries[number].key
        outcome = getattr(progress, "outcome", None)
        if outcome is None:
            self.table.show_running(key)
            return
        # The first record of the next one may come so soon that it is left out.
        following = plan.entries[number + 1 : number + 2]
        self.table.show_running(following[0].key if following else None)
        if outcome.prediction is not None:
            self._add_layers(plan, key, outcome)
            outcome = replace(outcome, prediction=None)  # its memory is the layers'
        self._outcomes.put(key, outcome, plan)
        self.table.show_outcome(key, outcome)
        if key == self.table.key:
            self._on_row(key)
        elif not self.folder_button.isEnabled():
            self._show_buttons()

    def _add_layers(self, plan: Plan, key: Hashable, outcome: "Outcome") -> None:
        entry = next(e for e in plan.entries if e.key == key)
        layer = None if entry.layer is None else entry.layer()
        prediction = outcome.prediction
        assert prediction is not None  # nothing was written
        source = plan.sources[key]
        note = self._results.put(layer, plan.path, prediction, source)
        if note:
            show_info(note)
        if layer is not None and layer in self.viewer.layers:
            made = self._results.of(layer, plan.path, source.channel)
            record_layer(self, plan, layer, source, prediction, made)

    def _on_result(self, result: "BatchResult | None") -> None:
        plan = self._plan
        if result is None or plan is None or self._closed:
            return
        seconds = time.monotonic() - plan.started
        text = summary(self._outcomes.of(plan), seconds, result.stopped)
        if result.stopped:
            text = f"Stopped: {text} Run batch goes on from there."
        if self.table.key is None:
            self.table.choose_failed()
        if plan.out is not None and (result.done or result.kept):
            record_files(self, plan)
        self.say(text)
        self.ended.emit(result)

    def _on_finished(self) -> None:
        super()._on_finished()
        self._plan = None
        if not self._closed:
            self.table.show_running(None)
            self.form.refresh()
            self._show_buttons()

    def on_closed(self) -> None:
        """Stop what runs; what is done is kept."""
        super().on_closed()
        self._closed = True

    # -- results ----------------------------------------------------------------------

    def show_result(self, key: Hashable) -> None:
        """Show an image, and the result if there is one, in the viewer."""
        found = [entry for entry in self.form.entries if entry.key == key]
        if not found:
            return
        entry, plan = found[0], self._outcomes.plan(key)
        outcome = self._outcomes.known.get(key)
        try:
            layers = self._layers(entry, plan, outcome)
        except StudioError as error:
            self.complain(error)
            return
        self._opened.show(layers)
        self._on_row(key)

    def _layers(
        self, entry: Entry, plan: Plan | None, outcome: "Outcome | None"
    ) -> list[Any]:
        layers: list[Any] = []
        layer = None if entry.layer is None else entry.layer()
        source = None
        if entry.path is not None:
            stated = self.form.reading.value() if plan is None else plan.stated
            layers += self._opened.image(entry.path, stated)
        elif layer is not None and layer in self.viewer.layers:
            layers.append(layer)
            if plan is not None and plan.out is None:
                read = plan.sources.get(entry.key)
                if read is not None:  # else it could not be read
                    found = self._results.of(layer, plan.path, read.channel)
                    layers += found[-1:]
            elif plan is not None and outcome is not None:
                source = source_for(layer, plan.stated, plan.card.spec.in_channels)
        if outcome is not None and outcome.labels is not None and plan is not None:
            made = provenance_of(plan)
            layers += self._opened.result(outcome, made, source)
        return layers

    def as_python(self) -> str:
        """Return code that does what a run would do now; "" if that is nothing."""
        return self._code(as_python)

    def as_shell(self) -> str:
        """Return a command that does what a run would do now, on files."""
        return self._code(as_shell)

    def _code(self, write: Callable[[Plan], str]) -> str:
        try:
            plan = plan_of(self.form, self._ticked())
            if not plan.items:  # layers, none of which can be read
                raise InputError(next(iter(plan.bad.values())))
            return write(plan)
        except StudioError as error:
            self.complain(error)
            return ""

    def open_folder(self) -> None:
        """Open the folder of the results in the window of the system for files."""
        folder = self._folder
        if folder is not None and folder.is_dir():
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def save(self, path: str | Path) -> None:
        """Write the table to a CSV file.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        names = {entry.key: entry.name for entry in self.form.entries}
        with atomic_write(path) as file:
            file.write(rows_text(self._outcomes.rows(names)).encode())

    def _on_save(self) -> None:
        path = ask_where(self, "Save the table", "batch")
        if path is None:
            return
        try:
            self.save(path)
        except StudioError as error:
            self.complain(error)
        else:
            self.say(f"The table is in {path}.")

    def _on_load(self) -> None:
        folder = self._folder
        start = Path.home() if folder is None else folder
        file, _ = QFileDialog.getOpenFileName(
            self, "Settings of a batch", str(start), "Settings (*.json)"
        )
        if file:
            self.load(file)
