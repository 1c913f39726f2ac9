import threading
import time

import dask.array as da
import numpy as np
import pytest
from dask import delayed
from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_unet_studio.core.deform import (
    DeformConfig,
    coarse_displacement,
    deform_blocks,
    dense_displacement,
    elastic_deform,
    folding,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import METADATA_KEY, Source, source_of
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.widgets import _controls, _deform
from napari_unet_studio.widgets._deform.apply import apply, compiled
from napari_unet_studio.widgets._deform.array import DeformedArray
from napari_unet_studio.widgets._deform.lines import (
    Plane,
    arrows,
    folded,
    grid_lines,
    grid_step,
)
from napari_unet_studio.widgets._deform.parts import in_parts
from napari_unet_studio.widgets._deform.preview import Deformation
from napari_unet_studio.widgets.deform import DeformWidget

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
    made = DeformWidget(viewer)
    viewer.window.add_dock_widget(made)
    made.showEvent(QShowEvent())
    qtbot.waitUntil(compiled, timeout=60_000)
    made.live.settle_timer.setInterval(60)
    return made


@pytest.fixture(scope="module")
def cells():
    sample = SAMPLES["nuclei_2d"]()
    return sample.image[:120, :150], sample.labels[:120, :150]


@pytest.fixture(scope="module")
def volume():
    sample = SAMPLES["nuclei_3d"]()
    return sample.image[:10, :60, :70], sample.labels[:10, :60, :70]


@pytest.fixture(scope="module")
def series():
    sample = SAMPLES["nuclei_timelapse"]()
    return sample.image[:4, :80, :70], sample.labels[:4, :80, :70]


@pytest.fixture(scope="module")
def tissue():
    return SAMPLES["tissue_rgb"]().image[:80, :90]


def press(widget, qtbot):
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)


def settled(widget, qtbot):
    """Wait until nothing is left to draw or compute."""
    qtbot.waitUntil(
        lambda: (
            not (widget.running or widget.live.busy or widget.draws.busy)
            and not any(t.isActive() for t in widget._clocks)
        ),
        timeout=30_000,
    )


def names(viewer):
    return [layer.name for layer in viewer.layers]


def expected(widget, image, labels=None, **options):
    settings = widget.form.value().to_dict() | options
    return elastic_deform(image, labels, **settings)


def assert_same_place(layer, source):
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(layer, name), getattr(source, name))
    assert layer.units == source.units
    assert layer.axis_labels == source.axis_labels


# -- apply -----------------------------------------------------------------------------


def test_apply_adds_what_the_core_function_computes(widget, viewer, qtbot, cells):
    image, labels = cells
    before = image.copy()
    source = viewer.add_image(image, name="cells", colormap="green", **PLACE)
    ids = viewer.add_labels(labels, name="ids", **PLACE)
    widget.labels.value = ids
    widget.form.sigma.set_value(6)
    widget.form.seed.setValue(4)
    settled(widget, qtbot)
    press(widget, qtbot)
    assert names(viewer) == ["cells", "ids", "cells deformed", "ids deformed"]
    made, moved = viewer.layers[2:]
    wanted, wanted_ids = expected(widget, image, labels)
    np.testing.assert_array_equal(made.data, wanted)
    np.testing.assert_array_equal(moved.data, wanted_ids)
    assert made.data.dtype == image.dtype
    assert made.colormap.name == "green"
    assert made.contrast_limits == source.contrast_limits
    for layer in (made, moved):
        assert_same_place(layer, source)
        provenance = layer.metadata[METADATA_KEY]
        assert provenance["deform"] == widget.form.value().to_dict()
    assert moved.editable
    assert source.data is image
    np.testing.assert_array_equal(image, before)
    assert not widget.preview.isChecked()


