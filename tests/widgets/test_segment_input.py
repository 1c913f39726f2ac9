"""What the Segment widget takes and gives: any image, part of it, and place."""

import gc
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import torch
import zarr
from napari.layers import Image, Labels, Layer

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import models_folder, user_folder
from napari_unet_studio.layers import METADATA_KEY, source_of
from napari_unet_studio.tasks.predict import PredictConfig
from napari_unet_studio.widgets._colours import tone_of
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment import provisional, storage
from napari_unet_studio.widgets.segment import SegmentWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.tasks.progress import Progress, ShouldStop

WAIT = 120_000


def bright(name: str, channel: int = 0, **spec: Any) -> Model:
    """Return a model that finds what is above half of 255 in one channel."""
    network_spec = UNetSpec(num_classes=1, channels=(4, 8), **spec)
    network = build(network_spec)
    first = True
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                layer.weight.zero_()
                middle = tuple(side // 2 for side in layer.kernel_size)
                layer.weight[(0, channel if first else 0, *middle)] = 1
                layer.bias.zero_()
                first = False
        network.head.weight.mul_(20)
        network.head.bias[0] = -10
    rule = Normalisation("fixed", 0, 255)
    return Model(network, ModelCard(name=name, spec=network_spec, normalisation=rule))


def squares(shape: tuple[int, ...] = (64, 64), dtype: Any = np.uint8) -> np.ndarray:
    """Return two bright squares."""
    image = np.full(shape, 20, dtype)
    image[..., 4:16, 4:16] = 250
    image[..., 30:42, 6:20] = 240
    return image


@pytest.fixture(autouse=True)
def models() -> "Iterator[Path]":
    """Give a folder of models for one channel, two channels and stacks."""
    folder = models_folder()
    for path in folder.glob("*.unet"):
        path.unlink()
    bright("one").save(folder / "one.unet")
    bright("two", channel=1, in_channels=2).save(folder / "two.unet")
    bright("three", channel=2, in_channels=3).save(folder / "three.unet")
    bright("deep", ndim=3).save(folder / "deep.unet")
    yield folder
    for path in folder.glob("*.unet"):
        path.unlink()


@pytest.fixture
def segment(viewer: "Viewer") -> SegmentWidget:
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", "Segment")
    widget.models.choose("one")
    return widget


@pytest.fixture
def finish(qtbot: "QtBot") -> "Callable[[SegmentWidget], None]":
    def run(widget: SegmentWidget) -> None:
        widget.run()
        qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)

    return run


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let runs wait after their second tile while this event is cleared."""
    event, whole = threading.Event(), Run.task
    event.set()

    def task(run: Run, should_stop: "ShouldStop") -> "Generator[Progress, None, Any]":
        running = whole(run, should_stop)
        while True:
            try:
                record = next(running)
            except StopIteration as stop:
                return stop.value
            yield record
            while record.step > 1 and not event.is_set() and not should_stop():
                time.sleep(0.01)
                yield record

    monkeypatch.setattr(Run, "task", task)
    return event


def results(viewer: "Viewer", kind: type[Layer] = Labels) -> list[Layer]:
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, kind) and METADATA_KEY in layer.metadata
    ]


def repeated(viewer: "Viewer", segment: SegmentWidget) -> np.ndarray:
    """Return the labels that the copied code makes."""
    assert segment.panel is not None
    assert segment.panel.result is not None
    names: dict[str, Any] = {"viewer": viewer}
    exec(segment.panel.result.as_python(), names)
    return np.asarray(names["prediction"].labels)


# -- channels -------------------------------------------------------------------------


def test_colours_are_turned_to_grey_for_a_model_of_one_channel(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    grey = squares()
    viewer.add_image(np.stack([grey, grey, grey], -1), name="photo", scale=(2, 3))
    row = segment.input.channels.one
    assert not row.isHidden()
    assert row.currentText() == "grey (luminance)"
    assert "grey of the colours" in segment.input.note.text()
    finish(segment)
    labels = results(viewer)[0]
    assert labels.data.shape == (64, 64)
    assert labels.data.max() == 2
    assert np.allclose(labels.scale, (2, 3))
    assert np.array_equal(repeated(viewer, segment), labels.data)


def test_one_channel_of_several_is_chosen_by_number(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    data = np.stack([np.zeros((64, 64), np.uint8), squares()])
    viewer.add_image(data, name="two", axis_labels=("c", "y", "x"))
    viewer.dims.set_current_step(0, 0)
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    segment.image.value = other
    assert segment.input.channels.one.isHidden()
    segment.image.value = viewer.layers["two"]
    one = segment.input.channels.one
    assert [one.itemText(i) for i in range(one.count())] == ["0", "1"]
    assert one.currentText() == "0"  # the one on screen
    one.setCurrentIndex(1)
    assert segment.input.note.text() == "Channel 1 is used, of 0 to 1."
    finish(segment)
    labels = results(viewer)[0]
    assert labels.name == "two channel 1 [one] labels"
    assert labels.data.max() == 2
    assert np.array_equal(repeated(viewer, segment), labels.data)
    segment.image.value = other
    segment.image.value = viewer.layers["two"]
    assert one.currentText() == "1"


def test_channel_that_stands_there_is_taken_wherever_the_slider_is(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    data = np.stack([squares(), np.zeros((64, 64), np.uint8)])
    viewer.add_image(data, name="two", axis_labels=("c", "y", "x"))
    viewer.dims.set_current_step(0, 0)
    segment.image.value = viewer.add_image(np.zeros((9, 9)), name="other")
    segment.image.value = viewer.layers["two"]
    viewer.dims.set_current_step(0, 1)
    viewer.add_points(name="any layer")
    assert segment.input.channels.one.currentText() == "0"
    finish(segment)
    assert results(viewer)[0].name == "two channel 0 [one] labels"
    assert results(viewer)[0].data.max() == 2


def test_chosen_channels_keep_no_layer_alive(
    viewer: "Viewer", segment: SegmentWidget
) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="red")
    viewer.add_image(squares(), name="green")
    segment.models.choose("two")
    segment.models.choose("one")
    assert list(map(len, segment.input.channels._joined.values())) == [2]
    viewer.layers.clear()
    gc.collect()
    assert not list(segment.input.channels._joined)


def test_layers_are_the_channels_of_a_model_of_two(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="red", scale=(2, 2))
    viewer.add_image(squares(), name="green", scale=(2, 2))
    segment.image.value = viewer.layers["red"]
    segment.models.choose("two")
    chosen = [combo.currentText() for combo in segment.input.channels.many]
    assert chosen == ["red", "green"]
    assert segment.input.note.text() == "Channels: red, green."
    finish(segment)
    labels = results(viewer)[0]
    assert labels.data.max() == 2
    assert np.allclose(labels.scale, 2)
    assert "['red', 'green']" in segment.panel.result.as_python()  # type: ignore[union-attr]
    assert np.array_equal(repeated(viewer, segment), labels.data)
    viewer.add_image(np.zeros((8, 8)), name="small")
    segment.image.value = viewer.layers["red"]
    segment.input.channels.many[1].setCurrentIndex(2)
    assert "shapes are (64, 64) and (8, 8)" in segment.input.note.text()
    finish(segment)
    assert "shapes are (64, 64) and (8, 8)" in segment.status.text()
    segment.models.choose("one")
    assert all(combo.isHidden() for combo in segment.input.channels.many)


def test_transparency_is_left_out_for_a_model_of_colours(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    blank = np.zeros((64, 64), np.uint8)
    viewer.add_image(np.stack([blank, blank, squares(), blank], -1), rgb=True)
    segment.models.choose("three")
    assert segment.input.note.text() == "All 3 channels are used."
    finish(segment)
    assert results(viewer)[0].data.max() == 2


def test_wrong_number_of_channels_is_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(np.zeros((2, 64, 64)), name="pair", axis_labels=("c", "y", "x"))
    segment.models.choose("three")
    finish(segment)
    assert "takes 3 channels, but the image 'pair' has 2" in segment.status.text()
    assert len(viewer.layers) == 1


# -- types and levels -----------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"]
)
def test_every_type_of_pixels_is_taken(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path, dtype: str
) -> None:
    scale = 1 if dtype == "bool" else 0.4 if dtype == "int8" else 1.0
    pixels = squares() > 127 if dtype == "bool" else squares() * scale
    model = bright("any")
    limits = (0, 1) if dtype == "bool" else (0, 255 * scale)
    model.card = replace(model.card, normalisation=Normalisation("fixed", *limits))
    model.save(models / "any.unet")
    segment.models.refresh()
    segment.models.choose("any")
    viewer.add_image(pixels.astype(dtype), name="cells", contrast_limits=(0, 1))
    finish(segment)
    assert results(viewer)[0].data.max() == 2, segment.status.text()


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_images_are_taken(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, kind: str
) -> None:
    data: Any = da.from_array(squares((3, 64, 64)), chunks=(1, 32, 32))
    if kind == "zarr":
        data = zarr.create_array({}, shape=(3, 64, 64), chunks=(1, 32, 32), dtype="u1")
        data[:] = squares((3, 64, 64))
    viewer.add_image(data, name="lazy")
    finish(segment)
    assert results(viewer)[0].data.shape == (3, 64, 64)
    assert results(viewer)[0].data.max() == 2


def test_level_of_a_multiscale_image_lies_on_it(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    fine = np.kron(squares(), np.ones((2, 2), np.uint8))
    image = viewer.add_image(
        [fine, squares()], multiscale=True, name="slide", scale=(0.5, 0.5), rotate=20
    )
    level = segment.input.level
    texts = [level.itemText(i) for i in range(level.count())]
    assert texts == ["0 – 128 × 128", "1 – 64 × 64"]
    level.setCurrentIndex(1)
    finish(segment)
    labels = results(viewer)[0]
    assert labels.name == "slide level 1 [one] labels"
    assert labels.data.shape == (64, 64)
    for here, there in [((-0.5, -0.5), (-0.5, -0.5)), ((63.5, 63.5), (127.5, 127.5))]:
        assert np.allclose(labels.data_to_world(here), image.data_to_world(there))
    assert np.array_equal(repeated(viewer, segment), labels.data)
    level.setCurrentIndex(0)
    assert segment.panel is not None
    assert segment.panel.isHidden()
    finish(segment)
    assert results(viewer)[-1].data.shape == (128, 128)


# -- axes -----------------------------------------------------------------------------


def test_axes_that_do_not_fit_are_marked_and_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares((3, 64, 64)), name="stack")
    field = segment.input.axes
    assert field.reason.isHidden()
    field.set("ZX")
    assert "give one letter for each" in field.reason.text()
    assert tone_of(field.combo)
    finish(segment)
    assert "give one letter for each" in segment.status.text()
    assert len(viewer.layers) == 1
    field.set("tyx")
    assert field.reason.isHidden()
    assert not tone_of(field.combo)
    segment.models.choose("deep")
    assert "choose a 2D model or the axes of a stack" in field.reason.text()
    field.set("ZYX")
    finish(segment)
    assert results(viewer)[0].data.max() == 2
    field.set("ZX")
    finish(segment)
    assert "give one letter for each" in segment.status.text()
    segment.image.value = viewer.add_image(squares(), name="other")
    assert not segment.status.text()


def test_list_of_axes_gives_letters(viewer: "Viewer", segment: SegmentWidget) -> None:
    viewer.add_image(squares((3, 64, 64)), name="film")
    combo = segment.input.axes.combo
    index = combo.findData("TYX")
    assert combo.itemText(index) == "TYX – time series"
    combo.setCurrentIndex(index)
    combo.activated.emit(index)
    assert segment.input.axes.text == "TYX"
    assert combo.currentText() == "TYX"


# -- regions --------------------------------------------------------------------------


def test_region_of_shapes_gives_what_the_whole_image_does(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    image = viewer.add_image(squares(), name="cells", scale=(0.5, 0.25), rotate=30)
    finish(segment)
    whole = results(viewer, Image)[0].data
    corners = [(1.5, 1.5), (1.5, 24.5), (49.5, 24.5), (49.5, 1.5)]
    roi = viewer.add_shapes(
        np.array([image.data_to_world(corner) for corner in corners]),
        shape_type="polygon",
        name="roi",
    )
    segment.input.region.choose(roi)
    finish(segment)
    assert segment.status.text().startswith("Segmented cells in roi in ")
    probability, labels = viewer.layers[-2:]
    assert labels.name == "cells in roi [one] labels"
    assert labels.data.shape == (48, 23)
    assert np.allclose(probability.data, whole[2:50, 2:25], atol=1e-5)
    there = image.data_to_world((2 + 10, 2 + 7))
    assert np.allclose(labels.data_to_world((10, 7)), there)
    assert np.array_equal(repeated(viewer, segment), labels.data)
    count = len(viewer.layers)
    roi.data = [roi.data[0][[0, 1, 1, 0]]]  # a line
    roi.name = "renamed"
    finish(segment)
    assert len(viewer.layers) == count  # the region's own layers, in another size
    assert labels.data.shape != (48, 23)
    segment.input.region.choose("Whole image")
    assert segment.panel is not None
    assert segment.panel.title.text() == "cells [one]"


def test_panel_goes_back_to_the_whole_image_with_the_shapes(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    corners = np.array([[1.5, 1.5], [40.5, 24.5]])
    roi = viewer.add_shapes([corners], shape_type="rectangle", name="roi")
    segment.input.region.choose(roi)
    assert segment.panel is not None
    assert segment.panel.isHidden()
    finish(segment)
    assert segment.panel.title.text() == "cells in roi [one]"
    viewer.layers.remove(roi)
    assert segment.panel.title.text() == "cells [one]"


def test_view_is_segmented_alone(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    image = viewer.add_image(squares((5, 64, 64)), name="stack", scale=(3, 2, 2))
    viewer.dims.set_current_step(0, 3)
    canvas = np.array(viewer.canvas.size)
    viewer.scene.camera.center = (0, 20, 20)
    viewer.scene.camera.zoom = float(canvas.min()) / 40
    segment.input.region.choose("Field of view")
    finish(segment)
    labels = results(viewer)[0]
    assert labels.name == "stack in view [one] labels"
    assert labels.data.shape[0] == 1
    assert 18 <= min(labels.data.shape[1:]) <= 22
    assert labels.data.max() == 1
    assert labels.data_to_world((0, 0, 0))[0] == image.data_to_world((3, 0, 0))[0]
    viewer.scene.camera.center = (0, 5000, 5000)
    before = labels.data.copy()
    finish(segment)
    assert "Nothing of the image 'stack' is on screen" in segment.status.text()
    assert np.array_equal(labels.data, before)


def test_empty_region_is_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    roi = viewer.add_shapes(name="roi", ndim=2)
    segment.input.region.choose(roi)
    finish(segment)
    assert "The layer 'roi' has no shapes" in segment.status.text()
    viewer.layers.remove(roi)
    assert segment.input.region.combo.currentText() == "Whole image"


# -- while it runs --------------------------------------------------------------------


def test_what_is_known_so_far_is_shown_and_goes(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    image = viewer.add_image(np.tile(squares(), (8, 8)), name="cells", translate=(5, 7))
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: "cells – so far" in viewer.layers, timeout=WAIT)
    so_far = viewer.layers["cells – so far"]
    assert viewer.layers.selection.active is image
    assert so_far.data.shape == (512, 512)
    assert np.allclose(so_far.translate, (5, 7))
    assert "tiles" in segment.progress.format()
    assert [layer.name for layer in segment.image.choices] == ["cells"]
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert so_far not in viewer.layers
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells [one] probability",
        "cells [one] labels",
    ]
    assert np.shares_memory(so_far.data, viewer.layers[1].data)


def test_what_is_known_is_drawn_no_more_when_the_image_goes(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    image = viewer.add_image(np.tile(squares(), (8, 8)), name="cells")
    segment.settings().set(PredictConfig(device="cpu", precision="float32", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: "cells – so far" in viewer.layers, timeout=WAIT)
    so_far, drawn = viewer.layers["cells – so far"], []
    viewer.layers.remove(image)
    so_far.events.set_data.connect(lambda event: drawn.append(event))
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert not drawn
    assert so_far not in viewer.layers
    assert "was removed meanwhile" in segment.status.text()
    assert "cells [one] labels" in viewer.layers


def test_no_name_is_too_long_for_the_dock(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot"
) -> None:
    name = "Experiment_2024_03_12_plate1_" + "wellB07site3ch1" * 8 + ".ome.tif"
    viewer.add_image(squares(), name=name)
    segment.run()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert name in segment.status.text()
    assert segment.body.minimumSize().width() < 400


@pytest.mark.parametrize("how", ["cancel", "close", "fail"])
def test_what_was_known_goes_with_the_run(
    viewer: "Viewer",
    segment: SegmentWidget,
    qtbot: "QtBot",
    going: threading.Event,
    how: str,
) -> None:
    pixels = np.tile(squares(), (8, 8)).astype(np.float32)
    pixels[-1, -1] = np.inf if how == "fail" else 0
    viewer.add_image(pixels, name="cells", contrast_limits=(0, 255))
    segment.settings().set(PredictConfig(device="cpu", precision="float32", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    if how == "cancel":
        segment.cancel()
    elif how == "close":
        viewer.window.remove_dock_widget(segment)
    else:
        going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert [layer.name for layer in viewer.layers] == ["cells"]


def test_layer_so_far_that_was_deleted_stays_away(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="cells")
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    viewer.layers.remove(viewer.layers["cells – so far"])
    qtbot.wait(300)
    assert len(viewer.layers) == 1
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert len(viewer.layers) == 3


def test_what_is_on_screen_is_computed_first(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    viewer.add_image(squares((9, 64, 64)), name="film", axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 6)
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    known = viewer.layers[1].data.max(axis=(1, 2))
    assert known[6] > 0.9
    assert known[8] == 0
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((3, 8), "cells – so far, class 8"),
        ((0, 4, 9), "cells – so far, all classes but 0"),
    ],
)
def test_classes_known_so_far_are_named(
    viewer: "Viewer",
    segment: SegmentWidget,
    qtbot: "QtBot",
    going: threading.Event,
    models: Path,
    values: tuple[int, ...],
    name: str,
) -> None:
    spec = UNetSpec(num_classes=len(values), channels=(4, 8))
    network = build(spec)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([0.0, 1.0, 2.0])[: len(values)])
    card = ModelCard(name="kinds", spec=spec, target="classes", class_values=values)
    Model(network, card).save(models / "kinds.unet")
    segment.models.refresh()
    segment.models.choose("kinds")
    viewer.add_image(np.tile(squares(), (8, 8)), name="cells")
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    so_far = viewer.layers[1]
    assert so_far.name == name
    likely = np.exp(len(values) - 1) / np.exp(np.arange(len(values))).sum()
    known = np.asarray(so_far.data[:, :])
    assert known.max() == pytest.approx(likely, abs=0.01)
    assert known.min() == 0
    assert so_far.get_value((500, 500)) == 0  # napari asks for what is on the screen
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert so_far not in viewer.layers
    assert (results(viewer)[0].data == values[-1]).all()


def test_large_plane_is_shown_in_part_but_in_its_place(
    viewer: "Viewer",
    segment: SegmentWidget,
    qtbot: "QtBot",
    going: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provisional, "_PLANE", 512 * 512 // 9)
    image = viewer.add_image(
        np.tile(squares(), (8, 8)), name="cells", scale=(2, 2), rotate=20
    )
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    so_far = viewer.layers[1]
    assert so_far.data.shape == (128, 128)
    for here, there in [((-0.5, -0.5), (-0.5, -0.5)), ((127.5, 9.5), (511.5, 39.5))]:
        assert np.allclose(so_far.data_to_world(here), image.data_to_world(there))
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)


def test_volume_on_screen_waits_until_all_is_known(
    viewer: "Viewer",
    segment: SegmentWidget,
    qtbot: "QtBot",
    going: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provisional, "_VOLUME", 1000)
    viewer.add_image(squares((9, 64, 64)), name="stack")
    viewer.dims.ndisplay = 3
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    assert len(viewer.layers) == 1
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)


WINDOW = """
import sys, threading, time
import napari, numpy as np
from qtpy.QtCore import QTimer
from napari_unet_studio.widgets.segment import SegmentWidget
from napari_unet_studio.tasks.predict_config import PredictConfig

