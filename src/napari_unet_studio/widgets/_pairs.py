"""The table of training pairs: an image, its labels, and what they are used for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.layers import Source, source_of
from napari_unet_studio.tasks.training_data import Pair, Role
from napari_unet_studio.widgets._choice_cells import (
    QUIET,
    WRONG,
    ChoiceCells,
    Choices,
)
from napari_unet_studio.widgets._fitting import fitting_pairs, pixel_shape

LayerPair = tuple[Image, Labels, Role]

ROLES: tuple[Role, ...] = get_args(Role)
_ROW = 26  # height in pixels
_SHOWN = (2, 6)  # fewest and most rows that have room
_FIELDS = ("image", "labels", "role")
_TIPS = (
    "The image. Click to choose another layer.",
    "The labels painted on it. Click to choose another layer.",
    "train: to learn from; validate: to measure the quality on, never learnt from; "
    "off: not used. Without any row to validate a part is held out automatically.",
    "Remove this row; the layers stay.",
)


def read_pair(image: Image, labels: Labels, role: Role) -> tuple[Source, Pair]:
    """Return what an image layer is, and the pair as it is now: labels are copied."""
    source, painted = source_of(image), source_of(labels).data
    if isinstance(painted, np.ndarray):
        painted = painted.copy()
    pair = Pair(
        source.data,
        painted,
        role,
        source.name,
        source.axes,
        source.channel_axis,
        source.spacing,
    )
    return source, pair


@dataclass(frozen=True, eq=False)
class _Row:
    image: Image
    labels: Labels
    role: Role = "train"

    @property
    def complaint(self) -> str:
        """Why this row cannot be trained on, or nothing."""
        sizes = [pixel_shape(self.image), pixel_shape(self.labels)]
        if sizes[0] == sizes[1]:
            return ""
        shown = [" × ".join(map(str, size)) for size in sizes]
        return f"The image has {shown[0]} pixels but the labels have {shown[1]}."


class PairsTable(QWidget):
    """Rows of (image layer, labels layer, role), kept in step with the viewer.

    Parameters
    ----------
    viewer
        Whose layers can be chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._rows: list[_Row] = []
        self._shown: list[tuple[str, str, str, str]] | None = None
        self._touched = False
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["Image", "Labels", "Use to", ""])
        header = self.table.horizontalHeader()
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        for column, width in ((2, 76), (3, 24)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width)
        header.setMinimumSectionSize(20)
        header.setFixedHeight(_ROW)
        header.setHighlightSections(False)
        header.setDefaultAlignment(_LEFT)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setWordWrap(False)  # else each word is cut on its own
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        cells = ChoiceCells(self, self._choices)
        cells.chosen.connect(self.change, Qt.ConnectionType.QueuedConnection)
        self.table.setItemDelegate(cells)
        self.table.cellClicked.connect(self._on_click)
        self.hint = QLabel("")
        self.hint.setWordWrap(True)
        self.add_button = _button("Add row", "Add a pair of layers.", self.add_row)
        self.fit_button = _button(
            "Add all that fit",
            "Add every Image layer with a Labels layer of its size; similar names go "
            "together. Labels with nothing painted, and layers that this plugin made, "
            "are left out; “Add row” takes those too.",
            self.add_fitting,
        )
        self.clear_button = _button("Clear", "Remove all rows.", self._on_clear)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.fit_button)
        buttons.addWidget(self.clear_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addWidget(self.hint)
        layout.addLayout(buttons)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._show_rows()

    # -- for programs -----------------------------------------------------------------

    def pairs(self) -> list[LayerPair]:
        """Return the rows."""
        return [(row.image, row.labels, row.role) for row in self._rows]

    def set_pairs(self, pairs: Sequence[LayerPair]) -> None:
        """Replace the rows."""
        self._touched = True
        self._set([_Row(*pair) for pair in pairs])

    def refresh(self) -> None:
        """Follow the viewer: new names, removed layers, and new ones that fit.

        The table is filled by itself as long as the user has not changed it.
        """
        present = {id(layer) for layer in self._viewer.layers}
        rows = [
            row
            for row in self._rows
            if id(row.image) in present and id(row.labels) in present
        ]
        self._set(rows + ([] if self._touched else self._fitting(rows)))

    def _fitting(self, rows: Sequence[_Row]) -> list[_Row]:
        """Return new rows for layers that are in none of `rows`."""
        used = {id(layer) for row in rows for layer in (row.image, row.labels)}
        free = [layer for layer in self._viewer.layers if id(layer) not in used]
        return [_Row(*pair) for pair in fitting_pairs(free)]

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
        used = {id(layer) for row in self._rows for layer in (row.image, row.labels)}
        images = sorted(self.layers(Image), key=lambda layer: id(layer) in used)
        labels = sorted(self.layers(Labels), key=lambda layer: id(layer) in used)
        if not images or not labels:
            missing = "an image" if not images else "a Labels layer painted on it"
            self._say(f"There is no layer to choose: add {missing} first.")
            return
        self._touched = True
        self._set([*self._rows, _Row(images[0], labels[0])])

    def layers(self, kind: Any) -> list[Any]:
        """Return the viewer's layers of a type."""
        return [layer for layer in self._viewer.layers if isinstance(layer, kind)]

    def change(self, index: int, column: int, value: Any) -> None:
        """Set a cell: an image, labels or a role."""
        field = _FIELDS[column]
        if index >= len(self._rows) or getattr(self._rows[index], field) is value:
            return
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
        if column == len(_FIELDS):
            self.remove(row)
        else:
            self.table.edit(self.table.model().index(row, column))

    def _choices(self, column: int) -> Choices:
        if column < 2:
            layers = self.layers((Image, Labels)[column])
            return [(layer.name, layer) for layer in layers]
        return [(role, role) for role in ROLES]

    # -- showing ----------------------------------------------------------------------

    def _set(self, rows: list[_Row]) -> None:
        before = self.pairs()
        self._rows = rows
        self._show_rows()
        if self.pairs() != before:
            self.changed.emit()

    def _show_rows(self) -> None:
        shown = [
            (r.image.name, r.labels.name, str(r.role), r.complaint) for r in self._rows
        ]
        if shown == self._shown:
            return
        self._shown = shown
        self.table.setRowCount(len(self._rows))
        problem = ""
        for index, row in enumerate(self._rows):
            wrong = row.complaint if row.role != "off" else ""
            problem = problem or (wrong and f"Row {index + 1}: {wrong}")
            texts = (row.image.name, row.labels.name, row.role, "✕")
            for column, (text, tip) in enumerate(zip(texts, _TIPS, strict=True)):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{text}\n{wrong or tip}" if column < 2 else tip)
                item.setTextAlignment(_LEFT if column < 3 else _CENTRE)
                item.setData(WRONG, bool(wrong) and column < 2)
                if column == len(_FIELDS):
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                item.setData(QUIET, row.role == "off" or column == 3)
                self.table.setItem(index, column, item)
        count = min(max(len(self._rows), _SHOWN[0]), _SHOWN[1])
        frame = 2 * self.table.frameWidth()
        self.table.setFixedHeight((1 + count) * _ROW + frame)
        if not self._rows:
            problem = (
                "Open an image and paint some objects on it in a Labels layer of the "
                "same size; the pair then appears here."
            )
        self._say(problem, error=bool(self._rows))
        self.clear_button.setEnabled(bool(self._rows))

    def _say(self, text: str, error: bool = False) -> None:
        self.hint.setStyleSheet("color: #e06c60;" if error else "")
        self.hint.setText(text)
        self.hint.setVisible(bool(text))


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_CENTRE = Qt.AlignmentFlag.AlignCenter


def _button(text: str, tooltip: str, action: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda: action())
    return button