def test_pixels_that_are_not_square_move_equally_far(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells", scale=(0.9, 0.3))
    press(widget, qtbot)
    np.testing.assert_array_equal(
        viewer.layers["cells deformed"].data,
        expected(widget, cells[0], spacing=(0.9, 0.3)),
    )


def test_rgb_stays_rgb(widget, viewer, qtbot, tissue):
    viewer.add_image(tissue, name="tissue", rgb=True, **PLACE)
    press(widget, qtbot)
    made = viewer.layers["tissue deformed"]
    assert made.rgb
    assert_same_place(made, viewer.layers["tissue"])
    np.testing.assert_array_equal(made.data, expected(widget, tissue, channel_axis=-1))


def test_channels_are_deformed_alike(widget, viewer, qtbot, series):
    ids = viewer.add_labels(series[1], name="ids", axis_labels=("t", "y", "x"))
    for axis, name in enumerate(("first", "second")):
        data = np.moveaxis(np.stack((series[0], series[0][::-1])), 0, axis)
        labels = ["t", "y", "x"]
        labels.insert(axis, "c")
        widget.image.value = viewer.add_image(data, name=name, axis_labels=labels)
        widget.labels.value = ids
        press(widget, qtbot)
        made = viewer.layers[f"{name} deformed"]
        assert made.axis_labels == tuple(labels)
        frame = np.take(data, 1, axis=axis)[2]
        got = np.take(made.data, 1, axis=axis)[2]
        np.testing.assert_array_equal(got, expected(widget, frame))


def test_every_time_point_is_deformed_alike(widget, viewer, qtbot, series):
    image, labels = series
    viewer.add_image(image, name="movie", **SERIES)
    widget.labels.value = viewer.add_labels(labels, name="ids", **SERIES)
    assert not widget.form.rows.isRowVisible(widget.frames)
    press(widget, qtbot)
    for index, frame in enumerate(image):
        wanted, ids = expected(widget, frame, labels[index], spacing=(0.5, 0.5))
        np.testing.assert_array_equal(
            viewer.layers["movie deformed"].data[index], wanted
        )
        np.testing.assert_array_equal(viewer.layers["ids deformed"].data[index], ids)
    assert "alike" in widget.status.text()


def test_a_stack_is_deformed_by_slices_or_as_a_volume(widget, viewer, qtbot, volume):
    image, labels = volume
    viewer.add_image(image, name="stack", **VOLUME)
    widget.labels.value = viewer.add_labels(labels, name="ids", **VOLUME)
    assert widget.form.rows.isRowVisible(widget.frames)
    press(widget, qtbot)
    slices = np.stack([expected(widget, plane) for plane in image])
    np.testing.assert_array_equal(viewer.layers["stack deformed"].data, slices)
    widget.frames.setCurrentIndex(widget.frames.findData(3))
    press(widget, qtbot)
    wanted, ids = expected(widget, image, labels, spacing=(3.0, 1.0, 1.0))
    np.testing.assert_array_equal(viewer.layers["stack deformed [1]"].data, wanted)
    np.testing.assert_array_equal(viewer.layers["ids deformed [1]"].data, ids)


def test_the_copied_code_gives_the_same_pixels(
    widget, viewer, qtbot, tissue, series, volume
):
    clipboard = QApplication.clipboard()
    widget.copy.menu().actions()[0].trigger()
    assert "elastic_deform(image, grid=3" in clipboard.text()
    viewer.add_image(tissue, name="tissue", rgb=True)
    viewer.add_image(series[0], name="movie", **SERIES)
    viewer.add_image(volume[0], name="stack", **VOLUME)
    ids = viewer.add_labels(series[1], name="ids", **SERIES)
    widget.frames.setCurrentIndex(widget.frames.findData(3))
    for name in ("tissue", "movie", "stack"):
        widget.image.value = viewer.layers[name]
        widget.labels.value = ids if name == "movie" else None
        press(widget, qtbot)
        widget.copy.menu().actions()[0].trigger()
        scope = {"viewer": viewer}
        exec(clipboard.text(), scope)
        made = viewer.layers[f"{name} deformed"]
        np.testing.assert_array_equal(scope["deformed_image"], made.data)
        if name == "movie":
            moved = viewer.layers["ids deformed"]
            np.testing.assert_array_equal(scope["deformed_labels"], moved.data)


def test_the_copied_code_takes_the_finest_resolution(widget, viewer, qtbot, cells):
    image, labels = cells
    levels = [image, image[::2, ::2]]
    viewer.add_image(levels, name="cells", multiscale=True)
    widget.labels.value = viewer.add_labels(
        [labels, labels[::2, ::2]], name="ids", multiscale=True
    )
    press(widget, qtbot)
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    for key, name in (("deformed_image", "cells"), ("deformed_labels", "ids")):
        made = viewer.layers[f"{name} deformed"]
        np.testing.assert_array_equal(scope[key], made.data)


def test_weights_are_deformed_along(widget, viewer, qtbot, cells):
    image, labels = cells
    weights = np.random.default_rng(0).random(image.shape, np.float32)
    viewer.add_image(image, name="cells", **PLACE)
    widget.labels.value = viewer.add_labels(labels, name="ids", **PLACE)
    layer = viewer.add_image(weights, name="weights", opacity=0.4, **PLACE)
    widget.weights.value = layer
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    wanted = expected(widget, image, labels, weight_map=weights)
    for name, array in zip(("cells", "ids", "weights"), wanted, strict=True):
        made = viewer.layers[f"{name} deformed (preview)"]
        np.testing.assert_array_equal(made._slice.image.raw, array)
    assert made.opacity == pytest.approx(0.4)
    press(widget, qtbot)
    for name, array in zip(("cells", "ids", "weights"), wanted, strict=True):
        made = viewer.layers[f"{name} deformed"]
        np.testing.assert_array_equal(made.data, array)
        assert_same_place(made, layer)
    assert made.data.dtype == np.float32
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["deformed_weights"], wanted[2])
    np.testing.assert_array_equal(scope["deformed_labels"], wanted[1])


