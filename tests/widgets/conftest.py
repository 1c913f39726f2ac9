"""The Train widget, docked in a viewer with an image, for the tests of its parts.

Tests of other widgets have fixtures of their own by these names.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.train_config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image, Labels
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.widgets.train import TrainWidget

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
SAMPLE = nuclei_2d((96, 96), seed=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test folders of its own for models and trainings."""
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def layers(viewer: "Viewer") -> "tuple[Image, Labels]":
    """Give nuclei with their labels, not at the origin of the world."""
    space = {"scale": (0.5, 0.5), "translate": (10, 20)}
    image = viewer.add_image(SAMPLE.image.copy(), name="nuclei", **space)
    labels = viewer.add_labels(SAMPLE.labels.copy(), name="nuclei labels", **space)
    return image, labels


@pytest.fixture
def tiny() -> "Callable[..., TrainConfig]":
    """Give settings for a training of seconds."""

    def made(updates: int = 6, **changes: Any) -> TrainConfig:
        settings = {"patch": 32, "batch": 1, "hold_out": 0.3, "network": "unet++-16"}
        augment = AugmentConfig(elastic=0.0, zoom=0.0)
        return TrainConfig(updates=updates, augment=augment, **settings | changes)

    return made


@pytest.fixture
def widget(
    viewer: "Viewer", home: Path, tiny: "Callable[..., TrainConfig]"
) -> "TrainWidget":
    """Give the docked widget with settings that take seconds."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    widget.form.set(tiny())
    return widget


@pytest.fixture
def finish(qtbot: "QtBot") -> "Callable[[TrainWidget], None]":
    """Wait until a training or a check has ended."""
    return lambda widget: qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


@pytest.fixture
def under_way(qtbot: "QtBot") -> "Callable[..., None]":
    """Start a training and wait for its first updates."""

    def start(widget: "TrainWidget", steps: int = 2) -> None:
        if not widget.running:
            widget.run()
        qtbot.waitUntil(
            lambda: bool(widget.course.records) and widget.progress.value() >= steps,
            timeout=WAIT,
        )

    return start


@pytest.fixture
def one_thread() -> Any:
    """Let torch sum as it does in the thread of the widget."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
