"""The settings of all widgets: what the mouse wheel may change."""

from typing import TYPE_CHECKING, Any

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QSlider, QWidget

from napari_unet_studio.widgets.deform import DeformWidget
from napari_unet_studio.widgets.segment import SegmentWidget
from napari_unet_studio.widgets.train import TrainWidget
from napari_unet_studio.widgets.weights import WeightsWidget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


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