def test_only_real_numbers_of_the_shape_of_the_image_can_be_weights(
    widget, viewer, cells
):
    image = viewer.add_image(cells[0], name="cells")
    floats = cells[0].astype(np.float32)
    fitting = viewer.add_image(floats, name="weights")
    viewer.add_image(floats[:50], name="smaller")
    viewer.add_image(cells[0], name="integers")
    colours = np.zeros((*floats.shape, 3), np.float32)
    viewer.add_image(colours, name="colours", rgb=True)
    widget.image.value = image
    assert list(widget.weights.choices) == [None, fitting]
    assert widget.weights.value is None
    widget.weights.value = fitting
    widget.image.value = viewer.layers["smaller"]
    assert widget.weights.value is None
    widget.image.value = fitting
    assert list(widget.weights.choices) == [None]


def test_a_plane_can_be_sampled_linearly(widget, viewer, qtbot, cells, volume):
    viewer.add_image(cells[0], name="cells")
    widget.form.interpolation.setCurrentIndex(1)
    settled(widget, qtbot)
    wanted = expected(widget, cells[0], interpolation="linear")
    assert (wanted != expected(widget, cells[0], interpolation="cubic")).any()
    made = viewer.layers["cells deformed (preview)"]
    np.testing.assert_array_equal(made._slice.image.raw, wanted)
    press(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["cells deformed"].data, wanted)
    widget.copy.menu().actions()[0].trigger()
    scope = {"viewer": viewer}
    exec(QApplication.clipboard().text(), scope)
    np.testing.assert_array_equal(scope["deformed_image"], wanted)
    widget.image.value = viewer.add_image(volume[0], name="stack", **VOLUME)
    assert widget.form.interpolation.isEnabled()
    widget.frames.setCurrentIndex(widget.frames.findData(3))
    assert not widget.form.interpolation.isEnabled()


def test_weights_with_holes_are_refused(widget, viewer, qtbot, cells):
    weights = np.ones(cells[0].shape, np.float32)
    weights[3, 4] = np.nan
    viewer.add_image(cells[0], name="cells")
    widget.weights.value = viewer.add_image(weights, name="weights")
    widget.preview.setChecked(True)  # shows what there is
    settled(widget, qtbot)
    press(widget, qtbot)
    assert "weight map contains NaN" in widget.status.text()
    assert not any(name.endswith("deformed") for name in names(viewer))


# -- preview ---------------------------------------------------------------------------


def test_sliders_move_one_preview_in_place(widget, viewer, qtbot, cells):
    image, labels = cells
    source = viewer.add_image(image, name="cells", **PLACE)
    widget.labels.value = viewer.add_labels(labels, name="ids", **PLACE)
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    made = viewer.layers["cells deformed (preview)"]
    moved = viewer.layers["ids deformed (preview)"]
    assert len(viewer.layers) == 4
    assert_same_place(made, source)
    data = made.data
    for change in (
        lambda: widget.form.sigma.set_value(3),
        lambda: widget.form.grid.set_value(6),
        widget.form.draw.click,
    ):
        shown = np.array(made._slice.image.raw)
        change()
        settled(widget, qtbot)
        wanted, ids = expected(widget, image, labels)
        assert (made._slice.image.raw != shown).any()
        np.testing.assert_array_equal(made._slice.image.raw, wanted)
        np.testing.assert_array_equal(np.asarray(made.data), wanted)
        np.testing.assert_array_equal(np.asarray(moved.data), ids)
        provenance = made.metadata[METADATA_KEY]
        assert provenance["deform"] == widget.form.value().to_dict()
    assert made.data is data
    assert len(viewer.layers) == 4


