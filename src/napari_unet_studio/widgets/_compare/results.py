"""The table of scores: sorted by a click on a title, copied as text, saved as CSV."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_unet_studio.tasks.comparison import (
    MAIN,
    CandidateScores,
    best_of,
    cell_text,
    lower_is_better,
    score_columns,
)
from napari_unet_studio.widgets._choice_cells import QUIET, WRONG, ChoiceCells
from napari_unet_studio.widgets._compare.texts import explained, title_of
from napari_unet_studio.widgets._train.table import LEFT, ROW

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_VALUE = Qt.ItemDataRole.UserRole + 10
_KEY = Qt.ItemDataRole.UserRole + 11
_NAME = 112  # pixels of the first column
_SHOWN = (2, 8)  # fewest and most rows that have room


class ResultTable(QTableWidget):
    """Candidates by scores; the best value of each column is bold."""

    chosen = Signal(object)
    """With the key of the row that was chosen."""
    clicked_again = Signal()
    """The row was clicked that is chosen already, or has just been chosen so."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.rows: dict[Hashable, CandidateScores] = {}
        self.outdated: dict[Hashable, str] = {}
        self._columns: list[str] = []
        header = self.horizontalHeader()
        header.setFixedHeight(ROW)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(40)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(ROW)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setToolTip(
            "Candidates and their scores. Select one to see its errors on the canvas; "
            "click on a heading to sort."
        )
        self.setItemDelegate(ChoiceCells(self, lambda row, column: ()))
        self.setSortingEnabled(True)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.itemSelectionChanged.connect(self._on_selected)
        self.cellClicked.connect(lambda row, column: self.clicked_again.emit())
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        self._fit()

    @property
    def key(self) -> Hashable | None:
        """The row that is chosen."""
        items = self.selectedItems()
        return items[0].data(_KEY) if items else None

    def choose(self, key: Hashable | None) -> None:
        """Choose a row."""
        for row in range(self.rowCount()):
            if self.item(row, 0).data(_KEY) == key:
                self.selectRow(row)

    def show_rows(
        self, rows: Mapping[Hashable, CandidateScores], outdated: Mapping[Hashable, str]
    ) -> None:
        """Show rows by their keys.

        Parameters
        ----------
        rows
            The scores.
        outdated
            Why some do not hold any more.
        """
        self.rows, self.outdated = dict(rows), dict(outdated)
        found = score_columns(list(rows.values()))
        self._columns = [column for column in found if column in MAIN]
        self._columns += [column for column in found if column.startswith("iou ")]
        before = self.key
        with QSignalBlocker(self):
            self.setSortingEnabled(False)
            self.setColumnCount(1 + len(self._columns))
            self.setRowCount(len(rows))
            self._show_titles()
            for number, (key, row) in enumerate(self.rows.items()):
                self._show(number, key, row)
            self.setSortingEnabled(True)
            if before in self.rows:
                self.choose(before)
        self._fit()

    def mark(self, outdated: Mapping[Hashable, str]) -> None:
        """Mark the rows that do not hold any more."""
        if outdated != self.outdated:
            self.show_rows(self.rows, outdated)

    def text(self) -> str:
        """Return the table as it is shown, with tabs between its columns."""
        lines = [["Candidate", *map(title_of, self._columns)]]
        for row in range(self.rowCount()):
            cells = (self.item(row, column) for column in range(self.columnCount()))
            lines.append([item.text() for item in cells])
        return "\n".join("\t".join(line) for line in lines) + "\n"

    def copy(self) -> None:
        """Put the table on the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None and self.rowCount():
            clipboard.setText(self.text())

    # -- showing ----------------------------------------------------------------------

    def _show_titles(self) -> None:
        names = ["candidate", *self._columns]
        header = self.horizontalHeader()
        for place, column in enumerate(names):
            item = QTableWidgetItem(title_of(column))
            tip = explained(column) if place else "Choose one to see its errors."
            if place and column != "matched":
                best = "lowest" if lower_is_better(column) else "highest"
                tip += f" The {best} is bold."
            item.setToolTip(tip)
            item.setTextAlignment(_RIGHT if place else LEFT)
            self.setHorizontalHeaderItem(place, item)
            modes = QHeaderView.ResizeMode
            mode = modes.ResizeToContents if place else modes.Interactive
            header.setSectionResizeMode(place, mode)
        header.resizeSection(0, _NAME)

    def _show(self, number: int, key: Hashable, row: CandidateScores) -> None:
        why = self.outdated.get(key, "")
        mark = " *" if why else ""
        first = _Cell(row.name + mark)
        first.setTextAlignment(LEFT)
        first.setData(WRONG, bool(row.failures))
        first.setToolTip("\n".join([row.name, *filter(None, [why]), *row.notes]))
        items: list[_Cell] = [first]
        others: Sequence[CandidateScores] = list(self.rows.values())
        for column in self._columns:
            value = row.value(column)
            item = _Cell(_shown(column, value))
            item.setData(_VALUE, value)
            item.setTextAlignment(_RIGHT)
            item.setToolTip("" if value is None else f"{title_of(column)} {value:.6g}")
            if row.name in best_of(others, column):
                font = item.font()
                font.setBold(True)
                item.setFont(font)
            items.append(item)
        for place, item in enumerate(items):
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setData(_KEY, key)
            item.setData(QUIET, bool(why))
            self.setItem(number, place, item)

    def _fit(self) -> None:
        count = min(max(self.rowCount(), _SHOWN[0]), _SHOWN[1])
        bar = self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight((1 + count) * ROW + bar + 2 * self.frameWidth())

    def _on_selected(self) -> None:
        self.chosen.emit(self.key)


class _Cell(QTableWidgetItem):
    """A cell that is sorted by its number; those without one come last."""

    def __lt__(self, other: Any) -> bool:
        mine, its = self.data(_VALUE), other.data(_VALUE)
        if mine is None and its is None:
            return bool(self.text().casefold() < other.text().casefold())
        if mine is None or its is None:
            table = self.tableWidget()
            order = table.horizontalHeader().sortIndicatorOrder()
            last = order == Qt.SortOrder.AscendingOrder
            return bool((its is None) if last else (mine is None))
        return bool(mine < its)


def _shown(column: str, value: float | None) -> str:
    """Return a number for a narrow column."""
    if column == "parameters" and value is not None and value >= 1e5:
        return f"{value / 1e6:.1f} M"
    return cell_text(column, value)
