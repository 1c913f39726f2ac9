"""Hands for the tutorials: they press what a page names, as it stands on the screen.

Nothing is reached but by the words that a user reads: the path of a menu entry, the
text of a button, the label of a row, the name of a layer. What was used is written down
in order, and so is all that could be read, so that a page can be compared with it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QFormLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QScrollArea,
    QTableView,
    QWidget,
)
from superqt import QCollapsible

SIZE = 1280, 800
_MOMENT = 300  # ms: what a click sets off is drawn
_SETTLE = 2500  # ms: napari draws, and thumbnails come later
_TURN = "▸"  # between the entries of a menu
_ACROSS = Qt.Orientation.Horizontal


class Hands:
    """Does the steps of one page in a new napari.

    Parameters
    ----------
    out
        Folder for pictures.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.used: list[str] = []
        self.seen: set[str] = set()
        self.viewer = napari.Viewer()
        self.viewer.window.resize(*SIZE)
        self.dock: Any = None
        """The widget of the dock that was opened or looked at last."""
        self._settle(_SETTLE)

    # -- menus, docks, layers ---------------------------------------------------------

    def menu(self, path: str) -> None:
        """Choose an entry of the menu bar, such as "File ▸ Open Sample ▸ ..."."""
        self._use(path)
        actions = self._window().menuBar().actions()
        *menus, last = path.split(f" {_TURN} ")
        for title in menus:
            menu = _named(actions, title, path).menu()
            menu.aboutToShow.emit()  # napari fills it now
            actions = menu.actions()
        before = set(self._docks())
        _named(actions, last, path).trigger()
        self._settle(_SETTLE)
        for dock in self._docks():
            if dock not in before:
                self.dock = dock.widget()

    def look_at(self, title: str) -> None:
        """Bring a dock to the front."""
        self._use(title)
        for dock in self._docks():
            if title in dock.windowTitle():
                dock.show()
                dock.raise_()
                self.dock = dock.widget()
                self._settle()
                return
        raise LookupError(f"There is no dock {title!r}.")

    def layer(self, name: str) -> Any:
        """Return a layer."""
        self._use(name)
        return self.viewer.layers[name]

    def choose_layer(self, name: str) -> None:
        """Click a layer in the list."""
        self.viewer.layers.selection.active = self.layer(name)

    def hide(self, name: str) -> None:
        """Click the eye of a layer."""
        self.layer(name).visible = False
        self._settle()

    def delete(self, name: str) -> None:
        """Delete a layer."""
        self.viewer.layers.remove(self.layer(name))
        self._settle()

    # -- in the dock ------------------------------------------------------------------

    def press(self, text: str) -> None:
        """Press a button of the dock."""
        self._use(text)
        self._button(text).click()
        self._settle()

    def tick(self, text: str) -> None:
        """Tick a box of the dock."""
        self._use(text)
        self._button(text).setChecked(True)
        self._settle()

    def unfold(self, title: str) -> None:
        """Open a section of the dock."""
        self._use(title)
        for section in self.dock.findChildren(QCollapsible):
            if section.text() == title and section.isVisibleTo(self.dock):
                section.expand(animate=False)
                self._settle()
                return
        raise LookupError(f"There is no section {title!r} in this dock.")

    def set(self, row: str, value: Any) -> None:
        """Set the field beside a label: choose a word, or type a text or a number."""
        self._use(row)
        field = self._field(row)
        if isinstance(field, QComboBox):
            self._use(str(value))
            index = field.findText(value)
            if index < 0:
                raise LookupError(f"{row!r} does not offer {value!r}.")
            field.setCurrentIndex(index)
            field.activated.emit(index)
        elif isinstance(field, QLineEdit):
            field.setText(value)
            field.editingFinished.emit()
        else:
            field.setValue(value)
        self._settle()

    def wait(self) -> None:
        """Wait until the dock has done its work."""
        while self.dock.running:
            QTest.qWait(50)
        self._settle(_MOMENT)
        if "color" in self.dock.status.styleSheet():
            raise RuntimeError(self.dock.status.text())

    def wait_until(self, part: float) -> None:
        """Wait until a part of a training is done."""
        bar = self.dock.progress
        while self.dock.running and (
            self.dock.course.empty or bar.value() < part * bar.maximum()
        ):
            QTest.qWait(50)

    def picture(self, name: str, bottom: bool = False) -> None:
        """Take a picture of the window, the dock scrolled to its top or its end."""
        for scroll in self.dock.findChildren(QScrollArea) if self.dock else ():
            bar = scroll.verticalScrollBar()
            bar.setValue(bar.maximum() if bottom else 0)
        self._settle(_SETTLE)
        while "Updating…" in _texts(self._window()):  # objects of the last setting
            QTest.qWait(_MOMENT)
        shot = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        # Without the second pass thin curves take the colours of what there is more of.
        window = Image.fromarray(shot).quantize(255, kmeans=1)
        self.out.mkdir(parents=True, exist_ok=True)
        window.save(self.out / f"{name}.png", optimize=True)

    def close(self) -> None:
        """Close napari."""
        self.viewer.close()
        QTest.qWait(_SETTLE)

    # -- what there is ----------------------------------------------------------------

    def _use(self, name: str) -> None:
        self.used.append(name)
        self._read()

    def _settle(self, milliseconds: int = _MOMENT) -> None:
        QTest.qWait(milliseconds)
        self._read()

    def _read(self) -> None:
        """Write down what can be read on the screen."""
        window = self._window()
        for text in _texts(window):
            self.seen.add(text.replace("&", "").strip())
        self.seen.update(layer.name for layer in self.viewer.layers)

    def _window(self) -> QMainWindow:
        windows = QApplication.topLevelWidgets()
        return next(w for w in windows if isinstance(w, QMainWindow) and w.isVisible())

    def _docks(self) -> list[QDockWidget]:
        return [
            dock
            for dock in self._window().findChildren(QDockWidget)
            if hasattr(dock.widget(), "status")
        ]

    def _button(self, text: str) -> QAbstractButton:
        for button in self.dock.findChildren(QAbstractButton):
            if button.text() == text and button.isVisibleTo(self.dock):
                if not button.isEnabled():
                    raise LookupError(f"The button {text!r} is grey.")
                return button
        raise LookupError(f"There is no button {text!r} in this dock.")

    def _field(self, row: str) -> Any:
        for layout in self.dock.findChildren(QFormLayout):
            for number in range(layout.rowCount()):
                label = layout.itemAt(number, QFormLayout.ItemRole.LabelRole)
                field = layout.itemAt(number, QFormLayout.ItemRole.FieldRole)
                if label is None or field is None:
                    continue
                words = label.widget()
                if words.text() == row and words.isVisibleTo(self.dock):
                    return _editor(field.widget())
        raise LookupError(f"There is no row {row!r} in this dock.")


def _editor(field: QWidget) -> Any:
    """Return what is typed into or chosen from, in the field of a row."""
    for kind in (QComboBox, QAbstractSpinBox, QLineEdit):
        if isinstance(field, kind):
            return field
        found = field.findChild(kind)
        if found is not None:
            return found
    raise LookupError(f"A {type(field).__name__} takes no text and no number.")


def _named(actions: list[Any], title: str, path: str) -> Any:
    for action in actions:
        if action.text().replace("&", "") == title and action.isEnabled():
            return action
    raise LookupError(f"There is no {title!r} on the way to {path!r}.")


def _texts(window: QMainWindow) -> Iterator[str]:
    for widget in window.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if isinstance(widget, QDockWidget):
            yield widget.windowTitle()
        elif isinstance(widget, QCollapsible | QLabel | QAbstractButton | QLineEdit):
            yield widget.text()
        elif isinstance(widget, QComboBox):
            yield from (widget.itemText(number) for number in range(widget.count()))
        elif isinstance(widget, QTableView) and widget.model() is not None:
            model = widget.model()
            for column in range(model.columnCount()):
                yield str(model.headerData(column, _ACROSS) or "")
