"""The table of training pairs: an image, its labels, and what they are used for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._choice_cells import (
    QUIET,
    WRONG,
    ChoiceCells,
    Choices,
)
from napari_unet_studio.widgets._colours import WRONG as WRONG_TONE
from napari_unet_studio.widgets._colours import tinted, tone_of
from napari_unet_studio.widgets._fitting import fitting_pairs
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._train.files import (
    FILTER,
    ask_for_files,
    ask_for_folders,
    matched,
)
from napari_unet_studio.widgets._train.rows import FIELDS, ROLES, Row, RowTuple, shown
from napari_unet_studio.widgets._train.table import CENTRE, LEFT, ROW, plain_table

_SHOWN = (2, 6)  # fewest and most rows that have room
_FILE = "Open a file…"


class PairsTable(QWidget):
    """Rows of (image, labels, role): layers of the viewer, or files.

    Parameters
    ----------
    viewer
        Whose layers can be chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._rows: list[Row] = []
        self._shown: list[tuple[str, ...]] | None = None
        self._touched = False
        self._problem = ""
        self._present: set[int] = set()
        self.table = plain_table(["Image", "Labels", "Use to", ""])
        self.table.setToolTip(
            "What is learnt from: images, their labels, and whether they are trained "
            "on or held out to judge by. Click into a cell to choose, on ✕ to remove."
        )
        cells = ChoiceCells(self, self._choices)
        cells.chosen.connect(self.change, Qt.ConnectionType.QueuedConnection)
        self.table.setItemDelegate(cells)
        self.table.cellClicked.connect(self._on_click)
        self.hint = WrappedLabel()
        self.add_button = _button("Add row", "Add a pair of layers.", self.add_row)
        self.fit_button = _button(
            "Add all that fit",
            "Add every Image layer with a Labels layer of its size; similar names go "
            "together. Labels with nothing painted, and layers that this plugin made, "
            "are left out; “Add row” takes those too.",
            self.add_fitting,
        )
        self.files_button = QPushButton("Add files…")
        self.files_button.setToolTip(
            "Add images and labels from files or zarr. They are opened when they are "
            "needed and not put into the viewer."
        )
        menu = QMenu(self.files_button)
        menu.addAction("Files…", lambda: self._ask(ask_for_files))
        menu.addAction("Folders or zarr…", lambda: self._ask(ask_for_folders))
        self.files_button.setMenu(menu)
        self.clear_button = _button("Clear", "Remove all rows.", self._on_clear)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.add_button, 0, 0)
        buttons.addWidget(self.fit_button, 0, 1)
        buttons.addWidget(self.files_button, 1, 1)
        buttons.addWidget(self.clear_button, 1, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addWidget(self.hint)
        layout.addLayout(buttons)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._show_rows()

    # -- for programs -----------------------------------------------------------------

    def pairs(self) -> list[RowTuple]:
        """Return the rows."""
        return [(row.image, row.labels, row.role) for row in self._rows]

    def set_pairs(self, pairs: Sequence[RowTuple]) -> None:
        """Replace the rows."""
        self._touched = True
        self._set([Row(*pair) for pair in pairs])

    def refresh(self) -> None:
        """Follow the viewer: new names, removed layers, and new ones that fit.

        The table is filled by itself as long as the user has not changed it, and again
        once all of its layers have gone.
        """
        present = {id(layer) for layer in self._viewer.layers}
        rows = [
            row
            for row in self._rows
            if all(id(layer) in present for layer in row.layers)
        ]
        if self._rows and not rows:  # nothing is left of what the user chose
            self._touched = False
        self._set(rows + ([] if self._touched else self._fitting(rows)))
        if present != self._present:  # what was said of the layers before is over
            self._present = present
            if tone_of(self.hint) != WRONG_TONE:
                self._say_problem()

    def _fitting(self, rows: Sequence[Row]) -> list[Row]:
        """Return new rows for layers that are in none of `rows`."""
        used = {id(layer) for row in rows for layer in row.layers}
        free = [layer for layer in self._viewer.layers if id(layer) not in used]
        return [Row(*pair) for pair in fitting_pairs(free)]

    # -- buttons ----------------------------------------------------------------------

    def add_fitting(self) -> None:
        """Append all fitting pairs of layers that are not in the table."""
        new = self._fitting(self._rows)
        self._touched = self._touched and bool(self._rows or new)
        self._set([*self._rows, *new])
        if not new:
            more = "further " if self._rows else ""
            self._say(
                f"No {more}Image layer has painted Labels of its size and a name "
                "like its own."
            )

    def add_row(self) -> None:
        """Append a row: layers not yet in the table, if there are any."""
        used = {id(layer) for row in self._rows for layer in row.layers}
        images = sorted(self.layers(Image), key=lambda layer: id(layer) in used)
        labels = sorted(self.layers(Labels), key=lambda layer: id(layer) in used)
        if not images or not labels:
            missing = "an image" if not images else "a Labels layer painted on it"
            self._say(f"There is no layer to choose: add {missing} first.")
            return
        self._touched = True
        self._set([*self._rows, Row(images[0], labels[0])])

    def add_files(self, images: Sequence[Path], labels: Sequence[Path]) -> None:
        """Append a row for each image with the labels of its name."""
        pairs, left = matched(images, labels)
        known = {(row.image, row.labels) for row in self._rows}
        self._touched = True
        self._set([*self._rows, *(Row(*p) for p in pairs if p not in known)])
        if left:
            names = ", ".join(path.name for path in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            self._say(
                f"Without labels of its name: {names}{more}. Name image and labels "
                "alike, or add them one by one.",
                error=True,
            )

    def _ask(
        self, question: Callable[[QWidget], tuple[list[Path], list[Path]]]
    ) -> None:
        try:
            images, labels = question(self)
        except StudioError as error:
            self._say(str(error), error=True)
            return
        if images and labels:
            self.add_files(images, labels)

    def layers(self, kind: Any) -> list[Any]:
        """Return the viewer's layers of a type."""
        return [layer for layer in self._viewer.layers if isinstance(layer, kind)]

    def change(self, index: int, column: int, value: Any) -> None:
        """Set a cell: an image, labels or a role."""
        field = FIELDS[column]
        if index >= len(self._rows) or getattr(self._rows[index], field) is value:
            return
        if value == _FILE:
            path, _ = QFileDialog.getOpenFileName(self, "Open", "", FILTER)
            if not path:
                return
            value = Path(path)
        self._touched = True
        rows = list(self._rows)
        rows[index] = replace(rows[index], **{field: value})
        self._set(rows)

    def remove(self, index: int) -> None:
        """Remove a row."""
        self._touched = True
        self._set(self._rows[:index] + self._rows[index + 1 :])

    def _on_clear(self) -> None:
        self._touched = True
        self._set([])

    def _on_click(self, row: int, column: int) -> None:
        if column == len(FIELDS):
            self.remove(row)
        else:
            self.table.edit(self.table.model().index(row, column))

    def _choices(self, row: int, column: int) -> Choices:
        if column == 2:
            return [(role, role) for role in ROLES]
        found = [(layer.name, layer) for layer in self.layers((Image, Labels)[column])]
        now = getattr(self._rows[row], FIELDS[column])
        if isinstance(now, Path):
            found.insert(0, (shown(now), now))
        return [*found, (_FILE, _FILE)]

    # -- showing ----------------------------------------------------------------------

    def _set(self, rows: list[Row]) -> None:
        before = self.pairs()
        self._rows = rows
        self._show_rows()
        if self.pairs() != before:
            self.changed.emit()

    def _show_rows(self) -> None:
        columns = (*FIELDS, "")
        now = [
            (*map(row.text, FIELDS), *map(row.tip, FIELDS), row.complaint)
            for row in self._rows
        ]
        if now == self._shown:
            return
        self._shown = now
        self.table.setRowCount(len(self._rows))
        problem = ""
        for index, row in enumerate(self._rows):
            wrong = row.complaint if row.role != "off" else ""
            problem = problem or (wrong and f"Row {index + 1}: {wrong}")
            for column, field in enumerate(columns):
                item = QTableWidgetItem(row.text(field))
                item.setToolTip(row.tip(field))
                item.setTextAlignment(LEFT if field else CENTRE)
                item.setData(WRONG, bool(wrong) and column < 2)
                if not field:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                item.setData(QUIET, row.role == "off" or not field)
                self.table.setItem(index, column, item)
        count = min(max(len(self._rows), _SHOWN[0]), _SHOWN[1])
        frame = 2 * self.table.frameWidth()
        self.table.setFixedHeight((1 + count) * ROW + frame)
        if not self._rows:
            problem = (
                "Open an image and paint some objects on it in a Labels layer of the "
                "same size; the pair then appears here. Or add files."
            )
        self._problem = problem
        self._say_problem()
        self.clear_button.setEnabled(bool(self._rows))

    def _say_problem(self) -> None:
        self._say(self._problem, error=bool(self._rows))

    def _say(self, text: str, error: bool = False) -> None:
        tinted(self.hint, WRONG_TONE if error else "")
        self.hint.setText(text)
        self.hint.setVisible(bool(text))


def _button(text: str, tooltip: str, action: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: action())
    return button
