"""The Batch widget in a real viewer: what a user does, and what may go wrong."""

import csv
import gc
import json
import shlex
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog
from typer.testing import CliRunner

import napari_unet_studio as us
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.registry import find_model
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.widgets._batch.form import LAYERS
from napari_unet_studio.widgets._batch.place import FOLDER
from napari_unet_studio.widgets._batch.reading import Stated
from napari_unet_studio.widgets._session import session_of

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
PLACE = {"scale": (0.5, 0.5), "translate": (3.0, -7.0), "units": ("um", "um")}

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module", autouse=True)
def torch_is_loaded():
    """Load it before the widgets do, in the main thread."""
    import torch  # noqa: F401


@pytest.fixture
def images(tmp_path):
    """A folder with three images, and two files that are none."""
    folder = tmp_path / "images"
    for seed, name in enumerate(("day 1", "day 2", "day 10")):
        image = nuclei_2d((96, 90), seed=seed + 1).image
        write_tiff(folder / f"{name}.tif", image, "YX", (0.5, 0.5), "um")
    (folder / "bad.tif").write_text("no image")
    (folder / "notes.txt").write_text("not even called one")
    return folder


@pytest.fixture
def layers(viewer):
    """Two images, of which one has another place, and labels."""
    one, two = (nuclei_2d((96, 90), seed=seed) for seed in (1, 2))
    found = [
        viewer.add_image(one.image, name="a/b", **PLACE),
        viewer.add_image(two.image, name="second"),
    ]
    viewer.add_labels(one.labels, name="truth")
    return found


@pytest.fixture
def widget(viewer):
    """The docked widget."""
    return viewer.window.add_plugin_dock_widget(PLUGIN, "Batch")[1]


@pytest.fixture
def wait(qtbot):
    """Press the main button and wait."""

    def press(widget):
        widget.run_button.click()
        qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)

    return press


def states(widget):
    """Return the words of the column Status by the names of the images."""
    found = {}
    for row in range(widget.table.rowCount()):
        name, status = (widget.table.item(row, n).text() for n in (0, 1))
        found[name] = status.split()[-1]
    return found


def shown(widget):
    return [widget.table.item(r, 0).text() for r in range(widget.table.rowCount())]


def key_of(widget, name):
    return next(entry.key for entry in widget.form.entries if entry.name == name)


# -- images ----------------------------------------------------------------------------


def test_a_folder_is_listed_in_natural_order(widget, images):
    widget.take([images])
    assert shown(widget) == ["bad", "day 1", "day 2", "day 10"]
    assert set(states(widget).values()) == {"waiting"}
    assert widget.form.place.read() == images / "predicted"
    assert widget.run_button.isEnabled()
    widget.form.clear_button.click()
    assert not shown(widget)
    assert "Drop images" in widget.detail.text()
    widget.run_button.click()  # it says what is missing
    assert not widget.running
    assert "on the dock Batch" in widget.status.text()  # also seen as a notification
    widget.take([images])
    assert not widget.status.text()


def test_files_and_folders_can_be_dropped(widget, images):
    urls = [QUrl.fromLocalFile(str(images / f"day {n}.tif")) for n in (2, 1)]
    data = QMimeData()
    data.setUrls(urls)
    both = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    entering = QDragEnterEvent(QPointF(5, 5).toPoint(), action, data, *both)
    QApplication.sendEvent(widget, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), action, data, *both))
    assert shown(widget) == ["day 2", "day 1"]
    widget.take([images])
    assert len(shown(widget)) == 4  # none of them twice


def test_the_folder_for_results_can_be_typed_or_dropped(widget, images, tmp_path):
    place = widget.form.place
    widget.take([images])
    place.folder.setText("found")  # beside the images
    assert place.read() == images / "found"
    place.folder.setText((tmp_path / "my results").as_uri())
    assert place.read() == tmp_path / "my results"
    place.folder.setText("  ")
    assert place.read() == images / "predicted"


