"""A training in a real viewer, from opening the dock to the model."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QMessageBox

from napari_unet_studio import predict
from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.layers import pair_of
from napari_unet_studio.tasks.training.dataset import digest
from napari_unet_studio.widgets._train.checkpoints import trainings_folder
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000

pytestmark = pytest.mark.usefixtures("home")


def test_opening_the_widget_does_not_load_torch() -> None:
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; app = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "from napari_unet_studio.widgets.train import TrainWidget\n"
        "TrainWidget(ViewerModel()); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_training_ends_with_a_model_that_predicts(
    sample: Any,
    previews: Any,
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
    assert predict(sample.image, model).labels.shape == sample.image.shape
    assert str(home / "models" / "my cells.unet") in widget.status.text()
    assert "IoU" in widget.status.text()
    assert "CPU" in widget.device.text()
    assert " on CPU, " in widget.status.text()
    assert widget.course.plot.values("loss")[0][-1] == 6
    assert len(widget.course.plot.values("iou")[0]) == 6
    assert not previews()
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


def test_impatient_clicks_start_one_training(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *_: yes)
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