def test_a_large_plane_is_coarse_while_a_slider_moves_and_exact_later(
    widget, viewer, qtbot, cells, monkeypatch
):
    monkeypatch.setattr(_controls, "DRAFT", 3000)
    image, labels = cells
    viewer.add_image(image, name="cells")
    widget.labels.value = viewer.add_labels(labels, name="ids")
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    made = viewer.layers["cells deformed (preview)"]
    widget.form.sigma.set_value(5)
    widget.live.draw()
    draft = np.array(made._slice.image.raw)
    wanted, _ = expected(widget, image, labels)
    assert draft.shape == wanted.shape
    assert (draft != wanted).any()
    np.testing.assert_array_equal(np.asarray(made.data), wanted)
    blurred = [gaussian_filter(p.astype(float), 4) for p in (draft, wanted)]
    assert np.corrcoef(*(p.ravel() for p in blurred))[0, 1] > 0.98
    settled(widget, qtbot)
    np.testing.assert_array_equal(made._slice.image.raw, wanted)


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_takes_long_is_deformed_in_a_thread(
    widget, viewer, qtbot, volume, ndim, monkeypatch
):
    monkeypatch.setattr(_controls, "DRAFT", 3000)
    threads = set()

    def noted(*arguments):
        threads.add(threading.current_thread() is threading.main_thread())
        return (yield from in_parts(*arguments))

    image, labels = volume
    viewer.add_image(image, name="stack", **VOLUME)
    widget.labels.value = viewer.add_labels(labels, name="ids", **VOLUME)
    widget.frames.setCurrentIndex(widget.frames.findData(ndim))
    settled(widget, qtbot)
    monkeypatch.setattr(_deform.preview, "in_parts", noted)
    widget.preview.setChecked(True)
    viewer.dims.order = (1, 0, 2)  # a view across all slices
    settled(widget, qtbot)
    widget.form.sigma.set_value(4)
    settled(widget, qtbot)
    assert threads == {False}
    spacing = (3.0, 1.0, 1.0)[-ndim:]
    frames = zip(image, labels, strict=True) if ndim == 2 else [(image, labels)]
    both = [expected(widget, *frame, spacing=spacing) for frame in frames]
    wanted, ids = map(np.stack, zip(*both, strict=True))
    row = viewer.dims.current_step[1]
    made = viewer.layers["stack deformed (preview)"]._slice.image.raw
    moved = viewer.layers["ids deformed (preview)"]
    np.testing.assert_array_equal(made, wanted.reshape(image.shape)[:, row])
    ids = ids.reshape(labels.shape)
    np.testing.assert_array_equal(moved._slice.image.raw, ids[:, row])


@pytest.mark.parametrize("end", ["image", "preview", "close", "setting", "array"])
def test_a_late_result_harms_nothing(widget, viewer, qtbot, cells, end, monkeypatch):
    monkeypatch.setattr(_controls, "DRAFT", 3000)
    reached, go_on = threading.Event(), threading.Event()

    def slowly(*arguments):
        reached.set()
        assert go_on.wait(20)
        return (yield from in_parts(*arguments))

    layer = viewer.add_image(cells[0], name="cells")
    settled(widget, qtbot)
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    monkeypatch.setattr(_deform.preview, "in_parts", slowly)
    widget.form.sigma.set_value(4)
    qtbot.waitUntil(reached.is_set, timeout=10_000)
    if end == "image":
        viewer.layers.remove(layer)
    elif end == "preview":
        viewer.layers.remove("cells deformed (preview)")
    elif end == "setting":
        widget.form.sigma.set_value(9)
    elif end == "array":
        layer.data = cells[0][::-1].copy()
    else:
        viewer.window.remove_dock_widget(widget)
    go_on.set()
    settled(widget, qtbot)
    if end in ("setting", "array"):
        made = viewer.layers["cells deformed (preview)"]._slice.image.raw
        np.testing.assert_array_equal(made, expected(widget, layer.data))
    else:
        assert names(viewer) == ([] if end == "image" else ["cells"])


def test_the_first_slider_brings_the_preview_until_it_is_switched_off(
    widget, viewer, qtbot, cells
):
    viewer.add_image(cells[0], name="cells")
    widget.form.sigma.set_value(4)
    settled(widget, qtbot)
    assert names(viewer) == ["cells", "cells deformed (preview)"]
    widget.preview.setChecked(False)
    widget.form.sigma.set_value(5)
    settled(widget, qtbot)
    assert names(viewer) == ["cells"]


