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
from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.layers import pair_of
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.training.dataset import digest
from napari_unet_studio.widgets._train.checkpoints import trainings_folder, unfinished
from napari_unet_studio.widgets._train.preview import NAME
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000
SAMPLE = nuclei_2d((96, 96), seed=1)


pytestmark = pytest.mark.usefixtures("home")


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
    assert " on CPU, " in widget.status.text()
    assert widget.course.plot.values("loss")[0][-1] == 6
    assert len(widget.course.plot.values("iou")[0]) == 6
    assert not previews(viewer)
    assert not list(trainings_folder().iterdir())
    for layer, data in zip(layers, before, strict=True):
        assert (layer.data == data).all()


def test_a_second_model_of_the_same_name_gets_a_number(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    tiny: Any,
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
    tiny: Any,
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
    tiny: Any,
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
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
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
    tiny: Any,
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
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
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
    errors = [found for found in widget.panel.findings if found.kind == "error"]
    assert word in str(errors[0]).lower()
    assert errors[0].remedy
    assert "Not started" in widget.status.text()
    assert widget.course.isHidden()
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
    tiny: Any,
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
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
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
    assert widget.course.isHidden()
    assert [left.path for left in unfinished()] == [start.path]


def test_closing_the_dock_stops_the_training_and_keeps_its_checkpoint(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    qtbot: "QtBot",
    tiny: Any,
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
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    tiny: Any,
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
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(hold_out=0.0))
    widget.run()
    finish(widget)
    assert any("No validation" in str(found) for found in widget.panel.findings)
    assert "not measured" in widget.status.text()
    assert "IoU" not in widget.status.text()
    assert load_model("my model").card.scores == {}


# -- the same from a script -----------------------------------------------------------


def test_the_copied_script_makes_the_same_model(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    one_thread: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    off = viewer.add_image(SAMPLE.image, name="not used")
    widget.set_pairs([(*layers, "train"), (off, layers[1], "off")])
    widget.run()
    finish(widget)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(widget.script(), names)
    first, second = load_model("my model"), names["model"]
    assert second.card.training["config"] == widget.form.value().to_dict()
    # Under the name that another training would give it.
    assert second.card.name == "my model 2"
    assert (tmp_path / "my model 2.unet").is_file()
    for a, b in zip(
        first.network.state_dict().values(),
        second.network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(a, b)
