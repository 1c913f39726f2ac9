"""Pausing, stopping, discarding and resuming a training."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.widgets._train.checkpoints import trainings_folder, unfinished
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000

pytestmark = pytest.mark.usefixtures("home")


def is_paused(widget: TrainWidget) -> bool:
    """Return whether the training waits, and not only will."""
    return widget.progress.format().startswith("Paused")


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
    previews: Any,
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
    assert not previews()


@pytest.fixture
def stopped(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
) -> Any:
    """Give the checkpoint of a training that was stopped."""
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    widget.cancel()
    finish(widget)
    (start,) = unfinished()
    return start


def test_discarding_a_resumed_training_leaves_it_as_it_was(
    stopped: Any, widget: TrainWidget, under_way: Any, finish: Any
) -> None:
    before = stopped.path.read_bytes()
    widget.resume(stopped)
    under_way(widget, stopped.card.training["updates"] + 1)
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


def test_other_data_cannot_be_resumed_and_nothing_is_lost(
    stopped: Any, layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    layers[1].data = np.roll(layers[1].data, 5, axis=0)
    widget.resume(stopped)
    finish(widget)
    assert "other images or labels" in widget.status.text()
    assert widget.course.isHidden()
    assert [left.path for left in unfinished()] == [stopped.path]
