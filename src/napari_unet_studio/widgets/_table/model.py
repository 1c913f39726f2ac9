"""The table of objects as Qt sees it: columns of arrays, sorted by index."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.widgets._table.texts import meaning, number, pretty

_NOWHERE = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NOTHING = ObjectTable({"label": np.empty(0, np.int64)})


class ObjectModel(QAbstractTableModel):
    """Rows of an :class:`.ObjectTable` in some order.

    Only the cells on screen become text, and sorting orders numbers; so many rows are
    as quick as few.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = _NOTHING
        self.order: NDArray[np.intp] = np.empty(0, np.intp)
        """Row of the table in each row on screen."""
        self._names = list(_NOTHING)
        self._sorting: tuple[str, bool] | None = None

    def show(self, table: ObjectTable | None) -> None:
        """Show another table, sorted as this one is if it has that column."""
        self.beginResetModel()
        self.table = _NOTHING if table is None else table
        self._names = list(self.table)
        self.order = self._sorted()
        self.endResetModel()

    def row_of(self, row: int) -> int:
        """Return where a row of the table is on screen."""
        return int(np.flatnonzero(self.order == row)[0])

    def text(self, rows: NDArray[np.intp]) -> str:
        """Return rows of the table as text for a spreadsheet, with all digits."""
        units = self.table.units
        heads = [f"{n} ({units[n]})" if units[n] else n for n in self._names]
        lines = ["\t".join(heads)]
        columns = [self.table[name][rows].tolist() for name in self._names]
        lines += ["\t".join(map(str, cells)) for cells in zip(*columns, strict=True)]
        return "\n".join(lines) + "\n"

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell, or where it stands."""
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            column = self.table[self._names[index.column()]]
            return number(column[self.order[index.row()]])
        return _RIGHT if role == Qt.ItemDataRole.TextAlignmentRole else None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the name of a column with its unit, or what it means."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._names):
            return None
        name = self._names[section]
        if role == Qt.ItemDataRole.DisplayRole:
            unit = pretty(self.table.units[name])
            return f"{name}\n{unit}" if unit else name
        return meaning(name) if role == Qt.ItemDataRole.ToolTipRole else None

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; a column of -1 is the order of the table."""
        down = order == Qt.SortOrder.DescendingOrder
        known = 0 <= column < len(self._names)
        self._sorting = (self._names[column], down) if known else None
        self.layoutAboutToBeChanged.emit()
        before = self.order
        self.order = self._sorted()
        # What is selected stays selected, wherever it goes.
        places = np.empty(len(self.order), np.intp)
        places[self.order] = np.arange(len(self.order))
        old = self.persistentIndexList()
        new = [self.index(int(places[before[i.row()]]), i.column()) for i in old]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _sorted(self) -> NDArray[np.intp]:
        if self._sorting is None or self._sorting[0] not in self.table:
            return np.arange(len(self.table))
        name, down = self._sorting
        values = self.table[name]
        if not down:
            return np.argsort(values, kind="stable")
        if values.dtype.kind == "f":  # what is no number stays last
            return np.argsort(-values, kind="stable")
        return np.argsort(values[::-1], kind="stable")[::-1] * -1 + len(values) - 1
