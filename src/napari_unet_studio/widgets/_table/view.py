"""The view of the table of objects: widths, sorting, copying, selecting."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView

from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.widgets._table.model import ObjectModel
from napari_unet_studio.widgets._table.texts import number

_ROW = 22  # height in pixels
_SAMPLE = 40  # rows whose texts decide how wide a column is
_MARGIN = 26  # pixels beside the text: the arrow of the sorted column fits in
_WIDEST = 220


class ObjectView(QTableView):
    """Shows a table of objects; selecting a row of it is reported.

    Ctrl+C copies the selected rows with the headers.
    """

    chosen = Signal(int)
    """With the row of the table that the user went to."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = ObjectModel()
        self.setModel(self.rows)
        self._quiet = False
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setMinimumHeight(220)
        self.setToolTip(
            "One row for each object. Select a row to find the object on the canvas; "
            "click on a heading to sort; Ctrl+C copies the selected rows."
        )
        lines = self.verticalHeader()
        lines.setVisible(False)
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(_ROW)
        header = self.horizontalHeader()
        header.setDefaultAlignment(
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        )
        header.setHighlightSections(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.selectionModel().currentRowChanged.connect(self._on_row)

    def show_table(self, table: ObjectTable | None) -> None:
        """Show a table, or none; the scroll bars stay where they are if they can."""
        self._quiet = True
        try:
            self.rows.show(table)
            self._fit_columns()
        finally:
            self._quiet = False

    def select(self, row: int | None) -> None:
        """Select a row of the table and scroll to it, without a report."""
        self._quiet = True
        try:
            if row is None:
                self.clearSelection()
                return
            index = self.rows.index(self.rows.row_of(row), 0)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(
                index, flags.ClearAndSelect | flags.Rows
            )
            self.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)
        finally:
            self._quiet = False

    def current(self) -> int | None:
        """Return the row of the table that is current."""
        index = self.currentIndex()
        return int(self.rows.order[index.row()]) if index.isValid() else None

    def selected(self) -> NDArray[np.intp]:
        """Return the selected rows of the table, from top to bottom."""
        parts = [
            np.arange(part.top(), part.bottom() + 1)
            for part in self.selectionModel().selection()
        ]
        places = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.intp)
        return self.rows.order[places]

    def keyPressEvent(self, event: Any) -> None:
        """Copy the selected rows; other keys are Qt's."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_selected()
            event.accept()
        else:
            super().keyPressEvent(event)

    def copy_selected(self) -> None:
        """Put the selected rows on the clipboard, as text for a spreadsheet."""
        rows, clipboard = self.selected(), QApplication.clipboard()
        if len(rows) and clipboard is not None:
            clipboard.setText(self.rows.text(rows))

    def _on_row(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid() and not self._quiet:
            self.chosen.emit(int(self.rows.order[current.row()]))

    def _fit_columns(self) -> None:
        """Make the columns as wide as some of their texts; all would take long."""
        metrics = self.fontMetrics()
        table = self.rows.table
        some = np.unique(np.linspace(0, max(0, len(table) - 1), _SAMPLE).astype(int))
        for place, name in enumerate(table):
            values = table[name]
            texts = [number(v) for v in values[some[: len(values)]]]
            if len(values):
                texts += [number(values.max()), number(values.min())]
            head = self.rows.headerData(place, Qt.Orientation.Horizontal)
            wide = max(map(metrics.horizontalAdvance, [*texts, *head.split("\n")]))
            self.setColumnWidth(place, min(wide + _MARGIN, _WIDEST))