def test_a_model_that_is_dropped_is_chosen(widget, tmp_path):
    file = tmp_path / "mine.unet"
    file.write_bytes(find_model("nuclei").read_bytes())
    widget.take([file])
    assert widget.form.models.path == file
    assert not shown(widget)


def test_what_holds_no_images_is_refused_with_a_sentence(widget, tmp_path):
    widget.take([tmp_path])
    assert "There are no images" in widget.status.text()
    widget.take([tmp_path / "nowhere.tif"])
    assert "does not exist" in widget.status.text()
    assert widget.form.paths == []


def test_all_layers_but_those_of_models_are_offered(widget, viewer, layers):
    widget.form.source.setCurrentText(LAYERS)
    assert shown(widget) == ["a/b", "second"]
    viewer.add_image(np.zeros((9, 9)), name="third")
    viewer.add_image(np.zeros((9, 9)), name="p", metadata={METADATA_KEY: {"model": ""}})
    assert shown(widget) == ["a/b", "second", "third"]
    widget.table.tick(key_of(widget, "second"), on=False)
    layers[1].name = "renamed"
    assert shown(widget) == ["a/b", "renamed", "third"]
    assert not widget.table.is_ticked(key_of(widget, "renamed"))
    viewer.layers.remove(layers[0])
    assert shown(widget) == ["renamed", "third"]


# -- files -----------------------------------------------------------------------------


def test_files_become_labels_and_the_table_says_what_failed(widget, images, wait):
    widget.take([images])
    wait(widget)
    assert states(widget) == {
        "bad": "failed",
        "day 1": "done",
        "day 2": "done",
        "day 10": "done",
    }
    labels = read_image(images / "predicted/day 2.tif")
    expected = us.predict(read_image(images / "day 2.tif").array, "nuclei").labels
    np.testing.assert_array_equal(labels.array, expected)
    assert labels.spacing == (0.5, 0.5)
    row = widget.table.row_text(key_of(widget, "day 2"))
    assert row[2] == str(expected.max())
    assert row[3].endswith(" s")
    remark = widget.table.row_text(key_of(widget, "bad"))[4]
    assert remark.startswith("cannot be read as an image: not a TIFF file")
    assert "3 images segmented" in widget.status.text()
    assert "1 failed" in widget.status.text()
    assert widget.detail.text().startswith("bad: ")  # chosen, as none was


def test_the_next_run_goes_on(widget, images, wait):
    widget.take([images])
    for name in ("day 1", "bad"):
        widget.table.tick(key_of(widget, name), on=False)
    wait(widget)
    assert states(widget)["day 1"] == "waiting"
    before = (images / "predicted/day 2.tif").stat().st_mtime_ns
    widget.table.tick(key_of(widget, "day 1"))
    wait(widget)
    assert states(widget) == {
        "bad": "waiting",
        "day 1": "done",
        "day 2": "kept",
        "day 10": "kept",
    }
    assert (images / "predicted/day 2.tif").stat().st_mtime_ns == before
    wait(widget)
    assert "3 images kept from an earlier run; nothing" in widget.status.text()


def test_results_of_other_settings_are_replaced_on_demand_only(widget, images, wait):
    widget.take([images / "day 1.tif"])
    wait(widget)
    key = key_of(widget, "day 1")
    widget.form.objects.form().set_number("threshold", 0.9)
    wait(widget)
    assert states(widget) == {"day 1": "failed"}
    reason = widget.table.row_text(key)[4]
    assert "threshold" in reason
    assert "Replace results" in reason
    assert "--" not in reason
    widget.form.overwrite.setChecked(True)
    wait(widget)
    assert states(widget) == {"day 1": "done"}
    expected = us.predict(
        read_image(images / "day 1.tif").array,
        "nuclei",
        objects=widget.form.objects.form().value(),
    ).labels
    found = read_image(images / "predicted/day 1.tif").array
    np.testing.assert_array_equal(found, expected)


