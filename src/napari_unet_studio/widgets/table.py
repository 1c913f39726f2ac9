"""Dock widget "Object table": measures of all objects, linked with their layer."""

from math import prod
from pathlib import Path
from typing import Any

import napari.viewer
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.layers import source_of
from napari_unet_studio.layers.tables import unit_of_source, with_features
from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.widgets._base import StudioWidget
from napari_unet_studio.widgets._colours import DOUBT, tinted
from napari_unet_studio.widgets._controls import Edits, copy_button, follow
from napari_unet_studio.widgets._form import Form, aligned_form, collapsible
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._saving import ask_where
from napari_unet_studio.widgets._session import record
from napari_unet_studio.widgets._table.choices import (
    class_choice,
    labels_choice,
    labels_layers,
)
from napari_unet_studio.widgets._table.code import as_python, as_shell, as_step
from napari_unet_studio.widgets._table.images import ImageList
from napari_unet_studio.widgets._table.link import Link
from napari_unet_studio.widgets._table.status_bar import StatusBar
from napari_unet_studio.widgets._table.texts import state_text
from napari_unet_studio.widgets._table.view import ObjectView
from napari_unet_studio.widgets._table.work import Work

BRIEF = 1 << 24  # pixels that are measured before napari has shown an activity bar


class TableWidget(StudioWidget):
    """Measures the objects of a labels layer, and goes to the one that is chosen.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    welcome = "No labels are open yet. Segment an image first, or open a sample:"
    samples = ("nuclei_2d",)
    needed = Labels

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Measure")
        self.table: ObjectTable | None = None
        self.stale = False
        self._work: Work | None = None
        self._edited = self._closed = self._again = False
        self.view = ObjectView()
        self._edits = Edits(self._on_edited, self._on_edited, self._on_edited)
        self._link = Link(self.viewer, self.view.select)
        self._status_bar = StatusBar(self.viewer, self)
        self._build()
        self._on_layer()

    def _build(self) -> None:
        self.labels = self.add_choice(labels_choice(self.viewer))
        self.classes = self.add_choice(
            class_choice(self.viewer, lambda: self.labels.value)
        )
        self.images = ImageList()
        self.form: Form[MeasureConfig] = Form(MeasureConfig())
        self.info = WrappedLabel()
        self.only = QCheckBox("Show the selected object alone")
        self.only.setToolTip(
            "Hide the other objects of the layer, without changing it."
        )
        self.only.toggled.connect(self._on_only)
        self.export_button = QPushButton("Save CSV…")
        self.export_button.setToolTip(
            "Write the table to a file, with units in its headers and all digits."
        )
        self.export_button.clicked.connect(self._ask_and_export)
        self.run_button.setToolTip("Measure all objects of the layer.")
        self.copy = copy_button(
            self.as_python,
            "Copy code that makes this table: Python for napari's console, or a "
            "command of the shell.",
            self.as_shell,
        )
        self.buttons.addWidget(self.copy, 1)

        rows = aligned_form()
        for title, editor in (
            ("Labels", self.labels.native),
            ("Intensity of", self.images),
        ):
            label = QLabel(title)
            label.setToolTip(editor.toolTip())
            rows.addRow(label, editor)
        # The table takes what height is left.
        self.body.setAlignment(Qt.AlignmentFlag(0))
        self.body.addLayout(rows)
        self.form.add_row("Classes", self.classes.native)
        self.body.addWidget(
            collapsible("What to measure", self.form, "Kinds of measures, and classes.")
        )
        self.body.addWidget(self.view, 1)
        self.body.addWidget(self.info)
        below = QHBoxLayout()
        below.addWidget(self.only, 1)
        below.addWidget(self.export_button)
        self.body.addLayout(below)

        self.view.chosen.connect(self._on_chosen)
        self.labels.changed.connect(self._on_layer)
        for signal in (self.classes.changed, self.images.changed, self.form.changed):
            signal.connect(self._on_settings)
        follow(self, self.viewer.layers.events.removed, self._on_removed)

    # -- layers -----------------------------------------------------------------------

    def choose(self, layer: Labels) -> None:
        """Measure this layer of the viewer."""
        self.reset_choices()
        if self.labels.value is not layer:
            self.labels.value = layer
        if self.running:
            self.cancel()
            self._again = True
        self.run()

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layers to choose from; napari asks for it after closing too."""
        if self._closed:
            return
        super().reset_choices(event)
        layers = labels_layers(self.viewer)
        if self.labels.value is None and layers:
            # Results of Segment are what one wants to measure, like any other.
            active = self.viewer.layers.selection.active
            self.labels.value = active if active in layers else layers[-1]
        self.images.offer(self.labels.value, self.viewer.layers)

    def _on_layer(self, *_: object) -> None:
        """Offer what fits the chosen layer, and forget the table of another one."""
        layer = self.labels.value
        self.images.offer(layer, self.viewer.layers)
        self.classes.reset_choices()
        if layer is not self._link.layer:
            self._forget()
            self._show_state()

    def _forget(self) -> None:
        if self.only.isChecked():
            self.only.setChecked(False)
        self._edits.of([])
        self._link.release()
        self._status_bar.release()
        self.table, self.stale = None, False
        self.view.show_table(None)

    def _on_removed(self, event: Any) -> None:
        work = self._work
        self._edits.without(event.value)
        if work is not None and event.value is work.layer:
            self.cancel()
        if event.value is self._link.layer:
            self._forget()
            self._show_state()

    def _on_edited(self, *_: object) -> None:
        self._edited = True
        if self.table is not None and not self.stale:
            self.stale = True
            self._show_state()

    def _on_settings(self, *_: object) -> None:
        if self.table is not None:
            self.run_button.setText("Measure again")

    # -- work -------------------------------------------------------------------------

    def run(self) -> None:
        """Measure the chosen layer."""
        if self.running:
            return
        try:
            choices, kinds = self.images.chosen(), self.classes.value
            work = Work.of(self.labels.value, choices, kinds, self.form.value())
        except StudioError as error:
            self.complain(error)
            return
        self._work, self._edited = work, False
        self._edits.of([work.layer, *work.beside])
        title, listed = f"Measuring {work.source.name}", prod(work.source.shape) > BRIEF
        self.launch(work.task, title, self._on_measured, listed=listed)

    def set_running(self, running: bool) -> None:
        """Keep the layers while a job runs."""
        super().set_running(running)
        for chooser in (self.labels.native, self.classes.native, self.images):
            chooser.setEnabled(not running)
        self.export_button.setEnabled(not running and self.table is not None)

    def _on_measured(self, table: ObjectTable | None) -> None:
        work = self._work
        if table is None or work is None or self._closed:
            return
        if work.layer not in self.viewer.layers:
            self.say("The labels layer was removed, so its table is not shown.")
            return
        if work.layer is not self.labels.value:  # another one was chosen meanwhile
            return
        current = self._selected_label()
        self.table, self.stale = table, self._edited
        work.layer.features = with_features(work.layer, table)
        self.view.show_table(table)
        code = as_step(work.layer.name, *work.settings)
        title = f"Measure {work.layer.name}"
        record(self, title, code, [work.layer, *work.beside], changed=work.layer)
        self._link.follow(work.layer, table, work.source.axes, work.source.spacing)
        self._status_bar.follow(work.layer, work.source.axes)
        row = None if current is None else self._link.row_of(current)
        if row is not None:
            self.view.select(row)
        self.say("" if len(table) else "The layer holds no objects.")
        self._show_state()

    def _on_finished(self) -> None:
        super()._on_finished()
        self._work = None
        self._show_state()
        if self._again and not self._closed:
            self._again = False
            self.run()

    def _selected_label(self) -> int | None:
        row = self.view.current()
        return None if row is None or not self.table else int(self.table["label"][row])

    def _on_chosen(self, row: int) -> None:
        self._link.go_to(row)
        if self.only.isChecked():
            self._link.show_alone()

    def _on_only(self, alone: bool) -> None:
        if self._link.layer is None:
            return
        row = self._link.show_alone() if alone else None
        if row is not None and row != self.view.current():
            self.view.select(row)
            self._link.go_to(row)
        # Only now: napari fails for ids that the type of the labels does not have.
        self._link.layer.show_selected_label = alone

    def _show_state(self) -> None:
        measured = self.table is not None
        self.run_button.setText("Measure again" if measured else "Measure")
        self.export_button.setEnabled(measured and not self.running)
        self.only.setEnabled(measured)
        self.info.setText(state_text(self.table, self.stale))
        tinted(self.info, DOUBT if self.stale else "")

    # -- files ------------------------------------------------------------------------

    def _ask_and_export(self) -> None:
        layer = self._link.layer
        if layer is None:
            return
        path = ask_where(self, "Save the table", layer.name)
        if path is not None:
            self.export(path)

    def export(self, path: Path) -> None:
        """Write the table as CSV."""
        if self.table is None:
            return
        try:
            written = self.table.to_csv(path)
        except StudioError as error:
            self.complain(error)
            return
        old = ", as it was before the layers changed" if self.stale else ""
        self.say(f"{len(self.table):,} rows are in {written.name}{old}.")

    def as_python(self) -> str:
        """Return code that makes the table."""
        layer = self.labels.value
        chosen = self.images.chosen(), self.classes.value, self.form.value()
        try:
            source = None if layer is None else source_of(layer)
            return as_python(source, *chosen)
        except StudioError as error:
            self.complain(error)
            return ""

    def as_shell(self) -> str:
        """Return a command that makes the table of the layer's file."""
        layer = self.labels.value
        chosen = self.images.chosen(), self.classes.value, self.form.value()
        try:
            if layer is None:
                raise InputError("There are no labels to measure; add or choose some.")
            source = source_of(layer)
            return as_shell(layer, source, unit_of_source(source), *chosen)
        except StudioError as error:
            self.complain(error)
            return ""

    def on_closed(self) -> None:
        """Stop what runs and let go of the layers; their features stay."""
        self._closed = True
        super().on_closed()
        self._forget()
