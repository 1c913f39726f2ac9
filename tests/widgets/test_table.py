"""The table of objects in a real viewer: what it shows, and what it is linked with."""

import csv
import threading
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_unet_studio as us
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.widgets._table.texts import summary

PLUGIN = "napari-unet-studio"
MICRONS = {"scale": (0.5, 0.4), "units": ("um", "um"), "axis_labels": ("y", "x")}


@pytest.fixture
def widget(viewer):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Object table")
    return widget


@pytest.fixture(scope="module")
def cells():
    return SAMPLES["nuclei_2d"]().labels[150:300, 130:300].copy()


def measure(widget, qtbot):
    widget.run()
    qtbot.waitUntil(lambda: not widget.running, timeout=60_000)
    assert widget.table is not None, widget.status.text()


def shown(widget, row, column):
    place = list(widget.table).index(column)
    return widget.view.rows.data(widget.view.rows.index(row, place))


def listening(viewer):
    """Return what this plugin does when the mouse is pressed."""
    return [
        callback
        for callback in viewer.mouse_drag_callbacks
        if callback.__module__.startswith("napari_unet_studio")
    ]


def click(viewer, layer, pixel, drag=0, button=1):
    """Press and release the mouse over a pixel, as napari's canvas does."""
    world = layer.data_to_world(pixel)
    event = SimpleNamespace(
        pos=(50, 60),
        position=tuple(world),
        view_direction=None,
        dims_displayed=list(viewer.dims.displayed),
        type="mouse_press",
        modifiers=(),
        button=button,
    )
    running = [callback(viewer, event) for callback in listening(viewer)]
    for each in running:
        next(each, None)
    if drag:
        event.type, event.pos = "mouse_move", (50 + drag, 60)
        for each in running:
            next(each, None)
    event.type = "mouse_release"
    for each in running:
        next(each, None)


# -- the table -------------------------------------------------------------------------


def test_table_is_what_the_function_measures(widget, viewer, qtbot, cells):
    colours = np.stack((cells, 2 * cells, 3 * cells), -1).astype(np.uint8)
    viewer.add_image(cells * 1.5, name="dapi", **MICRONS)
    viewer.add_image(colours, name="stain", rgb=True, **MICRONS)
    viewer.add_image(np.ones((7, 7)), name="other")
    viewer.add_labels(cells, name="cells", **MICRONS)
    measure(widget, qtbot)
    images = {
        "dapi": cells * 1.5,
        **{
            f"stain {name}": colours[..., i]
            for i, name in enumerate(("red", "green", "blue"))
        },
    }
    expected = us.measure(cells, images, spacing=(0.5, 0.4), unit="um")
    assert list(widget.table) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(widget.table[name], expected[name])
    assert widget.info.text() == summary(expected)
    assert "µm²" in widget.info.text()
    rows = widget.view.rows
    assert (rows.rowCount(), rows.columnCount()) == (len(expected), len([*expected]))
    assert shown(widget, 0, "label") == str(expected["label"][0])
    right = rows.data(rows.index(0, 0), Qt.ItemDataRole.TextAlignmentRole)
    assert right & Qt.AlignmentFlag.AlignRight
    head = rows.headerData(list(expected).index("area"), Qt.Orientation.Horizontal)
    assert head == "area\nµm²"


def test_code_of_the_table_gives_the_table(widget, viewer, qtbot, cells):
    channels = np.stack((cells * 2, cells * 5)).astype(np.float32)
    viewer.add_image(channels, name="two", metadata={"channel_names": ["red", "far"]})
    viewer.add_labels(cells % 3, name="kinds")
    layer = viewer.add_labels(cells, name="it's", scale=(0.5, 0.4))
    widget.labels.value = layer
    widget.classes.value = viewer.layers["kinds"]
    widget.form.editor("neighbours").value = False
    measure(widget, qtbot)
    assert "mean two 1 far" in widget.table
    assert "class" in widget.table
    before = layer.features
    layer.features = None
    folder = {"viewer": viewer}
    code = widget.as_python().replace('table.to_csv("objects.csv")', "")
    exec(code, folder)
    for name in widget.table:
        np.testing.assert_array_equal(folder["table"][name], widget.table[name])
    pd.testing.assert_frame_equal(
        layer.features[list(before)], before, check_dtype=False
    )


