"""Table cells that are a choice: text and an arrow, one click opens the list."""

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, QPointF, QRect, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette, QPolygonF
from qtpy.QtWidgets import (
    QComboBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_unet_studio.widgets._colours import WRONG as WRONG_TONE
from napari_unet_studio.widgets._colours import ink as ink_of
from napari_unet_studio.widgets._controls import timer

WRONG = Qt.ItemDataRole.UserRole
"""Role of the flag that a cell holds something impossible: it is drawn in red."""
QUIET = Qt.ItemDataRole.UserRole + 1
"""Role of the flag that a cell does not matter: it is drawn faintly."""

_ARROW = 18  # pixels at the right end

Choices = Sequence[tuple[str, Any]]


class ChoiceCells(QStyledItemDelegate):
    """Draws and edits the cells of a table.

    Parameters
    ----------
    parent
        The table's owner.
    choices
        Called with a row and a column for the names and values to choose from. Cells
        that cannot be edited are no choice.
    """

    chosen = Signal(int, int, object)
    """With row, column and value; connect it queued, for the table is being edited."""

    def __init__(self, parent: QWidget, choices: Callable[[int, int], Choices]) -> None:
        super().__init__(parent)
        self._choices = choices

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget:
        """Return a combo box that opens its list at once."""
        combo = QComboBox(parent)
        for name, value in self._choices(index.row(), index.column()):
            combo.addItem(name, value)
        combo.setCurrentText(str(index.data()))
        combo.activated.connect(lambda: self._finish(combo))
        timer(combo, 0, combo.showPopup).start()
        return combo

    def setModelData(self, editor: QWidget, model: Any, index: QModelIndex) -> None:
        """Tell what was chosen."""
        self.chosen.emit(index.row(), index.column(), editor.currentData())

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw the text, and an arrow where there is a choice."""
        choice = bool(index.flags() & Qt.ItemFlag.ItemIsEditable)
        ink = QColor(option.palette.color(QPalette.ColorRole.Text))
        if index.data(WRONG):
            ink = ink_of(WRONG_TONE, ink)
        if index.data(QUIET) or not option.state & QStyle.StateFlag.State_Enabled:
            ink.setAlphaF(0.5)
        whole = QRect(option.rect)
        option = QStyleOptionViewItem(option)
        option.palette.setColor(QPalette.ColorRole.Text, ink)
        option.rect = whole.adjusted(0, 0, -_ARROW if choice else 0, 0)
        super().paint(painter, option, index)
        if choice:
            ink.setAlphaF(0.6 * ink.alphaF())
            x, y = whole.right() - 9, whole.center().y()
            painter.save()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ink)
            corners = [(x - 4, y - 2), (x + 4, y - 2), (x, y + 3)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
            painter.restore()

    def _finish(self, combo: QComboBox) -> None:
        self.commitData.emit(combo)
        self.closeEditor.emit(combo)
