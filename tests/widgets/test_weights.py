import math
import threading

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtGui import QShowEvent, QValidator
from qtpy.QtWidgets import QApplication
from skimage.measure import label

from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.core.weights import (
    WeightConfig,
    balanced,
    carve_gap,
    class_counts,
    nearest_objects,
    separation_weights,
)
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.layers.reading import Reading, class_columns
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.widgets import _weights, weights
from napari_unet_studio.widgets._weights.cursor import terms_at
from napari_unet_studio.widgets._weights.id_box import IdBox
from napari_unet_studio.widgets._weights.kernels import compiled
from napari_unet_studio.widgets._weights.work import LIGHT
from napari_unet_studio.widgets.weights import WeightsWidget

PLACE = {
    "scale": (0.5, 0.5),
    "translate": (3.0, -7.0),
    "rotate": 20.0,
    "units": ("um", "um"),
    "axis_labels": ("y", "x"),
}
VOLUME = {"scale": (3.0, 1.0, 1.0), "axis_labels": ("z", "y", "x")}
SERIES = {"scale": (60.0, 0.5, 0.5), "axis_labels": ("t", "y", "x")}


@pytest.fixture
def widget(viewer, qtbot):
    """A docked widget that has compiled what it needs."""
    made = WeightsWidget(viewer)
    viewer.window.add_dock_widget(made)
    made.showEvent(QShowEvent())
    qtbot.waitUntil(compiled, timeout=60_000)
    made._settle_timer.setInterval(60)
    made._edit_timer.setInterval(60)
    return made


@pytest.fixture(scope="module")
def cells():
    return SAMPLES["nuclei_2d"]().labels[:200, :220]


@pytest.fixture(scope="module")
def volume():
    return SAMPLES["nuclei_3d"]().labels[:12, :100, :90]


@pytest.fixture(scope="module")
def series():
    return SAMPLES["nuclei_timelapse"]().labels[:4, :120, :110]


def large(frames=24):
    """Labels that take seconds, touching cells in every frame."""
    tile = SAMPLES["nuclei_2d"]().labels
    return np.broadcast_to(np.tile(tile, (2, 2)), (frames, 1024, 1024)).copy()


def press(widget, qtbot):
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)


def settled(widget, qtbot):
    """Wait until nothing is left to draw or compute."""
    qtbot.waitUntil(
        lambda: not widget.running and not any(t.isActive() for t in widget._clocks),
        timeout=30_000,
    )


def choose_balance(widget, kind):
    widget.form.balance.setCurrentIndex(widget.form.balance.findData(kind))


def overlay_of(viewer, name="cells"):
    return viewer.layers[f"{name} weights"]


def expected(widget, labels, **changes):
    return separation_weights(labels, **(widget.form.value().to_dict() | changes))


# -- the map ---------------------------------------------------------------------------


def test_the_overlay_is_what_the_core_function_computes(widget, viewer, qtbot, cells):
    before = cells.copy()
    layer = viewer.add_labels(cells, name="cells")
    for preset in ("2015", "2019", "none"):
        for inside in (True, False):
            widget.form.choose(preset)
            widget.form.inside.setChecked(inside)
            press(widget, qtbot)
            made = overlay_of(viewer)
            assert made.data.dtype == np.float32
            np.testing.assert_array_equal(made.data, expected(widget, cells))
            viewer.layers.remove(made)
    assert layer.data is cells
    np.testing.assert_array_equal(cells, before)


def test_the_overlay_lies_on_its_labels_and_says_where_it_is_from(
    widget, viewer, qtbot, cells
):
    layer = viewer.add_labels(cells, name="cells", **PLACE)
    press(widget, qtbot)
    made = overlay_of(viewer)
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(made, name), getattr(layer, name))
    assert made.units == layer.units
    assert made.axis_labels == layer.axis_labels
    np.testing.assert_allclose(made.extent.world, layer.extent.world)
    assert made.metadata[METADATA_KEY]["source"] == "cells"
    assert made.metadata[METADATA_KEY]["weights"] == widget.form.value().to_dict()
    layer.name = "nuclei"
    press(widget, qtbot)
    assert made.metadata[METADATA_KEY]["source"] == "nuclei"
    assert widget.scale.isVisibleTo(widget)
    assert viewer.layers.selection.active == layer
    text = widget.info.text()
    assert f"{len(np.unique(cells)) - 1} objects" in text
    assert f"{len(touching_pairs(cells))} touching pairs" in text
    assert f"{made.data.min():.2f} to {made.data.max():.2f}" in text


def test_pixels_that_are_not_square_count_with_their_size(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells", scale=(0.7, 0.3))
    press(widget, qtbot)
    np.testing.assert_array_equal(
        overlay_of(viewer).data, expected(widget, cells, spacing=(0.7, 0.3))
    )


def test_a_stack_is_one_volume_or_separate_slices(widget, viewer, qtbot, volume):
    viewer.add_labels(volume, name="stack", **VOLUME)
    press(widget, qtbot)
    made = overlay_of(viewer, "stack")
    np.testing.assert_array_equal(
        made.data, expected(widget, volume, spacing=(3.0, 1.0, 1.0))
    )
    widget.frames.setCurrentIndex(widget.frames.findData(2))
    press(widget, qtbot)
    slices = np.stack([expected(widget, plane) for plane in volume])
    np.testing.assert_array_equal(made.data, slices)
    assert len(viewer.layers) == 2


def test_each_time_point_has_its_own_weights(widget, viewer, qtbot, series):
    viewer.add_labels(series, name="movie", **SERIES)
    assert not widget.form.rows.isRowVisible(widget.frames)
    viewer.dims.set_current_step(0, 2)
    press(widget, qtbot)
    frames = np.stack([expected(widget, frame) for frame in series])
    np.testing.assert_array_equal(overlay_of(viewer, "movie").data, frames)
    assert "Frame 3 of 4" in widget.info.text()


def test_a_mask_is_recognised_and_its_pieces_become_objects(widget, viewer, qtbot):
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 10:30] = mask[10:40, 34:60] = 255
    viewer.add_labels(mask, name="mask")
    press(widget, qtbot)
    assert "mask of one value with 2 connected pieces" in widget.status.text()
    widget.pieces.setChecked(True)
    settled(widget, qtbot)
    pieces = label(mask, connectivity=1)
    np.testing.assert_array_equal(
        overlay_of(viewer, "mask").data, expected(widget, pieces)
    )
    assert "2 objects" in widget.info.text()