def test_cancel_keeps_what_is_done(widget, images, qtbot, wait):
    widget.take([images])
    widget.run_button.click()
    assert not widget.form.top.isEnabled()
    qtbot.waitUntil(lambda: "done" in states(widget).values(), timeout=WAIT)
    assert "running" in states(widget).values()
    assert " of 4 images" in widget.progress.format()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert "running" not in states(widget).values()
    done = {name for name, state in states(widget).items() if state == "done"}
    assert done == {path.stem for path in (images / "predicted").glob("*.tif")}
    if "waiting" in states(widget).values():  # it was quick enough
        assert "Stopped" in widget.status.text()
    wait(widget)
    assert all(states(widget)[name] == "kept" for name in done)
    assert set(states(widget).values()) <= {"done", "kept", "failed"}


def test_closing_the_dock_stops_and_keeps(widget, viewer, images, qtbot):
    widget.take([images])
    widget.run_button.click()
    qtbot.waitUntil(lambda: "done" in states(widget).values(), timeout=WAIT)
    job = widget.job
    viewer.window.remove_dock_widget(widget)
    assert job.stopping
    written = images / "predicted/day 1.tif"
    assert read_image(written).array.max() > 0
    record = json.loads((images / "predicted/batch.json").read_text())
    assert [item["status"] for item in record["items"]][:2] == ["failed", "done"]


def test_a_folder_that_cannot_be_written_is_told(widget, images, wait):
    widget.take([images])
    widget.form.place.set(images / "notes.txt" / "inside")
    wait(widget)
    assert "Nothing can be written" in widget.status.text()
    assert "--" not in widget.status.text()
    assert set(states(widget).values()) == {"waiting"}
    widget.form.place.set(images / "elsewhere")
    assert not widget.status.text()  # no longer so


def test_what_was_said_of_a_row_goes_when_it_waits_again(widget, images, wait):
    widget.take([images])
    wait(widget)
    assert widget.detail.text().startswith("bad: ")
    widget.form.place.set(images / "notes.txt" / "inside")
    wait(widget)
    assert set(states(widget).values()) == {"waiting"}
    assert not widget.detail.text()
    assert not widget.folder_button.isEnabled()


def test_the_table_grows_with_its_rows_where_the_dock_is_high(
    widget, viewer, images, qtbot
):
    for number in range(20):
        shutil.copy(images / "day 1.tif", images / f"more {number}.tif")
    widget.take([images])
    viewer.window.resize(1400, 1300)
    dock = widget.parent()
    dock.setFloating(True)
    dock.resize(370, 1200)
    dock.show()
    last = widget.table.item(widget.table.rowCount() - 1, 0)

    def all_seen():
        below = widget.table.visualItemRect(last).bottom()
        return below < widget.table.viewport().height()

    qtbot.waitUntil(all_seen, timeout=WAIT)
    dock.resize(370, 600)
    qtbot.waitUntil(lambda: not all_seen(), timeout=WAIT)


def test_files_that_are_gone_are_taken_out_of_the_list(widget, images, wait):
    (images / "bad.tif").unlink()
    other = images.parent / "other.tif"
    (images / "day 1.tif").rename(other)
    widget.take([images, other])
    assert shown(widget) == ["day 2", "day 10", "other"]
    other.unlink()
    wait(widget)
    assert states(widget) == {"day 2": "done", "day 10": "done"}
    shutil.rmtree(images)
    wait(widget)
    assert shown(widget) == []
    assert f"{images} is not there any more" in widget.status.text()