def test_pixel_size_without_a_unit_has_none(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells", scale=(2, 2))
    measure(widget, qtbot)
    assert widget.table.units["area"] == ""
    assert widget.table["area"][0] == 4 * widget.table["pixels"][0]
    viewer.add_labels(cells, name="plain")
    widget.choose(viewer.layers["plain"])
    qtbot.waitUntil(lambda: not widget.running, timeout=60_000)
    assert widget.table.units["area"] == "px^2"


@pytest.mark.parametrize("column", ["area", "neighbours", "nearest"])
def test_columns_sort_both_ways_and_keep_the_selection(
    widget, viewer, qtbot, cells, column
):
    viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    widget.view.select(4)
    place = list(widget.table).index(column)
    for order, sign in (
        (Qt.SortOrder.AscendingOrder, 1),
        (Qt.SortOrder.DescendingOrder, -1),
    ):
        widget.view.sortByColumn(place, order)
        values = widget.table[column][widget.view.rows.order]
        assert (np.diff(values * sign) >= 0).all()
        assert widget.view.current() == 4
        assert widget.view.selected().tolist() == [4]
    measure(widget, qtbot)
    values = widget.table[column][widget.view.rows.order]
    assert (np.diff(values) <= 0).all()


def test_selected_rows_are_copied_with_headers(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    widget.view.selectAll()
    qtbot.keyClick(widget.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert len(lines) == len(widget.table) + 1
    assert lines[0].split("\t")[:2] == ["label", "area (px^2)"]
    assert float(lines[3].split("\t")[2]) == widget.table["y"][2]


# -- the link --------------------------------------------------------------------------


def test_a_row_leads_to_its_object(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(
        cells, name="cells", rotate=20, translate=(7, -3), **MICRONS
    )
    measure(widget, qtbot)
    widget.view.setCurrentIndex(widget.view.rows.index(5, 0))
    assert layer.selected_label == widget.table["label"][5]
    place = [widget.table[a][5] / s for a, s in zip("yx", layer.scale, strict=True)]
    centre = getattr(viewer, "scene", viewer).camera.center
    np.testing.assert_allclose(centre[-2:], layer.data_to_world(place))
    widget.only.setChecked(True)
    assert layer.show_selected_label


def test_a_tiny_object_is_enlarged(widget, viewer, qtbot):
    labels = np.zeros((4000, 4000), np.uint8)
    labels[10, 10] = 3
    viewer.add_labels(labels, name="cells")
    measure(widget, qtbot)
    camera = getattr(viewer, "scene", viewer).camera
    camera.zoom = 0.2
    widget.view.setCurrentIndex(widget.view.rows.index(0, 0))
    assert camera.zoom > 10


def test_an_object_leads_to_its_row(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells", **MICRONS)
    viewer.add_points([[1, 1]])
    measure(widget, qtbot)
    camera = getattr(viewer, "scene", viewer).camera
    before = tuple(camera.center)
    layer.selected_label = int(widget.table["label"][7])
    assert widget.view.current() == 7
    pixel = tuple(np.argwhere(cells == widget.table["label"][3])[0])
    click(viewer, layer, pixel)
    assert widget.view.current() == 3
    assert layer.selected_label == widget.table["label"][3]
    assert tuple(camera.center) == before
    other = tuple(np.argwhere(cells == widget.table["label"][9])[0])
    click(viewer, layer, other, drag=30)  # moves the view
    click(viewer, layer, other, button=2)  # zooms
    viewer.layers.selection.active = layer
    layer.mode = "erase"
    click(viewer, layer, other)  # erases
    assert widget.view.current() == 3
    layer.mode = "pan_zoom"
    click(viewer, layer, tuple(np.argwhere(cells == 0)[0]))
    assert widget.view.current() == 3


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_stacks_move_to_the_plane_of_the_object(widget, viewer, qtbot, cells, axes):
    labels = np.stack((cells * 0, cells, cells * (cells > 20)))
    layer = viewer.add_labels(
        labels, name="stack", axis_labels=tuple(axes.lower()), scale=(3, 1, 1)
    )
    measure(widget, qtbot)
    if axes == "ZYX":
        assert "volume" in widget.table
        row = int(np.flatnonzero(widget.table["z"] == 3)[0])  # only in plane 1
        expected = 3.0
    else:
        assert len(widget.table) == sum(len(np.unique(f)) - 1 for f in labels)
        row = int(np.flatnonzero(widget.table["t"] == 2)[0])
        expected = 6.0
    widget.view.chosen.emit(row)
    assert viewer.dims.point[0] == expected
    assert layer.selected_label == widget.table["label"][row]
    viewer.dims.set_point(0, 3.0)
    layer.selected_label = 1
    label = int(widget.table["label"][row])
    layer.selected_label = label
    assert widget.table["label"][widget.view.current()] == label
    if axes == "TYX":  # of its rows that of the time in view
        assert widget.table["t"][widget.view.current()] == 1


def test_the_selected_object_alone_comes_to_sight(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells", visible=False)
    image = viewer.add_image(cells * 1.5, name="image")
    measure(widget, qtbot)
    viewer.layers.selection.active = image
    widget.view.setCurrentIndex(widget.view.rows.index(4, 0))
    assert viewer.layers.selection.active is image  # the user may be at work there
    assert not layer.visible
    layer.selected_label = 100_000  # no object
    widget.view.select(None)
    widget.only.setChecked(True)
    assert layer.visible
    assert viewer.layers.selection.active is layer
    assert layer.selected_label == widget.table["label"][widget.view.current()]
    viewer.layers.selection.active = image
    widget.view.setCurrentIndex(widget.view.rows.index(6, 0))
    assert viewer.layers.selection.active is layer
    widget.only.setChecked(False)
    viewer.layers.selection.clear()
    widget.view.setCurrentIndex(widget.view.rows.index(2, 0))
    assert viewer.layers.selection.active is layer


# -- features --------------------------------------------------------------------------


def test_features_hold_the_table_and_what_the_user_noted(widget, viewer, qtbot, cells):
    ids = np.unique(cells)[1:]
    notes = pd.DataFrame({"index": [ids[0], ids[2], 999], "note": ["a", "b", "c"]})
    layer = viewer.add_labels(cells, name="cells", features=notes)
    for _ in range(2):
        measure(widget, qtbot)
        table = layer.features.set_index("index")
        known = table.loc[widget.table["label"]]
        np.testing.assert_array_equal(known["area"], widget.table["area"])
        assert table["note"].dropna().to_dict() == {ids[0]: "a", ids[2]: "b", 999: "c"}
    widget.form.editor("shape").value = False
    measure(widget, qtbot)
    assert "circularity" not in layer.features
    pixel = tuple(np.argwhere(cells == ids[0])[0])
    status = layer.get_status(pixel)
    assert f"area: {widget.table['area'][0]:g}" in str(status).replace(".0", "")


def test_status_bar_tells_the_time_point_on_screen(widget, viewer, qtbot, cells):
    films = np.zeros((3, *cells.shape), np.uint8)
    for time in range(3):
        films[time, : time + 1, :5] = 2  # grows
        films[time, 50:60, 50:60] = 1
    films[0, 90:95, 3:9] = 3  # there once
    notes = pd.DataFrame({"index": [1, 2], "note": ["a", "b"]})
    layer = viewer.add_labels(
        films, name="film", axis_labels=("t", "y", "x"), features=notes
    )
    measure(widget, qtbot)
    for time in (1, 0, 2, 1):
        viewer.dims.set_current_step(0, time)
        qtbot.waitUntil(lambda now=time: layer.features["t"].iloc[-1] == now)
        status = str(layer.get_status((time, 0, 1)))
        assert f"pixels: {5 * (time + 1)}," in status
        assert "note: b" in status
        table = layer.features.sort_values(["t", "index"])
        np.testing.assert_array_equal(table["area"], widget.table["area"])
    viewer.window.remove_dock_widget(widget)
    before = layer.features
    viewer.dims.set_current_step(0, 0)
    qtbot.wait(100)
    assert layer.features is before


# -- edits and removals ----------------------------------------------------------------


def test_edits_mark_the_table_out_of_date(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells.copy(), name="cells")
    image = viewer.add_image(cells * 2.0, name="image")
    measure(widget, qtbot)
    assert not widget.stale
    layer.selected_label = 5
    assert not widget.stale
    layer.paint((20, 20), 5)
    assert widget.stale
    assert "changed" in widget.info.text()
    measure(widget, qtbot)
    assert not widget.stale
    assert "changed" not in widget.info.text()
    layer.undo()
    assert widget.stale
    measure(widget, qtbot)
    layer.data = np.zeros_like(cells)
    assert widget.stale
    measure(widget, qtbot)
    assert len(widget.table) == 0
    assert "no objects" in widget.status.text()
    image.data = image.data + 1
    assert widget.stale


def test_a_removed_image_is_followed_no_more(widget, viewer, qtbot, cells):
    image = viewer.add_image(cells.astype(np.float32), name="image")
    viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    viewer.layers.remove(image)
    image.data = image.data + 1
    assert not widget.stale
    viewer.layers["cells"].fill((0, 0), 99)
    assert widget.stale


def test_removed_and_renamed_layers(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    layer.name = "nuclei"
    assert widget.labels.value is layer
    assert widget.table is not None
    viewer.layers.remove(layer)
    assert widget.table is None
    assert widget.view.rows.rowCount() == 0
    assert not listening(viewer)
    widget.run()
    assert "no labels" in widget.status.text()
    made = {"metadata": {METADATA_KEY: {"source": "image"}}}
    result = viewer.add_labels(cells, name="result", **made)
    assert widget.labels.value is result


class Slow:
    """Labels that are read when the test allows it."""

    def __init__(self, array):
        self.array, self.gate, self.reads = array, threading.Event(), 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        self.reads += 1
        self.gate.wait(20)
        return self.array[key]


@pytest.fixture
def slow(viewer, cells):
    """A layer of lazy labels that stay in the middle of the work."""
    pixels = Slow(np.tile(cells, (30, 30)).astype(np.int32))
    pixels.gate.set()  # napari's own reads, to show them
    data = da.from_array(pixels, chunks=(2048, 2048), fancy=False)
    layer = viewer.add_labels(data, name="slow")
    QApplication.processEvents()
    pixels.gate.clear()
    pixels.reads = 0
    yield layer, pixels
    pixels.gate.set()


@pytest.mark.parametrize("how", ["remove", "cancel", "close", "choose"])
def test_work_under_way_can_be_left(widget, viewer, qtbot, slow, cells, how):
    layer, pixels = slow
    widget.labels.value = layer
    widget.run()
    qtbot.waitUntil(lambda: pixels.reads > 0, timeout=20_000)
    assert widget.running
    other = viewer.add_labels(cells, name="other")
    job = widget.job
    if how == "remove":
        viewer.layers.remove(layer)
    elif how == "cancel":
        widget.cancel_button.click()
    elif how == "choose":
        widget.choose(other)
    else:
        viewer.window.remove_dock_widget(widget)
    assert job.stopping
    pixels.gate.set()
    qtbot.waitUntil(lambda: not widget.running, timeout=20_000)
    if how == "choose":
        qtbot.waitUntil(lambda: widget.table is not None, timeout=20_000)
        assert len(widget.table) == len(np.unique(cells)) - 1
    else:
        assert widget.table is None
        assert not listening(viewer)


def test_a_table_of_a_layer_that_is_no_longer_chosen_is_dropped(
    widget, viewer, qtbot, cells
):
    first = viewer.add_labels(cells, name="first")
    other = viewer.add_labels(cells * (cells < 9), name="other")
    widget.labels.value = first
    widget.run()
    # Its thread comes to the end, but nobody has heard of it yet.
    assert QThreadPool.globalInstance().waitForDone(20_000)
    widget.choose(other)
    qtbot.waitUntil(lambda: not widget.running, timeout=20_000)
    qtbot.waitUntil(lambda: widget.table is not None, timeout=20_000)
    assert len(first.features.columns) == 0
    np.testing.assert_array_equal(other.features["index"], widget.table["label"])


def test_closing_lets_go_of_viewer_and_layer(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    widget.only.setChecked(True)
    viewer.window.remove_dock_widget(widget)
    assert not listening(viewer)
    assert not layer.show_selected_label
    layer.selected_label = 3
    layer.paint((5, 5), 3)
    viewer.add_labels(cells)
    assert "area" in layer.features


# -- kinds of labels -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dask", "zarr", "multiscale", "int64"])
def test_labels_of_any_kind(widget, viewer, qtbot, cells, kind):
    big = cells.astype(np.int64) + (cells > 0) * 2**40
    data = {
        "dask": lambda: da.from_array(cells, chunks=(64, 64)),
        "zarr": lambda: zarr.array(cells, chunks=(64, 64)),
        "multiscale": lambda: [cells, cells[::2, ::2]],
        "int64": lambda: big,
    }[kind]()
    layer = viewer.add_labels(data, name="cells")
    measure(widget, qtbot)
    whole = big if kind == "int64" else cells
    np.testing.assert_array_equal(widget.table["area"], us.measure(whole)["area"])
    widget.view.setCurrentIndex(widget.view.rows.index(2, 0))
    assert layer.selected_label == widget.table["label"][2]


def test_thousands_of_one_pixel_objects(widget, viewer, qtbot):
    labels = np.zeros((300, 300), np.int32)
    labels[::2, ::2] = np.arange(1, 150**2 + 1).reshape(150, 150)
    viewer.add_labels(labels, name="specks")
    measure(widget, qtbot)
    assert widget.view.rows.rowCount() == 150**2
    widget.view.selectAll()
    widget.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert len(widget.view.selected()) == 150**2


def test_empty_labels_give_an_empty_table(widget, viewer, qtbot):
    layer = viewer.add_labels(np.zeros((20, 20), int), name="empty")
    measure(widget, qtbot)
    assert widget.view.rows.rowCount() == 0
    assert "no objects" in widget.status.text()
    assert widget.info.text() == "0 objects"
    layer.selected_label = 7
    click(viewer, layer, (3, 3))
    assert widget.view.current() is None


def test_images_and_channels_of_one_name_have_columns_of_their_own(
    widget, viewer, qtbot, cells
):
    colours = np.zeros((*cells.shape, 3), np.uint8)
    colours[..., 0] = 200
    viewer.add_image(colours, rgb=True, name="a")
    viewer.add_image(np.full(cells.shape, 7.0, np.float32), name="a red")
    viewer.add_labels(cells, name="cells")
    measure(widget, qtbot)
    assert set(widget.table["mean a red"]) == {200}
    assert set(widget.table["mean a red (2)"]) == {7}
    space = {"viewer": viewer}
    exec(widget.as_python().replace("table.to_csv", "print"), space)
    assert list(space["table"]) == list(widget.table)


# -- files -----------------------------------------------------------------------------


def test_export_writes_the_table(widget, viewer, qtbot, cells, tmp_path, monkeypatch):
    viewer.add_labels(cells, name="cells", **MICRONS)
    assert not widget.export_button.isEnabled()
    measure(widget, qtbot)
    answer = (str(tmp_path / "cells"), "Table (*.csv)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: answer)
    widget.export_button.click()
    text = (tmp_path / "cells.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [float(r["area (um^2)"]) for r in rows] == widget.table["area"].tolist()
    assert "cells.csv" in widget.status.text()
    widget.export(tmp_path / "cells.xlsx")
    assert "ends in .csv" in widget.status.text()


def test_dock_fits_its_width(widget, viewer, cells, qtbot):
    viewer.add_image(cells, name="a long name of an image with many words in it")
    viewer.add_labels(cells, name="another long name of labels with many words in it")
    measure(widget, qtbot)
    widget.resize(370, 700)
    QApplication.processEvents()
    assert widget.minimumSizeHint().width() <= 370