def test_the_carved_target_is_shown_and_follows_the_gap(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells", **PLACE)
    press(widget, qtbot)
    widget.with_target.setChecked(True)
    settled(widget, qtbot)
    target = viewer.layers["cells target"]
    np.testing.assert_array_equal(
        target.data, carve_gap(cells, int(widget.form.gap.value()))
    )
    np.testing.assert_allclose(target.translate, PLACE["translate"])
    widget.form.gap.set_value(4)
    settled(widget, qtbot)
    np.testing.assert_array_equal(target.data, carve_gap(cells, 4))
    widget.with_target.setChecked(False)
    assert not target.visible
    assert len(viewer.layers) == 3


def test_a_gap_that_removes_objects_is_reported(widget, viewer, qtbot):
    labels = np.ones((40, 40), np.int32)
    labels[:, 20:22] = 2
    labels[:, 22:] = 3
    viewer.add_labels(labels, name="cells")
    widget.form.gap.set_value(6)
    press(widget, qtbot)
    assert "removes 1 object entirely" in widget.info.text()


def test_the_copied_code_computes_the_same_map(
    widget, viewer, qtbot, cells, series, volume
):
    viewer.add_labels(cells, name="cells", **PLACE)
    viewer.add_labels(series, name="movie", **SERIES)
    viewer.add_labels(volume, name="stack", **VOLUME)
    widget.form.sigma.set_value(3)
    widget.pieces.setChecked(True)
    for name in ("cells", "movie", "stack"):
        widget.labels.value = viewer.layers[name]
        press(widget, qtbot)
        widget.copy.menu().actions()[0].trigger()
        scope = {"viewer": viewer}
        exec(QApplication.clipboard().text(), scope)
        np.testing.assert_array_equal(scope["weights"], overlay_of(viewer, name).data)


def test_the_copied_code_finds_a_renamed_layer(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    layer.name = "nuclei"
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["weights"], overlay_of(viewer).data)


def test_the_copied_code_takes_the_finest_resolution(widget, viewer, qtbot, cells):
    viewer.add_labels([cells, cells[::2, ::2]], name="cells", multiscale=True)
    press(widget, qtbot)
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["weights"], overlay_of(viewer).data)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.3, 1.0)])
def test_a_large_frame_is_searched_part_by_part(spacing, monkeypatch):
    monkeypatch.setattr(_weights.frame, "SLAB", 1)
    labels = SAMPLES["nuclei_2d"]().labels
    config = WeightConfig(sigma=4, w0=30, preset="2019")
    frame = _weights.frame.Frame(labels, Reading(), spacing)
    shares = list(frame.measure(config))
    assert len(shares) > 1
    assert shares == sorted(shares)
    np.testing.assert_array_equal(
        frame.weights(config),
        separation_weights(labels, **config.to_dict(), spacing=spacing),
    )


@pytest.mark.parametrize("pixels", [40, 1 << 20])
@pytest.mark.parametrize("shape", [(40, 50), (1, 7), (9, 30, 20)])
def test_touching_pairs_are_counted_step_by_step(shape, pixels, monkeypatch):
    monkeypatch.setattr(_weights.frame, "STEP", pixels)
    labels = np.random.default_rng(0).integers(0, 30, shape)
    frame = _weights.frame.Frame(labels, Reading(ignore=7), (1.0,) * len(shape))
    steps = len(list(frame.count_pairs()))
    assert frame.pairs == len(touching_pairs(np.where(labels == 7, 0, labels)))
    assert (steps > 1) == (pixels == 40 and len(labels) > 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_objects_near_a_pixel_are_those_of_the_whole_search(data):
    ndim = data.draw(st.integers(2, 3))
    shape = data.draw(st.tuples(*[st.integers(1, 14)] * ndim))
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, shape) * (rng.random(shape) < 0.15)
    spacing = data.draw(st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 1.5)]))[:ndim]
    config = WeightConfig(sigma=1.0)
    ignore = data.draw(st.sampled_from([None, 2]))
    frame = _weights.frame.Frame(labels, Reading(ndim, ignore=ignore), spacing)
    list(frame.measure(config))
    found = nearest_objects(labels, spacing, frame.reach, ignore)
    pixel = tuple(int(rng.integers(n)) for n in shape)
    terms = terms_at(frame, config, None, pixel)
    wanted = [
        (float(d[pixel]), int(i[pixel]))
        for d, i in ((found.d1, found.first), (found.d2, found.second))
        if np.isfinite(d[pixel])
    ]
    assert [near.id for near in terms.near] == [i for _, i in wanted]
    np.testing.assert_allclose(
        [near.distance for near in terms.near], [d for d, _ in wanted], rtol=1e-6
    )
    assert terms.weight == frame.weights(config)[pixel]
    assert terms.ignored == (ignore is not None and labels[pixel] == ignore)


# -- ignored pixels, classes, balance --------------------------------------------------


def annotated(cells, ignore):
    """Cells of which a corner was not annotated."""
    labels = cells.astype(np.int64)
    labels[40:90, 50:120] = ignore
    return labels


@pytest.mark.parametrize("ignore", [-1, 255, 2**40])
def test_ignored_pixels_weigh_nothing_and_are_no_object(
    widget, viewer, qtbot, cells, ignore
):
    labels = annotated(cells, ignore)
    viewer.add_labels(labels, name="cells")
    widget.form.ignore.set_id(ignore)
    choose_balance(widget, "image")
    for preset in ("2015", "2019", "none"):
        widget.form.choose(preset)
        press(widget, qtbot)
        made = overlay_of(viewer)
        np.testing.assert_array_equal(
            made.data, expected(widget, labels, ignore=ignore)
        )
        assert (made.data[labels == ignore] == 0).all()
    assert "3,500 pixels (8.0 %)" in widget.info.text()
    assert made.metadata[METADATA_KEY]["ignore"] == ignore


