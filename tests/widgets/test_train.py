"""The Train widget in a real viewer: what a user does, and what may go wrong."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Image, Labels
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import QApplication, QComboBox
from superqt.utils import WorkerBase

from napari_unet_studio import predict
from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.loss_names import LOSS_NAMES
from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.layers import pair_of, source_of
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training_data import digest
from napari_unet_studio.tasks.validate import Preview
from napari_unet_studio.widgets._train.preview import NAME
from napari_unet_studio.widgets._train.place import Place, locate
from napari_unet_studio.widgets._train.checkpoints import trainings_folder, unfinished
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

PLUGIN = "napari-unet-studio"
WAIT = 20_000  # milliseconds
ENDLESS = 100_000
SAMPLE = nuclei_2d((96, 96), seed=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test folders of its own for models and trainings."""
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def layers(viewer: "Viewer") -> tuple[Image, Labels]:
    """Give nuclei with their labels, not at the origin of the world."""
    space = {"scale": (0.5, 0.5), "translate": (10, 20)}
    image = viewer.add_image(SAMPLE.image.copy(), name="nuclei", **space)
    labels = viewer.add_labels(SAMPLE.labels.copy(), name="nuclei labels", **space)
    return image, labels


@pytest.fixture
def widget(viewer: "Viewer") -> TrainWidget:
    """Give the docked widget with settings that take seconds."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    widget.form.set(tiny())
    return widget


@pytest.fixture
def finish(qtbot: "QtBot") -> "Callable[[TrainWidget], None]":
    """Wait until a training has ended."""
    return lambda widget: qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


@pytest.fixture
def under_way(qtbot: "QtBot") -> "Callable[[TrainWidget], None]":
    """Start a training and wait for its first updates."""

    def start(widget: TrainWidget, steps: int = 2) -> None:
        if not widget.running:
            widget.run()
        qtbot.waitUntil(lambda: widget.progress.value() >= steps, timeout=WAIT)

    return start


def tiny(updates: int = 6, **changes: Any) -> TrainConfig:
    """Return settings for a training of seconds."""
    settings = {"patch": 32, "batch": 1, "hold_out": 0.3, "network": "unet++-16"}
    augment = AugmentConfig(elastic=0.0, zoom=0.0)
    return TrainConfig(updates=updates, augment=augment, **settings | changes)


def is_paused(widget: TrainWidget) -> bool:
    """Return whether the training waits, and not only will."""
    return widget.progress.format().startswith("Paused")


def previews(viewer: "Viewer") -> list[Image]:
    return [layer for layer in viewer.layers if layer.name.startswith(NAME)]


# -- opening, and the table -----------------------------------------------------------


def test_opening_the_widget_does_not_load_torch() -> None:
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; app = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "from napari_unet_studio.widgets.train import TrainWidget\n"
        "TrainWidget(ViewerModel()); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


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
    viewer: "Viewer", widget: TrainWidget
) -> None:
    image = viewer.add_image(SAMPLE.image)
    labels = viewer.add_labels(np.zeros_like(SAMPLE.labels))
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


def test_a_cell_opens_a_list_and_takes_the_choice(
    layers: tuple[Image, Labels], widget: TrainWidget, qtbot: "QtBot"
) -> None:
    table = widget.table.table
    table.cellClicked.emit(0, 2)
    combo = table.findChild(QComboBox)
    combo.setCurrentText("off")
    combo.activated.emit(combo.currentIndex())
    qtbot.waitUntil(lambda: widget.pairs()[0][2] == "off", timeout=WAIT)


# -- the course of a training ---------------------------------------------------------


def test_training_ends_with_a_model_that_predicts(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    qtbot: "QtBot",
    home: Path,
) -> None:
    before = layers[0].data.copy(), layers[1].data.copy()
    widget.name.setText("my cells")
    with qtbot.waitSignal(widget.trained, timeout=WAIT) as trained:
        widget.run()
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert trained.args == ["my cells"]
    assert available_models()["my cells"] == home / "models" / "my cells.unet"
    model = load_model("my cells")
    assert model.card.name == "my cells"
    assert model.card.scores["iou"] >= 0
    assert predict(SAMPLE.image, model).labels.shape == SAMPLE.image.shape
    assert str(home / "models" / "my cells.unet") in widget.status.text()
    assert "IoU" in widget.status.text()
    assert "CPU" in widget.device.text()
    assert widget.course.plot.values("loss")[0][-1] == 6
    assert len(widget.course.plot.values("iou")[0]) == 6
    assert not previews(viewer)
    assert not list(trainings_folder().iterdir())
    for layer, data in zip(layers, before, strict=True):
        assert (layer.data == data).all()


def test_a_second_model_of_the_same_name_gets_a_number(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    for _ in range(2):
        widget.form.set(tiny(updates=1))
        widget.run()
        finish(widget)
    assert {"my model", "my model 2"} <= set(available_models())


def test_stop_and_keep_saves_a_model_and_can_be_resumed(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    qtbot: "QtBot",
) -> None:
    widget.form.set(tiny(updates=20))
    widget.name.setText("kept")
    under_way(widget)
    with qtbot.waitSignal(widget.trained, timeout=WAIT):
        widget.cancel_button.click()
        widget.cancel_button.click()
    finish(widget)
    done = load_model("kept").card.training["updates"]
    assert 2 <= done < 20
    assert f"after {done} of 20" in widget.status.text()

    (start,) = unfinished()
    assert str(done) in start.title
    widget.form.set(tiny(updates=3, network="unet-16"))
    widget.name.setText("something else")
    widget.actions.resume.fill()
    widget.actions.resume.menu().actions()[0].trigger()
    assert widget.running
    finish(widget)
    model = load_model("kept 2")
    assert model.card.training["updates"] == 20
    assert widget.form.value() == tiny(updates=20)
    steps = [record["step"] for record in model.card.training["history"]]
    assert steps == sorted(steps)
    assert widget.course.plot.values("loss")[0][0] == 1
    assert unfinished() == []


def test_discard_saves_nothing(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
) -> None:
    widget.form.set(tiny(updates=20))
    under_way(widget, 4)
    widget.actions.discard.click()
    finish(widget)
    assert not list(models_folder().glob("*"))
    assert not list(trainings_folder().glob("*"))
    assert "nothing was saved" in widget.status.text()
    assert not previews(viewer)


def test_discarding_a_resumed_training_leaves_it_as_it_was(
    layers: tuple[Image, Labels], widget: TrainWidget, under_way: Any, finish: Any
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    widget.cancel()
    finish(widget)
    (start,) = unfinished()
    before = start.path.read_bytes()
    widget.resume(start)
    under_way(widget, start.card.training["updates"] + 1)
    widget.discard()
    finish(widget)
    (left,) = unfinished()
    assert left.path.read_bytes() == before


def test_a_pause_holds_the_training_and_loses_nothing(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    qtbot: "QtBot",
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    widget.actions.pause.click()
    assert widget.actions.pause.text() == "Continue"
    qtbot.waitUntil(lambda: is_paused(widget), timeout=WAIT)
    here = widget.progress.value()
    qtbot.wait(300)
    assert widget.progress.value() == here
    widget.actions.pause.click()
    under_way(widget, here + 2)
    # Stopping ends a pause too.
    widget.actions.pause.click()
    qtbot.waitUntil(lambda: is_paused(widget), timeout=WAIT)
    widget.cancel()
    finish(widget)
    assert available_models()["my model"].is_file()


def test_impatient_clicks_start_one_training(
    layers: tuple[Image, Labels], widget: TrainWidget, under_way: Any, finish: Any
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    for _ in range(3):
        widget.run_button.click()
        widget.run()
    under_way(widget)
    for _ in range(3):
        widget.actions.discard.click()
        widget.cancel()
    finish(widget)
    assert "nothing was saved" in widget.status.text()
    assert not list(models_folder().glob("*"))


# -- the preview ----------------------------------------------------------------------


def test_the_preview_lies_on_the_part_that_was_held_out(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    qtbot: "QtBot",
) -> None:
    widget.form.set(tiny(updates=200))
    viewer.layers.selection.active = layers[1]
    widget.run()
    qtbot.waitUntil(lambda: len(previews(viewer)) == 1, timeout=WAIT)
    (layer,) = previews(viewer)
    assert viewer.layers.selection.active is layers[1]
    rows = layer.data.shape[0]
    assert layer.data.shape[1] == 96
    for corner in ((0, 0), (rows - 1, 95)):
        there = (96 - rows + corner[0], corner[1])
        np.testing.assert_allclose(
            layer.data_to_world(corner), layers[0].data_to_world(there)
        )
    first = layer.data
    qtbot.waitUntil(lambda: layer.data is not first, timeout=WAIT)
    assert len(previews(viewer)) == 1
    viewer.layers.remove(layer)
    count = len(widget.course.plot.values("iou")[0])
    qtbot.waitUntil(
        lambda: len(widget.course.plot.values("iou")[0]) > count, timeout=WAIT
    )
    assert not previews(viewer)
    widget.discard()
    finish(widget)


def test_the_preview_is_kept_on_request(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.course.keep_layers.setChecked(True)
    widget.run()
    finish(widget)
    assert len(previews(viewer)) == 1
    assert len(widget.pairs()) == 1


def test_a_frame_of_a_stack_is_shown_where_it_belongs() -> None:
    stack = Image(np.zeros((5, 8, 9)), name="stack", scale=(3, 2, 2), rotate=30)
    place = Place(source_of(stack))
    whole, part = np.zeros((8, 9), np.float32), np.zeros((8, 4), np.float32)
    for size, first in ((whole, (3, 0, 0)), (part, (3, 0, 5))):
        shape, options = locate(Preview("stack [3]", size, size), [place])
        layer = Image(size.reshape(shape), **options)
        for corner in ((0, 0, 0), (0, 7, 3)):
            there = tuple(np.add(corner, first))
            np.testing.assert_allclose(
                layer.data_to_world(corner), stack.data_to_world(there)
            )


def test_a_layer_named_like_a_frame_is_told_from_it() -> None:
    layers = (
        Image(np.zeros((5, 8, 9)), name="img", scale=(1, 2, 2)),
        Image(np.zeros((8, 9)), name="img [1]", scale=(7, 7)),
    )
    places = [Place(source_of(layer)) for layer in layers]
    frame = np.zeros((8, 9), np.float32)
    shape, options = locate(Preview("img [1]", frame, frame), places)
    assert shape == (8, 9)
    assert tuple(options["scale"]) == (7, 7)
    assert locate(Preview("gone", frame, frame), places) == ((8, 9), {})


def test_channels_are_no_axis_of_the_preview() -> None:
    image = Image(
        np.zeros((3, 8, 9)), name="img", axis_labels=("c", "y", "x"), scale=(1, 2, 5)
    )
    frame = np.zeros((8, 9), np.float32)
    shape, options = locate(Preview("img", frame, frame), [Place(source_of(image))])
    layer = Image(frame.reshape(shape), **options)
    assert layer.data_to_world((7, 8)) == image.data_to_world((0, 7, 8))[1:]


def test_classes_are_shown_with_the_range_of_their_indices(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    layers[1].data = np.digitize(SAMPLE.labels, [1, 3])
    widget.course.keep_layers.setChecked(True)
    widget.form.set(tiny(target="classes"))
    widget.run()
    finish(widget)
    (layer,) = previews(viewer)
    assert layer.contrast_limits[1] >= layer.data.max()
    assert load_model("my model").card.class_values == (0, 1, 2)
    assert "IoU" in widget.status.text()


def test_the_loss_is_chosen_or_typed(widget: TrainWidget) -> None:
    box = widget.form.editor("loss")
    combo = box.native
    assert combo.isEditable()
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert tuple(offered) == LOSS_NAMES
    seen: list[str] = []
    box.changed.connect(seen.append)
    combo.setCurrentIndex(offered.index("unet3+"))
    assert widget.form.value().loss == seen[-1] == "unet3+"
    combo.setEditText("0.5 focal + dice")
    assert widget.form.value().loss == seen[-1] == "0.5 focal + dice"
    assert "0.5 focal + dice" in widget.script()
    widget.form.advanced.expand()
    assert widget.form.value().loss == "0.5 focal + dice"
    widget.form.set(tiny(loss="iou + focal"))
    assert combo.currentText() == "iou + focal"
    assert combo.count() == len(LOSS_NAMES)


def test_a_loss_that_does_not_exist_is_named_when_it_is_needed(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    widget.form.editor("loss").value = "focal + di"
    widget.run()
    assert not widget.running
    assert "no loss 'di'" in widget.status.text()
    assert widget.script() == ""
    widget.form.set(tiny())
    assert widget.form.value() == tiny()


# -- what may go wrong ----------------------------------------------------------------


def test_without_layers_a_sentence_says_what_to_do(widget: TrainWidget) -> None:
    widget.run()
    assert not widget.running
    assert "nothing to train on" in widget.status.text()
    widget.table.add_row()
    assert "no layer to choose" in widget.table.hint.text()


def _nan() -> tuple[Any, Any]:
    image = SAMPLE.image.astype(np.float32)
    image[5, 5] = np.nan
    return image, SAMPLE.labels


BAD = {
    "another shape": ((SAMPLE.image, SAMPLE.labels[:90]), "pixels"),
    "nothing painted": ((SAMPLE.image, np.zeros_like(SAMPLE.labels)), "background"),
    "constant": ((np.full((96, 96), 7.0), SAMPLE.labels), "constant"),
    "not a number": (_nan(), "nan"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_named_in_one_sentence(
    case: str, viewer: "Viewer", widget: TrainWidget, finish: Any
) -> None:
    (image, labels), word = BAD[case]
    pair = viewer.add_image(image), viewer.add_labels(labels)
    widget.set_pairs([(*pair, "train")])
    widget.run()
    finish(widget)
    assert word in widget.status.text().lower()
    assert "Unexpected" not in widget.status.text()
    assert "\n" not in widget.status.text()
    assert not list(models_folder().glob("*"))
    assert not list(trainings_folder().glob("*"))
    assert widget.run_button.isEnabled()


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 300])
def test_a_name_that_cannot_be_a_file_is_refused(
    name: str, layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    widget.name.setText(name)
    widget.run()
    assert not widget.running
    assert "name" in widget.status.text()


def test_layers_that_change_or_go_while_training_do_not_matter(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
) -> None:
    expected = digest(pair_of(*layers))["sha256"]
    widget.form.set(tiny(updates=12))
    under_way(widget)
    layers[1].data[:] = 0
    layers[1].refresh()
    viewer.layers.clear()
    finish(widget)
    card = load_model("my model").card
    assert card.training["updates"] == 12
    assert card.data[0]["sha256"] == expected


def test_other_data_cannot_be_resumed_and_nothing_is_lost(
    layers: tuple[Image, Labels], widget: TrainWidget, under_way: Any, finish: Any
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    widget.cancel()
    finish(widget)
    (start,) = unfinished()
    layers[1].data = np.roll(layers[1].data, 5, axis=0)
    widget.resume(start)
    finish(widget)
    assert "other images or labels" in widget.status.text()
    assert [left.path for left in unfinished()] == [start.path]


def test_closing_the_dock_stops_the_training_and_keeps_its_checkpoint(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    qtbot: "QtBot",
) -> None:
    widget.form.set(tiny(updates=100))
    under_way(widget, 6)
    widget.pause()
    viewer.window.remove_dock_widget(widget)

    def kept() -> list[int]:
        return [start.card.training["updates"] for start in unfinished()]

    # The last validation round wrote 5; stopping writes where the training stands.
    qtbot.waitUntil(lambda: max(kept(), default=0) >= 6, timeout=WAIT)
    WorkerBase.await_workers(WAIT)
    assert not previews(viewer)
    assert len(kept()) == 1
    assert not list(models_folder().glob("*"))
    QApplication.processEvents()


def test_napari_can_be_closed_while_training(
    layers: tuple[Image, Labels], widget: TrainWidget, under_way: Any
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    widget.pause()


def test_a_model_that_cannot_be_saved_is_kept(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    home: Path,
    finish: Any,
    tmp_path: Path,
    qtbot: "QtBot",
) -> None:
    home.write_text("in the way")
    widget.run()
    finish(widget)
    assert widget.unsaved.model is not None
    assert "NOT SAVED" in widget.status.text()
    assert widget.actions.save.isVisibleTo(widget)
    widget.run()
    assert not widget.running
    assert "not saved yet" in widget.status.text()
    widget.unsaved.save_as(home / "still.unet")
    assert widget.unsaved.model is not None
    # Without its suffix the dialog does not see that a file is there.
    other = tmp_path / "v1.2.unet"
    other.write_text("a model of the user")
    widget.unsaved.save_as(tmp_path / "v1.2")
    assert other.read_text() == "a model of the user"
    assert "already" in widget.status.text()
    home.unlink()
    with qtbot.waitSignal(widget.trained, timeout=WAIT) as trained:
        widget.unsaved.save_as(home / "models" / "rescued.unet")
    assert trained.args == ["rescued"]
    assert load_model("rescued").card.scores
    assert widget.actions.resume.isVisibleTo(widget)


def test_without_held_out_data_no_score_is_invented(
    layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.form.set(tiny(hold_out=0.0))
    widget.run()
    finish(widget)
    assert "No validation" in widget.status.text()
    assert "IoU" not in widget.status.text()
    assert load_model("my model").card.scores == {}


# -- the same from a script -----------------------------------------------------------


def test_the_copied_script_makes_the_same_model(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    off = viewer.add_image(SAMPLE.image, name="not used")
    widget.set_pairs([(*layers, "train"), (off, layers[1], "off")])
    widget.run()
    finish(widget)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the thread of the widget, for the very same sums
    try:
        exec(widget.script(), names)
    finally:
        torch.set_num_threads(threads)
    first, second = load_model("my model"), names["model"]
    assert second.card.training["config"] == widget.form.value().to_dict()
    assert (tmp_path / "my model.unet").is_file()
    for a, b in zip(
        first.network.state_dict().values(),
        second.network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(a, b)
