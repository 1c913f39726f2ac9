"""The session of a window is a script that makes equal layers elsewhere."""

import ast
import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_unet_studio as us
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.widgets._session import Session, record, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
SAMPLE = nuclei_2d((96, 90), seed=1)
PLACE = ("scale", "translate", "rotate", "shear", "units", "axis_labels")

pytestmark = pytest.mark.usefixtures("home", "one_thread")


@pytest.fixture
def again(
    viewer: "Viewer",
    make_napari_viewer: "Callable[..., Viewer]",
    tmp_path: "Path",
    monkeypatch: pytest.MonkeyPatch,
) -> "Callable[..., Viewer]":
    """Run a script in a fresh viewer, and return that."""

    def run(script: str, magic: bool = False) -> "Viewer":
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "session.py"
        path.write_text(script, encoding="utf-8")
        fresh = make_napari_viewer()
        torch.set_num_threads(1)  # as in the thread of a dock
        if not magic:
            runpy.run_path(str(path), run_name="__main__")
            return fresh
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        quiet = Config({"HistoryManager": {"enabled": False}})
        shell = InteractiveShell(config=quiet, user_ns={"viewer": fresh})
        shell.run_line_magic("run", f'"{path}"')
        return fresh

    return run


def assert_equal(made: "Viewer", shown: "Viewer", *names: str) -> None:
    """Compare layers bit for bit, with their places and what they say of themselves."""
    for name in names or [layer.name for layer in shown.layers]:
        one, other = made.layers[name], shown.layers[name]
        assert type(one) is type(other)
        assert one.data.dtype == other.data.dtype, name
        np.testing.assert_array_equal(one.data, other.data, name)
        for part in PLACE:
            assert str(getattr(one, part)) == str(getattr(other, part)), (name, part)
        assert facts(one) == facts(other), name
        if hasattr(one, "features"):
            assert one.features.equals(other.features), name


def facts(layer: Any) -> str:
    """Return what a layer says of itself; of probabilities, objects are no part."""
    made = dict(layer.metadata.get(METADATA_KEY, {}))
    if layer.name.endswith("probability"):
        del made["objects"]
    return str(made)


@pytest.mark.parametrize(
    "magic",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["runpy", "%run"],
)
def test_a_session_from_a_sample_to_a_table(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, qtbot: "QtBot", magic: bool
) -> None:
    viewer.open_sample(PLUGIN, "nuclei_2d")
    segment = dock("Segment")
    segment.models.choose("nuclei")
    wait(segment)
    result = segment.panel.result
    segment.panel.form.set(ObjectConfig(threshold=0.35, min_size=60))
    qtbot.waitUntil(lambda: result.settled, timeout=WAIT)
    assert result.objects.threshold == 0.35
    weights = dock("Separation weights")
    weights.labels.value = result.labels
    weights.form.sigma.set_value(7.5)
    wait(weights)
    deform = dock("Elastic deformation")
    deform.form.preview.setChecked(False)
    deform.image.value = viewer.layers["Nuclei"]
    deform.labels.value = result.labels
    wait(deform)
    table = dock("Object table")
    table.labels.value = result.labels
    wait(table)
    script = session_of(segment).script()
    assert session_of(table) is session_of(segment)
    fresh = again(script, magic)
    assert len(fresh.layers) == len(viewer.layers) == 7
    assert_equal(fresh, viewer)


@pytest.mark.slow
def test_a_training_and_its_model(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tiny: Any
) -> None:
    viewer.open_sample(PLUGIN, "nuclei_2d")
    train = dock("Train")
    train.form.set(tiny())
    train.set_pairs([(*viewer.layers, "train")])
    train.name.setText("of mine")
    wait(train)
    segment = dock("Segment")
    segment.models.choose("of mine")
    wait(segment)
    script = session_of(train).script()
    assert "'of mine',\n" not in script  # the model is that of the script
    fresh = again(script)
    shown = viewer.layers["Nuclei [of mine] probability"]
    made = fresh.layers["Nuclei [of mine] probability"]
    np.testing.assert_array_equal(made.data, shown.data)
    np.testing.assert_array_equal(fresh.layers[-1].data, viewer.layers[-1].data)


