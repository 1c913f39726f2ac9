"""The cockpit of a training: curves as they come, figures, and what is saved."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.progress import Prepared, Progress, TrainProgress
from napari_unet_studio.widgets._train.course import Course, Stage
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def course(qtbot: "QtBot") -> Course:
    """Give a cockpit whose training has begun."""
    widget = Course()
    qtbot.addWidget(widget)
    widget.begin(Stage(ViewerModel(), (), classes=True))
    return widget


def read(step: int, loss: float, **more: Any) -> TrainProgress:
    return TrainProgress(step, 100, "Training", loss=loss, **more)


def judged(step: int, **scores: float) -> TrainProgress:
    return TrainProgress(step, 100, "Training", scores=scores)


def test_the_figures_are_those_of_the_last_reading(course: Course) -> None:
    assert course.figures.text() == ""
    course.follow(
        read(
            10,
            0.5,
            learning_rate=5e-4,
            patches_per_second=8.24,
            memory=2_500_000_000,
            seconds_left=4000.0,
        )
    )
    expected = "rate 0.0005 · 8.2 patches/s · 2.5 GB in all"
    assert course.figures.text() == f"{expected} · about 67 min left"
    course.follow(Progress(10, 100, "Paused"))
    course.follow(TrainProgress(11, 100, "Training", seconds_left=3.0))
    assert "67 min" in course.figures.text()
    course.end()
    assert course.figures.text() == expected


def test_a_checkpoint_that_cannot_be_written_is_said_at_once(course: Course) -> None:
    assert course.unkept.isHidden()
    why = "The training cannot be resumed: the disk is full. Nothing was changed."
    course.follow(TrainProgress(12, 100, "Training", unsaved=why))
    assert not course.unkept.isHidden()
    assert "the disk is full. Make room there" in course.unkept.text()
    course.follow(read(20, 0.5))
    assert not course.unkept.isHidden()
    course.follow(TrainProgress(30, 100, "Training", unsaved=""))
    assert course.unkept.isHidden()


def test_each_class_gets_a_curve_when_its_score_comes(course: Course) -> None:
    assert len(course.plot.panels) == 2
    course.follow(judged(5, iou=0.4, **{"iou 64": 0.3, "iou 128": 0.5}))
    *_, classes = course.plot.panels
    assert [curve.label for curve in classes.curves] == ["class 64", "class 128"]
    course.follow(judged(10, iou=0.5, **{"iou 9": 0.1, "iou 64": 0.6}))
    *_, classes = course.plot.panels
    assert [c.label for c in classes.curves] == ["class 9", "class 64", "class 128"]
    assert course.plot.values("iou 64") == ([5, 10], [0.3, 0.6])
    assert len(course.plot.panels) == 3
    assert len({curve.colour for curve in classes.curves}) == 3


def test_twenty_classes_can_be_drawn_and_told(course: Course) -> None:
    for step in (5, 10):
        course.follow(judged(step, iou=0.4, **{f"iou {n}": n / 20 for n in range(20)}))
    (*_, classes) = course.plot.panels
    looks = {(curve.colour, curve.stroke) for curve in classes.curves}
    assert len(looks) >= 16
    course.plot.resize(course.plot.minimumSizeHint())
    assert not course.plot.grab().isNull()


def test_after_a_setback_what_came_later_is_forgotten(course: Course) -> None:
    for step in (10, 20, 30):
        course.follow(read(step, step / 10))
        course.follow(judged(step, iou=step / 100))
    course.follow(read(20, 9.0))
    assert course.plot.values("loss") == ([10, 20, 20], [1, 2, 9])
    assert [r["step"] for r in course.records] == [10, 10, 20, 20, 20]
    assert course.plot.values("iou") == ([10, 20], [0.1, 0.2])
    course.follow(judged(30, iou=0.9))
    assert course.plot.values("iou") == ([10, 20, 30], [0.1, 0.2, 0.9])


def test_a_new_training_begins_with_empty_curves(course: Course) -> None:
    course.follow(read(10, 0.5))
    course.follow(judged(10, **{"iou 1": 0.5}))
    course.begin(Stage(ViewerModel(), (), classes=False))
    assert course.records == []
    assert len(course.plot.panels) == 2
    assert course.figures.text() == ""
    course.follow(Prepared(1, 1, "Ready"))
    assert course.measured.isHidden()


def test_a_resumed_training_begins_with_its_curves(course: Course) -> None:
    history = [{"step": 5, "loss": 0.7, "learning_rate": 1e-3}, {"step": 5, "iou": 0.2}]
    course.begin(Stage(ViewerModel(), (), classes=False), history)
    assert course.plot.values("iou") == ([5], [0.2])
    assert course.records == history


def test_the_curves_can_be_put_away_once_nothing_runs(course: Course) -> None:
    assert course.close_button.isHidden()
    course.end()
    assert not course.close_button.isHidden()
    course.close_button.click()
    assert course.isHidden()
    course.begin(Stage(ViewerModel(), (), classes=False))
    assert not course.isHidden()
    assert course.close_button.isHidden()


def test_where_classes_are_told_no_objects_are_in_the_legend(course: Course) -> None:
    def labels() -> list[str]:
        return [curve.label for panel in course.plot.panels for curve in panel.curves]

    assert labels() == ["Loss", "IoU"]
    course.begin(Stage(ViewerModel(), (), classes=False))
    assert labels() == ["Loss", "IoU", "F1 of objects"]


# -- saving ---------------------------------------------------------------------------


def test_the_curves_are_saved_as_a_table(course: Course, tmp_path: Path) -> None:
    said: list[str] = []
    course.said.connect(said.append)
    course.follow(read(10, 0.5, learning_rate=5e-4, memory=7))
    course.follow(judged(10, iou=0.4, **{"iou 64": 0.3}))
    course.follow(read(20, 0.25))
    path = tmp_path / "new folder" / "curves.csv"
    course.save_curves(path)
    assert said == [f"Saved: {path}"]
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["step"] for row in rows] == ["10", "20"]
    first = {"loss": "0.5", "learning_rate": "0.0005", "memory": "7"}
    assert first | {"iou": "0.4", "iou 64": "0.3", "step": "10"} == rows[0]
    assert rows[1]["iou"] == ""


def test_the_curves_are_saved_as_a_picture(course: Course, tmp_path: Path) -> None:
    course.setStyleSheet("background-color: #101010; color: #f0f0f0;")
    for step in range(10, 100, 10):
        course.follow(read(step, 1 / step))
    course.save_curves(tmp_path / "curves.PNG")
    picture = QImage(str(tmp_path / "curves.PNG"))
    assert picture.width() > 500
    # On white, whatever the theme is.
    assert picture.pixelColor(1, 1).lightness() == 255


def test_curves_that_cannot_be_saved_are_said(course: Course, tmp_path: Path) -> None:
    failed: list[Any] = []
    course.failed.connect(failed.append)
    course.save_curves(tmp_path / "curves.pdf")
    assert ".csv" in str(failed[0])
    assert ".png" in str(failed[0])
    (tmp_path / "file").write_text("in the way")
    course.save_curves(tmp_path / "file" / "curves.csv")
    assert len(failed) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "name"),
    [
        ("c", "Picture (*.png)", "c.png"),
        ("c", "Table (*.csv)", "c.csv"),
        ("c.csv", "Picture (*.png)", "c.csv"),
        ("", "", None),
    ],
)
def test_the_user_is_asked_where(
    answer: str,
    kind: str,
    name: str | None,
    course: Course,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = str(tmp_path / answer) if answer else ""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (file, kind))
    course.follow(read(10, 0.5))
    course.save.click()
    found = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert found == ([] if name is None else [name])


# -- in a training --------------------------------------------------------------------


def test_a_training_of_classes_shows_and_keeps_all_its_numbers(
    sample: Any,
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    tiny: Any,
    tmp_path: Path,
) -> None:
    layers[1].data = np.digitize(sample.labels, [1, 3]) * 64
    widget.form.set(tiny(updates=12, target="classes", validations=3))
    widget.run()
    finish(widget)
    history = load_model("my model").card.training["history"]
    plot = widget.course.plot
    for key in ("loss", "iou", "iou 0", "iou 64", "iou 128"):
        known = [(r["step"], r[key]) for r in history if key in r]
        assert known
        assert list(zip(*plot.values(key), strict=True)) == known
    assert "patches/s" in widget.course.figures.text()
    assert "left" not in widget.course.figures.text()
    widget.course.save_curves(tmp_path / "curves.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "curves.csv").read_text())))
    assert {"loss", "learning_rate", "patches_per_second", "iou 128"} <= set(rows[0])
    assert str(tmp_path / "curves.csv") in widget.status.text()


def test_a_training_by_time_counts_no_updates_of_how_many(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=0, minutes=30.0))
    under_way(widget)
    assert "%m" not in widget.progress.format()
    widget.cancel()
    finish(widget)
    assert "Stopped after" in widget.status.text()
    assert " of 0" not in widget.status.text()
    widget.actions.resume.fill()
    (action,) = widget.actions.resume.menu().actions()
    assert " of 0" not in action.text()
