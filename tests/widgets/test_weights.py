import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication
from skimage.measure import label

from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.core.weights import (
    WeightConfig,
    carve_gap,
    separation_weights,
)
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.widgets import _controls, _weight_frame, weights
from napari_unet_studio.widgets._weight_maps import compiled
from napari_unet_studio.widgets.weights import LIGHT, WeightsWidget

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
    assert made.colorbar.visible
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
        widget.copy.click()
        scope = {"viewer": viewer}
        exec(QApplication.clipboard().text(), scope)
        np.testing.assert_array_equal(scope["weights"], overlay_of(viewer, name).data)


def test_the_copied_code_takes_the_finest_resolution(widget, viewer, qtbot, cells):
    viewer.add_labels([cells, cells[::2, ::2]], name="cells", multiscale=True)
    press(widget, qtbot)
    widget.copy.click()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["weights"], overlay_of(viewer).data)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.3, 1.0)])
def test_a_large_frame_is_searched_part_by_part(spacing, monkeypatch):
    monkeypatch.setattr(_weight_frame, "SLAB", 1)
    labels = SAMPLES["nuclei_2d"]().labels
    config = WeightConfig(sigma=4, w0=30, preset="2019")
    frame = _weight_frame.Frame(labels, False, spacing)
    shares = list(frame.measure(config))
    assert len(shares) > 1
    assert shares == sorted(shares)
    np.testing.assert_array_equal(
        frame.weights(config),
        separation_weights(labels, **config.to_dict(), spacing=spacing),
    )


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
    widget.form.balance.setChecked(True)
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
    monkeypatch.setattr(weights, "LIGHT", 0)
    monkeypatch.setattr(_controls, "DRAFT", 3000)
    viewer.add_labels(cells, name="cells")
    press(widget, qtbot)
    made = overlay_of(viewer)
    widget.form.w0.set_value(30)
    widget._live()
    wanted = expected(widget, cells)
    step = _controls.coarsened(cells.size)
    assert step > 1
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
    layer.scale = (0.2, 0.6)
    layer.translate = (4, 5)
    press(widget, qtbot)
    made = overlay_of(viewer)
    np.testing.assert_allclose(made.scale, layer.scale)
    np.testing.assert_allclose(made.translate, layer.translate)
    np.testing.assert_array_equal(
        made.data, expected(widget, cells, spacing=(0.2, 0.6))
    )
    assert len(viewer.layers) == 2


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

    monkeypatch.setattr(weights, "compiled", lambda: False)
    monkeypatch.setattr(weights, "warm_up", fails)
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