def test_the_ignored_id_may_change_and_vanish(widget, viewer, qtbot, cells):
    labels = annotated(cells, 255)
    viewer.add_labels(labels, name="cells")
    press(widget, qtbot)
    for ignore in (255, None):
        widget.form.ignore.set_id(ignore)
        settled(widget, qtbot)
        np.testing.assert_array_equal(
            overlay_of(viewer).data, expected(widget, labels, ignore=ignore)
        )


def test_negative_ids_are_refused_until_they_are_ignored(widget, viewer, qtbot, cells):
    labels = annotated(cells, -1)
    viewer.add_labels(labels, name="cells")
    press(widget, qtbot)
    assert "negative id -1" in widget.status.text()
    widget.form.ignore.set_id(-1)
    press(widget, qtbot)
    np.testing.assert_array_equal(
        overlay_of(viewer).data, expected(widget, labels, ignore=-1)
    )


def test_the_target_respects_ignored_pixels_and_pieces(widget, viewer, qtbot):
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 10:30] = mask[10:40, 30:60] = 7
    mask[20:30, 30:60] = 255
    mask[10:40, 62:70] = 7
    viewer.add_labels(mask, name="cells")
    widget.form.ignore.set_id(255)
    widget.pieces.setChecked(True)
    widget.with_target.setChecked(True)
    press(widget, qtbot)
    outside = mask == 255
    ids = np.where(outside, -1, label(np.where(outside, 0, mask), connectivity=1))
    target = viewer.layers["cells target"].data
    np.testing.assert_array_equal(target, carve_gap(ids, 2, ignore=-1))
    np.testing.assert_array_equal(
        overlay_of(viewer).data, expected(widget, ids, ignore=-1)
    )
    assert "2 objects" in widget.info.text()


def test_the_field_of_an_id_reads_numbers_and_none(qtbot):
    box = IdBox("an id")
    qtbot.addWidget(box)
    seen = []
    box.id_changed.connect(lambda: seen.append(box.id))
    assert box.id is None
    assert box.text() == "none"
    for keys, wanted in (("-1", -1), ("5000000000", 5000000000), ("", None)):
        box.selectAll()
        qtbot.keyClick(box, Qt.Key.Key_Delete)
        qtbot.keyClicks(box, keys)
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert box.id == wanted
    assert seen == [-1, 5000000000, None]
    box.stepBy(1)
    assert box.id == 255
    box.set_id(None)
    box.stepBy(-1)
    assert box.id == -1
    assert box.validate("1.5", 0)[0] == QValidator.State.Invalid


def test_the_balance_of_all_frames_is_counted_once(widget, viewer, qtbot, series):
    series = series.copy()
    series[1][series[1] > 3] = 0
    viewer.add_labels(series, name="movie", **SERIES)
    choose_balance(widget, "global")
    press(widget, qtbot)
    made = overlay_of(viewer, "movie")
    for gap in (2, 5):
        widget.form.gap.set_value(gap)
        settled(widget, qtbot)
        numbers = balanced(sum(class_counts(frame, gap) for frame in series))
        frames = [expected(widget, frame, balance=numbers) for frame in series]
        np.testing.assert_array_equal(made.data, np.stack(frames))
        assert made.metadata[METADATA_KEY]["balance"] == numbers
    assert f"objects {numbers[1]:.3g}" in widget.info.text()
    widget.form.w0.set_value(33)
    widget._live()  # with the numbers that are known
    np.testing.assert_array_equal(
        made.data[0], expected(widget, series[0], balance=numbers)
    )


def test_painting_changes_the_balance_of_all_frames(widget, viewer, qtbot, series):
    layer = viewer.add_labels(series.copy(), name="movie", **SERIES)
    choose_balance(widget, "global")
    press(widget, qtbot)
    layer.brush_size = 40
    layer.paint((0, 60, 60), 0)
    settled(widget, qtbot)
    numbers = balanced(sum(class_counts(frame, 2) for frame in layer.data))
    frames = [expected(widget, frame, balance=numbers) for frame in layer.data]
    np.testing.assert_array_equal(overlay_of(viewer, "movie").data, np.stack(frames))


def kinds_of(cells, **changes):
    ids = np.unique(cells)
    names = np.where(ids % 2, "round", "long").astype(object) if not changes else None
    return pd.DataFrame({"index": ids, "kind": names, "area": ids * 0.5, **changes})


def test_objects_of_several_classes_are_balanced_by_class(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells", features=kinds_of(cells))
    shown = widget.form.rows.isRowVisible
    assert shown(widget.form.classes)
    assert widget.form.classes.count() == 2  # none, kind: "area" has fractions
    choose_balance(widget, "image")
    press(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))
    widget.form.classes.setCurrentIndex(1)
    settled(widget, qtbot)
    classes = {int(i): 2 if i % 2 else 1 for i in np.unique(cells) if i}
    wanted = expected(widget, cells, classes=classes)
    np.testing.assert_array_equal(overlay_of(viewer).data, wanted)
    assert "long" in widget.info.text()
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["weights"], wanted)
    layer.features = kinds_of(cells, kind=np.arange(len(np.unique(cells))) % 3)
    settled(widget, qtbot)
    classes = {int(i): n % 3 + 1 for n, i in enumerate(np.unique(cells)) if i}
    np.testing.assert_array_equal(
        overlay_of(viewer).data, expected(widget, cells, classes=classes)
    )
    layer.features = None
    settled(widget, qtbot)
    assert not shown(widget.form.classes)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


def test_what_is_wrong_is_not_said_at_each_step_of_a_slider(
    widget, viewer, qtbot, cells
):
    table = kinds_of(cells)
    table.loc[3, "kind"] = None
    viewer.add_labels(cells, name="cells", features=table)
    press(widget, qtbot)
    widget.form.classes.setCurrentIndex(1)
    settled(widget, qtbot)
    said = len(notification_manager.records)
    for w0 in range(1, 9):
        widget.form.w0.set_value(w0)
        widget._live()
    settled(widget, qtbot)
    assert len(notification_manager.records) == said + 1
    widget.on_moved()
    settled(widget, qtbot)
    assert len(notification_manager.records) == said + 1


