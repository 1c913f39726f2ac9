"""Pausing, stopping, discarding and resuming a training."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QMessageBox

from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.widgets._train.checkpoints import trainings_folder, unfinished
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> "Callable[..., list[str]]":
    """Return what is asked, after the answer to it was given."""
    buttons = QMessageBox.StandardButton

    def answered(yes: bool, before: "Callable[[], Any]" = lambda: None) -> list[str]:
        asked: list[str] = []

        def question(*given: Any) -> Any:
            assert given[-1] == buttons.No  # the default
            asked.append(given[2])
            before()
            return buttons.Yes if yes else buttons.No

        monkeypatch.setattr(QMessageBox, "question", question)
        return asked

    return answered


def is_paused(widget: TrainWidget) -> bool:
    """Return whether the training waits, and not only will."""
    return widget.progress.format().startswith("Paused")


@pytest.mark.slow
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
    assert str(done) in start.title()
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
    questions: Any,
    tiny: Any,
) -> None:
    asked = questions(yes=True)
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget, 4)
    widget.actions.discard.click()
    finish(widget)
    (question,) = asked
    assert "'my model'" in question
    assert "updates" in question
    assert "cannot be resumed" in question
    assert not list(models_folder().glob("*"))
    assert not list(trainings_folder().glob("*"))
    assert "nothing was saved" in widget.status.text()
    assert not previews()


def test_a_training_goes_on_unless_it_is_to_be_discarded(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    questions: Any,
    qtbot: "QtBot",
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)

    def train_further() -> None:
        here = widget.progress.value()
        qtbot.waitUntil(lambda: widget.progress.value() > here, timeout=WAIT)

    asked = questions(yes=False, before=train_further)
    widget.actions.discard.click()
    assert len(asked) == 1
    assert widget.actions.discard.isEnabled()
    under_way(widget, widget.progress.value() + 2)
    widget.cancel()
    finish(widget)
    assert load_model("my model").card.training["updates"] >= 2


@pytest.mark.slow
def test_a_training_that_ends_during_the_question_is_not_discarded(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    questions: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=20))
    asked = questions(yes=True, before=lambda: finish(widget))
    under_way(widget)
    widget.actions.discard.click()
    assert len(asked) == 1
    assert load_model("my model").card.training["updates"] == 20
    assert "Saved as" in widget.status.text()


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
    stopped: Any, widget: TrainWidget, under_way: Any, finish: Any, questions: Any
) -> None:
    before = stopped.path.read_bytes()
    asked = questions(yes=True)
    widget.resume(stopped)
    under_way(widget, stopped.card.training["updates"] + 1)
    widget.actions.discard.click()
    finish(widget)
    assert "since it was resumed" in asked[0]
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
    assert "begun with 'nuclei' (train)." in widget.status.text()
    assert "opened again" in widget.status.text()
    assert widget.course.isHidden()
    assert [left.path for left in unfinished()] == [stopped.path]


def test_what_is_to_be_opened_again_is_named_where_nothing_is_left(
    stopped: Any, viewer: "Viewer", widget: TrainWidget
) -> None:
    viewer.layers.clear()
    widget.resume(stopped)
    assert not widget.running
    assert "begun with 'nuclei' (train)." in widget.status.text()
