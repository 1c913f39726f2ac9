"""All docks: every control explains itself, has its turn with Tab, and is seen whole.

What is not known by name here comes from the manifest and from the widgets, so that a
new dock or a new control is tested too.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTextEdit,
    QWidget,
)
from superqt import QCollapsible

from napari_unet_studio.sample_data import layer_tuples, nuclei_2d

PLUGIN = "napari-unet-studio"
FOUND = PluginManifest.from_distribution(PLUGIN).contributions
DOCKS = [widget.display_name for widget in FOUND.widgets or ()]
SIZE = (1280, 800)
CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QTextEdit,
)
SAMPLE = nuclei_2d((96, 96), seed=1)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(params=DOCKS)
def title(request: pytest.FixtureRequest) -> str:
    """Give the name of each dock of the manifest in turn."""
    return str(request.param)


@pytest.fixture
def opened(make_napari_viewer: Any) -> Iterator[Callable[..., Any]]:
    """Open a dock in a window of 1280 x 800, with layers or without."""
    from superqt.utils import WorkerBase

    def open_dock(title: str, layers: bool = True) -> Any:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(*SIZE)
        if layers:
            for data, options, kind in layer_tuples(SAMPLE):
                getattr(viewer, f"add_{kind}")(data, **options)
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
        viewer.window.activate()
        QTest.qWait(300)
        unfold(widget)
        return widget

    yield open_dock
    WorkerBase.await_workers(5000)
    for _ in range(3):
        QApplication.processEvents()


def unfold(dock: QWidget) -> None:
    """Open all sections; some are only filled when they are opened."""
    done: set[int] = set()
    while True:
        sections = [
            section
            for section in dock.findChildren(QCollapsible)
            if id(section) not in done and not section.isExpanded()
        ]
        if not sections:
            break
        for section in sections:
            done.add(id(section))
            section.setDuration(0)
            if section.isVisible():
                section.toggleButton().pressed.emit()
                section.expand(animate=False)
        QApplication.processEvents()
    QTest.qWait(100)


def controls(dock: QWidget) -> list[QWidget]:
    """Return what the user can operate now."""
    found = []
    for widget in dock.findChildren(QWidget):
        parts = isinstance(widget, QScrollBar) or inside(widget, dock)
        if not isinstance(widget, CONTROLS) or parts:
            continue
        if widget.isVisible() and widget.isEnabled():
            found.append(widget)
    return found


def inside(widget: QWidget, dock: QWidget) -> bool:
    """Return whether a widget is a part of another control, or a list that pops up."""
    parent = widget.parentWidget()
    while parent is not None and parent is not dock:
        if isinstance(parent, CONTROLS) or parent.isWindow():
            return True
        parent = parent.parentWidget()
    return False


def named(widget: QWidget) -> str:
    """Say which control is meant."""
    text = getattr(widget, "text", lambda: "")() or widget.toolTip()[:40]
    current = getattr(widget, "currentText", lambda: "")()
    return f"{type(widget).__name__} {text or current!r}"


def tooltip(widget: QWidget | None) -> str:
    """Return what Qt shows over a widget: its own tooltip, else that of a parent."""
    while widget is not None:
        if widget.toolTip():
            return widget.toolTip()
        widget = widget.parentWidget()
    return ""


def without_tooltip(dock: QWidget) -> list[str]:
    """Return the controls that do not explain themselves."""
    return [named(each) for each in controls(dock) if not tooltip(each)]


def never_reached(dock: QWidget) -> list[str]:
    """Return the controls that Tab passes over."""
    wanted = controls(dock)
    wanted[0].setFocus(Qt.FocusReason.TabFocusReason)
    reached: list[Any] = []
    for _ in range(3 * len(wanted) + 60):
        focused = QApplication.focusWidget()
        if focused is None or (focused is wanted[0] and len(reached) > 1):
            break
        reached.append(focused)
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    return [named(each) for each in wanted if each not in reached]


def without_focus(dock: QWidget) -> list[str]:
    """Return the controls that look the same with the keyboard and without."""
    found = []
    for each in controls(dock):
        each.clearFocus()
        before = each.grab().toImage()
        each.setFocus(Qt.FocusReason.TabFocusReason)
        if not each.hasFocus():
            pytest.skip("this window system gives no window the keyboard")
        if each.grab().toImage() == before:
            found.append(named(each))
    return found


def cut_off(dock: QWidget) -> list[str]:
    """Return the texts of a dock that have less room than they need."""
    found = []
    for widget in dock.findChildren(QWidget):
        if not widget.isVisible() or widget.isWindow() or inside(widget, dock):
            continue
        if room(widget) < 0:
            found.append(f"{named(widget)}: {room(widget)} px")
        if beyond(widget, dock):
            found.append(f"{named(widget)} is beyond the edge")
    return found


def room(widget: QWidget) -> int:
    """Return how many pixels a widget has more than its text needs."""
    metrics = widget.fontMetrics()
    if isinstance(widget, QPushButton | QCheckBox):
        # Two of the eight pixels beside the text may go.
        return widget.width() - widget.minimumSizeHint().width() + 2
    if isinstance(widget, QLabel):
        if not widget.text():
            return 0
        if widget.wordWrap():
            return widget.height() - widget.heightForWidth(widget.width())
        if widget.sizePolicy().horizontalPolicy().name == "Ignored":
            return 0
        return widget.width() - widget.sizeHint().width()
    if isinstance(widget, QComboBox) and not widget.isEditable():
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        style = widget.style()
        assert style is not None
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
        return field.width() - metrics.horizontalAdvance(widget.currentText())
    if isinstance(widget, QAbstractSpinBox):
        line = widget.findChild(QLineEdit)
        return line.width() - metrics.horizontalAdvance(line.text())
    return 0


def beyond(widget: QWidget, dock: QWidget) -> bool:
    """Return whether a widget is right of what can be seen; nothing scrolls there."""
    parent: Any = widget.parentWidget()
    while parent is not None and parent is not dock:
        area = parent.parentWidget()
        if isinstance(area, QScrollArea) and area.viewport() is parent:
            if area.horizontalScrollBar().maximum() > 0:
                return False  # a list of its own that may be wide
            right = widget.mapTo(parent, QPoint(widget.width(), 0)).x()
            return bool(right > parent.width() + 1)
        parent = parent.parentWidget()
    return widget.mapTo(dock, QPoint(widget.width(), 0)).x() > dock.width() + 1


def test_every_control_is_explained_reached_and_seen(
    title: str, opened: Callable[..., Any]
) -> None:
    dock = opened(title)
    window = dock.window()
    assert (window.width(), window.height()) == SIZE  # it does not ask for more
    assert not cut_off(dock)
    assert not without_tooltip(dock)
    assert not never_reached(dock)
    for theme in ("dark", "light"):
        dock.viewer.theme = theme
        QTest.qWait(100)
        assert not without_focus(dock), theme


def test_a_dock_without_layers_is_as_whole(
    title: str, opened: Callable[..., Any]
) -> None:
    dock = opened(title, layers=False)
    assert not cut_off(dock)
    assert not without_tooltip(dock)


@pytest.mark.slow
def test_nothing_is_cut_off_with_a_large_font(
    title: str, opened: Callable[..., Any]
) -> None:
    from napari.settings import get_settings

    appearance = get_settings().appearance
    before = appearance.font_size
    try:
        dock = opened(title)
        appearance.font_size = before + 3
        QTest.qWait(300)
        # A combo box shows the rest of a long choice in its list.
        assert not [text for text in cut_off(dock) if not text.startswith("QComboBox")]
    finally:
        appearance.font_size = before


@pytest.mark.slow
@pytest.mark.skipif("QT_SCALE_FACTOR" in os.environ, reason="this is the test inside")
def test_all_of_this_holds_on_a_screen_of_twice_the_resolution() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    command += [__file__, "-k", "whole or explained"]
    subprocess.run(command, check=True, env=os.environ | {"QT_SCALE_FACTOR": "2"})
