"""What there is to know about the chosen model, and the user's notes on it."""

from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.widgets._colours import WRONG, tinted
from napari_unet_studio.widgets._controls import timer
from napari_unet_studio.widgets._form import collapsible
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._models.entries import Entry
from napari_unet_studio.widgets._models.text_box import text_box
from napari_unet_studio.widgets._models.texts import facts

_FIRST = ("Purpose", "Limits", "Trouble", "Size")
"""What is in sight; the rest is one click away."""
_PAUSE = 1500  # milliseconds after the last key
_LARGE = 1 << 25  # bytes of a file, of which more take longer to write anew
_TITLE = 62  # pixels


class Details(QWidget):
    """Shows an entry, and lets its notes be edited."""

    noted = Signal(object, str)
    """With an entry and the text that the user wrote about it."""

    def __init__(self) -> None:
        super().__init__()
        self.entry: Entry | None = None
        self.name = WrappedLabel()
        self.name.setStyleSheet("font-weight: bold;")
        self.head, self.rest = _Facts(), _Facts()
        self.more = collapsible(
            "Card", self.rest, "Network, scores, data, training, licence, origin, file."
        )
        self.notes = text_box(3)
        self.noting = QLabel("Notes")
        self._unsaved = False
        self._kept: dict[Hashable, str] = {}  # notes that could not be written
        self._clock = timer(self, _PAUSE, self.save_notes)
        self.notes.textChanged.connect(self._on_written)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.name)
        column.addWidget(self.head)
        column.addWidget(self.noting)
        column.addWidget(self.notes)
        column.addWidget(self.more)

    def show_entry(self, entry: Entry | None) -> None:
        """Show another entry; notes on the one before are handed over first."""
        if entry is not None and self.entry is not None and entry.key == self.entry.key:
            same = entry == self.entry
            self.entry = entry
            if same or self._unsaved:
                return
        else:
            self.save_notes()
        self.entry = entry
        self.setVisible(entry is not None)
        self.name.setText("" if entry is None else entry.name)
        told = {} if entry is None else facts(entry)
        self.head.show_facts({n: t for n, t in told.items() if n in _FIRST})
        self.rest.show_facts({n: t for n, t in told.items() if n not in _FIRST})
        self.more.setVisible(any(name not in _FIRST for name in told))
        self._show_notes(entry)

    def save_notes(self) -> None:
        """Hand over the notes as they stand, if they were changed."""
        if self._unsaved and self.entry is not None:
            self._clock.stop()
            self._unsaved = False
            self._kept.pop(self.entry.key, None)
            self.noted.emit(self.entry, self.notes.toPlainText())

    def keep_notes(self, entry: Entry, text: str) -> None:
        """Keep notes that could not be written; they are handed over again later."""
        self._kept[entry.key] = text
        if self.entry is not None and self.entry.key == entry.key:
            self._unsaved = True

    def hideEvent(self, event: Any) -> None:
        """Hand over the notes: where napari is closed, nothing else tells of it."""
        self.save_notes()
        super().hideEvent(event)

    def _on_written(self) -> None:
        self._unsaved = True
        self._clock.start()

    def _show_notes(self, entry: Entry | None) -> None:
        card = None if entry is None else entry.card
        editable = entry is not None and entry.can_change and card is not None
        notes = "" if card is None else card.notes
        kept = editable and entry is not None and entry.key in self._kept
        if entry is not None and kept:
            notes = self._kept[entry.key]
        shown = card is not None and (editable or bool(notes))
        if self.notes.toPlainText() != notes:
            self.notes.blockSignals(True)
            self.notes.setPlainText(notes)
            self.notes.blockSignals(False)
        self._unsaved = kept
        self._clock.stop()
        self._clock.setInterval(_pause_of(entry))
        self.notes.setReadOnly(not editable)
        tip = "Your notes on the model, kept in its file as you write."
        if not editable:
            tip = "Notes in the file. Duplicate the model to write your own."
        self.notes.setToolTip(tip)
        self.noting.setToolTip(tip)
        self.notes.setPlaceholderText("What is worth knowing about this model")
        self.notes.setVisible(shown)
        self.noting.setVisible(shown)


def _pause_of(entry: Entry | None) -> int:
    """Return after how many milliseconds notes are written into a file."""
    size = 0
    if entry is not None and entry.path is not None:
        with suppress(OSError):  # deleted in between
            size = entry.path.stat().st_size
    return round(_PAUSE * max(1.0, size / _LARGE))


class _Facts(QWidget):
    """Titles and texts beside each other, from the same line on."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = QGridLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setHorizontalSpacing(11)
        self._rows.setVerticalSpacing(4)
        self._rows.setColumnMinimumWidth(0, _TITLE)
        self._rows.setColumnStretch(1, 1)

    def show_facts(self, told: Mapping[str, str]) -> None:
        """Show texts by their titles, in place of what is shown now."""
        while item := self._rows.takeAt(0):
            item.widget().deleteLater()
        for row in range(self._rows.rowCount()):
            self._rows.setRowStretch(row, 0)
        for row, (title, text) in enumerate(told.items()):
            name = QLabel(title)
            value = WrappedLabel()
            value.setText(text)
            # A row may be higher than its text, which then begins at the top.
            value.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            value.setIndent(0)  # at the top too it would be one
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            if title == "Trouble":
                tinted(value, WRONG)
            self._rows.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
            self._rows.addWidget(value, row, 1)
        # What is left of the height, at another width than was planned, goes below.
        self._rows.setRowStretch(len(told), 1)
        self.setVisible(bool(told))