def test_results_can_be_stores_with_a_table_of_objects(widget, images, wait):
    widget.take([images / "day 1.tif"])
    widget.form.files.form.set(BatchConfig(table=True, store=True))
    wait(widget)
    out = images / "predicted"
    assert (out / "day 1.zarr").is_dir()
    with (out / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    count = int(widget.table.row_text(key_of(widget, "day 1"))[2])
    assert len(rows) == count > 0


# -- layers ----------------------------------------------------------------------------


def test_layers_become_labels_in_their_place(widget, viewer, layers, wait):
    widget.form.source.setCurrentText(LAYERS)
    assert not widget.form.written.isVisibleTo(widget)
    wait(widget)
    assert states(widget) == {"a/b": "done", "second": "done"}
    assert not hasattr(widget._outcomes.known[key_of(widget, "a/b")].prediction, "card")
    labels = viewer.layers["a/b [nuclei] labels"]
    assert isinstance(labels, Labels)
    np.testing.assert_allclose(labels.scale, layers[0].scale)
    np.testing.assert_allclose(labels.translate, layers[0].translate)
    np.testing.assert_array_equal(
        labels.data, us.predict(layers[0].data, "nuclei", spacing=(0.5, 0.5)).labels
    )
    made = labels.metadata[METADATA_KEY]
    assert made["source"] == "a/b"
    assert made["digest"]
    count = len(viewer.layers)
    wait(widget)
    assert len(viewer.layers) == count  # into the same layers
    labels.data = np.zeros_like(labels.data)
    wait(widget)
    assert "a/b [nuclei] labels [1]" in viewer.layers
    assert not labels.data.any()


def test_the_list_keeps_no_pixels_of_layers_that_were_removed(
    widget, viewer, layers, wait
):
    widget.form.source.setCurrentText(LAYERS)
    wait(widget)
    pixels = weakref.ref(layers[0].data)
    viewer.layers.remove(layers.pop(0))
    gc.collect()
    assert states(widget) == {"second": "done"}
    assert pixels() is None


def test_layers_can_go_to_a_folder(widget, viewer, layers, wait, tmp_path):
    widget.form.source.setCurrentText(LAYERS)
    widget.form.place.kind.setCurrentText(FOLDER)
    wait(widget)
    assert "no folder for the results" in widget.status.text()
    widget.form.place.set(tmp_path / "out")
    before = len(viewer.layers)
    wait(widget)
    assert len(viewer.layers) == before
    assert sorted(p.name for p in (tmp_path / "out").glob("*.tif")) == [
        "a-b.tif",
        "second.tif",
    ]
    wait(widget)
    assert set(states(widget).values()) == {"kept"}
    widget.table.opened.emit(key_of(widget, "a/b"))
    labels = viewer.layers["a-b [nuclei] labels"]
    np.testing.assert_allclose(labels.translate, layers[0].translate)


def test_layers_that_cannot_be_read_are_listed(widget, viewer, layers, wait):
    viewer.add_image(np.zeros((40, 40, 3), np.uint8), name="colours", rgb=True)
    viewer.add_image(np.full((40, 40), np.nan, np.float32), name="nan")
    widget.form.source.setCurrentText(LAYERS)
    widget.form.reading.axes.setEditText("TYX")
    wait(widget)
    assert set(states(widget).values()) == {"failed"}
    assert "cannot be named" in widget.table.row_text(key_of(widget, "second"))[4]
    assert widget.as_python() == widget.as_shell() == ""
    assert "cannot be named" in widget.status.text()
    widget.form.reading.set(Stated())
    wait(widget)
    assert states(widget) == {
        "a/b": "done",
        "second": "done",
        "colours": "failed",
        "nan": "failed",
    }
    remark = widget.table.row_text(key_of(widget, "colours"))[4]
    assert "Reading > Channel > grey of colours" in remark
    assert "stained-nuclei" in remark
    assert "channel 'grey'" not in remark
    widget.form.reading.set(Stated(channel="grey"))
    wait(widget)
    assert states(widget)["colours"] == "done"
    assert states(widget)["second"] == "done"


def test_an_image_that_is_removed_meanwhile_still_gets_its_result(
    widget, viewer, layers, qtbot
):
    widget.form.source.setCurrentText(LAYERS)
    widget.run_button.click()
    viewer.layers.remove(layers[1])
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert "second [nuclei] labels" in viewer.layers
    assert shown(widget) == ["a/b"]


def test_each_channel_of_a_layer_has_results_of_its_own(widget, viewer, wait):
    both = np.stack([nuclei_2d((96, 90), seed=seed).image for seed in (1, 2)])
    viewer.add_image(both, name="cells", axis_labels=("c", "y", "x"))
    viewer.add_image(both[0], name="one")
    widget.form.source.setCurrentText(LAYERS)
    for channel in (0, 1):
        widget.form.reading.set(Stated(channel=channel))
        wait(widget)
    for channel in (0, 1):
        labels = viewer.layers[f"cells channel {channel} [nuclei] labels"]
        found = us.predict(both[channel], "nuclei").labels
        np.testing.assert_array_equal(labels.data, found)
    for name, found in (("cells", labels.name), ("one", "one [nuclei] labels")):
        viewer.layers.selection.active = None
        widget.table.opened.emit(key_of(widget, name))
        assert viewer.layers.selection.active.name == found
    count = len(viewer.layers)
    widget.form.reading.set(Stated(channel=0))
    wait(widget)
    assert len(viewer.layers) == count  # into the layers of that channel


def test_code_leaves_out_an_image_that_is_removed_meanwhile(
    widget, viewer, layers, qtbot
):
    widget.form.source.setCurrentText(LAYERS)
    widget.run_button.click()
    viewer.layers.remove(layers.pop())
    gc.collect()
    assert widget.running
    for code in (widget.as_python(), widget.as_shell()):
        assert "a/b" in code or "a-b" in code
        assert "second" not in code
    viewer.layers.remove(layers.pop())
    assert widget.as_python() == ""
    assert "There is no image in the viewer" in widget.status.text()
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


# -- results ---------------------------------------------------------------------------


def test_a_double_click_shows_image_and_labels_once(widget, viewer, images, wait):
    widget.take([images])
    wait(widget)
    table = widget.table
    row = shown(widget).index("day 2")
    table.selectRow(row)
    table.cellDoubleClicked.emit(row, 0)
    image, labels = viewer.layers
    assert isinstance(image, Image)
    assert image.name == "day 2"
    assert viewer.layers.selection.active is labels
    assert labels.data.max() > 0
    for layer in (image, labels):
        np.testing.assert_allclose(layer.scale, (0.5, 0.5))
        assert str(layer.units[0]) == "micrometer"
    table.cellDoubleClicked.emit(row, 0)
    assert len(viewer.layers) == 2
    table.selectRow(shown(widget).index("bad"))
    widget.show_button.click()
    assert "bad.tif" in widget.status.text()
    assert len(viewer.layers) == 2


def test_an_image_that_was_looked_at_before_lies_under_its_labels(
    widget, viewer, images, wait
):
    file = images / "day 1.tif"
    write_tiff(file, nuclei_2d((96, 90), seed=1).image, "YX")
    widget.take([file])
    widget.table.selectRow(0)
    widget.show_button.click()
    widget.form.reading.set(Stated(spacing=(0.25, 0.25), unit="um"))
    wait(widget)
    widget.show_button.click()
    *_, image, labels = viewer.layers
    assert isinstance(image, Image)
    np.testing.assert_allclose(image.extent.world, labels.extent.world)
    widget.show_button.click()
    assert len(viewer.layers) == 3


@pytest.mark.parametrize("stated", [Stated(), Stated(spacing=(0.25, 0.25), unit="um")])
def test_labels_of_a_store_lie_where_it_says(widget, viewer, tmp_path, wait, stated):
    store = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    store.create_array("0", data=nuclei_2d((96, 90), seed=1).image)
    steps = [
        {"type": "scale", "scale": [0.5, 0.5]},
        {"type": "translation", "translation": [10, 20]},
    ]
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "yx"]
    levels = [{"path": "0", "coordinateTransformations": steps}]
    store.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    widget.take([tmp_path / "a.zarr"])
    widget.form.reading.set(stated)
    wait(widget)
    widget.table.selectRow(0)
    widget.show_button.click()
    image, labels = viewer.layers
    shift = np.multiply((20, 40), stated.spacing or 0.5)
    np.testing.assert_allclose(image.translate, shift)
    np.testing.assert_allclose(labels.extent.world, image.extent.world)


