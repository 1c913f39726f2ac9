"""What may go wrong with a training, and what is said of it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_unet_studio.io.registry import load_model, models_folder
from napari_unet_studio.widgets._train.checkpoints import trainings_folder
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds

pytestmark = pytest.mark.usefixtures("home")


def test_without_layers_a_sentence_says_what_to_do(widget: TrainWidget) -> None:
    widget.run()
    assert not widget.running
    assert "nothing to train on" in widget.status.text()
    widget.table.add_row()
    assert "no layer to choose" in widget.table.hint.text()


def _nan(image: Any, labels: Any) -> tuple[Any, Any]:
    image = image.astype(np.float32)
    image[5, 5] = np.nan
    return image, labels


BAD: dict[str, tuple[Callable[[Any, Any], tuple[Any, Any]], str]] = {
    "another shape": (lambda image, labels: (image, labels[:90]), "pixels"),
    "nothing painted": (lambda image, labels: (image, 0 * labels), "background"),
    "constant": (lambda image, labels: (np.full(image.shape, 7.0), labels), "constant"),
    "not a number": (_nan, "nan"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_named_in_one_sentence(
    case: str, viewer: "Viewer", widget: TrainWidget, finish: Any, sample: Any
) -> None:
    spoilt, word = BAD[case]
    image, labels = spoilt(sample.image, sample.labels)
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


@pytest.fixture
def homeless(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    home: Path,
    finish: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TrainWidget:
    """Give the widget with a model that could not be saved."""
    # The viewer leaves it there when the test is over.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home.write_text("in the way")
    widget.run()
    finish(widget)
    assert "NOT SAVED" in widget.status.text()
    return widget


@pytest.mark.parametrize("yes", [False, True])
def test_a_model_that_is_not_saved_is_given_up_after_a_question(
    yes: bool, homeless: TrainWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    buttons = QMessageBox.StandardButton
    asked: list[Any] = []

    def question(*given: Any) -> Any:
        asked.append(given)
        return buttons.Yes if yes else buttons.No

    monkeypatch.setattr(QMessageBox, "question", question)
    homeless.actions.forget.click()
    assert "'my model'" in asked[0][2]
    assert asked[0][-1] == buttons.No
    assert (homeless.unsaved.model is None) == yes
    assert homeless.actions.save.isVisibleTo(homeless) != yes


def test_what_is_set_takes_no_unsaved_model_out_of_sight(
    homeless: TrainWidget,
) -> None:
    homeless.name.setText("another")
    assert "NOT SAVED" in homeless.status.text()


@pytest.mark.parametrize("full", ["nothing", "folder of temporary files", "all"])
def test_a_model_that_is_not_saved_outlives_its_dock(
    full: str,
    homeless: TrainWidget,
    viewer: "Viewer",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, house = tmp_path / "tmp", tmp_path / "house"
    for place in (folder, house):
        place.mkdir()
    if full != "nothing":
        folder = folder / "gone"
    if full == "all":
        house = house / "gone"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(Path, "home", lambda: house)
    before = len(notification_manager.records)
    viewer.window.remove_dock_widget(homeless)
    (told,) = (note.message for note in notification_manager.records[before:])
    assert "'my model'" in told
    saved = list(tmp_path.rglob("*.unet"))
    if full == "all":
        assert "lost" in told
        assert saved == []
        return
    (file,) = saved
    assert file.is_relative_to(folder if full == "nothing" else house)
    assert str(file) in told
    assert load_model(file).card.name == "my model"


class CloseOfTheFrame(QCloseEvent):
    """What the button in the frame of a window sends; a program cannot send it."""

    def spontaneous(self) -> bool:
        return True


@pytest.mark.parametrize("yes", [False, True])
def test_napari_asks_before_it_closes_with_a_model_that_is_not_saved(
    yes: bool,
    homeless: TrainWidget,
    viewer: "Viewer",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def answer(*given: Any) -> Any:
        asked.append(given)
        buttons = QMessageBox.StandardButton
        return buttons.Yes if yes else buttons.No

    monkeypatch.setattr(QMessageBox, "question", answer)
    get_settings().application.confirm_close_window = False  # napari's own question
    event = CloseOfTheFrame()
    QApplication.sendEvent(viewer.window._qt_window, event)
    (question,) = asked
    assert "'my model'" in question[2]
    assert event.isAccepted() == yes
    # napari may have asked as well, and stay.
    assert ("It lies in" in homeless.status.text()) == yes
    assert homeless.actions.save.isVisibleTo(homeless) != yes
    assert (homeless.unsaved.model is None) == yes
    assert len(list(tmp_path.rglob("*.unet"))) == yes


def test_a_model_that_is_not_saved_outlives_a_viewer_that_a_program_closes(
    homeless: TrainWidget, viewer: "Viewer", tmp_path: Path
) -> None:
    before = len(notification_manager.records)
    viewer.close()
    (file,) = tmp_path.rglob("*.unet")
    (told,) = (note.message for note in notification_manager.records[before:])
    assert str(file) in told
    assert load_model(file).card.name == "my model"


def test_a_model_outlives_its_dock_if_it_cannot_be_saved_after_that(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    viewer: "Viewer",
    home: Path,
    under_way: Any,
    finish: Any,
    tiny: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home.write_text("in the way")
    widget.form.set(tiny(updates=100_000))
    under_way(widget)
    widget.cancel()
    viewer.window.remove_dock_widget(widget)
    finish(widget)
    (file,) = tmp_path.rglob("*.unet")
    assert load_model(file).card.name == "my model"


def test_an_error_goes_when_its_cause_may_be_gone(
    widget: TrainWidget, viewer: "Viewer", sample: Any
) -> None:
    widget.run()
    assert "nothing to train on" in widget.status.text()
    widget.table.add_row()
    assert "no layer to choose" in widget.table.hint.text()
    pair = viewer.add_image(sample.image), viewer.add_labels(sample.labels)
    assert "no layer to choose" not in widget.table.hint.text()
    widget.set_pairs([(*pair, "train")])
    assert widget.status.text() == ""
    widget.name.setText("a/b")
    widget.run()
    assert "name" in widget.status.text()
    widget.name.setText("b")
    assert widget.status.text() == ""
    widget.say("Saved.")
    widget.name.setText("c")
    assert widget.status.text() == "Saved."


def test_what_is_wrong_stays_in_the_dock_and_is_shown_by_napari(
    make_napari_viewer: Any, home: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", "Train")
    said = len(notification_manager.records)
    widget.run()
    assert "nothing to train on" in widget.status.text()
    assert "nothing to train on" in notification_manager.records[said].message
    assert len(notification_manager.records) == said + 1