def test_objects_without_a_class_are_named(widget, viewer, qtbot, cells):
    table = kinds_of(cells)
    table.loc[3:4, "kind"] = [None, ""]
    viewer.add_labels(cells, name="cells", features=table)
    press(widget, qtbot)
    widget.form.classes.setCurrentIndex(1)
    settled(widget, qtbot)
    text = widget.status.text()
    assert f"Object {table['index'][3]} and 1 more have no class" in text
    assert "'kind'" in text
    assert np.isnan(overlay_of(viewer).data).all()  # nothing that is not so
    widget.form.classes.setCurrentIndex(0)
    settled(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


@pytest.mark.parametrize("balance", ["global", "none"])
@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_copied_code_counts_ignores_and_splits_alike(
    widget, viewer, qtbot, series, balance, pieces, lazy
):
    labels = series.copy()
    labels[:, 40:60, 30:90] = 255
    data = da.from_array(labels, chunks=(1, 50, 64)) if lazy else labels
    viewer.add_labels(data, name="movie", **SERIES)
    widget.form.ignore.set_id(255)
    widget.pieces.setChecked(pieces)
    choose_balance(widget, balance)
    press(widget, qtbot)
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    assert isinstance(scope["weights"], da.Array) == lazy
    np.testing.assert_array_equal(
        np.asarray(scope["weights"]), overlay_of(viewer, "movie").data
    )


# -- lazy labels -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_labels_are_read_in_a_thread_frame_by_frame(
    widget, viewer, qtbot, series, kind, monkeypatch
):
    monkeypatch.setattr(_weights.overlay, "ALL", 0)
    read = []

    def frame(block_info=None):
        where = block_info[None]["array-location"][0][0]
        read.append((where, threading.current_thread() is threading.main_thread()))
        return series[where : where + 1]

    data = da.map_blocks(frame, chunks=((1,) * 4, 120, 110), dtype=np.int32)
    if kind == "zarr":
        data = zarr.create_array({}, data=series, chunks=(1, 64, 64))
    viewer.add_labels(data, name="movie", **SERIES)
    viewer.dims.set_current_step(0, 2)
    QApplication.processEvents()
    read.clear()
    press(widget, qtbot)
    assert "only frames that come into view" in widget.status.text()
    assert not any(on_main for where, on_main in read)
    assert {where for where, _ in read} <= {2}
    made = overlay_of(viewer, "movie")
    np.testing.assert_array_equal(made.data[2], expected(widget, series[2]))
    assert not made.data[3].any()
    viewer.dims.set_current_step(0, 3)
    settled(widget, qtbot)
    np.testing.assert_array_equal(made.data[3], expected(widget, series[3]))
    widget.form.w0.set_value(40)
    settled(widget, qtbot)
    np.testing.assert_array_equal(made.data[3], expected(widget, series[3]))


def test_a_frame_that_fills_the_memory_is_refused(
    widget, viewer, qtbot, cells, monkeypatch
):
    monkeypatch.setattr(_weights.maps, "LARGEST", 40_000)
    viewer.add_labels(cells, name="huge")
    press(widget, qtbot)
    assert "A slice of 'huge' has" in widget.status.text()
    assert len(viewer.layers) == 1


def test_a_map_that_no_memory_can_hold_is_refused(widget, viewer, qtbot, cells):
    shape = (1 << 16, 1 << 15, *cells.shape)
    data = da.ones(shape, dtype=np.int32, chunks=shape)  # a single pixel in memory
    viewer.add_labels(data, name="movie", axis_labels=("t", "z", "y", "x"))
    widget.frames.setCurrentIndex(widget.frames.findData(2))
    press(widget, qtbot)
    settled(widget, qtbot)
    assert "'movie' would take 377,957 GB" in widget.status.text()
    assert len(viewer.layers) == 1
    assert widget.info.text() == ""


# -- under the cursor ------------------------------------------------------------------


def point_at(viewer, layer, pixel):
    """Move the mouse over the canvas."""
    viewer.mouse_over_canvas = True
    viewer.cursor.position = tuple(layer.data_to_world(pixel))
    viewer.update_status_from_cursor()
    QApplication.processEvents()