def test_return_opens_the_chosen_row(widget, viewer, images, qtbot):
    widget.take([images / "day 1.tif"])
    viewer.window._qt_window.show()
    widget.table.setFocus()
    widget.table.selectRow(0)
    with qtbot.waitSignal(widget.table.opened):
        qtbot.keyClick(widget.table, Qt.Key.Key_Return)
    assert [layer.name for layer in viewer.layers] == ["day 1"]


def test_stores_are_opened_too(widget, viewer, images, wait):
    widget.take([images / "day 1.tif"])
    widget.form.files.form.set(BatchConfig(store=True))
    wait(widget)
    widget.table.selectRow(0)
    widget.show_button.click()
    image, labels = viewer.layers
    assert isinstance(labels, Labels)
    np.testing.assert_allclose(labels.scale, image.scale)
    assert int(np.asarray(labels.data).max()) > 0


def test_the_table_is_sorted_by_numbers(widget, images, wait):
    widget.take([images])
    wait(widget)
    widget.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    counts = [widget.table.item(row, 2).text() for row in range(4)]
    numbers = [int(text) for text in counts[:3]]
    assert numbers == sorted(numbers, reverse=True)
    assert counts[3] == ""
    widget.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert shown(widget) == ["bad", "day 1", "day 2", "day 10"]