@pytest.mark.parametrize("small", [True, False])
def test_the_preview_of_a_stack_follows_the_slider(
    widget, viewer, qtbot, volume, small, monkeypatch
):
    image, labels = volume
    if not small:  # then single planes are computed
        monkeypatch.setattr(_deform.array, "SMALL", 0)
    viewer.add_image(image, name="stack", **VOLUME)
    widget.labels.value = viewer.add_labels(labels, name="ids", **VOLUME)
    widget.frames.setCurrentIndex(widget.frames.findData(3))
    widget.preview.setChecked(True)
    made = viewer.layers["stack deformed (preview)"]
    moved = viewer.layers["ids deformed (preview)"]
    wanted, ids = expected(widget, image, labels, spacing=(3.0, 1.0, 1.0))
    for plane in (7, 2):
        viewer.dims.set_current_step(0, plane)
        settled(widget, qtbot)
        np.testing.assert_array_equal(made._slice.image.raw, wanted[plane])
        np.testing.assert_array_equal(np.asarray(moved.data[plane]), ids[plane])
    viewer.dims.ndisplay = 3
    settled(widget, qtbot)
    np.testing.assert_array_equal(made._slice.image.raw, wanted)


def test_the_preview_of_slices_and_colours_is_right_in_every_view(
    widget, viewer, qtbot, series
):
    data = np.stack((series[0], series[0][::-1]), axis=1)
    viewer.add_image(data, name="movie", axis_labels=("t", "c", "y", "x"))
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    made = viewer.layers["movie deformed (preview)"]
    flat = data.reshape(-1, *data.shape[-2:])
    wanted = np.stack([expected(widget, f) for f in flat]).reshape(data.shape)
    np.testing.assert_array_equal(np.asarray(made.data), wanted)
    for key in ((1, 0), (slice(1, 2), 1, slice(3, 9)), (..., 4), 2, (-1, -1, 5, 6)):
        np.testing.assert_array_equal(made.data[key], wanted[key])
    viewer.dims.order = (2, 1, 0, 3)
    viewer.dims.set_current_step(1, 1)
    settled(widget, qtbot)
    assert made._slice.image.raw.shape == (4, 70)


def test_a_view_that_is_too_large_is_refused_in_one_sentence(
    widget, viewer, qtbot, volume, monkeypatch
):
    monkeypatch.setattr(_deform.preview, "LIMIT", 60 * 70)
    viewer.add_image(volume[0], name="stack", **VOLUME)
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    assert "too large" not in widget.info.text()
    viewer.dims.ndisplay = 3
    settled(widget, qtbot)
    assert "too large for a preview" in widget.info.text()


@pytest.mark.parametrize("ndim", [2, 3])
def test_lazy_data_are_read_once_for_many_settings(volume, ndim, monkeypatch):
    monkeypatch.setattr(_deform.array, "SMALL", 0)
    read = []

    def plane(z):
        read.append(z)
        return volume[0][z]

    planes = [
        da.from_delayed(delayed(plane)(z), (60, 70), np.uint16) for z in range(10)
    ]
    layer = Image(da.stack(planes), name="stack", **VOLUME)
    deformation = Deformation(source_of(layer), None, None, ndim)
    array = DeformedArray(deformation)
    read.clear()  # what the thumbnail took
    for seed in range(3):
        deformation.set(DeformConfig(seed=seed))
        made = array[4]
    assert len(read) == len(set(read))
    assert made.shape == (60, 70)
    deformation.forget()
    array[4]
    assert len(read) == 2 * len(set(read))


def test_rgb_has_a_preview(widget, viewer, qtbot, tissue):
    viewer.add_image(tissue, name="tissue", rgb=True)
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    made = viewer.layers["tissue deformed (preview)"]
    assert made.rgb
    np.testing.assert_array_equal(
        made._slice.image.raw, expected(widget, tissue, channel_axis=-1)
    )


