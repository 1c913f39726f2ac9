"""The Train widget, docked in a viewer with an image, for the tests of its parts.

Tests of other widgets have fixtures of their own by these names.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._settings import napari_page
from napari_unet_studio.widgets._train.preview import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from napari.layers import Image, Labels
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.io.model import Model
    from napari_unet_studio.sample_data import Sample
    from napari_unet_studio.widgets.train import TrainWidget

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
SAMPLE = nuclei_2d((96, 96), seed=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test folders of its own for models, trainings and recent files."""
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def fresh_page() -> "Iterator[Any]":
    """Give napari's page of settings without what other tests set; None if it has none.

    napari keeps it as long as it runs.
    """
    page = napari_page()
    parts = () if page is None else (page.computing, page.models)
    for part in parts:
        part.reset()
    yield page
    for part in parts:
        part.reset()


@pytest.fixture
def dock(viewer: "Viewer") -> "Callable[[str], Any]":
    """Open a dock widget."""
    return lambda name: viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]


@pytest.fixture
def wait(qtbot: "QtBot") -> "Callable[[Any], None]":
    """Press the main button and wait."""

    def press(widget: Any) -> None:
        widget.run()
        qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)

    return press


@pytest.fixture
def sample() -> "Sample":
    """Give nuclei with their labels, to be left as they are."""
    return SAMPLE


@pytest.fixture
def layers(viewer: "Viewer") -> "tuple[Image, Labels]":
    """Give nuclei with their labels, not at the origin of the world."""
    space = {"scale": (0.5, 0.5), "translate": (10, 20)}
    image = viewer.add_image(SAMPLE.image.copy(), name="nuclei", **space)
    labels = viewer.add_labels(SAMPLE.labels.copy(), name="nuclei labels", **space)
    return image, labels


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Give two images with labels of the same names, in two folders."""
    images, labels = tmp_path / "images", tmp_path / "my labels"
    for folder in (images, labels):
        folder.mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        made = nuclei_2d((96, 96), seed=seed)
        write_tiff(images / f"{name}.tif", made.image, "YX")
        write_tiff(labels / f"{name}.tif", made.labels.astype(np.uint16), "YX")
    return images, labels


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
def previews(viewer: "Viewer") -> "Callable[[], list[Image]]":
    """Return the layers that show what a network makes of an image by now."""
    return lambda: [layer for layer in viewer.layers if layer.name.startswith(NAME)]


@pytest.fixture
def same_model() -> "Callable[[Model, Model], bool]":
    """Tell whether two models have the same weights."""

    def same(one: "Model", other: "Model") -> bool:
        weights = one.network.state_dict(), other.network.state_dict()
        both = zip(*(each.values() for each in weights), strict=True)
        return all(torch.equal(a, b) for a, b in both)

    return same


@pytest.fixture
def one_thread() -> Any:
    """Let torch sum as it does in the thread of the widget."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