def test_the_table_is_saved_and_copied(widget, images, wait, tmp_path, monkeypatch):
    widget.take([images])
    wait(widget)
    target = tmp_path / "table.csv"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(target), "Table (*.csv)")
    )
    widget.save_button.click()
    with target.open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows["bad"]["status"] == "failed"
    assert rows["bad"]["error"]
    assert rows["day 1"]["labels"] == str(images / "predicted/day 1.tif")
    assert int(rows["day 1"]["objects"]) > 0
    widget.table.copy()
    lines = QApplication.clipboard().text().splitlines()
    assert len(lines) == 5
    assert lines[0].split("\t") == ["Image", "Status", "Objects", "Time", "Remark"]


def test_the_folder_is_opened(widget, images, wait, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    widget.take([images / "day 1.tif"])
    assert not widget.folder_button.isEnabled()
    wait(widget)
    widget.folder_button.click()
    assert [Path(url.toLocalFile()) for url in opened] == [images / "predicted"]


# -- settings --------------------------------------------------------------------------


def test_the_record_of_a_batch_brings_its_settings_back(widget, images, wait, viewer):
    widget.take([images / "day 1.tif", images / "day 2.tif"])
    config = BatchConfig(PredictConfig(tile=64, average="flips"), table=True)
    widget.form.set_config(config)
    widget.form.objects.form().set_number("min_size", 40)
    widget.form.reading.set(Stated("YX", None, (0.25, 0.25), "um"))
    wait(widget)
    assert set(states(widget).values()) == {"done"}
    record = images / "predicted/batch.json"
    _, other = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch")
    other.form.objects.form().set_number("min_size", 7)
    other.take([record])
    assert other.form.config() == config
    assert other.form.objects.form().value().min_size == 40
    assert other.form.reading.value() == Stated("YX", None, (0.25, 0.25), "um")
    assert shown(other) == ["day 1", "day 2"]
    assert other.form.place.read() == images / "predicted"
    wait(other)
    assert set(states(other).values()) == {"kept"}
    values = json.loads(record.read_text())
    for run in values["runs"]:
        run["model"] |= {"name": "gone", "path": "gone.unet"}
    record.write_text(json.dumps(values))
    other.form.objects.form().set_number("min_size", 7)
    other.take([record])
    assert "'gone' is not here; choose it" in other.status.text()
    assert other.form.objects.form().value().min_size == 7  # of another model


def test_a_record_may_name_any_channel(widget):
    for stated in (Stated(channel=20), Stated(channel="grey"), Stated(channel=3)):
        widget.form.reading.set(stated)
        assert widget.form.reading.value() == stated


def test_other_files_of_settings_are_taken_or_refused(widget, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(BatchConfig(store=True).to_dict()))
    widget.load(file)
    assert widget.form.config() == BatchConfig(store=True)
    file.write_text(json.dumps(PredictConfig(tile=128).to_dict()))
    widget.load(file)
    assert widget.form.config() == BatchConfig(PredictConfig(tile=128))
    for text in ("{", "[1]", '{"tiles": 3}'):
        file.write_text(text)
        widget.load(file)
        assert "loaded" not in widget.status.text()
        assert widget.form.config().prediction.tile == 128


def test_a_wrong_pixel_size_is_told(widget, images):
    widget.take([images])
    widget.form.reading.spacing.setText("0.5, wide")
    widget.run()
    assert "0.5, wide" in widget.status.text()


# -- code ------------------------------------------------------------------------------


def test_copied_python_repeats_a_batch_of_files(widget, images, wait, capsys):
    widget.take([images])
    widget.form.objects.form().set_number("threshold", 0.7)
    widget.form.set_config(BatchConfig(PredictConfig(tile=64)))
    widget.form.reading.set(Stated("YX", None, (0.25, 0.25), "um"))
    wait(widget)
    space = {}
    exec(widget.as_python(), space)
    assert (len(space["result"].kept), len(space["result"].failed)) == (3, 1)


def test_copied_shell_repeats_a_batch_of_files(widget, images, wait):
    from napari_unet_studio.cli.app import app

    widget.take([images])
    widget.form.objects.form().set_number("threshold", 0.7)
    widget.form.reading.set(Stated("YX", None, (0.25, 0.25), "um"))
    wait(widget)
    command = widget.as_shell()
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--json"])
    assert done.exit_code == 2, done.output  # one of the files is no image
    wait(widget)
    assert sorted(set(states(widget).values())) == ["failed", "kept"]


@pytest.mark.parametrize("folder", [False, True])
def test_copied_python_repeats_a_batch_of_layers(
    widget, viewer, layers, wait, tmp_path, folder, capsys
):
    viewer.add_image(
        np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8), rgb=True
    )
    widget.form.source.setCurrentText(LAYERS)
    widget.form.reading.set(Stated(channel="grey"))
    if folder:
        widget.form.place.set(tmp_path / "out")
    wait(widget)
    assert set(states(widget).values()) == {"done"}
    before = [layer.name for layer in viewer.layers]
    space = {"viewer": viewer}
    exec(widget.as_python(), space)
    if folder:
        assert len(space["result"].kept) == 3
        return
    for name in before:
        if name.endswith("labels"):
            again = viewer.layers[f"{name} [1]"]
            np.testing.assert_array_equal(again.data, viewer.layers[name].data)