@pytest.mark.slow
def test_a_session_is_a_program_of_its_own(
    viewer: "Viewer", dock: Any, wait: Any, tmp_path: "Path"
) -> None:
    viewer.open_sample(PLUGIN, "nuclei_2d")
    table = dock("Object table")
    wait(table)
    path = tmp_path / "session.py"
    path.write_text(session_of(table).script(), encoding="utf-8")
    # What python session.py does, but that the window closes by itself.
    code = (
        "import napari, runpy\n"
        "from qtpy.QtCore import QTimer\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "def look():\n"
        "    viewer = napari.current_viewer()\n"
        "    print([layer.name for layer in viewer.layers])\n"
        "    print(len(viewer.layers[-1].features))\n"
        "    viewer.close()\n"
        "timer = QTimer(singleShot=True, interval=0)\n"
        "timer.timeout.connect(look)\n"
        "timer.start()\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, rows = done.stdout.splitlines()[-2:]
    assert names == "['Nuclei', 'Nuclei labels']"
    assert int(rows) == len(viewer.layers["Nuclei labels"].features)


def test_layers_of_files_are_opened_and_others_named_in_a_comment(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tmp_path: "Path"
) -> None:
    path = write_tiff(tmp_path / "cells.tif", SAMPLE.image, "YX")
    viewer.open(path, plugin="napari")
    viewer.layers["cells"].scale = (0.5, 0.5)
    viewer.layers["cells"].units = ("um", "um")
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    viewer.add_labels(SAMPLE.labels, name="painted", **place)
    table = dock("Object table")
    wait(table)
    script = session_of(table).script()
    assert "# Save the layer 'painted' as painted.tif\n" in script
    write_tiff(tmp_path / "painted.tif", SAMPLE.labels.astype(np.int32), "YX")
    fresh = again(script)
    for name in ("cells", "painted"):
        np.testing.assert_array_equal(fresh.layers[name].data, viewer.layers[name].data)
        assert (fresh.layers[name].scale == viewer.layers[name].scale).all()
        assert fresh.layers[name].units == viewer.layers[name].units
    measured = viewer.layers["painted"].features
    assert fresh.layers["painted"].features.equals(measured)


def test_a_layer_that_is_there_is_not_opened_again(viewer: "Viewer") -> None:
    layer = viewer.add_image(SAMPLE.image, name="Nuclei")
    assert us.open_layer(viewer, "Nuclei", sample="nuclei_2d") is layer
    other = us.open_layer(viewer, "Nuclei labels", sample="nuclei_2d")
    assert [each.name for each in viewer.layers] == ["Nuclei", "Nuclei labels"]
    assert other is viewer.layers[-1]
    with pytest.raises(InputError, match="There is no file"):
        us.open_layer(viewer, "gone", "gone.tif")
    with pytest.raises(InputError, match="has no layer 'gone'"):
        us.open_layer(viewer, "gone")


def test_removed_results_are_left_out_and_others_keep_their_names(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tmp_path: "Path"
) -> None:
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    viewer.add_image(SAMPLE.image, name="cells", **place)
    deform = dock("Elastic deformation")
    deform.form.preview.setChecked(False)
    deform.image.value = viewer.layers["cells"]
    for seed in (1, 2, 3):
        deform.form.seed.setValue(seed)
        deform.form.preview.setChecked(False)
        wait(deform)
    viewer.layers.remove("cells deformed [1]")
    viewer.layers["cells deformed [2]"].name = "kept"
    script = session_of(deform).script()
    assert script.count("us.deform_layer(") == 2
    write_tiff(tmp_path / "cells.tif", SAMPLE.image, "YX")
    fresh = again(script)
    assert [x.name for x in fresh.layers] == [x.name for x in viewer.layers]
    assert_equal(fresh, viewer, "cells deformed", "kept")


def test_other_names_and_strokes_of_the_brush_are_noticed(
    viewer: "Viewer",
    dock: Any,
    wait: Any,
    again: Any,
    qtbot: "QtBot",
    tmp_path: "Path",
) -> None:
    cells = viewer.add_labels(SAMPLE.labels, name="cells")
    weights = dock("Separation weights")
    wait(weights)
    cells.name = "mine"
    viewer.layers["cells weights"].name = "map"
    weights.form.sigma.set_value(7.5)
    wait(weights)
    image = viewer.add_image(SAMPLE.image, name="image")
    deform = dock("Elastic deformation")
    deform.form.preview.setChecked(False)
    deform.image.value = image
    deform.labels.value = cells
    deform.run()
    image.name = "picture"  # while it is deformed
    qtbot.waitUntil(lambda: not deform.running, timeout=WAIT)
    viewer.layers["mine deformed"].fill((50, 50), 99)
    script = session_of(weights).script()
    assert script.count("us.weights_layer(") == 1
    assert "# Save the layer 'mine deformed' as mine deformed.tif\n" in script
    for name, data in (
        ("cells", SAMPLE.labels.astype(np.int32)),
        ("mine", SAMPLE.labels.astype(np.int32)),
        ("picture", SAMPLE.image),
        ("mine deformed", viewer.layers["mine deformed"].data.astype(np.int32)),
    ):
        write_tiff(tmp_path / f"{name}.tif", data, "YX")
    fresh = again(script)
    for name in ("mine", "map", "picture", "image deformed", "mine deformed"):
        np.testing.assert_array_equal(fresh.layers[name].data, viewer.layers[name].data)


@pytest.mark.slow
def test_what_a_removed_layer_led_to_is_still_made(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, qtbot: "QtBot"
) -> None:
    viewer.open_sample(PLUGIN, "nuclei_2d")
    segment = dock("Segment")
    segment.models.choose("nuclei")
    wait(segment)
    result = segment.panel.result
    viewer.layers["Nuclei"].name = "first"  # the results keep their names
    segment.panel.form.set(ObjectConfig(threshold=0.35, min_size=60))
    qtbot.waitUntil(lambda: result.settled, timeout=WAIT)
    assert result.objects.threshold == 0.35
    weights = dock("Separation weights")
    weights.labels.value = result.labels
    wait(weights)
    viewer.layers.remove("Nuclei [nuclei] probability")
    viewer.layers.remove("Nuclei [nuclei] labels")
    script = session_of(weights).script()
    assert "# Its layers were removed later; what follows needs them.\n" in script
    fresh = again(script)
    name = "Nuclei [nuclei] labels weights"
    np.testing.assert_array_equal(fresh.layers[name].data, viewer.layers[name].data)
    viewer.layers.remove("Nuclei [nuclei] labels weights")
    assert "predict_layer" not in session_of(weights).script()


def test_strokes_of_the_brush_count_also_when_a_result_is_shown_again(
    viewer: "Viewer", dock: Any
) -> None:
    widget = dock("Object table")
    image = viewer.add_image(SAMPLE.image, name="cells")
    labels = viewer.add_labels(SAMPLE.labels.copy(), name="cells labels")
    record(widget, "Segment", "segment(viewer)", [image], [labels])
    labels.fill((50, 50), 99)
    record(widget, "Segment", "segment(viewer)", [image], [labels])
    script = session_of(widget).script()
    assert script.count("segment(viewer)") == 1
    assert "# changed by hand" in script
    labels.data = SAMPLE.labels.copy()
    record(widget, "Segment", "segment(viewer, again=True)", [image], [labels])
    assert "# changed by hand" not in session_of(widget).script()


def test_an_image_that_was_changed_is_noted_until_the_network_runs_again(
    viewer: "Viewer", dock: Any
) -> None:
    widget = dock("Object table")
    image = viewer.add_image(SAMPLE.image, name="cells")
    likely = viewer.add_image(SAMPLE.image / 255, name="cells probability")
    labels = viewer.add_labels(SAMPLE.labels.copy(), name="cells labels")
    note = "# The layer 'cells' was changed after this."
    made = [likely, labels]
    record(widget, "Segment", "segment(viewer)", [image], made)
    image.data = SAMPLE.image[::-1].copy()
    assert note in session_of(widget).script()
    labels.data = SAMPLE.labels.copy()  # other settings are shown
    record(widget, "Segment", "segment(viewer, threshold=0.9)", [image], made)
    script = session_of(widget).script()
    assert "threshold=0.9" in script
    assert note in script
    likely.data, labels.data = SAMPLE.image[::-1] / 255, SAMPLE.labels.copy()
    record(widget, "Segment", "segment(viewer, threshold=0.9)", [image], made)
    assert note not in session_of(widget).script()


def test_layers_of_one_name_after_each_other_are_not_mixed_up(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tmp_path: "Path"
) -> None:
    weights = dock("Separation weights")
    for seed, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        labels = nuclei_2d((96, 90), seed=seed).labels.astype(np.uint16)
        path = write_tiff(tmp_path / folder / "cell.tif", labels, "YX")
        if "cell" in viewer.layers:
            viewer.layers.remove("cell")
        viewer.open(path, plugin="napari", layer_type="labels")
        weights.labels.value = viewer.layers["cell"]
        wait(weights)
    assert_equal(again(session_of(weights).script()), viewer)


def test_a_name_that_another_layer_had_before(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tmp_path: "Path"
) -> None:
    weights = dock("Separation weights")
    painted = [nuclei_2d((96, 90), seed=seed).labels for seed in (1, 2)]
    first, second = (viewer.add_labels(each, name="cells") for each in painted)
    for layer in (first, second):
        weights.labels.value = layer
        wait(weights)
    first.name, second.name = "old", "cells"
    weights.form.sigma.set_value(7.5)
    wait(weights)
    for name, pixels in zip(("cells", "cells -1"), painted, strict=True):
        write_tiff(tmp_path / f"{name}.tif", pixels, "YX")
    fresh = again(session_of(weights).script())
    names = {layer.name for layer in viewer.layers}
    assert names == {"old", "cells", "cells weights", "cells [1] weights"}
    for name in names:
        np.testing.assert_array_equal(fresh.layers[name].data, viewer.layers[name].data)


def test_a_pixel_size_that_was_set_between_two_runs(
    viewer: "Viewer", dock: Any, wait: Any, again: Any, tmp_path: "Path"
) -> None:
    weights = dock("Separation weights")
    labels = viewer.add_labels(SAMPLE.labels, name="cells")
    write_tiff(tmp_path / "cells.tif", SAMPLE.labels, "YX")
    wait(weights)
    labels.scale, labels.units = (0.5, 0.25), ("um", "um")
    wait(weights)
    assert_equal(again(session_of(weights).script()), viewer)


def test_a_model_that_is_called_like_a_layer(viewer: "Viewer", dock: Any) -> None:
    widget = dock("Object table")
    image = viewer.add_image(SAMPLE.image, name="cells")
    record(widget, "Train", "model = us.train_layers()\n", [image], trained="cells")
    code = "us.predict_layer(\n    viewer,\n    'cells',\n    'cells',\n)\n"
    made = viewer.add_labels(SAMPLE.labels, name="cells labels")
    record(widget, "Segment", code, [image], [made], model="cells")
    script = session_of(widget).script()
    assert "(\n    viewer,\n    'cells',\n    model,\n)" in script


def test_several_results_of_a_run_are_removed(
    viewer: "Viewer", dock: Any, again: Any, tmp_path: "Path"
) -> None:
    widget = dock("Object table")
    image = viewer.add_image(SAMPLE.image, name="cells")
    made = [viewer.add_image(SAMPLE.image + n, name=f"m{n}") for n in range(4)]
    code = "".join(
        f"viewer.add_image(viewer.layers['cells'].data + {n}, name='m{n}')\n"
        for n in range(4)
    )
    record(widget, "Add", code, [image], made)
    for name in ("m0", "m2"):
        viewer.layers.remove(name)
    write_tiff(tmp_path / "cells.tif", SAMPLE.image, "YX")
    fresh = again(session_of(widget).script())
    assert [layer.name for layer in fresh.layers] == ["cells", "m1", "m3"]


@pytest.mark.parametrize("title", ["Inspect", "Compare"])
def test_layers_that_are_renamed_while_a_dock_looks_at_them(
    viewer: "Viewer", dock: Any, again: Any, qtbot: "QtBot", title: str
) -> None:
    viewer.open_sample(PLUGIN, "nuclei_2d")
    widget = dock(title)
    if title == "Compare":
        widget.form.add_model()
    widget.run()
    viewer.layers["Nuclei"].name, viewer.layers["Nuclei labels"].name = "a", "b"
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    again(session_of(widget).script())


@pytest.mark.parametrize("strokes", [1, 100])
def test_strokes_are_told_apart_whatever_their_number(
    viewer: "Viewer", dock: Any, strokes: int
) -> None:
    widget = dock("Object table")
    labels = viewer.add_labels(np.zeros((96, 90), np.int32), name="cells")
    for number in range(strokes):
        labels.paint((number % 90, 50), 1 + number // 90)
    painted = viewer.layers[0].data.copy()
    record(widget, "Look", "print(viewer)", [labels])
    note = "# The layer 'cells' was changed after this."
    labels.undo()
    labels.redo()
    np.testing.assert_array_equal(labels.data, painted)
    assert note not in session_of(widget).script()
    if strokes == 1:  # of many, napari forgets the first
        labels.undo()
    labels.paint((10, 10), 9)
    assert note in session_of(widget).script()


def test_every_menu_copies_and_saves_the_session(
    viewer: "Viewer",
    dock: Any,
    tmp_path: "Path",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widget = dock("Object table")
    copy, save = (action for action in widget.copy.menu().actions()[-2:])
    widget.copy.menu().aboutToShow.emit()
    assert not copy.isEnabled()
    assert not save.isEnabled()
    viewer.add_image(SAMPLE.image, name="cells")
    record(widget, "Look", "print(viewer)", [viewer.layers[0]])
    widget.copy.menu().aboutToShow.emit()
    assert copy.isEnabled()
    copy.trigger()
    script = QApplication.clipboard().text()
    assert script == session_of(widget).script()
    ast.parse(script)
    path = tmp_path / "what I did"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), "Python (*.py)")
    )
    save.trigger()
    assert (tmp_path / "what I did.py").read_text(encoding="utf-8") == script


def test_a_session_belongs_to_its_window(viewer: "Viewer", dock: Any) -> None:
    session = session_of(dock("Segment"))
    assert isinstance(session, Session)
    assert session_of(dock("Train")) is session
    assert session.parent() is not None
    assert session.script() == ""