def test_painted_labels_show_in_the_preview(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    ids = viewer.add_labels(cells[1].copy(), name="ids")
    widget.labels.value = ids
    widget.preview.setChecked(True)
    ids.brush_size = 20
    ids.paint((50, 50), 777)
    settled(widget, qtbot)
    _, wanted = expected(widget, cells[0], ids.data)
    shown = viewer.layers["ids deformed (preview)"]
    assert (wanted == 777).any()
    np.testing.assert_array_equal(np.asarray(shown.data), wanted)


def test_another_image_takes_over_the_preview(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="one")
    viewer.add_image(cells[0][:60], name="two")
    widget.image.value = viewer.layers["one"]
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    assert [layer.name for layer in widget.image.choices] == ["one", "two"]
    widget.image.value = viewer.layers["two"]
    settled(widget, qtbot)
    assert names(viewer) == ["one", "two", "two deformed (preview)"]


# -- grid and arrows -------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [4, 14])
def test_the_drawn_grid_lies_on_the_lines_of_a_deformed_picture(sigma):
    shape = (300, 400)
    step = grid_step(shape)
    lines = np.arange(step // 2, max(shape), step)
    y, x = np.indices(shape)
    away = np.minimum(
        np.abs(y[..., None] - lines).min(-1), np.abs(x[..., None] - lines).min(-1)
    )
    deformed = elastic_deform(away.astype(np.float32), sigma=sigma, seed=2)
    plane = Plane.of(coarse_displacement(2, sigma=sigma, seed=2), shape, 0)
    pieces = grid_lines(plane)
    middles = pieces[:, 0] + pieces[:, 1] / 2
    rows, columns = np.clip(np.rint(middles).astype(int), 0, np.array(shape) - 1).T
    assert len(pieces) > 1000
    assert deformed[rows, columns].max() < 1.6  # within a pixel and its rounding
    drawn = np.ones(shape, bool)
    drawn[rows, columns] = False
    on_line = deformed < 0.3
    assert np.quantile(distance_transform_edt(drawn)[on_line], 0.99) < 4


def test_arrows_point_to_where_pixels_are_taken_from():
    coarse = coarse_displacement(2, sigma=7, seed=3)
    field = dense_displacement(coarse.astype(float), (90, 120))
    pieces = arrows(Plane.of(coarse, (90, 120), 0))
    y, x = pieces[:, 0].astype(int).T
    np.testing.assert_allclose(pieces[:, 1].T, field[:, y, x], atol=1e-6)


def test_a_plane_of_a_volume_has_the_displacement_of_the_volume():
    coarse = coarse_displacement(3, sigma=7, seed=3)
    field = dense_displacement(coarse.astype(float), (9, 40, 50))
    plane = Plane.of(coarse, (9, 40, 50), 4)
    rows, columns = np.arange(40), np.arange(50)
    np.testing.assert_allclose(plane.at(rows, columns), field[1:, 4], atol=1e-6)


@pytest.mark.parametrize("sigma", [5, 30])
def test_the_share_of_folds_is_that_of_all_pixels(sigma):
    coarse = coarse_displacement(2, grid=8, sigma=sigma, seed=1)
    shape = (500, 400)
    wanted = folding(dense_displacement(coarse, shape))
    assert folded(coarse, shape) == pytest.approx(wanted, abs=0.005)
    assert (wanted > 0.05) == (sigma == 30)


def test_grid_and_arrows_follow_settings_and_position(widget, viewer, qtbot, series):
    viewer.add_image(series[0], name="movie", **SERIES)
    widget.form.bent.setChecked(True)
    widget.form.arrows.setChecked(True)
    settled(widget, qtbot)
    grid = viewer.layers["movie deformation grid"]
    arrow = viewer.layers["movie deformation arrows"]
    assert len(viewer.layers) == 4
    for layer in (grid, arrow):
        assert_same_place(layer, viewer.layers["movie"])
    before = grid.data.copy()
    widget.form.sigma.set_value(3)
    viewer.dims.set_current_step(0, 1)
    settled(widget, qtbot)
    assert before.shape != grid.data.shape or (before != grid.data).any()
    assert (grid.data[:, 0, 0] == 1).all()
    assert (arrow.data[:, 1, 0] == 0).all()
    assert "folds" in widget.info.text()
    widget.form.bent.setChecked(False)
    settled(widget, qtbot)
    assert not grid.visible
    viewer.layers.remove(arrow)
    assert not widget.form.arrows.isChecked()
    widget.preview.setChecked(False)
    assert names(viewer) == ["movie"]


# -- interruptions ---------------------------------------------------------------------


def large():
    return np.random.default_rng(0).integers(0, 255, (60, 512, 512), np.uint8)


def test_cancelling_adds_nothing(widget, viewer, qtbot, monkeypatch):
    def slowly(*arguments, **settings):
        time.sleep(0.05)  # else all may be done before anybody can cancel
        return deform_blocks(*arguments, **settings)

    monkeypatch.setattr(_deform.apply, "deform_blocks", slowly)
    viewer.add_image(large(), name="movie", axis_labels=("t", "y", "x"))
    widget.run_button.click()
    assert not widget.run_button.isEnabled()
    qtbot.waitUntil(lambda: widget.progress.value() > 1, timeout=30_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert "Stopped" in widget.status.text()
    assert names(viewer) == ["movie"]
    assert widget.run_button.isEnabled()


def test_a_single_plane_shows_progress_and_can_be_cancelled(
    widget, viewer, qtbot, monkeypatch
):
    def slowly(*arguments, **settings):
        for share in deform_blocks(*arguments, **settings):
            time.sleep(0.02)
            yield share

    monkeypatch.setattr(_deform.apply, "deform_blocks", slowly)
    viewer.add_image(large()[0].repeat(4, 0).repeat(4, 1), name="plane")
    widget.run_button.click()
    qtbot.waitUntil(lambda: 0 < widget.progress.value() < 100, timeout=30_000)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert "Stopped" in widget.status.text()
    assert names(viewer) == ["plane"]


def test_a_layer_removed_during_the_work_loses_nothing(widget, viewer, qtbot):
    data = large()[:20]
    layer = viewer.add_image(data, name="movie", **SERIES)
    widget.run_button.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    made = viewer.layers["movie deformed"]
    np.testing.assert_array_equal(made.data[3], expected(widget, data[3]))
    np.testing.assert_allclose(made.scale, SERIES["scale"])


def test_the_only_labels_of_an_image_are_chosen_once(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    viewer.add_labels(np.zeros((9, 9), int), name="of another image")
    assert widget.labels.value is None
    ids = viewer.add_labels(cells[1], name="ids")
    assert widget.labels.value is ids
    press(widget, qtbot)
    assert "Added “cells deformed” and “ids deformed”" in widget.status.text()
    widget.labels.value = None
    viewer.add_labels(np.zeros((9, 9), int), name="later")
    assert widget.labels.value is None  # the user's wish


def test_labels_that_were_chosen_by_themselves_go_with_their_image(
    widget, viewer, qtbot, cells
):
    viewer.add_image(cells[0], name="cells")
    ids = viewer.add_labels(cells[1], name="ids")
    assert widget.labels.value is ids
    widget.image.value = viewer.add_image(cells[0][:80], name="another")
    assert widget.labels.value is None
    settled(widget, qtbot)
    assert not widget.status.text()
    widget.image.value = viewer.layers["cells"]
    assert widget.labels.value is ids


def test_of_several_labels_of_an_image_none_is_chosen(widget, viewer, cells):
    for name in ("one", "two"):
        viewer.add_labels(cells[1], name=name)
    viewer.add_image(cells[0], name="cells")
    assert widget.labels.value is None


def test_a_preview_whose_array_is_replaced_does_no_harm(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    preview = widget.live.layers.shown[0]
    preview.data = np.zeros((20, 30), cells[0].dtype)
    widget.form.sigma.set_value(7)
    settled(widget, qtbot)
    assert "px" in widget.info.text()


def test_a_layer_that_we_made_is_never_chosen_by_itself(widget, viewer, qtbot, cells):
    layer = viewer.add_image(cells[0], name="cells")
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    viewer.layers.remove(layer)
    settled(widget, qtbot)
    assert names(viewer) == ["cells deformed"]
    assert widget.image.value is None
    widget.run_button.click()
    assert "No image is chosen" in widget.status.text()
    widget.image.value = viewer.layers["cells deformed"]  # the user's own wish
    viewer.add_image(cells[0], name="more")
    assert widget.image.value is viewer.layers["cells deformed"]


def test_an_image_with_nan_is_refused(widget, viewer, qtbot):
    image = np.ones((40, 50), np.float32)
    image[3, 4:6] = np.nan
    viewer.add_image(image, name="holes")
    widget.run_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    assert "'holes' contains 2 NaN" in widget.status.text()
    assert names(viewer) == ["holes"]


def test_a_preview_removed_by_hand_stays_away(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    widget.labels.value = viewer.add_labels(cells[1], name="ids")
    widget.form.bent.setChecked(True)
    settled(widget, qtbot)
    viewer.layers.selection = {viewer.layers["cells deformed (preview)"]}
    viewer.layers.remove_selected()
    widget.form.sigma.set_value(20)
    settled(widget, qtbot)
    assert names(viewer) == ["cells", "ids"]
    assert not widget.preview.isChecked()
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    assert len(viewer.layers) == 5
    viewer.layers.clear()
    settled(widget, qtbot)
    assert names(viewer) == []


def test_the_image_of_a_preview_can_be_removed(widget, viewer, qtbot, cells):
    layer = viewer.add_image(cells[0], name="cells")
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    viewer.layers.remove(layer)
    settled(widget, qtbot)
    assert names(viewer) == []
    widget.form.sigma.set_value(20)
    settled(widget, qtbot)
    assert names(viewer) == []


def test_an_image_with_another_array_gets_another_preview(widget, viewer, qtbot, cells):
    layer = viewer.add_image(cells[0], name="cells")
    widget.preview.setChecked(True)
    layer.data = cells[0][:50, :60]
    settled(widget, qtbot)
    made = viewer.layers["cells deformed (preview)"]
    np.testing.assert_array_equal(np.asarray(made.data), expected(widget, layer.data))
    assert len(viewer.layers) == 2


def test_an_image_that_is_moved_takes_its_preview_along(widget, viewer, qtbot, cells):
    layer = viewer.add_image(cells[0], name="cells")
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    layer.scale = (0.9, 0.3)
    layer.rotate = 20
    layer.translate = (3, -7)
    settled(widget, qtbot)
    made = viewer.layers["cells deformed (preview)"]
    assert_same_place(made, layer)
    wanted = expected(widget, cells[0], spacing=(0.9, 0.3))
    np.testing.assert_array_equal(made._slice.image.raw, wanted)
    assert len(viewer.layers) == 2


def test_closing_the_dock_stops_the_work_and_takes_the_preview(
    widget, viewer, qtbot, series
):
    viewer.add_image(series[0], name="movie", **SERIES)
    widget.form.bent.setChecked(True)
    settled(widget, qtbot)
    widget.run_button.click()
    job = widget.job
    viewer.window.remove_dock_widget(widget)
    assert job.stopping
    assert names(viewer) == ["movie"]
    viewer.dims.set_current_step(0, 3)
    widget.form.sigma.set_value(3)  # from the console, where it may be kept
    settled(widget, qtbot)
    assert names(viewer) == ["movie"]


# -- what cannot be done ---------------------------------------------------------------


def test_without_an_image_one_sentence_says_so(widget, viewer, qtbot):
    widget.run_button.click()
    assert "No image is chosen" in widget.status.text()
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    assert not widget.preview.isChecked()
    assert names(viewer) == []


def test_labels_of_another_image_are_refused(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    widget.labels.value = viewer.add_labels(cells[1][:50], name="ids")
    settled(widget, qtbot)
    press(widget, qtbot)
    assert "'ids' have shape (50, 150)" in widget.status.text()
    assert "channels" not in widget.status.text()
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    assert not widget.preview.isChecked()
    assert names(viewer) == ["cells", "ids"]
    widget.say("")
    widget.form.sigma.set_value(4)  # said once is enough
    settled(widget, qtbot)
    assert widget.status.text() == ""
    widget.labels.value = None
    widget.form.sigma.set_value(5)
    settled(widget, qtbot)
    assert names(viewer)[2:] == ["cells deformed (preview)"]


def test_an_image_without_a_plane_is_refused(widget, viewer, qtbot):
    viewer.add_image(np.ones((3, 20)), name="line", axis_labels=("c", "x"))
    press(widget, qtbot)
    assert "cannot have the axes 'X'" in widget.status.text()
    assert names(viewer) == ["line"]


def test_the_widget_opens_from_the_menu(viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-unet-studio", "Elastic deformation"
    )
    qtbot.waitUntil(compiled, timeout=60_000)
    widget.reset_choices()
    widget.form.bent.setChecked(True)
    settled(widget, qtbot)
    assert len(viewer.layers) == 3
    viewer.layers.remove("cells deformed (preview)")
    settled(widget, qtbot)
    assert names(viewer) == ["cells"]
    press(widget, qtbot)
    np.testing.assert_array_equal(
        viewer.layers["cells deformed"].data, expected(widget, cells[0])
    )


def test_channels_without_a_name_are_told_to_get_one(widget, viewer, qtbot, cells):
    image = viewer.add_image(np.stack([cells[0]] * 2), name="two")
    widget.labels.value = viewer.add_labels(cells[1], name="ids")
    settled(widget, qtbot)
    press(widget, qtbot)
    assert "name its axis of the channels 'c'" in widget.status.text()
    image.axis_labels = ("c", "y", "x")
    settled(widget, qtbot)
    press(widget, qtbot)
    assert "Added" in widget.status.text()


def test_a_result_larger_than_memory_is_refused_in_words():
    pixels = np.broadcast_to(np.uint16(0), (9, 1 << 22, 1 << 22))
    source = Source("film", pixels, "TYX", None, (1.0, 1.0), {})
    with pytest.raises(InputError, match="'film' deformed would take 316,659 GB"):
        next(apply(Deformation(source, None, None, 2), lambda: False))
