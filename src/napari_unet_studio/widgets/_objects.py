"""The section of the Segment widget that turns probabilities into objects, live."""

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._segment.code import record_result
from napari_unet_studio.widgets._segment.object_form import ObjectForm
from napari_unet_studio.widgets._segment.rows import remark, small_label
from napari_unet_studio.widgets._segment.shown import Shown
from napari_unet_studio.widgets._segment.table_button import open_table


def starting_objects(card: ModelCard) -> ObjectConfig:
    """Return the settings that a model starts with, as the sliders can show them."""
    threshold = min(max(round(card.threshold, 2), 0.01), 0.99)
    return replace(card.objects, threshold=threshold)


class ObjectsPanel(QWidget):
    """Shows a :class:`.Shown`: its name, its settings, how many objects there are.

    Nothing is shown of a result of classes but its name: there is nothing to set.
    """

    edited = Signal()
    """When the user has changed a setting."""
    said = Signal(str)
    """With a line for the user."""

    def __init__(self) -> None:
        super().__init__()
        self.result: Shown | None = None
        self.title, self.count = WrappedLabel(), WrappedLabel()
        self.count.setStyleSheet("font-weight: bold;")
        self.place = small_label()
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.form = ObjectForm()
        self.form.changed.connect(self._on_edited)
        self.form.auto_button.clicked.connect(self.auto)
        self.keep_button = _button(
            "Keep", "Copy the labels into a layer to edit, that no setting changes."
        )
        self.keep_button.clicked.connect(self.keep)
        self.reset_button = _button(
            "Reset", "Put all settings back to those of the model."
        )
        self.reset_button.clicked.connect(self.reset)
        self.table_button = _button(
            "Table", "Measure the objects of these labels, in a table."
        )
        self.table_button.clicked.connect(self.open_table)
        self.copy_button = copy_button(
            lambda: "" if self.result is None else self.result.as_python(),
            "Copy what repeats this result: lines for napari's console, or a command "
            "of the shell.",
            lambda: "" if self.result is None else self.result.as_shell(),
        )
        buttons = QHBoxLayout()
        for button in (
            self.keep_button,
            self.reset_button,
            self.table_button,
            self.copy_button,
        ):
            buttons.addWidget(button)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        for widget in (line, self.count, self.title, self.place, self.form):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.setVisible(False)

    def show_result(self, result: Shown | None) -> None:
        """Show a result; none hides the section."""
        if self.result is not None and result is not self.result:
            self.result.redrawn.disconnect(self.refresh)
            self.result.waiting.disconnect(self._on_waiting)
        if result is not None and result is not self.result:
            result.redrawn.connect(self.refresh)
            result.waiting.connect(self._on_waiting)
        self.result = result
        self.setVisible(result is not None)
        if result is not None:
            source = result.source
            auto = starting_objects(result.card).threshold
            self.form.suit(source.axes, source.spacing, source.unit, auto)
            self._show(result.objects)
            self.refresh()

    def refresh(self) -> None:
        """Say what the layers show now."""
        if self.result is None:
            return
        result = self.result
        objects = result.card.target == "objects"
        self.title.setText(result.title)
        self.title.setToolTip(result.made)
        self.keep_button.setVisible(result.live)
        self.say_place()
        self.form.setVisible(objects)
        self.reset_button.setVisible(objects)
        self.table_button.setVisible(objects)
        self.count.setText(result.found)
        record_result(self, result)

    def say_place(self) -> None:
        """Say where the result is, or what its settings work from."""
        if self.result is None:
            return
        result = self.result
        text = "" if result.path is None else f"Stored in {result.path}."
        if result.card.target == "objects" and not result.live:
            text += " Settings count for the next run."
        remark(self.place, text or result.remark)

    def keep(self) -> None:
        """Copy the labels into a layer of the user's."""
        if self.result is not None:
            self.result.take_back()  # else the copy would mix two settings
            kept = self.result.kept
            if kept is not None:
                self.said.emit(f"These labels are kept already, as {kept!r}.")
                return
            name = self.result.keep()
            if name is None:
                text = "There are no labels to keep: their layer was removed."
            else:
                text = f"Kept as {name!r}, hidden below the labels."
                if not self.result.settled:
                    text += " It has the settings from before the latest change."
            self.said.emit(text)

    def reset(self) -> None:
        """Go back to the settings that the model starts with."""
        if self.result is not None:
            self.form.set(starting_objects(self.result.card))

    def auto(self) -> None:
        """Take the threshold of the model, and leave the other settings."""
        if self.result is not None:
            start = starting_objects(self.result.card)
            self.form.set_number("threshold", start.threshold)

    def open_table(self) -> None:
        """Open the object table with the labels."""
        if self.result is not None:
            self.result.take_back()  # else the table would mix two settings
            self.said.emit(open_table(self.result.viewer, self.result.labels))

    def _show(self, objects: ObjectConfig) -> None:
        self.form.blockSignals(True)
        self.form.set(objects)
        self.form.blockSignals(False)

    def _on_waiting(self, text: str) -> None:
        if text:
            self.count.setText(text)
        else:
            self.refresh()

    def _on_edited(self) -> None:
        if self.result is not None:
            self.result.redraw(self.form.value())
            self.edited.emit()


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
