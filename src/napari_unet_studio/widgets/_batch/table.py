"""The table of images: which are ticked, and what became of them."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_unet_studio.io.folders import natural_key
from napari_unet_studio.widgets._batch.entries import Entry
from napari_unet_studio.widgets._batch.texts import (
    MEANINGS,
    STATES,
    remark_of,
    seconds_text,
)
from napari_unet_studio.widgets._choice_cells import QUIET, WRONG, ChoiceCells
from napari_unet_studio.widgets._train.table import LEFT, ROW

if TYPE_CHECKING:
    from napari_unet_studio.tasks.batch import Outcome

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_KEY = Qt.ItemDataRole.UserRole + 10
_SHOWN = (3, 8)  # rows that have room: at least, and before other parts have theirs
_NAMES = (100, 152)  # pixels that names are given by themselves
_COLUMNS = {
    "Image": (120, "Ticked images are segmented. Double click one to see its result."),
    "Status": (74, "What became of the image."),
    "Objects": (60, "How many objects were found."),
    "Time": (50, "How long the image took."),
    "Remark": (320, "What went wrong, or what there is to know of the result."),
}
IMAGE, STATUS, OBJECTS, TIME, REMARK = range(5)
_ORDER = list(STATES)


class BatchTable(QTableWidget):
    """A row for each image; sorted by a click on a title, copied as text."""

    ticked = Signal()
    """When the user ticked an image, or left one out."""
    chosen = Signal(object)
    """With the key of the row that was chosen."""
    opened = Signal(object)
    """With the key of a row that was double clicked, or Return was pressed on."""

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        self._cells: dict[Hashable, list[_Cell]] = {}
        self._off: set[Hashable] = set()
        self._running: Hashable | None = None
        self._given = _COLUMNS["Image"][0]  # width of the names, if nobody changes it
        self._outcomes: dict[Hashable, Outcome] = {}
        header = self.horizontalHeader()
        header.setFixedHeight(ROW)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(40)
        for place, (title, (width, tip)) in enumerate(_COLUMNS.items()):
            right = place in (OBJECTS, TIME)
            # Over the numbers, and clear of the next title: Qt leaves no margin there.
            item = QTableWidgetItem(title + "\u00a0" * right)
            item.setToolTip(tip)
            item.setTextAlignment(_RIGHT if right else LEFT)
            self.setHorizontalHeaderItem(place, item)
            header.resizeSection(place, width)
        self.setToolTip(
            "Ticked images are segmented. A double click or Return shows an image with "
            "its result, Ctrl+C copies the table."
        )
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(ROW)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setItemDelegate(ChoiceCells(self, lambda row, column: ()))
        self.setSortingEnabled(True)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.itemSelectionChanged.connect(lambda: self.chosen.emit(self.key))
        self.itemChanged.connect(self._on_changed)
        self.cellDoubleClicked.connect(lambda *_: self.opened.emit(self.key))
        self._fit()

    # -- for programs -----------------------------------------------------------------

    @property
    def key(self) -> Hashable | None:
        """The row that is current, if it is selected."""
        item = self.item(self.currentRow(), IMAGE)
        if item is None or not item.isSelected():
            return None
        return item.data(_KEY)  # type: ignore[no-any-return]

    def choose(self, key: Hashable) -> None:
        """Select a row."""
        if key in self._cells:
            self.selectRow(self._cells[key][IMAGE].row())

    def choose_failed(self) -> None:
        """Select the first image that failed, if one did."""
        failed = (k for k, o in self._outcomes.items() if o.status == "failed")
        key = next(failed, None)
        if key is not None:
            self.choose(key)

    def is_ticked(self, key: Hashable) -> bool:
        """Whether an image is to be segmented."""
        return key not in self._off

    def tick(self, key: Hashable, on: bool = True) -> None:
        """Tick an image, or leave it out."""
        states = Qt.CheckState.Unchecked, Qt.CheckState.Checked
        self._cells[key][IMAGE].setCheckState(states[on])

    def row_text(self, key: Hashable) -> list[str]:
        """Return what a row shows."""
        return [cell.text() for cell in self._cells[key]]

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these images; what is known of those that stay, stays."""
        before = self.key
        with QSignalBlocker(self):
            self.setSortingEnabled(False)
            self.setRowCount(0)
            self.setRowCount(len(entries))
            self._cells = {}
            for number, entry in enumerate(entries):
                self._add(number, entry)
            self.setSortingEnabled(True)
        known = self._cells.keys()
        self._off &= known
        self._outcomes = {k: o for k, o in self._outcomes.items() if k in known}
        if before in known:
            self.choose(before)
        self._give_names_room()
        self._fit()

    def show_outcomes(self, outcomes: "Mapping[Hashable, Outcome]") -> None:
        """Show what became of the images; of those that are not named, nothing."""
        self._outcomes = dict(outcomes)
        for key in self._cells:
            self._fill(key)

    def show_outcome(self, key: Hashable, outcome: "Outcome") -> None:
        """Show what became of an image."""
        self._outcomes[key] = outcome
        self._fill(key)

    def show_running(self, key: Hashable | None) -> None:
        """Show which image is under way, if one is."""
        before, self._running = self._running, key
        if before != key:
            self._fill(before)
            self._fill(key)
            if key in self._cells:
                self.scrollToItem(self._cells[key][IMAGE])

    def text(self) -> str:
        """Return the table as it is shown, with tabs between its columns."""
        lines = [list(_COLUMNS)]
        for row in range(self.rowCount()):
            lines.append([self.item(row, n).text() for n in range(len(_COLUMNS))])
        return "\n".join("\t".join(line) for line in lines) + "\n"

    def copy(self) -> None:
        """Put the table on the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None and self.rowCount():
            clipboard.setText(self.text())

    # -- showing ----------------------------------------------------------------------

    def _add(self, number: int, entry: Entry) -> None:
        cells = [_Cell(entry.name), *(_Cell() for _ in range(len(_COLUMNS) - 1))]
        cells[IMAGE].value = natural_key(Path(entry.name))
        self._cells[entry.key] = cells
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        for place, cell in enumerate(cells):
            cell.setFlags(flags)
            cell.setData(_KEY, entry.key)
            cell.setTextAlignment(_RIGHT if place in (OBJECTS, TIME) else LEFT)
            self.setItem(number, place, cell)
        first = cells[IMAGE]
        first.setFlags(flags | Qt.ItemFlag.ItemIsUserCheckable)
        on = entry.key not in self._off
        first.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        first.setToolTip(f"{entry.name}\n{entry.tip}")
        self._fill(entry.key)

    def _fill(self, key: Hashable | None) -> None:
        """Show the state of a row."""
        if key is None or key not in self._cells:
            return
        outcome = self._outcomes.get(key)
        state: str = "waiting" if outcome is None else outcome.status
        if key == self._running:
            state = "running"
        known = outcome is not None and state == outcome.status
        texts = ["", STATES[state], "", "", ""]
        values: list[Any] = [None, _ORDER.index(state), None, None, None]
        if known and outcome is not None:
            texts[REMARK] = remark_of(outcome)
            values[REMARK] = natural_key(Path(texts[REMARK])) or None
            if outcome.status != "failed":
                values[TIME] = outcome.seconds
                texts[TIME] = seconds_text(outcome.seconds)
            if outcome.objects is not None:
                values[OBJECTS] = outcome.objects
                texts[OBJECTS] = f"{outcome.objects:,}"
        with QSignalBlocker(self):
            for place, cell in enumerate(self._cells[key]):
                cell.setData(QUIET, key in self._off)
                if place == IMAGE:
                    continue
                cell.setText(texts[place])
                cell.value = values[place]
                cell.setData(WRONG, state == "failed")
                tip = texts[REMARK] or (MEANINGS[state] if place == STATUS else "")
                cell.setToolTip(tip)

    def _fit(self) -> None:
        rows = max(self.rowCount(), _SHOWN[0])
        bar = self.horizontalScrollBar().sizeHint().height()
        around = ROW + bar + 2 * self.frameWidth()
        self.setMinimumHeight(min(rows, _SHOWN[1]) * ROW + around)
        self.setMaximumHeight(rows * ROW + around)

    def _give_names_room(self) -> None:
        """Make their column as wide as they need, unless the user has made it so."""
        header = self.horizontalHeader()
        if header.sectionSize(IMAGE) == self._given:
            needed = self.sizeHintForColumn(IMAGE)
            self._given = min(max(needed, _NAMES[0]), _NAMES[1])
            header.resizeSection(IMAGE, self._given)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if item.column() != IMAGE:
            return
        key = item.data(_KEY)
        on = item.checkState() == Qt.CheckState.Checked
        if on is not self.is_ticked(key):
            (self._off.discard if on else self._off.add)(key)
            self._fill(key)
            self.ticked.emit()

    def keyPressEvent(self, event: Any) -> None:
        """Copy the table, or open the chosen row; other keys are Qt's."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.key is not None:
                self.opened.emit(self.key)
        else:
            super().keyPressEvent(event)


class _Cell(QTableWidgetItem):
    """A cell that is sorted by a value; those without one come last."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.value: Any = None
        """Numbers in a column, or :func:`.natural_key` of its texts; None is none."""

    def __lt__(self, other: Any) -> bool:
        mine, its = self.value, other.value
        if mine is not None and its is not None:
            return bool(mine < its)
        table = self.tableWidget()
        order = table.horizontalHeader().sortIndicatorOrder()
        last = order == Qt.SortOrder.AscendingOrder
        return bool((its is None) if last else (mine is None))