def test_the_pixel_under_the_cursor_is_explained(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells", **PLACE)
    press(widget, qtbot)
    weights = overlay_of(viewer).data
    found = nearest_objects(cells, cutoff=30)
    viewer.layers.selection.active = layer
    rng = np.random.default_rng(0)
    for pixel in rng.integers(0, cells.shape, (40, 2)):
        pixel = tuple(int(p) for p in pixel)
        point_at(viewer, layer, pixel)
        status = viewer.status["coordinates"]
        assert f"weight {weights[pixel]:.2f} = 1.00 + " in status
        if found.first[pixel] and found.d1[pixel] > 0:
            near = f"{found.d1[pixel]:.1f} px to object {found.first[pixel]}"
            assert near in status
        if found.second[pixel]:
            near = f"{found.d2[pixel]:.1f} px to object {found.second[pixel]}"
            assert near in status
        assert status.count("weight") == 1
    qtbot.waitUntil(lambda: "Under the cursor: weight" in widget.readout.label.text())
    assert layer.data is cells


def test_the_explanation_is_the_same_whatever_layer_is_active(
    widget, viewer, qtbot, series
):
    layer = viewer.add_labels(series, name="movie", **SERIES)
    widget.form.choose("2019")
    press(widget, qtbot)
    made = overlay_of(viewer, "movie")
    texts = []
    for selected in ([layer], [made], [layer, made]):
        viewer.layers.selection.clear()
        viewer.layers.selection.update(selected)
        point_at(viewer, layer, (2, 50, 60))
        status = viewer.status
        text = status if isinstance(status, str) else status["coordinates"]
        texts.append(text[text.index("weight ") :])
    assert texts[0] == texts[1]
    assert f"weight {made.data[2, 50, 60]:.2f} = " in texts[2]


def test_ignored_and_far_pixels_and_those_beside_the_labels(
    widget, viewer, qtbot, cells
):
    labels = np.zeros((120, 200), np.int32)
    labels[5:15, 5:15], labels[5:15, 20:30], labels[100:, 180:] = 3, 8, 255
    layer = viewer.add_labels(labels, name="cells")
    point_at(viewer, layer, (50, 50))
    assert "weight" not in viewer.status["coordinates"]  # no weight map yet
    widget.form.ignore.set_id(255)
    press(widget, qtbot)
    for pixel, wanted in {
        (110, 190): "weight 0.00: not annotated",
        (80, 100): "weight 1.00 = 1.00 + 0.00; no object within 30 px",
        (7, 17): "= 1.00 + 4.87; 3.0 px to object 3, 3.0 px to object 8",
        (7, 7): "= 1.00 + 0.00; in object 3, 13.0 px to object 8",
    }.items():
        point_at(viewer, layer, pixel)
        assert wanted in viewer.status["coordinates"]
    point_at(viewer, layer, (-5, 10))
    assert "weight" not in str(viewer.status)


def test_objects_too_far_away_to_search_for_are_left_out(
    widget, viewer, qtbot, cells, monkeypatch
):
    layer = viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    pixel = tuple(int(p) for p in np.argwhere(overlay_of(viewer).data > 5)[0])
    point_at(viewer, layer, pixel)
    assert "px to object" in viewer.status["coordinates"]
    monkeypatch.setattr(_weights.cursor, "NEARBY", 1)
    widget.readout.refresh()
    text = widget.readout.label.text()
    assert f"weight {overlay_of(viewer).data[pixel]:.2f} = 1.00 + " in text
    assert "object" not in text


def test_two_docks_write_one_line_each(widget, viewer, qtbot, cells):
    other = WeightsWidget(viewer)
    viewer.window.add_dock_widget(other)
    layer = viewer.add_labels(cells, name="cells")
    other.form.choose("2019")
    for dock in (widget, other):
        press(dock, qtbot)
    viewer.layers.selection.active = layer
    for pixel in ((7, 9), (60, 60), (61, 60)):
        point_at(viewer, layer, pixel)
        text = viewer.status["coordinates"]
        for name in ("cells weights", "cells weights [1]"):
            wanted = f"weight {viewer.layers[name].data[pixel]:.2f} = "
            assert text.count(wanted) >= 1
        assert text.count("weight") == 2


def test_a_closed_dock_follows_no_layer_any_more(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    viewer.window.remove_dock_widget(widget)
    rest = viewer.add_labels(cells, name="rest")
    viewer.layers.remove("cells")
    fresh = viewer.add_labels(cells, name="fresh")
    for name in ("data", "features", "labels_update", "scale"):
        counts = [len(getattr(x.events, name).callbacks) for x in (rest, fresh)]
        assert counts[0] == counts[1]


def test_a_closed_dock_leaves_the_status_alone(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells", features=kinds_of(cells))
    press(widget, qtbot)
    before = [len(e.callbacks) for e in followed(viewer, layer)]
    viewer.window.remove_dock_widget(widget)
    after = [len(e.callbacks) for e in followed(viewer, layer)]
    assert all(a < b for a, b in zip(after, before, strict=True))
    point_at(viewer, layer, (30, 30))
    assert "weight" not in viewer.status["coordinates"]


def followed(viewer, layer):
    events = (viewer.events.status, viewer.cursor.events.position)
    return (*events, layer.events.features, layer.events.data)


# -- live ------------------------------------------------------------------------------


def test_moving_a_slider_changes_the_overlay_in_place(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells", **PLACE)
    press(widget, qtbot)
    made, count = overlay_of(viewer), len(viewer.layers)
    array = made.data
    for name, values in {"w0": (25, 3), "sigma": (2, 14.5, 5), "gap": (0, 3)}.items():
        for value in values:
            getattr(widget.form, name).set_value(value)
            settled(widget, qtbot)
            assert made.data is array
            np.testing.assert_array_equal(
                array, expected(widget, cells, spacing=(0.5, 0.5))
            )
            text = f"in view: {array.min():.2f} to {array.max():.2f}"
            assert text in widget.info.text()
    choose_balance(widget, "image")
    settled(widget, qtbot)
    np.testing.assert_array_equal(array, expected(widget, cells))
    assert len(viewer.layers) == count
    assert made.metadata[METADATA_KEY]["weights"] == widget.form.value().to_dict()


def test_choosing_a_preset_sets_its_numbers_and_the_colours(
    widget, viewer, qtbot, cells
):
    viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    made = overlay_of(viewer)
    widget.form.w0.set_value(4)
    settled(widget, qtbot)
    assert made.contrast_limits[1] == 11  # lower weights show as darker borders
    widget.form.choose("2019")
    settled(widget, qtbot)
    assert (widget.form.w0.value(), widget.form.sigma.value()) == (50, 6)
    assert made.contrast_limits == [0, 51]
    np.testing.assert_array_equal(made.data, expected(widget, cells))
    widget.form.choose("none")
    settled(widget, qtbot)
    np.testing.assert_array_equal(made.data, expected(widget, cells))


def test_a_contrast_of_the_user_is_left_alone(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    overlay_of(viewer).contrast_limits = (1, 3)
    widget.form.choose("2019")
    settled(widget, qtbot)
    assert overlay_of(viewer).contrast_limits == [1, 3]


@pytest.mark.parametrize("ndim", [3, 2])
def test_the_plane_in_view_follows_first_and_the_stack_later(
    widget, viewer, qtbot, volume, ndim
):
    viewer.add_labels(volume, name="stack", **VOLUME)
    widget.frames.setCurrentIndex(widget.frames.findData(ndim))
    viewer.dims.set_current_step(0, 5)
    press(widget, qtbot)
    made = overlay_of(viewer, "stack")
    old = made.data.copy()
    widget.form.w0.set_value(40)
    widget._live()
    assert (made.data[5] != old[5]).any()
    np.testing.assert_array_equal(made.data[6], old[6])
    settled(widget, qtbot)
    if ndim == 3:
        wanted = expected(widget, volume, spacing=(3.0, 1.0, 1.0))
    else:
        wanted = np.stack([expected(widget, plane) for plane in volume])
    np.testing.assert_array_equal(made.data, wanted)


def test_a_large_plane_is_coarse_while_a_slider_moves_and_exact_later(
    widget, viewer, qtbot, cells, monkeypatch
):
    monkeypatch.setattr(_weights.work, "LIGHT", 0)
    monkeypatch.setattr(_weights.overlay, "EXACT", 3000)
    viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    made = overlay_of(viewer)
    widget.form.w0.set_value(30)
    widget._live()
    wanted = expected(widget, cells)
    step = math.ceil(math.sqrt(cells.size / 3000))
    np.testing.assert_array_equal(made.data[::step, ::step], wanted[::step, ::step])
    assert (made.data != wanted).any()
    settled(widget, qtbot)
    np.testing.assert_array_equal(made.data, wanted)


def test_painting_brings_the_weights_up_to_date(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells.copy(), name="cells")
    press(widget, qtbot)
    layer.selected_label = 500
    layer.brush_size = 15
    layer.paint((60, 60), 500)
    settled(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, layer.data))
    layer.undo()
    settled(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


def test_undo_in_a_window_is_followed(make_napari_viewer, qtbot, cells):
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(cells.copy(), name="cells")
    widget = WeightsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    press(widget, qtbot)
    layer.brush_size = 15
    layer.paint((60, 60), 500)
    settled(widget, qtbot)
    painted = layer.data.copy()
    for step, labels in ((layer.undo, cells), (layer.redo, painted)):
        step()
        settled(widget, qtbot)
        found = viewer.layers["cells weights"].data
        np.testing.assert_array_equal(found, expected(widget, labels))


def test_a_target_is_taken_up_again_and_its_box_follows(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    widget.with_target.setChecked(True)
    press(widget, qtbot)
    viewer.layers.remove("cells weights")
    press(widget, qtbot)
    names = {layer.name for layer in viewer.layers}
    assert names == {"cells", "cells weights", "cells target"}
    viewer.layers.remove("cells target")
    assert not widget.with_target.isChecked()
    widget.form.w0.set_value(20)
    settled(widget, qtbot)
    assert "cells target" not in viewer.layers


def test_labels_of_another_shape_get_a_new_overlay(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    layer.data = cells[60:150, 80:160].copy()
    settled(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, layer.data))
    assert len(viewer.layers) == 2


def test_a_moved_labels_layer_takes_its_overlay_along(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    overlay_of(viewer).metadata = {}  # of the user, who may do so
    layer.scale = (0.2, 0.6)
    layer.translate = (4, 5)
    settled(widget, qtbot)
    made = overlay_of(viewer)
    np.testing.assert_allclose(made.scale, layer.scale)
    np.testing.assert_allclose(made.translate, layer.translate)
    np.testing.assert_array_equal(
        made.data, expected(widget, cells, spacing=(0.2, 0.6))
    )
    assert len(viewer.layers) == 2


def test_planes_of_a_series_of_stacks_are_counted(widget, viewer, qtbot, series):
    data = series[:, None].repeat(3, axis=1)
    viewer.add_labels(data, name="movie", axis_labels=("t", "z", "y", "x"))
    widget.frames.setCurrentIndex(widget.frames.findData(2))
    viewer.dims.set_current_step((0, 1), (1, 2))
    press(widget, qtbot)
    assert "Plane 6 of 12" in widget.info.text()


def test_the_dimension_sliders_show_what_is_there(widget, viewer, qtbot, series):
    viewer.add_labels(series, name="movie", **SERIES)
    press(widget, qtbot)
    viewer.dims.set_current_step(0, 3)
    settled(widget, qtbot)
    assert "Frame 4 of 4" in widget.info.text()
    viewer.dims.ndisplay = 3
    viewer.dims.order = (1, 0, 2)
    settled(widget, qtbot)
    viewer.dims.ndisplay = 2
    settled(widget, qtbot)
    assert not widget.running


# -- interruptions ---------------------------------------------------------------------


def test_cancelling_leaves_frames_that_are_right_or_empty(widget, viewer, qtbot):
    labels = large()
    assert labels.size > LIGHT
    viewer.add_labels(labels, name="movie", axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 7)
    widget.run_button.click()
    assert widget.running
    assert not widget.run_button.isEnabled()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    made = overlay_of(viewer, "movie")
    np.testing.assert_array_equal(made.data[7], expected(widget, labels[7]))
    empty = [bool(np.isnan(frame).all()) for frame in made.data]
    assert 0 < sum(empty) < len(labels)
    assert not any(
        np.isnan(f).any() for f, e in zip(made.data, empty, strict=True) if not e
    )
    assert f"{len(labels) - sum(empty)} of {len(labels)} frames" in widget.status.text()
    assert widget.run_button.isEnabled()


def test_a_cancelled_work_is_not_begun_again_by_a_slider(widget, viewer, qtbot):
    viewer.add_labels(large(), name="movie", axis_labels=("t", "y", "x"))
    widget._settle_timer.setInterval(60_000)
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    widget.form.w0.set_value(33)
    widget._live()
    assert widget._settle_timer.isActive()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert not widget._settle_timer.isActive()
    viewer.dims.set_current_step(0, 23)
    widget._live()
    assert not widget._settle_timer.isActive()


def test_a_slider_that_moves_during_the_work_has_the_last_word(widget, viewer, qtbot):
    labels = large(6)
    viewer.add_labels(labels, name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    widget.form.w0.set_value(33)
    settled(widget, qtbot)
    wanted = expected(widget, labels[0])
    assert all((frame == wanted).all() for frame in overlay_of(viewer, "movie").data)


def test_a_slider_that_moves_during_the_first_work_is_obeyed(
    widget, viewer, qtbot, cells, monkeypatch
):
    monkeypatch.setattr(_weights.work, "LIGHT", 0)
    widget._settle_timer.setInterval(60_000)
    viewer.add_labels(cells, name="cells")
    widget.run_button.click()
    widget.form.w0.set_value(33)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


def test_a_labels_layer_removed_during_the_work_ends_it(widget, viewer, qtbot):
    layer = viewer.add_labels(large(), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert "removed" in widget.status.text()
    assert len(viewer.layers) == 0


def test_an_overlay_removed_during_the_work_is_not_brought_back(widget, viewer, qtbot):
    viewer.add_labels(large(), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    viewer.layers.remove("movie weights")
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert [layer.name for layer in viewer.layers] == ["movie"]
    assert "removed" in widget.status.text()


def test_weights_cropped_during_the_work_are_left_to_the_user(widget, viewer, qtbot):
    viewer.add_labels(large(), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    made = viewer.layers["movie weights"]
    made.data = made.data[:, :50, :60]
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert made in viewer.layers
    assert made.data.shape == (24, 50, 60)
    assert "cropped" in widget.status.text()
    assert widget.run_button.text() == "Show weights"


def test_cropped_weights_follow_no_slider(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    made = overlay_of(viewer)
    made.data = part = made.data[:50, :60].copy()
    widget.form.w0.set_value(33)
    settled(widget, qtbot)
    np.testing.assert_array_equal(made.data, part)
    press(widget, qtbot)
    assert len(viewer.layers) == 3


def test_another_reading_in_mid_work_has_the_last_word(widget, viewer, qtbot):
    labels = large(4)
    labels[:, 300:600, 300:700] = 255
    viewer.add_labels(labels, name="movie", axis_labels=("t", "y", "x"))
    widget._choice_timer.setInterval(20)
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    widget.form.ignore.set_id(255)
    widget.form.ignore.set_id(7)
    widget.form.ignore.set_id(255)
    settled(widget, qtbot)
    wanted = expected(widget, labels[0], ignore=255)
    assert all((frame == wanted).all() for frame in overlay_of(viewer, "movie").data)


def test_counting_may_be_cancelled_and_begun_again(widget, viewer, qtbot):
    labels = large(8)
    viewer.add_labels(labels, name="movie", axis_labels=("t", "y", "x"))
    choose_balance(widget, "global")
    widget.run_button.click()
    qtbot.waitUntil(lambda: "Counting" in widget.progress.format(), timeout=30_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert len(viewer.layers) == 1
    press(widget, qtbot)
    numbers = balanced(class_counts(labels[0], 2))
    np.testing.assert_array_equal(
        overlay_of(viewer, "movie").data[5],
        expected(widget, labels[5], balance=numbers),
    )


@pytest.mark.parametrize("way", ["painted", "replaced"])
def test_labels_changed_in_mid_work_are_computed_anew(widget, viewer, qtbot, way):
    layer = viewer.add_labels(large(4), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    if way == "painted":
        layer.brush_size = 60
        layer.paint((0, 500, 500), 9000)
    else:
        layer.data = np.roll(layer.data, 100, axis=2)
    settled(widget, qtbot)
    made = overlay_of(viewer, "movie").data
    for frame, ids in zip(made, layer.data, strict=True):
        np.testing.assert_array_equal(frame, expected(widget, ids))


def test_only_the_painted_frame_of_a_large_stack_is_computed(
    widget, viewer, qtbot, series, monkeypatch
):
    monkeypatch.setattr(weights, "AUTOMATIC", series[0].size)
    layer = viewer.add_labels(series.copy(), name="movie", **SERIES)
    press(widget, qtbot)
    made = overlay_of(viewer, "movie").data
    made[2] = 5  # what would be overwritten if it were computed again
    viewer.dims.set_current_step(0, 1)
    layer.paint((1, 60, 60), 900)
    settled(widget, qtbot)
    np.testing.assert_array_equal(made[1], expected(widget, layer.data[1]))
    assert (made[2] == 5).all()
    widget.run_button.click()  # asked for, all is computed
    settled(widget, qtbot)
    np.testing.assert_array_equal(made[2], expected(widget, layer.data[2]))


@pytest.mark.parametrize("way", ["painted", "undone"])
def test_a_painted_frame_that_leaves_the_view_is_computed(
    widget, viewer, qtbot, series, monkeypatch, way
):
    monkeypatch.setattr(weights, "AUTOMATIC", series[0].size)
    layer = viewer.add_labels(series.copy(), name="movie", **SERIES)
    choose_balance(widget, "image")  # so that all weights change
    press(widget, qtbot)
    made = overlay_of(viewer, "movie").data
    viewer.dims.set_current_step(0, 1)
    layer.brush_size = 40
    layer.paint((1, 60, 60), 900)
    assert (made[1] != expected(widget, layer.data[1])).any()
    if way == "painted":
        viewer.dims.set_current_step(0, 2)
    settled(widget, qtbot)
    if way == "undone":
        viewer.dims.set_current_step(0, 2)
        settled(widget, qtbot)
        layer.undo()
        settled(widget, qtbot)
    for frame, ids in zip(made, layer.data, strict=True):
        np.testing.assert_array_equal(frame, expected(widget, ids))


def test_a_brush_through_several_frames_brings_all_up_to_date(
    widget, viewer, qtbot, series, monkeypatch
):
    monkeypatch.setattr(weights, "AUTOMATIC", series[0].size)
    axes = ("t", "y", "x")
    layer = viewer.add_labels(series.copy(), name="movie", axis_labels=axes)
    choose_balance(widget, "image")  # so that all weights change
    press(widget, qtbot)
    layer.n_edit_dimensions = 3
    layer.brush_size = 40
    layer.paint((1, 60, 60), 900)
    made = overlay_of(viewer, "movie").data
    assert (made[2] != expected(widget, layer.data[2])).any()
    settled(widget, qtbot)
    for frame, ids in zip(made, layer.data, strict=True):
        np.testing.assert_array_equal(frame, expected(widget, ids))


def test_a_removed_map_comes_back_when_asked_for(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    for _ in range(3):
        press(widget, qtbot)
        assert widget.scale.isVisibleTo(widget)
        viewer.layers.remove("cells weights")
        assert not widget.scale.isVisibleTo(widget)
    press(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


def test_a_slider_without_overlay_changes_nothing(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    widget.form.w0.set_value(20)
    settled(widget, qtbot)
    assert len(viewer.layers) == 1
    press(widget, qtbot)
    viewer.layers.remove("cells weights")
    assert "removed" in widget.status.text()
    assert widget.run_button.text() == "Show weights"
    widget.form.w0.set_value(30)
    settled(widget, qtbot)
    assert len(viewer.layers) == 1
    press(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))


def test_two_labels_layers_have_an_overlay_each(widget, viewer, qtbot, cells):
    viewer.add_labels(cells, name="one")
    viewer.add_labels(cells[:, 100:], name="two")
    widget.labels.value = viewer.layers["one"]
    press(widget, qtbot)
    widget.labels.value = viewer.layers["two"]
    assert widget.run_button.text() == "Show weights"
    press(widget, qtbot)
    widget.form.w0.set_value(20)
    settled(widget, qtbot)
    assert overlay_of(viewer, "two").data.max() > 15
    assert overlay_of(viewer, "one").data.max() < 15
    assert len(viewer.layers) == 4


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("way", ["slider", "brush"])
def test_a_map_that_one_comes_back_to_is_brought_up_to_date(
    widget, viewer, qtbot, cells, monkeypatch, way, large
):
    one = viewer.add_labels(cells.copy(), name="one")
    two = viewer.add_labels(cells[:, 100:], name="two")
    widget.labels.value = one
    choose_balance(widget, "image")  # so that all weights change
    press(widget, qtbot)
    if large:
        monkeypatch.setattr(weights, "AUTOMATIC", 0)
    widget.labels.value = two
    if way == "slider":
        widget.form.w0.set_value(20)
    else:
        one.brush_size = 40
        one.paint((60, 60), 900)
    settled(widget, qtbot)
    made = overlay_of(viewer, "one").data
    assert (made != expected(widget, one.data)).any()
    widget.labels.value = one
    settled(widget, qtbot)
    if large and way == "brush":
        assert "may have changed" in widget.status.text()
        press(widget, qtbot)
    np.testing.assert_array_equal(made, expected(widget, one.data))


# -- what cannot be done ---------------------------------------------------------------


def test_layers_of_another_viewer_are_not_offered(viewer, qtbot, cells):
    viewer.add_labels(cells, name="of the window")
    other = ViewerModel()
    own = other.add_labels(cells, name="own")
    widget = WeightsWidget(other)
    qtbot.addWidget(widget)
    assert list(widget.labels.choices) == [own]


def test_a_compiler_that_fails_is_reported(viewer, qtbot, monkeypatch):
    def fails(should_stop):
        raise RuntimeError("no compiler")
        yield

    monkeypatch.setattr(_weights.work, "compiled", lambda: False)
    monkeypatch.setattr(_weights.work, "warm_up", fails)
    widget = WeightsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.showEvent(QShowEvent())
    qtbot.waitUntil(lambda: "no compiler" in widget.status.text(), timeout=30_000)


def test_without_a_labels_layer_one_sentence_says_so(widget, viewer):
    viewer.add_image(np.zeros((30, 30)))
    widget.run_button.click()
    assert "No labels are chosen" in widget.status.text()
    assert len(viewer.layers) == 1


def test_labels_without_objects_are_refused(widget, viewer, qtbot):
    for shape in ((40, 50), (3, 40, 50)):
        layer = viewer.add_labels(np.zeros(shape, np.int32), name="nothing")
        press(widget, qtbot)
        assert "'nothing' holds no objects" in widget.status.text()
        assert len(viewer.layers) == 1
        assert widget.run_button.isEnabled()
        viewer.layers.remove(layer)


def test_labels_that_are_no_objects_are_refused(widget, viewer, qtbot):
    viewer.add_labels(np.full((20, 20), -3), name="odd")
    press(widget, qtbot)
    assert "negative id -3" in widget.status.text()
    data = np.ones((2, 20, 20), np.int32)
    channels = viewer.add_labels(data, name="two", axis_labels=("c", "y", "x"))
    widget.labels.value = channels
    press(widget, qtbot)
    assert "axis of channels" in widget.status.text()
    widget.labels.value = viewer.add_labels(np.ones((1, 1, 1, 8, 8), int), name="5d")
    press(widget, qtbot)
    assert "5 axes" in widget.status.text()
    assert len(viewer.layers) == 3


def test_labels_that_are_erased_entirely_do_no_harm(widget, viewer, qtbot, cells):
    layer = viewer.add_labels(cells.copy(), name="cells")
    press(widget, qtbot)
    layer.data = np.zeros_like(cells)
    settled(widget, qtbot)
    assert "holds no objects" in widget.status.text()


def test_closing_the_dock_during_the_work_stops_it(widget, viewer, qtbot):
    viewer.add_labels(large(), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    job = widget.job
    viewer.window.remove_dock_widget(widget)
    assert job.stopping
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert len(viewer.layers) == 1


def test_a_first_map_that_is_ready_at_closing_is_not_shown(
    widget, viewer, qtbot, cells, monkeypatch
):
    monkeypatch.setattr(_weights.work, "LIGHT", 0)
    viewer.add_labels(cells, name="cells")
    widget.run_button.click()
    # All is computed by then, and its signals wait in the queue.
    assert QThreadPool.globalInstance().waitForDone(10_000)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert len(viewer.layers) == 1


def test_the_widget_opens_from_the_menu(viewer, qtbot, cells):
    viewer.add_labels(cells, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-unet-studio", "Separation weights"
    )
    qtbot.waitUntil(compiled, timeout=30_000)
    widget.reset_choices()
    press(widget, qtbot)
    widget.form.w0.set_value(20)
    settled(widget, qtbot)
    np.testing.assert_array_equal(overlay_of(viewer).data, expected(widget, cells))
    viewer.layers.remove("cells weights")
    assert widget.run_button.text() == "Show weights"


def test_numbers_of_the_object_table_are_no_classes(cells):
    count = len(np.unique(cells))
    table = kinds_of(cells).assign(neighbours=np.zeros(count, int))
    layer = Labels(cells, features=table)
    assert class_columns(layer) == ["kind"]
