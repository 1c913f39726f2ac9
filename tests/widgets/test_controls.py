"""What all widgets share: wheel, sections, width of the docks, names of files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QKeySequence, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QMessageBox,
    QSlider,
    QWidget,
)

from napari_unet_studio.widgets._docks import PLUGIN
from napari_unet_studio.widgets._form import collapsible
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._saving import ask_where
from napari_unet_studio.widgets.deform import DeformWidget
from napari_unet_studio.widgets.demo import WIDGETS
from napari_unet_studio.widgets.segment import SegmentWidget
from napari_unet_studio.widgets.train import TrainWidget
from napari_unet_studio.widgets.weights import WeightsWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

BUTTONS = 90  # pixels that the buttons of a dock take from its title


def scroll(editor: QWidget) -> None:
    """Turn the wheel over a widget, one notch each way."""
    for notch in (-120, 120):
        event = QWheelEvent(
            QPointF(2, 2),
            QPointF(editor.mapToGlobal(QPoint(2, 2))),
            QPoint(),
            QPoint(0, notch),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(editor, event)


def settings(widget: QWidget) -> list[QWidget]:
    """Return all that has a value."""
    kinds = (QComboBox, QAbstractSpinBox, QSlider)
    return [editor for kind in kinds for editor in widget.findChildren(kind)]


@pytest.mark.parametrize(
    "kind", [SegmentWidget, TrainWidget, WeightsWidget, DeformWidget]
)
def test_the_wheel_scrolls_past_the_settings(kind: Any, qtbot: "QtBot") -> None:
    widget = kind(ViewerModel())
    qtbot.addWidget(widget)
    moved: list[QWidget] = []
    editors = settings(widget)
    for editor in editors:
        changed = (
            editor.activated if isinstance(editor, QComboBox) else editor.valueChanged
        )
        changed.connect(lambda *_, editor=editor: moved.append(editor))
        scroll(editor)
    assert len(editors) >= 2
    assert not moved


def test_a_closed_section_points_to_the_right_and_an_open_one_down(
    qtbot: "QtBot",
) -> None:
    section = collapsible("Advanced", QWidget())
    qtbot.addWidget(section)
    shut, opened = (
        ink_of(icon.pixmap(64, 64).toImage())
        for icon in (section.collapsedIcon(), section.expandedIcon())
    )
    assert not section.isExpanded()
    assert shut[0] < shut[1]
    assert opened[0] > opened[1]


@pytest.mark.parametrize("name", WIDGETS)
def test_the_title_of_a_dock_is_seen_whole(viewer: "Viewer", name: str) -> None:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    title = dock.fontMetrics().horizontalAdvance(dock.windowTitle())
    assert title + BUTTONS <= widget.minimumWidth()


def ink_of(image: QImage) -> tuple[int, int]:
    """Return width and height of what is drawn."""
    places = [
        (x, y)
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).alpha() > 127
    ]
    assert places
    spans = [max(axis) - min(axis) for axis in zip(*places, strict=True)]
    return spans[0], spans[1]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_suffix_that_is_added_replaces_no_file_unasked(
    qtbot: "QtBot", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agreed: bool
) -> None:
    dock, asked = QWidget(), []
    qtbot.addWidget(dock)

    def question(*words: Any) -> Any:
        asked.append(words[2])
        buttons = QMessageBox.StandardButton
        return buttons.Yes if agreed else buttons.No

    def saved_as(typed: str) -> Path | None:
        answer = (str(tmp_path / typed), "Table (*.csv)")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
        return ask_where(dock, "Save the table", "cells")

    monkeypatch.setattr(QMessageBox, "question", question)
    assert saved_as("cells") == tmp_path / "cells.csv"
    assert saved_as("sigma 1.5") == tmp_path / "sigma 1.5.csv"
    (tmp_path / "cells.csv").touch()
    assert saved_as("cells.csv") == tmp_path / "cells.csv"  # the dialog has asked
    assert not asked
    assert saved_as("cells") == (tmp_path / "cells.csv" if agreed else None)
    assert asked == ["cells.csv already exists. Replace it?"]


def test_a_path_is_copied_from_a_label_as_it_is(qtbot: "QtBot") -> None:
    label = WrappedLabel()
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    qtbot.addWidget(label)
    label.show()
    path = "It is in\n/home/me/plate_1/a_name_of_a_microscope_0.325um.tif"
    label.setText(path)
    label.setSelection(0, len(QLabel.text(label)))
    assert label.selectedText() != path
    QTest.keySequence(label, QKeySequence(QKeySequence.StandardKey.Copy))
    assert QApplication.clipboard().text() == path
