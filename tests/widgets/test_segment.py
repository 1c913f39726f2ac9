"""The Segment widget in a real viewer: what a user does, and what may go wrong."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import notification_manager

import napari_unet_studio as us
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io import registry
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import models_folder
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.tasks.predict import PredictConfig
from napari_unet_studio.widgets import _result
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets.segment import SegmentWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.tasks.progress import Progress, ShouldStop

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds: on a busy computer the first run takes long


def thresholder(name: str, ndim: int = 2, channels: int = 1, **card: Any) -> Model:
    """Return a model that finds what is bright in the first channel.

    Its probability is sigmoid(20 (grey / 255 - 0.5)): a half at 127.5.
    """
    spec = UNetSpec(
        ndim=ndim,
        in_channels=channels,
        num_classes=len(card.get("class_values", (1,))),
        channels=(4, 8),
    )
    network = build(spec)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                layer.weight.zero_()
                middle = tuple(side // 2 for side in layer.kernel_size)
                layer.weight[(0, 0, *middle)] = 1
                layer.bias.zero_()
        network.head.weight.mul_(20)
        network.head.bias[0] = -10
    rule = Normalisation("fixed", 0, 255)
    return Model(network, ModelCard(name=name, spec=spec, normalisation=rule, **card))


def squares(shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    """Return two bright squares and a dim one: 3 objects at 0.5, 2 at 0.9."""
    image = np.full(shape, 20, np.uint8)
    image[..., 4:16, 4:16] = 250
    image[..., 30:42, 6:20] = 240
    image[..., 10:24, 40:52] = 140
    return image


@pytest.fixture(autouse=True)
def models() -> "Iterator[Path]":
    """Give a folder of models with one in it, "bright", as the first choice."""
    folder = models_folder()
    for path in folder.glob("*.unet"):
        path.unlink()
    thresholder("bright").save(folder / "bright.unet")
    yield folder
    for path in folder.glob("*.unet"):
        path.unlink()


@pytest.fixture
def segment(viewer: "Viewer") -> SegmentWidget:
    """Give the docked widget, with the model "bright" chosen."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    widget.models.choose("bright")
    return widget


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let runs wait after their first tiles while this event is cleared."""
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
            while record.step > 2 and not event.is_set() and not should_stop():
                time.sleep(0.01)
                yield record

    monkeypatch.setattr(Run, "task", task)
    return event


@pytest.fixture
def finish(qtbot: "QtBot") -> "Callable[[SegmentWidget], None]":
    """Run a widget to the end, redrawing included."""

    def run(widget: SegmentWidget) -> None:
        widget.run()
        qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)

    return run


def results(viewer: "Viewer", kind: type[Layer] = Labels) -> list[Layer]:
    """Return the layers of a type that the plugin made."""
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, kind) and METADATA_KEY in layer.metadata
    ]


def slide(widget: SegmentWidget, name: str, value: float, qtbot: "QtBot") -> None:
    """Move a slider and wait until the labels follow."""
    assert widget.panel is not None
    result = widget.panel.result
    assert result is not None
    widget.panel.form.editors[name].set_value(value)
    qtbot.waitUntil(lambda: result.prediction.objects == result.objects, timeout=WAIT)
    assert getattr(result.objects, name) == value
    assert widget.panel.count.text() == result.found


# -- from image to labels -------------------------------------------------------------


def test_opens_without_loading_torch() -> None:
    code = (
        "import sys, napari_unet_studio.widgets.segment\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_result_lies_exactly_on_a_rotated_and_scaled_image(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    image = viewer.add_image(
        squares(),
        name="cells",
        scale=(0.5, 0.25),
        translate=(10, -3),
        rotate=30,
        units=("um", "um"),
        axis_labels=("y", "x"),
    )
    finish(segment)
    probability, labels = viewer.layers[1:]
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        "cells [bright] probability",
        "cells [bright] labels",
    ]
    assert isinstance(probability, Image)
    assert not probability.visible
    assert labels.visible
    assert labels.data.max() == 3
    assert np.array_equal(labels.data > 0, image.data > 127)
    for layer in (probability, labels):
        corner = layer.data_to_world((64, 64))
        assert np.allclose(corner, image.data_to_world((64, 64)))
        assert layer.units == image.units
        assert layer.axis_labels == ("y", "x")
        made = layer.metadata[METADATA_KEY]
        assert (made["source"], made["model"]) == ("cells", "bright")
        assert made["objects"]["threshold"] == 0.5
    assert segment.panel is not None
    assert segment.panel.count.text() == "3 objects"


def test_progress_and_buttons_follow_the_run(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells")
    with qtbot.waitSignal(segment.segmented, timeout=WAIT) as done:
        segment.run()
        assert segment.running
        assert not segment.run_button.isEnabled()
        assert segment.cancel_button.isEnabled()
        assert not segment.progress.isHidden()
    assert done.args[0].name == "cells [bright] labels"
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert segment.run_button.isEnabled()
    assert not segment.cancel_button.isEnabled()
    assert segment.progress.isHidden()
    assert segment.status.text().startswith("Segmented cells in ")


def test_second_run_reuses_the_layers_it_made(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    image = viewer.add_image(squares(), name="cells")
    finish(segment)
    labels = results(viewer)[0]
    labels.name = "my name"
    labels.opacity = 0.9
    image.data = np.where(squares() == 140, 20, squares()).astype(np.uint8)
    image.scale = (2, 2)
    finish(segment)
    assert len(viewer.layers) == 3
    assert labels.data.max() == 2
    assert (labels.name, labels.opacity) == ("my name", 0.9)
    assert np.allclose(labels.scale, 2)


def test_second_run_adds_a_layer_that_was_removed(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    viewer.layers.remove(viewer.layers["cells [bright] labels"])
    finish(segment)
    assert [layer.name for layer in viewer.layers[1:]] == [
        "cells [bright] probability",
        "cells [bright] labels",
    ]


def test_new_result_hides_that_of_another_model(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    thresholder("second").save(models / "second.unet")
    segment.models.refresh()
    viewer.add_image(squares(), name="cells")
    finish(segment)
    first = viewer.layers["cells [bright] labels"]
    segment.panel.keep()
    kept = viewer.layers["cells [bright] labels kept"]
    kept.visible = True
    segment.models.choose("second")
    assert first.visible
    finish(segment)
    second = viewer.layers["cells [second] labels"]
    assert second.visible
    assert kept.visible
    assert not first.visible
    assert "cells [bright] labels was hidden" in segment.status.text()
    segment.models.choose("bright")  # what the settings are of is seen
    assert first.visible
    assert not second.visible
    second.visible = True  # the user wants both
    finish(segment)
    assert first.visible
    assert second.visible


def test_new_result_hides_no_labels_that_were_edited(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    thresholder("second").save(models / "second.unet")
    segment.models.refresh()
    viewer.add_image(squares(), name="cells")
    finish(segment)
    first = viewer.layers["cells [bright] labels"]
    first.paint((60, 60), 9)
    segment.models.choose("second")
    finish(segment)
    assert first.visible
    assert "hidden" not in segment.status.text()


def test_run_names_its_image_and_what_it_said_goes_with_it(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    qtbot: "QtBot",
    going: threading.Event,
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="first")
    assert "'first'" in segment.run_button.toolTip()
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    other = viewer.add_image(squares(), name="other")
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    segment.image.value = other
    assert "'other'" in segment.run_button.toolTip()
    assert segment.status.text() == "Segmenting first…"
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert segment.status.text().startswith("Segmented first in")
    segment.image.value = viewer.layers["first"]
    assert segment.status.text() == ""


def test_edited_labels_are_never_overwritten(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    edited = results(viewer)[0]
    edited.paint((60, 60), 9)
    mine = edited.data.copy()
    slide(segment, "threshold", 0.9, qtbot)
    assert np.array_equal(edited.data, mine)
    assert len(results(viewer)) == 2
    assert results(viewer)[1].data.max() == 2
    assert "stays as it is" in segment.status.text()
    results(viewer)[1].data[0, 0] = 5  # from the console
    finish(segment)
    assert len(results(viewer)) == 3
    assert results(viewer)[1].data[0, 0] == 5


def test_layer_of_the_same_name_is_not_touched(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    own = viewer.add_labels(np.ones((64, 64), int), name="cells [bright] labels")
    finish(segment)
    assert (own.data == 1).all()
    assert results(viewer)[0] is not own


# -- live objects ---------------------------------------------------------------------


def test_threshold_changes_labels_without_the_network(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    qtbot: "QtBot",
    models: Path,
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    (models / "bright.unet").write_bytes(b"cannot be used any more")
    labels = results(viewer)[0]
    slide(segment, "threshold", 0.9, qtbot)
    assert not segment.running
    assert labels.data.max() == 2
    assert labels.metadata[METADATA_KEY]["objects"]["threshold"] == 0.9
    assert segment.panel is not None
    assert segment.panel.count.text() == "2 objects"
    slide(segment, "min_size", 150, qtbot)
    assert labels.data.max() == 1
    segment.panel.reset()
    qtbot.waitUntil(lambda: labels.data.max() == 3, timeout=WAIT)


def test_objects_painted_by_the_user_are_not_counted(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    other = viewer.add_image(squares(), name="other")
    finish(segment)
    results(viewer)[0].paint((60, 60), 500)
    segment.image.value = other
    segment.image.value = viewer.layers["cells"]
    assert segment.panel is not None
    assert segment.panel.count.text() == "3 objects"


def test_large_image_is_redrawn_in_a_thread(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    qtbot: "QtBot",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_result, "_AT_ONCE", 1e-3)
    viewer.add_image(np.tile(squares(), (17, 17)), name="large")
    finish(segment)
    labels = results(viewer)[0]
    assert labels.data.max() == 3 * 17**2
    assert segment.panel is not None
    assert segment.panel.result is not None
    said: list[str] = []
    segment.panel.result.waiting.connect(said.append)
    for value in (0.6, 0.7, 0.8, 0.85, 0.9):
        segment.panel.form.editors["threshold"].set_value(value)
    qtbot.waitUntil(lambda: labels.data.max() == 2 * 17**2, timeout=WAIT)
    assert segment.panel.count.text() == "578 objects"
    qtbot.waitUntil(lambda: said == ["Updating…", ""], timeout=WAIT)


def test_settings_of_a_model_serve_its_next_run(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="first")
    second = viewer.add_image(squares(), name="second")
    finish(segment)
    slide(segment, "threshold", 0.9, qtbot)
    segment.image.value = second
    assert segment.panel is not None
    assert segment.panel.isHidden()
    finish(segment)
    assert results(viewer)[1].data.max() == 2
    segment.image.value = viewer.layers["first"]
    assert not segment.panel.isHidden()
    assert segment.panel.title.text() == "first [bright]"


def test_a_run_takes_the_settings_that_the_panel_shows(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    first = viewer.add_image(squares(), name="first")
    second = viewer.add_image(squares(), name="second")
    segment.image.value = first
    finish(segment)
    segment.image.value = second
    finish(segment)
    slide(segment, "threshold", 0.9, qtbot)
    segment.image.value = first
    panel: Any = segment.panel
    assert panel.form.value().threshold == 0.5
    finish(segment)
    qtbot.waitUntil(lambda: panel.result.settled, timeout=WAIT)
    assert panel.title.text() == "first [bright]"
    assert panel.form.value().threshold == 0.5
    assert [layer.data.max() for layer in results(viewer)] == [3, 2]


def test_threshold_starts_at_that_of_the_model(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    thresholder("strict", threshold=0.9).save(models / "strict.unet")
    segment.models.refresh()
    segment.models.choose("strict")
    viewer.add_image(squares(), name="cells")
    finish(segment)
    assert segment.panel is not None
    assert segment.panel.form.value().threshold == 0.9
    assert results(viewer)[0].data.max() == 2


def test_settings_changed_in_mid_run_are_not_lost(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    qtbot: "QtBot",
    going: threading.Event,
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="cells")
    finish(segment)
    labels = results(viewer)[0]
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    slide(segment, "threshold", 0.9, qtbot)
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    qtbot.waitUntil(lambda: labels.data.max() == 128, timeout=WAIT)
    assert segment.panel is not None
    assert segment.panel.form.value().threshold == 0.9
    assert len(results(viewer)) == 1


def test_keep_makes_an_independent_copy(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells", scale=(2, 2))
    finish(segment)
    live = results(viewer)[0]
    assert segment.panel is not None
    segment.panel.keep()
    kept = viewer.layers["cells [bright] labels kept"]
    slide(segment, "threshold", 0.9, qtbot)
    finish(segment)
    assert (live.data.max(), kept.data.max()) == (2, 3)
    assert np.allclose(kept.scale, 2)
    assert kept.metadata[METADATA_KEY]["objects"]["threshold"] == 0.5
    viewer.layers.remove(live)
    segment.panel.keep()
    assert "removed" in segment.status.text()


def test_copied_lines_repeat_the_result(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares((3, 64, 64)), name="film", axis_labels=("t", "y", "x"))
    finish(segment)
    slide(segment, "threshold", 0.9, qtbot)
    assert segment.panel is not None
    assert segment.panel.result is not None
    names: dict[str, Any] = {"viewer": viewer}
    exec(segment.panel.result.as_python(), names)
    again = names["prediction"].labels
    assert np.array_equal(again, results(viewer)[0].data)


def test_result_is_forgotten_with_its_layers(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    assert segment.panel is not None
    for layer in results(viewer, Layer):
        viewer.layers.remove(layer)
    assert segment.panel.result is None
    assert segment.panel.isHidden()


def test_removed_probabilities_are_spoken_of_no_more(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    panel: Any = segment.panel
    (layer,) = [x for x in results(viewer, Image) if "probability" in x.name]
    layer.data = np.zeros((5, 5), np.float32)
    qtbot.waitUntil(lambda: "holds other data" in panel.place.text())
    viewer.layers.remove(layer)
    assert not panel.place.text()


# -- stacks and time series -----------------------------------------------------------


def test_objects_of_a_stack_go_through_its_planes(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares((5, 64, 64)), name="stack", scale=(2, 1, 1))
    assert not segment.input.axes.isHidden()
    assert segment.input.axes.text == "ZYX"
    finish(segment)
    labels = results(viewer)[0]
    assert labels.data.shape == (5, 64, 64)
    assert labels.data.max() == 3
    assert np.allclose(labels.scale, (2, 1, 1))


def test_objects_of_a_time_series_are_counted_per_frame(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    film = squares((4, 64, 64))
    film[0, 10:24, 40:52] = 20
    viewer.add_image(film, name="film")
    segment.input.axes.set("TYX")
    viewer.add_image(squares(), name="other")
    segment.image.value = viewer.layers["other"]
    assert segment.input.axes.isHidden()
    segment.image.value = viewer.layers["film"]
    assert segment.input.axes.text == "TYX"
    finish(segment)
    assert segment.panel is not None
    text = "11 objects in 4 frames, at most 3 in one"
    assert segment.panel.count.text() == text
    slide(segment, "threshold", 0.9, qtbot)
    labels = results(viewer)[0].data
    assert [int(frame.max()) for frame in labels] == [2, 2, 2, 2]


def test_axes_come_from_the_labels_of_the_layer(
    viewer: "Viewer", segment: SegmentWidget
) -> None:
    viewer.add_image(np.zeros((3, 9, 9)), axis_labels=("t", "y", "x"))
    assert segment.input.axes.text == "TYX"
    segment.image.value = viewer.add_image(
        np.zeros((2, 3, 9, 9)), axis_labels=("c", "z", "y", "x")
    )
    assert segment.input.axes.text == "CZYX"
    segment.image.value = viewer.add_image(np.zeros((2, 3, 9, 9)))
    assert segment.input.axes.text == "TZYX"
    segment.image.value = viewer.add_image(np.zeros((40, 40, 3)), rgb=True)
    assert segment.input.axes.isHidden()


def test_axes_follow_data_that_were_replaced(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    layer = viewer.add_image(squares((3, 64, 64)), name="cells")
    layer.data = squares()
    finish(segment)
    assert segment.input.axes.isHidden()
    assert results(viewer)[0].data.shape == (64, 64)


def test_plane_on_screen_is_redrawn_first(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(np.tile(squares((30, 64, 64)), (1, 8, 8)), name="film")
    segment.input.axes.set("TYX")
    finish(segment)
    labels = results(viewer)[0]
    viewer.dims.set_current_step(0, 7)
    assert segment.panel is not None
    seen = []
    labels.events.set_data.connect(
        lambda: seen.append([int(labels.data[t].max()) for t in (6, 7)])
    )
    segment.panel.form.editors["threshold"].set_value(0.9)
    qtbot.waitUntil(lambda: labels.data[29].max() == 128, timeout=WAIT)
    assert seen[0] == [192, 128]
    assert (labels.data.max(axis=(1, 2)) == 128).all()
    assert len(results(viewer)) == 1


def test_stopped_redraw_leaves_no_mixture(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(np.tile(squares((40, 64, 64)), (1, 8, 8)), name="stack")
    finish(segment)
    labels = results(viewer)[0]
    before = labels.data.copy()
    assert segment.panel is not None
    segment.panel.form.editors["threshold"].set_value(0.9)
    qtbot.waitUntil(lambda: not np.array_equal(labels.data, before), timeout=WAIT)
    viewer.window.remove_dock_widget(segment)
    assert np.array_equal(labels.data, before)


@pytest.mark.parametrize("button", ["keep", "table"])
def test_what_leaves_a_redraw_under_way_is_of_one_setting(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    qtbot: "QtBot",
    button: str,
) -> None:
    viewer.add_image(np.tile(squares((40, 64, 64)), (1, 8, 8)), name="stack")
    finish(segment)
    labels = results(viewer)[0]
    before = labels.data.copy()
    panel: Any = segment.panel
    panel.form.editors["threshold"].set_value(0.9)
    qtbot.waitUntil(lambda: not np.array_equal(labels.data, before), timeout=WAIT)
    assert not panel.result.settled
    if button == "keep":
        panel.keep_button.click()
        said = "It has the settings from before the latest change."
        pixels = viewer.layers["stack [bright] labels kept"].data
    else:
        panel.table_button.click()
        said, pixels = "", labels.data
    assert np.array_equal(pixels, before)
    assert segment.status.text().endswith(said)
    qtbot.waitUntil(lambda: panel.result.settled, timeout=WAIT)
    assert not np.array_equal(labels.data, before)


def test_table_of_the_objects_before_goes_with_them(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    labels = results(viewer)[0]
    us.measure_layer(viewer, labels.name)
    finish(segment)  # finds the same
    assert len(labels.features) == 3
    slide(segment, "threshold", 0.9, qtbot)
    assert labels.data.max() == 2
    assert not len(labels.features.columns)


def test_what_the_user_wrote_about_objects_stays_with_them(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    labels = results(viewer)[0]
    labels.features = {"index": [1, 2, 3], "note": ["a", "b", "c"]}
    slide(segment, "threshold", 0.9, qtbot)
    assert labels.data.max() == 3
    assert list(labels.features["note"]) == ["a", "b", "c"]
    assert segment.status.text() == (
        "The table of 'cells [bright] labels' has the column 'note': it stays as it "
        "is, and the new result is in 'cells [bright] labels [1]'."
    )
    new = viewer.layers["cells [bright] labels [1]"]
    assert new.data.max() == 2
    assert not len(new.features.columns)
    slide(segment, "threshold", 0.5, qtbot)
    assert new.data.max() == 3
    assert len(results(viewer)) == 2


def test_table_goes_when_the_part_on_screen_is_redrawn(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(np.tile(squares((40, 64, 64)), (1, 8, 8)), name="stack")
    finish(segment)
    labels = results(viewer)[0]
    labels.features = {"index": [1, 2], "area": [3.0, 4.0]}
    before = labels.data.copy()
    panel: Any = segment.panel
    panel.form.editors["threshold"].set_value(0.9)
    qtbot.waitUntil(lambda: not np.array_equal(labels.data, before), timeout=WAIT)
    assert not panel.result.settled
    assert not len(labels.features.columns)
    qtbot.waitUntil(lambda: panel.result.settled, timeout=WAIT)


# -- what goes wrong ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # napari, of an empty layer
@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (None, "There is no image to segment"),
        (np.full((40, 40), np.nan), "contains 1600 NaN or infinite values"),
        (np.zeros((0, 40, 40), np.uint8), "The image 'image' is empty"),
        (
            np.zeros((1, 2, 2, 2, 8, 8)),
            "has 6 axes, at most time, channels, z, y and x",
        ),
    ],
    ids=["no layer", "nan", "empty", "six axes"],
)
def test_unusable_images_are_explained(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    image: np.ndarray | None,
    sentence: str,
) -> None:
    if image is not None:
        viewer.add_image(image)
    before = len(viewer.layers)
    finish(segment)
    assert sentence in segment.status.text()
    assert len(viewer.layers) == before
    assert segment.run_button.isEnabled()


def test_no_model_is_explained(
    viewer: "Viewer",
    models: Path,
    tmp_path: Path,
    qtbot: "QtBot",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_BUNDLED", tmp_path)
    (models / "bright.unet").unlink()
    _, segment = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    assert segment.models.combo.currentText() == "No model yet"
    viewer.add_image(squares())
    segment.run()
    assert "There is no model yet" in segment.status.text()
    thresholder("first").save(models / "first.unet")
    combo = segment.models.combo
    qtbot.waitUntil(lambda: combo.currentText() == "first", timeout=WAIT)


def test_stack_model_on_a_plane_is_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    thresholder("deep", ndim=3).save(models / "deep.unet")
    segment.models.refresh()
    segment.models.choose("deep")
    viewer.add_image(squares(), name="plane")
    finish(segment)
    assert (
        "works on stacks (3D), but the axes of 'plane' are YX" in segment.status.text()
    )
    viewer.layers.clear()
    viewer.add_image(squares((6, 64, 64)), name="stack")
    finish(segment)
    assert results(viewer)[0].data.max() == 3


def test_constant_image_is_told_and_gives_no_objects(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    segment.models.choose("bright")
    viewer.add_image(np.zeros((5, 7), np.uint8), name="black")
    finish(segment)
    assert results(viewer)[0].data.shape == (5, 7)
    assert segment.panel is not None
    assert segment.panel.count.text() == "no objects"
    assert "constant" in segment.status.text()


def test_notes_of_the_prediction_are_shown(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    from dataclasses import replace

    model = thresholder("relative")
    model.card = replace(model.card, normalisation=Normalisation())
    model.save(models / "relative.unet")
    segment.models.refresh()
    segment.models.choose("relative")
    viewer.add_image(np.full((20, 20), 7, np.uint8), name="flat")
    finish(segment)
    assert "constant" in segment.status.text()
    assert len(results(viewer)) == 1


def test_cancel_stops_and_adds_nothing(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="large")
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    segment.cancel()
    assert segment.status.text() == "Stopping…"
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert segment.status.text() == "Stopped."
    assert len(viewer.layers) == 1
    assert segment.run_button.isEnabled()


def test_broken_model_is_explained_and_the_widget_lives_on(
    viewer: "Viewer",
    segment: SegmentWidget,
    finish: Any,
    models: Path,
    qtbot: "QtBot",
) -> None:
    (models / "broken.unet").write_bytes(b"no zip")
    qtbot.waitUntil(lambda: segment.models.combo.findText("broken") >= 0, timeout=WAIT)
    segment.models.choose("broken")
    assert "not a zip archive" in segment.models.info.text()
    viewer.add_image(squares(), name="cells")
    finish(segment)
    assert "not a zip archive" in segment.status.text()
    segment.models.choose("bright")
    finish(segment)
    assert len(results(viewer)) == 1


def test_model_deleted_before_the_run_is_explained(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    viewer.add_image(squares(), name="cells")
    segment.models._watcher.blockSignals(True)
    (models / "bright.unet").unlink()
    finish(segment)
    assert "cannot be read" in segment.status.text()


def test_image_removed_in_mid_run_still_gets_its_result(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    image = viewer.add_image(np.tile(squares(), (8, 8)), name="cells", translate=(5, 5))
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    viewer.layers.remove(image)
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    labels = results(viewer)[0]
    assert labels.name == "cells [bright] labels"
    assert "The image 'cells' was removed meanwhile." in segment.status.text()
    assert np.allclose(labels.translate, 5)
    slide(segment, "threshold", 0.9, qtbot)
    assert labels.data.max() == 128


def test_result_belongs_to_the_image_chosen_at_the_start(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="first", scale=(2, 2))
    other = viewer.add_image(np.zeros((9, 9)), name="other", scale=(7, 7))
    segment.image.value = viewer.layers["first"]
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    segment.image.value = other
    viewer.layers["first"].name = "renamed"
    assert segment.image.value is other
    going.set()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    labels = results(viewer)[0]
    assert labels.data.shape == (512, 512)
    assert np.allclose(labels.scale, 2)
    assert labels.metadata[METADATA_KEY]["source"] == "first"


def test_closing_the_dock_in_mid_run_stops_it(
    viewer: "Viewer", segment: SegmentWidget, qtbot: "QtBot", going: threading.Event
) -> None:
    viewer.add_image(np.tile(squares(), (8, 8)), name="large")
    segment.settings().set(PredictConfig(device="cpu", tile=64))
    going.clear()
    segment.run()
    qtbot.waitUntil(lambda: segment.progress.value() > 1, timeout=WAIT)
    told: list[str] = []
    notification_manager.notification_ready.connect(
        lambda notice: told.append(notice.message)
    )
    viewer.window.remove_dock_widget(segment)
    assert segment.job is None or segment.job.stopping
    (text,) = told
    assert text == (
        "The segmentation of 'large' stops, for its dock was closed. Nothing is kept."
    )
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    assert len(viewer.layers) == 1
    _, again = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    assert again is not segment
    assert again.run_button.isEnabled()


# -- models ---------------------------------------------------------------------------


def test_models_that_appear_are_offered_and_the_choice_is_kept(
    segment: SegmentWidget, models: Path, qtbot: "QtBot"
) -> None:
    thresholder("a new one").save(models / "a new one.unet")
    combo = segment.models.combo
    qtbot.waitUntil(lambda: combo.findText("a new one") >= 0, timeout=WAIT)
    assert combo.currentText() == "bright"
    (models / "bright.unet").unlink()
    qtbot.waitUntil(lambda: combo.currentText() != "bright", timeout=WAIT)
    assert segment.models.path is not None


def test_card_of_the_model_is_shown(
    segment: SegmentWidget, models: Path, qtbot: "QtBot"
) -> None:
    model = thresholder(
        "scored", channels=3, scores={"iou": 0.914}, created="2026-10-05T12:00:00+00:00"
    )
    model.save(models / "scored.unet")
    segment.models.refresh()
    segment.models.choose("scored")
    assert segment.models.info.text() == (
        "U-Net, 2D, 3 channels, from 05 Oct 2026\nIoU 0.91 on held-out data"
    )
    thresholder("scored").save(models / "scored.unet")
    qtbot.waitUntil(lambda: "not scored" in segment.models.info.text(), timeout=WAIT)
    segment.models.choose("nuclei")
    assert segment.models.info.text().startswith("Fluorescent nuclei in 2D\nU-Net, 2D")


def test_file_from_elsewhere_can_be_opened(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, tmp_path: Path
) -> None:
    choice = segment.models
    choice.open("")  # the dialog was cancelled
    assert choice.combo.currentText() == "bright"
    (tmp_path / "foreign.unet").write_text("hello")
    choice.open(tmp_path / "foreign.unet")
    assert "not a usable model file" in segment.status.text()
    assert choice.combo.currentText() == "bright"
    path = thresholder("bright", threshold=0.9).save(tmp_path / "bright.unet")
    choice.open(path)
    assert choice.path == path
    assert choice.combo.currentText() == f"bright ({tmp_path})"
    viewer.add_image(squares(), name="cells")
    finish(segment)
    assert results(viewer)[0].data.max() == 2


def test_classes_are_shown_without_object_settings(
    viewer: "Viewer", segment: SegmentWidget, finish: Any, models: Path
) -> None:
    model = thresholder("classes", target="classes", class_values=(3, 8))
    model.save(models / "classes.unet")
    segment.models.refresh()
    segment.models.choose("classes")
    viewer.add_image(squares(), name="cells")
    finish(segment)
    labels = results(viewer)[0]
    assert set(np.unique(labels.data)) == {3, 8}
    assert segment.panel is not None
    assert not segment.panel.isHidden()
    assert segment.panel.form.isHidden()
    assert segment.panel.count.text() == "classes mapped"


def test_probabilities_are_not_offered_as_images(
    viewer: "Viewer", segment: SegmentWidget, finish: Any
) -> None:
    viewer.add_image(squares(), name="cells")
    finish(segment)
    assert [str(choice) for choice in segment.image.choices] == ["cells"]
