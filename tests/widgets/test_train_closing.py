"""Closing the dock or napari in the middle of a training: it is not lost."""

import os
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication
from superqt.utils import WorkerBase

from napari_unet_studio.io.registry import models_folder
from napari_unet_studio.widgets._train.checkpoints import (
    reserve_checkpoint,
    trainings_folder,
    unfinished,
)
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000

pytestmark = pytest.mark.usefixtures("home")

# The first checkpoint would be written after a minute.
SESSION = """
import sys, napari
from qtpy.QtCore import QTimer
from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.train_config import TrainConfig

viewer = napari.Viewer()
sample = nuclei_2d((96, 96), seed=1)
viewer.add_image(sample.image, name="a")
viewer.add_labels(sample.labels, name="a labels")
_, widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", "Train")
widget.form.set(
    TrainConfig(updates=100_000, patch=32, batch=1, hold_out=0.0, network="unet++-16",
                augment=AugmentConfig(elastic=0.0, zoom=0.0))
)
window = viewer.window._qt_window

def look():
    if widget.course.records and widget.progress.value() >= 3:
        clock.stop()
        if PAUSED:
            widget.pause()
        window.close(**CLOSING)

clock = QTimer(interval=50)
clock.timeout.connect(look)
clock.start()
widget.run()
napari.run()
"""


@pytest.mark.gui
@pytest.mark.skipif(
    sys.platform == "linux" and not os.environ.get("DISPLAY"),
    reason="a napari of its own needs an X server",
)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("closing", "paused"), [({}, False), ({"quit_app": True}, True)]
)
def test_a_training_can_be_resumed_after_napari_was_closed(
    closing: dict[str, bool], paused: bool, home: Path, tmp_path: Path
) -> None:
    code = SESSION.replace("CLOSING", repr(closing)).replace("PAUSED", repr(paused))
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "napari.yaml")}
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=240, env=environment
    )
    (start,) = unfinished()
    assert start.card.training["updates"] >= 3
    assert [path.stat().st_size > 0 for path in trainings_folder().iterdir()] == [True]
    assert not list((home / "models").glob("*"))


def test_what_a_killed_program_had_reserved_goes_after_a_day() -> None:
    old, new = reserve_checkpoint("old"), reserve_checkpoint("new")
    assert old is not None
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    newer = reserve_checkpoint("newer")
    assert set(trainings_folder().iterdir()) == {new, newer}


def test_trainings_have_their_names_and_are_told_apart_by_their_times(
    home: Path,
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
    # Its name is taken by the file of another training.
    other = start.path.with_stem("my model 2")
    shutil.copy(start.path, other)
    noon = datetime(2026, 5, 4, 12, 0).timestamp()
    os.utime(start.path, (noon, noon))

    def listed(seconds: int) -> list[str]:
        os.utime(other, (noon + seconds, noon + seconds))
        widget.actions.resume.fill()
        return [action.text() for action in widget.actions.resume.menu().actions()]

    later, earlier = listed(seconds=3600)
    assert later.startswith("my model: ")
    assert later.endswith("13:00")
    assert earlier.startswith("my model: ")
    later, earlier = listed(seconds=7)
    assert later.endswith("12:00:07")
    assert earlier.endswith("12:00:00")


def test_closing_the_dock_stops_the_training_and_keeps_its_checkpoint(
    previews: Any,
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
    before = len(notification_manager.records)
    viewer.window.remove_dock_widget(widget)
    (told,) = (note.message for note in notification_manager.records[before:])
    assert "'my model' stops" in told
    assert "Resume…" in told

    def kept() -> list[int]:
        return [start.card.training["updates"] for start in unfinished()]

    # The last validation round wrote 5; stopping writes where the training stands.
    qtbot.waitUntil(lambda: max(kept(), default=0) >= 6, timeout=WAIT)
    WorkerBase.await_workers(WAIT)
    assert not previews()
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
