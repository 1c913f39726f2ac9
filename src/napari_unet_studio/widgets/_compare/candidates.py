"""The list of candidates: labels of the viewer and models, with a box to tick."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet, ref

from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QHeaderView,
    QSizePolicy,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.widgets._choice_cells import QUIET, WRONG, ChoiceCells
from napari_unet_studio.widgets._compare.texts import NOTHING, misfit
from napari_unet_studio.widgets._fitting import pixel_shape
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._train.table import CENTRE, LEFT, ROW, plain_table

_SHOWN = (2, 6)  # fewest and most rows that have room


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate: a Labels layer, or the file of a model.

    Parameters
    ----------
    name
        Of its row.
    layer
        The layer; None for a model.
    path, reference
        The model: its file, and how a script names it.
    complaint
        Why it cannot be compared, or nothing.
    """

    name: str
    layer: Labels | None = None
    path: Path | None = None
    reference: str = ""
    complaint: str = ""

    @property
    def key(self) -> Hashable:
        """What tells it from other candidates, whatever its name is."""
        # No id, because that of a layer that is gone may come again.
        return self.path or ref(self.layer)


class CandidateList(QWidget):
    """Offers all Labels layers of the viewer, and the models that were added."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self._models: list[Entry] = []
        self._off: WeakSet[Any] = WeakSet()
        self._off_models: set[Path] = set()
        self.table = plain_table(["Candidate", "Kind", ""])
        header = self.table.horizontalHeader()
        fixed = QHeaderView.ResizeMode.ResizeToContents
        header.setSectionResizeMode(1, fixed)
        header.resizeSection(2, 24)
        self.table.setToolTip(
            "What is compared with the reference. Tick the labels and models that are "
            "to be scored."
        )
        self.table.setItemDelegate(ChoiceCells(self, lambda row, column: ()))
        self.table.cellClicked.connect(self._on_click)
        self.table.itemChanged.connect(self._on_ticked)
        self.hint = WrappedLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addWidget(self.hint)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.show_layers([], None)

    # -- for programs -----------------------------------------------------------------

    @property
    def models(self) -> list[Entry]:
        """The models in the list."""
        return list(self._models)

    def chosen(self) -> list[Entry]:
        """Return what is ticked and can be compared."""
        return [e for e in self.entries if not e.complaint and not self._is_off(e)]

    def show_layers(self, layers: Sequence[Labels], reference: Labels | None) -> None:
        """Offer layers beside the models.

        Parameters
        ----------
        layers
            All but the reference.
        reference
            Whose shape they have to have.
        """
        wanted = None if reference is None else pixel_shape(reference)
        entries = [
            Entry(
                layer.name,
                layer,
                complaint="" if wanted is None else misfit(pixel_shape(layer), wanted),
            )
            for layer in layers
        ]
        self._set([*entries, *self._models])

    def add_model(self, name: str, path: Path, reference: str) -> None:
        """Add a model, or tick it if it is there."""
        self._off_models.discard(path)
        if path not in [entry.path for entry in self._models]:
            self._models.append(Entry(name, path=path, reference=reference))
        self._set([e for e in self.entries if e.path is None] + self._models)
        self.changed.emit()

    def remove_model(self, path: Path | None) -> None:
        """Remove a model."""
        self._models = [entry for entry in self._models if entry.path != path]
        self._set([e for e in self.entries if e.path is None] + self._models)
        self.changed.emit()

    def tick(self, key: Any, on: bool) -> None:
        """Tick a candidate, by its layer or the file of its model, or leave it out."""
        off: Any = self._off_models if isinstance(key, Path) else self._off
        (off.discard if on else off.add)(key)
        self._set(self.entries)
        self.changed.emit()

    # -- showing ----------------------------------------------------------------------

    def _is_off(self, entry: Entry) -> bool:
        return (
            entry.layer in self._off if entry.layer else entry.path in self._off_models
        )

    def _set(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(entries))
            for row, entry in enumerate(entries):
                self._show(row, entry)
        count = min(max(len(entries), _SHOWN[0]), _SHOWN[1])
        self.table.setFixedHeight((1 + count) * ROW + 2 * self.table.frameWidth())
        self.hint.setText(NOTHING)
        self.hint.setVisible(not entries)

    def _show(self, row: int, entry: Entry) -> None:
        tick = QTableWidgetItem(entry.name)
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable
        states = Qt.CheckState.Unchecked, Qt.CheckState.Checked
        on = not entry.complaint and not self._is_off(entry)
        tick.setFlags(Qt.ItemFlag.ItemIsEnabled if entry.complaint else flags)
        tick.setCheckState(states[on])
        tick.setTextAlignment(LEFT)
        kind = "model" if entry.layer is None else "labels"
        if entry.complaint and entry.layer is not None:
            kind = sides(pixel_shape(entry.layer))
        what = QTableWidgetItem(kind)
        sign = QTableWidgetItem("✕" if entry.layer is None else "")
        sign.setTextAlignment(CENTRE)
        tip = entry.complaint or (
            str(entry.path)
            if entry.path
            else "Scored as it is when Compare is pressed."
        )
        for column, item in enumerate((tick, what, sign)):
            if column:
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(f"{entry.name}\n{tip}")
            item.setData(QUIET, (bool(entry.complaint) and not column) or column == 2)
            item.setData(WRONG, bool(entry.complaint) and column == 1)
            self.table.setItem(row, column, item)
        if entry.layer is None:
            sign.setToolTip("Leave this model out; its file stays.")

    def _on_click(self, row: int, column: int) -> None:
        if column == 2 and row < len(self.entries) and self.entries[row].layer is None:
            self.remove_model(self.entries[row].path)

    def _on_ticked(self, item: QTableWidgetItem) -> None:
        if item.column() or item.row() >= len(self.entries):
            return
        entry = self.entries[item.row()]
        off: Any = self._off_models if entry.layer is None else self._off
        key = entry.path if entry.layer is None else entry.layer
        on = item.checkState() == Qt.CheckState.Checked
        (off.discard if on else off.add)(key)
        self.changed.emit()
