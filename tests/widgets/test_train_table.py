"""The table of a training's pairs: rows that come, follow layers, and are edited."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QApplication, QComboBox

from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds

pytestmark = pytest.mark.usefixtures("home")


def test_pairs_that_fit_are_in_the_table_from_the_start(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    assert widget.pairs() == [(*layers, "train")]


def test_a_long_name_is_cut_once_and_in_the_middle(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    layers[1].name = "0287e7ee5b007c91 painted by hand"
    widget.reset_choices()
    table = widget.table.table
    assert table.textElideMode() == Qt.TextElideMode.ElideMiddle
    assert not table.wordWrap()
    assert table.item(0, 1).toolTip().startswith(f"{layers[1].name}\n")


def test_pairs_come_by_shape_and_by_name(viewer: "Viewer", widget: TrainWidget) -> None:
    small, large = np.ones((8, 8), int), np.ones((9, 9), int)
    for name, data in {"b": small, "a": small, "c": large}.items():
        viewer.add_labels(data, name=f"{name}_mask")
    viewer.add_labels(np.zeros((9, 9), int), name="nothing painted")
    rgb = viewer.add_image(np.ones((9, 9, 3), np.uint8), name="colours", rgb=True)
    a, b = (viewer.add_image(small.astype(float), name=f"img {name}") for name in "ab")
    masks = {layer.name: layer for layer in viewer.layers}
    assert {(image, labels) for image, labels, _ in widget.pairs()} == {
        (rgb, masks["c_mask"]),
        (a, masks["a_mask"]),
        (b, masks["b_mask"]),
    }


def test_labels_are_in_the_table_once_they_are_painted(
    sample: Any, viewer: "Viewer", widget: TrainWidget
) -> None:
    image = viewer.add_image(sample.image)
    labels = viewer.add_labels(np.zeros_like(sample.labels))
    assert widget.pairs() == []
    labels.paint((20, 20), 1)
    here = QPointF(1, 1)  # the mouse comes from the canvas
    QApplication.sendEvent(widget, QEnterEvent(here, here, here))
    assert widget.pairs() == [(image, labels, "train")]


def test_rows_follow_renamed_and_removed_layers(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    layers[0].name = "renamed"
    assert widget.table.table.item(0, 0).text() == "renamed"
    viewer.layers.remove(layers[1])
    assert widget.pairs() == []
    assert widget.table.table.rowCount() == 0


def test_pairs_come_again_once_all_that_was_chosen_is_gone(
    viewer: "Viewer", sample: Any, widget: TrainWidget, finish: Any
) -> None:
    viewer.add_image(sample.image, name="a")
    blank = viewer.add_labels(np.zeros_like(sample.labels), name="a labels")
    widget.table.add_button.click()
    widget.check()
    finish(widget)
    assert widget.panel.findings
    blank.name = "other"
    assert widget.panel.isVisibleTo(widget)
    viewer.layers.clear()
    assert not widget.panel.findings
    assert widget.panel.isHidden()
    image = viewer.add_image(sample.image, name="u373")
    labels = viewer.add_labels(sample.labels, name="u373 truth")
    assert widget.pairs() == [(image, labels, "train")]


def test_rows_are_added_changed_and_removed(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    other = viewer.add_labels(np.ones((96, 96), int), name="other")
    table = widget.table
    table.change(0, 1, other)
    table.change(0, 2, "validate")
    assert widget.pairs() == [(layers[0], other, "validate")]
    table.add_row()
    assert widget.pairs()[1] == (*layers, "train")
    table.remove(0)
    table.clear_button.click()
    assert widget.pairs() == []
    # What the user emptied stays empty until asked.
    viewer.add_image(np.ones((96, 96)))
    assert widget.pairs() == []
    table.fit_button.click()
    assert widget.pairs()[0] == (*layers, "train")
    assert len(widget.pairs()) == 2


def test_a_cell_tells_the_folder_of_its_file(widget: TrainWidget) -> None:
    for folder in (Path("one"), Path("other")):
        image, labels = folder / "a.tif", folder / "a labels.tif"
        widget.set_pairs([(image, labels, "train")])
        cells = [widget.table.table.item(0, column) for column in (0, 1)]
        tips = [cell.toolTip().splitlines()[0] for cell in cells]
        assert tips == [str(image), str(labels)]


def test_a_cell_opens_a_list_and_takes_the_choice(
    layers: tuple[Image, Labels], widget: TrainWidget, qtbot: "QtBot"
) -> None:
    table = widget.table.table
    table.cellClicked.emit(0, 2)
    combo = table.findChild(QComboBox)
    combo.setCurrentText("off")
    combo.activated.emit(combo.currentIndex())
    qtbot.waitUntil(lambda: widget.pairs()[0][2] == "off", timeout=WAIT)