viewer = napari.Viewer()
viewer.add_image(np.zeros((4096, 4096), np.float32), contrast_limits=(0, 1))
_, widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", "Segment")
assert isinstance(widget, SegmentWidget)
widget.models.choose("one")
widget.settings().set(PredictConfig(device="cpu", precision="float32", tile=64))
gone = threading.Event()
widget.destroyed.connect(gone.set)

def look():
    if len(viewer.layers) == 2 and widget.progress.value() > 2:
        assert widget.progress.value() < widget.progress.maximum() // 2
        clock.stop()
        viewer.close()

clock = QTimer()
clock.timeout.connect(look)
clock.start(20)
QTimer.singleShot(0, widget.run)
napari.run()
print("closed")
"""


@pytest.mark.slow
def test_closing_the_window_in_mid_run_ends_all(tmp_path: Path) -> None:
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("no image can be added without an X server")
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(script)],
        capture_output=True,
        text=True,
        timeout=WAIT / 1000,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "closed"
    assert "Traceback" not in done.stderr


# -- results in folders ---------------------------------------------------------------


def test_result_in_a_folder_is_shown_from_there(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, tmp_path: Path
) -> None:
    image = viewer.add_image(
        np.tile(squares(), (8, 8)), name="cells/1", scale=(2, 2), rotate=15
    )
    segment.settings()
    section = segment._section()
    section.choose_folder(tmp_path)
    finish(segment)
    path = tmp_path / "cells-1 one.zarr"
    assert path.is_dir(), segment.status.text()
    assert str(path) in segment.status.text()
    probability, labels = viewer.layers[1:]
    assert not probability.visible
    assert labels.name == "cells/1 [one] labels"
    for layer in (probability, labels):
        pixels = layer.data[0] if layer.multiscale else layer.data
        assert isinstance(pixels, da.Array)
        assert pixels.shape == (512, 512)
        there = image.data_to_world((511, 3))
        assert np.allclose(layer.data_to_world((511, 3)), there)
    panel = segment.panel
    assert panel is not None
    assert panel.count.text() == "128 objects"
    assert "Settings count for the next run" in panel.place.text()
    assert panel.keep_button.isHidden()
    panel.form.editors["min_size"].set_value(150)
    finish(segment)
    assert (tmp_path / "cells-1 one 2.zarr").is_dir()
    assert panel.count.text() == "64 objects"
    assert panel.result is not None
    exec(panel.result.as_python(), {"viewer": viewer})
    again = tmp_path / "cells-1 one 2 again.zarr"
    opened = viewer.open(str(again), plugin="napari-unet-studio")
    assert [type(layer) for layer in opened] == [Image, Labels]
    assert np.asarray(opened[1].data).max() == 64
    segment.input.region.choose("Field of view")
    finish(segment)
    assert "A region is not written to a folder" in segment.status.text()


def test_large_result_goes_to_a_folder_by_itself(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "available_memory", lambda: 100_000)
    viewer.add_image(np.tile(squares(), (2, 2)), name="large")
    finish(segment)
    path = user_folder() / "results" / "large one.zarr"
    assert path.is_dir()
    assert str(path) in segment.status.text()
    assert isinstance(viewer.layers[-1].data, da.Array)


def test_classes_in_a_folder_are_shown_from_there(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path, tmp_path: Path
) -> None:
    spec = UNetSpec(num_classes=3, channels=(4, 8))
    card = ModelCard(name="kinds", spec=spec, target="classes", class_values=(0, 4, 9))
    Model(build(spec), card).save(models / "kinds.unet")
    segment.models.refresh()
    segment.models.choose("kinds")
    viewer.add_image(squares(), name="cells")
    segment._section().choose_folder(tmp_path)
    finish(segment)
    assert [layer.name for layer in viewer.layers[1:]] == [
        "cells [kinds] probability of 4",
        "cells [kinds] probability of 9",
        "cells [kinds] labels",
    ], segment.status.text()
    shares = [np.asarray(layer.data) for layer in viewer.layers[1:3]]
    labels = np.asarray(viewer.layers[3].data)
    assert set(np.unique(labels)) <= {0, 4, 9}
    assert (shares[0] >= shares[1])[labels == 4].all()
    assert (shares[1] >= shares[0])[labels == 9].all()
    assert segment.panel is not None
    assert segment.panel.count.text() == "classes mapped"
    assert "Settings count" not in segment.panel.place.text()


def test_bar_and_time_follow_a_run_into_a_folder(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", tmp_path: Path
) -> None:
    viewer.add_image(np.tile(squares(), (16, 16)), name="cells")
    segment.settings().set(PredictConfig(device="cpu", precision="float32", tile=128))
    segment._section().choose_folder(tmp_path)
    seen: list[tuple[int, int, str]] = []
    bar = segment.progress
    bar.valueChanged.connect(
        lambda value: seen.append((value, bar.maximum(), bar.format()))
    )
    segment.run()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    steps = [value for value, _, _ in seen if value >= 0]
    assert steps == sorted(steps)
    assert len(set(steps)) > 2
    assert all(value <= most for value, most, _ in seen if most)
    assert len(viewer.layers) == 3  # nothing of what was known on the way


def test_memory_and_folder_results_of_one_image_live_side_by_side(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, tmp_path: Path
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    live = results(viewer)[0]
    segment._section().choose_folder(tmp_path)
    finish(segment)
    assert segment.panel is not None
    assert segment.panel.keep_button.isHidden()
    section = segment._section()
    section.result.setCurrentIndex(1)
    finish(segment)
    assert not segment.panel.keep_button.isHidden()
    assert len(results(viewer)) == 2  # the one in memory was written again
    assert results(viewer)[0] is live


# -- settings -------------------------------------------------------------------------


def test_settings_that_change_nothing_are_hidden(
    viewer: "Viewer", segment: SegmentWidget, models: Path
) -> None:
    form = segment.settings()

    def shown(name: str) -> bool:
        return not form.editor(name).native.isHidden()

    viewer.add_image(squares(), name="cells")
    assert not shown("level")
    assert not shown("pixel_size")
    spec = UNetPlusPlusSpec(num_classes=1, channels=(4, 8, 16))
    card = ModelCard(name="plus", spec=spec, spacing=(0.5, 0.5), unit="um")
    Model(build(spec), card).save(models / "plus.unet")
    segment.models.refresh()
    segment.models.choose("plus")
    assert shown("level")
    assert shown("heads")
    assert not shown("pixel_size")
    form.editor("level").value = 1
    known = viewer.add_image(squares(), name="known", units=("um", "um"))
    segment.image.value = known
    assert shown("pixel_size")
    segment.models.choose("one")
    assert segment._section().value().level == 0


def test_what_automatic_became_is_told(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    made = segment._section().made
    assert made.text() == "cpu, float32, 64 × 64 px in one tile"


def test_settings_that_contradict_are_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    segment.settings().editor("precision").value = "int8"
    finish(segment)
    assert "int8 needs the engine openvino" in segment.status.text()
    assert len(viewer.layers) == 1


def test_automatic_settings_say_so(segment: SegmentWidget) -> None:
    form = segment.settings()
    for name, text in [
        ("tile", "automatic"),
        ("batch", "automatic"),
        ("level", "whole network"),
    ]:
        editor = form.editor(name)
        assert editor.native.text() == text
        editor.native.stepUp()
        assert editor.native.text() == str(editor.value)
        assert getattr(form.value(), name) == editor.value > 0
        editor.value = 0
        assert editor.native.text() == text
    assert form.value() == PredictConfig()


# -- axes of the file -----------------------------------------------------------------


@pytest.fixture
def drop(viewer: "Viewer", npe2pm: Any, tmp_path: Path) -> "Callable[..., Image]":
    """Open a TIFF with napari's own reader, as when it is dropped onto the viewer."""

    def opened(pixels: np.ndarray, axes: str, ome: bool = False) -> Image:
        path = tmp_path / ("cells.ome.tif" if ome else "cells.tif")
        tifffile.imwrite(path, pixels, imagej=not ome, metadata={"axes": axes})
        with npe2pm.tmp_plugin(package="napari"):
            (layer,) = viewer.open(str(path), plugin="napari")
        return layer

    return opened


@pytest.mark.parametrize("ome", [False, True], ids=["ImageJ", "OME"])
def test_channels_of_a_dropped_tiff_are_offered_and_not_stacked(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, drop: Any, ome: bool
) -> None:
    pixels = np.stack([squares(), squares() // 10])
    layer = drop(pixels, "CYX", ome)
    assert segment.input.axes.text == "CYX"
    assert segment.input.channels.one.count() == 2
    finish(segment)
    labels = results(viewer)[0]
    assert labels.data.shape == (64, 64)
    assert labels.data.max() == 2
    assert layer.axis_labels == ("-3", "-2", "-1")  # nothing of it is changed
    segment.models.choose("two")
    finish(segment)
    assert viewer.layers["cells [two] labels" if not ome else "cells.ome [two] labels"]


def test_film_of_a_dropped_tiff_is_one_and_so_is_its_result(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, drop: Any
) -> None:
    drop(squares((3, 64, 64)), "TYX")
    assert segment.input.axes.text == "TYX"
    finish(segment)
    labels = results(viewer)[0]
    assert source_of(labels).axes == "TYX"
    assert (labels.data.max(axis=(1, 2)) == 2).all()
