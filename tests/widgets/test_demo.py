"""The demonstration in a process of its own, as the command line starts it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtGui import QGuiApplication

if TYPE_CHECKING:
    from napari import Viewer


def test_the_window_is_no_larger_than_the_screen(viewer: "Viewer") -> None:
    from napari_unet_studio.widgets.demo import resize

    room = QGuiApplication.primaryScreen().availableSize()
    resize(viewer, 800, 100_000)
    window = viewer.window._qt_window
    assert (window.width(), window.height()) == (800, room.height())


@pytest.mark.slow
def test_demo_shows_a_finished_segmentation(qapp: object, tmp_path: Path) -> None:
    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no display")
    picture = tmp_path / "window.png"
    command = [sys.executable, "-m", "napari_unet_studio.widgets.demo"]
    done = subprocess.run(
        [*command, "--screenshot", str(picture)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_demo_segments_by_what_it_has_trained(qapp: object, tmp_path: Path) -> None:
    from napari_unet_studio.widgets.demo import main

    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no display")
    picture = tmp_path / "window.png"
    assert main(["--train", "--updates", "2", "--screenshot", str(picture)]) == 0
    assert picture.stat().st_size > 10_000


def test_a_sample_that_the_model_does_not_know_needs_a_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from napari_unet_studio.widgets.demo import main

    with pytest.raises(SystemExit) as ended:
        main(["--sample", "tissue_rgb"])
    assert ended.value.code == 2
    assert "not 'tissue_rgb'; train one for it" in capsys.readouterr().err
