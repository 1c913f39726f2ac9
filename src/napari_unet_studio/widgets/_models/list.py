"""The list of models: a picture, the name, what it is, how good, where from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPainterPath, QPixmap, QTextOption
from qtpy.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_unet_studio.widgets._models.entries import Entry
from napari_unet_studio.widgets._models.texts import kind_line, source_word, tip
from napari_unet_studio.widgets._models.thumbnails import picture_of

NOTHING = "No model yet. Train one, or import one from a file."
_ROLE = Qt.ItemDataRole.UserRole
_HEIGHT, _SIDE, _GAP = 46, 36, 7  # pixels: of a row, of its picture, between things
_SHOWN = (3, 6)  # fewest and most rows that have room


class ModelList(QListWidget):
    """Shows entries; one is chosen, unless there are none.

    F2 renames the chosen one, Enter uses it, Delete deletes it.
    """

    chosen = Signal()
    """When another entry is chosen, or the chosen one is another than it was."""
    used = Signal()
    """When the user presses Enter, or clicks twice."""
    renamed = Signal(object, str)
    """With an entry and the name that the user gave it."""
    deleting = Signal()
    """When the user presses Delete."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("The models at hand. F2 renames, Delete deletes, Enter uses.")
        self.setItemDelegate(_Rows(self))
        self.allow_editing(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self._known: Entry | None = None
        self.currentRowChanged.connect(lambda _: self._tell())
        # Enter while a name is edited ends that; itemActivated would be sent too.
        self.itemDoubleClicked.connect(lambda _: self.used.emit())

    @property
    def entry(self) -> Entry | None:
        """The chosen entry."""
        item = self.currentItem()
        return None if item is None else item.data(_ROLE)

    @property
    def entries(self) -> list[Entry]:
        """All entries, from top to bottom."""
        return [self.item(row).data(_ROLE) for row in range(self.count())]

    def show_entries(self, entries: Sequence[Entry], keep: object = None) -> None:
        """Show other entries.

        Parameters
        ----------
        entries
            From top to bottom.
        keep
            Key of the entry that is chosen afterwards; that of the chosen one by
            default.
        """
        if self.state() == QAbstractItemView.State.EditingState:
            return  # shown when the name is given
        row = self.currentRow()
        if keep is None and self.entry is not None:
            keep = self.entry.key
        if list(entries) != self.entries:
            with QSignalBlocker(self):
                self.clear()
                for entry in entries:
                    item = QListWidgetItem(entry.name)
                    item.setData(_ROLE, entry)
                    item.setToolTip(tip(entry))
                    flags = item.flags()
                    if entry.can_change:
                        flags |= Qt.ItemFlag.ItemIsEditable
                    item.setFlags(flags)
                    self.addItem(item)
            self._fit()
        keys = [entry.key for entry in entries]
        # The neighbour of one that is gone.
        row = keys.index(keep) if keep in keys else min(max(row, 0), len(keys) - 1)
        with QSignalBlocker(self):
            self.setCurrentRow(row)
        if self.currentItem() is not None:
            self.scrollToItem(self.currentItem())
        self._tell()

    def choose(self, key: object) -> bool:
        """Choose the entry with a key; whether there is one."""
        keys = [entry.key for entry in self.entries]
        if key in keys:
            self.setCurrentRow(keys.index(key))
        return key in keys

    def allow_editing(self, allowed: bool) -> None:
        """Let F2 edit a name, or not."""
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(
            triggers.EditKeyPressed if allowed else triggers.NoEditTriggers
        )

    def edit_name(self) -> None:
        """Let the user edit the name of the chosen entry, in its row."""
        if self.currentItem() is not None:
            self.setFocus()
            self.editItem(self.currentItem())

    def paintEvent(self, event: Any) -> None:
        """Say what to do where there is no model."""
        super().paintEvent(event)
        if self.count():
            return
        view = self.viewport()
        painter = QPainter(view)
        painter.setPen(_faint(_ink_of(self)))
        room = QRectF(view.rect().adjusted(2 * _GAP, 0, -2 * _GAP, 0))
        middle = QTextOption(Qt.AlignmentFlag.AlignCenter)
        painter.drawText(room, NOTHING, middle)
        painter.end()

    def keyPressEvent(self, event: Any) -> None:
        """Use or delete the chosen entry; other keys are Qt's."""
        if self.state() == QAbstractItemView.State.EditingState:
            # What the field for the name leaves, such as the Enter that takes it.
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.used.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleting.emit()
        else:
            super().keyPressEvent(event)

    def _tell(self) -> None:
        if self.entry != self._known:
            self._known = self.entry
            self.chosen.emit()

    def _fit(self) -> None:
        """Be as high as the rows, within limits."""
        rows = min(max(self.count(), _SHOWN[0]), _SHOWN[1])
        # A part of a row more shows that there are more.
        more = _HEIGHT // 2 if self.count() > _SHOWN[1] else 0
        self.setFixedHeight(rows * _HEIGHT + more + 2 * self.frameWidth())


class _Rows(QStyledItemDelegate):
    """Draws the rows of the list and edits their names."""

    def __init__(self, owner: ModelList) -> None:
        super().__init__(owner)
        self._owner = owner
        self._pictures: dict[tuple[Path | None, float, str], QPixmap] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return the size of a row; its width is that of the list."""
        return QSize(0, _HEIGHT)

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget:
        """Return a field for the name."""
        field = QLineEdit(parent)
        field.setToolTip("The new name. Enter takes it, Escape keeps the old one.")
        return field

    def setEditorData(self, editor: QWidget, index: QModelIndex) -> None:
        """Begin with the name of the file."""
        path = index.data(_ROLE).path
        editor.setText(path.stem)
        editor.selectAll()

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Lay the field over the name."""
        left = option.rect.left() + _SIDE + 2 * _GAP - 4
        top = option.rect.top() + 2
        width = option.rect.right() - left - 2
        editor.setGeometry(left, top, width, _HEIGHT // 2)

    def setModelData(self, editor: QWidget, model: Any, index: QModelIndex) -> None:
        """Tell the new name; the list is shown anew when the file has it."""
        name = str(editor.text()).strip()
        entry: Entry = index.data(_ROLE)
        if name and entry.path is not None and name != entry.path.stem:
            self._owner.renamed.emit(entry, name)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw a row."""
        entry: Entry = index.data(_ROLE)
        option = QStyleOptionViewItem(option)
        self.initStyleOption(option, index)
        option.text = ""
        view = option.widget
        view.style().drawControl(
            QStyle.ControlElement.CE_ItemViewItem, option, painter, view
        )
        ink = _ink_of(view)
        faint = _faint(ink)
        rect = option.rect.adjusted(_GAP, 0, -_GAP, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top = rect.top() + (_HEIGHT - _SIDE) // 2
        square = QRect(rect.left(), top, _SIDE, _SIDE)
        self._draw_picture(painter, square, entry, faint)
        left = square.right() + _GAP + 1
        bold, usual = QFont(option.font), QFont(option.font)
        bold.setBold(True)
        usual.setPointSizeF(max(6.0, option.font.pointSizeF() * 0.92))
        upper = QRect(left, top, rect.right() - left, _SIDE // 2)
        lower = upper.translated(0, _SIDE // 2)
        painter.setFont(usual)
        painter.setPen(faint)
        word = source_word(entry)
        wide = painter.fontMetrics().horizontalAdvance(word) + _GAP
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(upper, right, word)
        metrics = painter.fontMetrics()
        dots = Qt.TextElideMode.ElideRight
        line = metrics.elidedText(kind_line(entry), dots, lower.width())
        painter.drawText(lower, middle, line)
        painter.setFont(bold)
        painter.setPen(faint if entry.path is None else ink)
        upper = upper.adjusted(0, 0, -wide, 0)
        dots = Qt.TextElideMode.ElideMiddle
        name = painter.fontMetrics().elidedText(entry.name, dots, upper.width())
        painter.drawText(upper, middle, name)
        painter.restore()

    def _draw_picture(
        self, painter: QPainter, square: QRect, entry: Entry, ink: QColor
    ) -> None:
        ratio = painter.device().devicePixelRatioF()
        key = (entry.path, entry.changed, f"{ratio:g}")
        if key not in self._pictures:
            self._pictures[key] = picture_of(entry.path, round(_SIDE * ratio))
        picture = self._pictures[key]
        outline = QPainterPath()
        outline.addRoundedRect(*square.getRect(), 4, 4)
        if not picture.isNull():
            painter.save()
            painter.setClipPath(outline)
            painter.drawPixmap(square, picture)
            painter.restore()
            return
        paper = QColor(ink)
        paper.setAlphaF(0.16)
        painter.fillPath(outline, paper)
        painter.setPen(ink)
        if entry.card is not None:
            text = f"{entry.card.spec.ndim}D"
        else:
            text = "↓" if entry.path is None else "?"
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, text)


def _ink_of(view: QWidget) -> QColor:
    """Return the colour of texts in a theme."""
    return QColor(view.palette().color(view.foregroundRole()))


def _faint(ink: QColor) -> QColor:
    """Return the colour of what is less important, to be read in any theme."""
    faint = QColor(ink)
    faint.setAlphaF(0.62)
    return faint