def test_the_session_repeats_what_batches_did(
    widget, viewer, layers, images, wait, capsys
):
    widget.form.source.setCurrentText(LAYERS)
    wait(widget)
    widget.table.tick(key_of(widget, "second"), on=False)
    widget.form.objects.form().set_number("threshold", 0.8)
    wait(widget)  # replaces the result of the other one
    widget.take([images / "day 1.tif"])
    wait(widget)
    script = session_of(widget).script()
    assert script.count("us.predict_layer(") == 2
    assert script.count("us.batch(") == 1
    found = {x.name: x.data for x in viewer.layers if x.name.endswith("] labels")}
    assert len(found) == 2
    for name in list(found):
        viewer.layers.remove(name)
        viewer.layers.remove(name.replace("labels", "probability"))
    (images / "predicted/day 1.tif").unlink()
    exec(script, {"viewer": viewer, "__name__": "__main__"})
    assert (images / "predicted/day 1.tif").exists()
    for name, labels in found.items():
        np.testing.assert_array_equal(viewer.layers[name].data, labels)


# -- looks -----------------------------------------------------------------------------


def test_nothing_is_wider_than_the_dock(widget, images):
    widget.take([images])
    for section in (widget.form.written, widget.form.read_as, widget.form.running):
        section.expand(animate=False)
    widget.form.objects.form()
    widget.form.objects.section.expand(animate=False)
    assert widget.minimumSizeHint().width() <= 370
    assert widget.body.parentWidget().minimumSizeHint().width() <= 354
