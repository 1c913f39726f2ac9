from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QPointF
from qtpy.QtGui import QEnterEvent, QShowEvent
from qtpy.QtWidgets import QApplication

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.draws import draws, example, patches_of
from napari_unet_studio.widgets._deform.apply import compiled
from napari_unet_studio.widgets._deform.strip import Strip
from napari_unet_studio.widgets._deform.tiles import layout, plane_options, tiled
from napari_unet_studio.widgets._deform.train import recipe, train_widget
from napari_unet_studio.widgets.deform import DeformWidget
from napari_unet_studio.widgets.train import TrainWidget

PLACE = {
    "scale": (0.5, 0.5),
    "translate": (3.0, -7.0),
    "rotate": 20.0,
    "units": ("um", "um"),
    "axis_labels": ("y", "x"),
}
VOLUME = {"scale": (3.0, 1.0, 1.0), "axis_labels": ("z", "y", "x")}


@pytest.fixture
def widget(viewer, qtbot):
    """A docked widget that shows three small patches without a preview."""
    made = DeformWidget(viewer)
    viewer.window.add_dock_widget(made)
    made.showEvent(QShowEvent())
    qtbot.waitUntil(compiled, timeout=60_000)
    made.draws.count.setValue(3)
    settled(made, qtbot)
    made._offer = False
    return made


@pytest.fixture(scope="module")
def cells():
    sample = SAMPLES["nuclei_2d"]()
    return sample.image[:120, :150], sample.labels[:120, :150]


def settled(widget, qtbot):
    qtbot.waitUntil(
        lambda: (
            not (widget.running or widget.live.busy or widget.draws.busy)
            and not any(t.isActive() for t in widget._clocks)
        ),
        timeout=60_000,
    )


def names(viewer):
    return [layer.name for layer in viewer.layers]


def expected(widget, image, labels=None, weights=None, spacing=None, fit=None):
    """Return the patches of an image (C, *S) as training would draw them."""
    config = widget.form.value()
    augment = AugmentConfig(elastic=config.sigma, grid=config.grid)
    item = example(image, labels, weights, *(fit or Normalisation().fit(image)))
    source = patches_of(item, TrainConfig(augment=augment), spacing, widget.draws._seed)
    return run(draws(source, widget.draws.count.value()))


def patch(layer, number, size, count=3, image=(120, 150)):
    """Cut a patch out of a strip again."""
    plan = layout(count, size, image)
    y = number // plan.columns * (size[0] + plan.gap)
    x = number % plan.columns * (size[1] + plan.gap)
    return layer.data[y : y + size[0], x : x + size[1]]


def assert_same_picture(got, wanted):
    """Compare up to the rounding, which depends on the threads that torch uses."""
    np.testing.assert_allclose(got, wanted, atol=1e-5)


# -- what is shown ---------------------------------------------------------------------


def test_the_strip_shows_what_training_draws(widget, viewer, qtbot, cells):
    image, labels = cells
    weights = np.random.default_rng(0).random(image.shape, np.float32)
    viewer.add_image(image, name="cells", colormap="green", scale=(0.5, 0.5))
    widget.labels.value = viewer.add_labels(labels, name="ids", scale=(0.5, 0.5))
    layer = viewer.add_image(weights, name="weights", scale=(0.5, 0.5), opacity=0.3)
    widget.weights.value = layer
    widget.form.sigma.set_value(6)
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    strip = [viewer.layers[f"{name} draws"] for name in ("cells", "ids", "weights")]
    assert len(viewer.layers) == 6
    assert strip[0].colormap.name == "green"
    assert strip[0].contrast_limits == [0, 1]
    assert strip[2].opacity == pytest.approx(0.3)
    assert all(METADATA_KEY in layer.metadata for layer in strip)
    wanted = expected(widget, image[None], labels, weights, (0.5, 0.5))
    for number, draw in enumerate(wanted):
        size = draw.labels.shape
        assert_same_picture(patch(strip[0], number, size), draw.image[0])
        np.testing.assert_array_equal(patch(strip[1], number, size), draw.labels)
        assert_same_picture(patch(strip[2], number, size), draw.weight_map)
    assert "128 × 160 px" in widget.draws.note.text()
    assert "Train is not open" in widget.draws.note.text()


def test_colours_are_cut_to_what_can_be_shown(widget, viewer, qtbot):
    image = SAMPLES["tissue_rgb"]().image[:80, :90]
    viewer.add_image(image, name="tissue", rgb=True)
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    strip = viewer.layers["tissue draws"]
    assert strip.rgb
    wanted = expected(widget, np.moveaxis(image, -1, 0), spacing=(1, 1))[1].image
    size = wanted.shape[1:]
    got = patch(strip, 1, size, image=(80, 90))
    assert_same_picture(got, np.clip(np.moveaxis(wanted, 0, -1), 0, 1))


def test_the_channel_in_view_is_shown_of_the_same_patches(widget, viewer, qtbot, cells):
    data = np.stack((cells[0], cells[0][::-1]))
    viewer.add_image(data, name="two", axis_labels=("c", "y", "x"))
    widget.draws.shown.setChecked(True)
    wanted = expected(widget, data, spacing=(1, 1))
    for channel in (1, 0):
        viewer.dims.set_current_step(0, channel)
        settled(widget, qtbot)
        strip = viewer.layers["two draws"]
        assert strip.ndim == 2
        got = patch(strip, 2, wanted[2].labels.shape)
        assert_same_picture(got, wanted[2].image[channel])
    assert "channel is the one in view" in widget.draws.note.text()


def test_a_volume_shows_the_middle_slices_of_its_patches(widget, viewer, qtbot):
    sample = SAMPLES["nuclei_3d"]()
    image, labels = sample.image[:10, :60, :70], sample.labels[:10, :60, :70]
    viewer.add_image(image, name="stack", **VOLUME)
    widget.labels.value = viewer.add_labels(labels, name="ids", **VOLUME)
    widget.frames.setCurrentIndex(widget.frames.findData(3))
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    wanted = expected(widget, image[None], labels, spacing=(3, 1, 1))[1]
    middle = wanted.labels.shape[0] // 2
    size = wanted.labels.shape[1:]
    images, ids = viewer.layers["stack draws"], viewer.layers["ids draws"]
    got = patch(images, 1, size, image=(60, 70))
    assert_same_picture(got, wanted.image[0, middle])
    got = patch(ids, 1, size, image=(60, 70))
    np.testing.assert_array_equal(got, wanted.labels[middle])
    assert "middle slices" in widget.draws.note.text()


def test_the_time_point_in_view_is_drawn_with_the_range_of_all(widget, viewer, qtbot):
    movie = SAMPLES["nuclei_timelapse"]().image[:3, :80, :90]
    viewer.add_image(movie, name="movie", axis_labels=("t", "y", "x"))
    widget.draws.shown.setChecked(True)
    for time in (0, 2):
        viewer.dims.set_current_step(0, time)
        settled(widget, qtbot)
        fit = Normalisation().fit(movie[None])
        wanted = expected(widget, movie[time][None], spacing=(1, 1), fit=fit)[0]
        got = patch(
            viewer.layers["movie draws"], 0, wanted.labels.shape, image=(80, 90)
        )
        assert_same_picture(got, wanted.image[0])


def test_the_strip_lies_beside_the_image_in_its_plane(cells):
    layer = Image(cells[0], **PLACE)
    spatial = {name: getattr(layer, name) for name in ("scale", "affine", "units")}
    spatial |= {"rotate": layer.rotate, "translate": layer.translate}
    strip = Image(np.zeros((5, 5)), **plane_options(spatial, 2, (130, 4)))
    for pixel in ((0, 0), (3, 1), (2, 4)):
        np.testing.assert_allclose(
            strip.data_to_world(pixel),
            layer.data_to_world((pixel[0] + 130, pixel[1] + 4)),
        )


@pytest.mark.parametrize("count", [1, 3, 8, 13])
@pytest.mark.parametrize("image", [(40, 50), (512, 300), (4000, 2000)])
def test_patches_lie_clear_of_the_image_and_of_each_other(count, image):
    plan = layout(count, (64, 48), image)
    assert plan.offset[0] > image[0] or plan.offset[1] > image[1]
    patches = [np.full((64, 48), number) for number in range(1, count + 1)]
    picture = tiled(patches, plan.columns, plan.gap)
    found, sizes = np.unique(picture[picture > 0], return_counts=True)
    assert found.tolist() == list(range(1, count + 1))
    assert set(sizes.tolist()) == {64 * 48}


# -- over time -------------------------------------------------------------------------


def test_settings_and_new_draws_change_the_strip_in_place(widget, viewer, qtbot, cells):
    image = cells[0]
    viewer.add_image(image, name="cells")
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    strip = viewer.layers["cells draws"]
    for change in (
        lambda: widget.form.sigma.set_value(2),
        lambda: widget.form.grid.set_value(5),
        widget.draws.again.click,
    ):
        before = strip.data.copy()
        change()
        settled(widget, qtbot)
        assert (strip.data != before).any()
        wanted = expected(widget, image[None], spacing=(1, 1))[1]
        got = patch(strip, 1, wanted.labels.shape)
        assert_same_picture(got, wanted.image[0])
    before = strip.data.copy()
    widget.form.draw.click()  # of the preview, not of training
    settled(widget, qtbot)
    np.testing.assert_array_equal(strip.data, before)
    widget.draws.count.setValue(5)
    settled(widget, qtbot)
    assert strip.data.size > before.size
    assert names(viewer) == ["cells", "cells draws"]


def test_after_many_changes_the_last_one_is_shown(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    widget.draws.shown.setChecked(True)
    for sigma in (3, 9, 1, 14, 5, 7):
        widget.form.sigma.set_value(sigma)
        qtbot.wait(40)
    settled(widget, qtbot)
    wanted = expected(widget, cells[0][None], spacing=(1, 1))[0]
    assert widget.form.value().sigma == 7
    got = patch(viewer.layers["cells draws"], 0, wanted.labels.shape)
    assert_same_picture(got, wanted.image[0])


def test_painted_labels_show_in_the_strip(widget, viewer, qtbot, cells):
    image, labels = cells[0], cells[1].copy()
    viewer.add_image(image, name="cells")
    ids = viewer.add_labels(labels, name="ids")
    widget.labels.value = ids
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    ids.brush_size = 60
    ids.paint((50, 50), 777)
    settled(widget, qtbot)
    wanted = expected(widget, image[None], ids.data, spacing=(1, 1))
    assert any((draw.labels == 777).any() for draw in wanted)
    strip = viewer.layers["ids draws"]
    for number, draw in enumerate(wanted):
        got = patch(strip, number, draw.labels.shape)
        np.testing.assert_array_equal(got, draw.labels)


def test_another_array_or_image_gets_another_strip(widget, viewer, qtbot, cells):
    one = viewer.add_image(cells[0], name="one")
    widget.draws.shown.setChecked(True)
    one.data = cells[0][:60, :70]
    settled(widget, qtbot)
    wanted = expected(widget, one.data[None], spacing=(1, 1))[0]
    got = patch(viewer.layers["one draws"], 0, wanted.labels.shape, image=(60, 70))
    assert_same_picture(got, wanted.image[0])
    two = viewer.add_image(cells[0], name="two")
    assert [layer.name for layer in widget.image.choices] == ["one", "two"]
    widget.image.value = two
    settled(widget, qtbot)
    assert names(viewer) == ["one", "two", "two draws"]


def test_the_view_shows_the_strip_and_goes_back(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    before = tuple(viewer.scene.camera.center), viewer.scene.camera.zoom
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert viewer.scene.camera.zoom < before[1]
    widget.draws.shown.setChecked(False)
    assert names(viewer) == ["cells"]
    assert (tuple(viewer.scene.camera.center), viewer.scene.camera.zoom) == before
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    viewer.scene.camera.zoom = 3.5  # the user's own wish
    widget.draws.shown.setChecked(False)
    assert viewer.scene.camera.zoom == 3.5
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert viewer.scene.camera.zoom != 3.5
    viewer.window.remove_dock_widget(widget)
    assert viewer.scene.camera.zoom == 3.5


def test_a_preview_stays_in_view_with_patches_that_are_small_beside_it(
    widget, viewer, qtbot, cells
):
    viewer.add_image(np.tile(cells[0], (8, 8)), name="cells")
    whole = viewer.scene.camera.zoom
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert viewer.scene.camera.zoom > whole  # nothing else to look at
    widget.draws.shown.setChecked(False)
    widget.preview.setChecked(True)
    settled(widget, qtbot)
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert viewer.scene.camera.zoom <= whole


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("end", ["strip", "all strip", "image", "close", "clear"])
def test_the_strip_goes_whenever_something_goes(
    widget, viewer, qtbot, cells, end, busy
):
    viewer.add_image(cells[0], name="cells")
    ids = viewer.add_labels(cells[1], name="ids")
    widget.labels.value = ids
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    if busy:
        widget.draws.again.click()
        widget.draws.refresh()
        assert widget.draws.busy
    if end == "strip":
        viewer.layers.remove("cells draws")
    elif end == "all strip":
        strip = {viewer.layers["cells draws"], viewer.layers["ids draws"]}
        viewer.layers.selection = strip
        viewer.layers.remove_selected()
    elif end == "image":
        viewer.layers.remove("cells")
    elif end == "clear":
        viewer.layers.clear()
    else:
        viewer.window.remove_dock_widget(widget)
    settled(widget, qtbot)
    gone = {"image": ["ids"], "clear": []}
    assert names(viewer) == gone.get(end, ["cells", "ids"])
    if end in ("strip", "all strip"):
        assert not widget.draws.shown.isChecked()
        widget.draws.shown.setChecked(True)
        settled(widget, qtbot)
        assert len(viewer.layers) == 4


def test_labels_of_the_strip_may_be_removed_alone(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    widget.labels.value = viewer.add_labels(cells[1], name="ids")
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    viewer.layers.remove("ids draws")
    widget.form.sigma.set_value(3)
    settled(widget, qtbot)
    assert names(viewer) == ["cells", "ids", "cells draws"]
    wanted = expected(widget, cells[0][None], cells[1], spacing=(1, 1))[0]
    got = patch(viewer.layers["cells draws"], 0, wanted.labels.shape)
    assert_same_picture(got, wanted.image[0])


def test_what_cannot_be_drawn_is_said_once(widget, viewer, qtbot, cells):
    widget.draws.shown.setChecked(True)
    assert not widget.draws.shown.isChecked()
    assert "No image is chosen" in widget.draws.note.text()
    image = np.ones((40, 50), np.float32)
    image[3, 4] = np.nan
    viewer.add_image(image, name="holes")
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert "1 NaN" in widget.status.text()
    assert not widget.draws.shown.isChecked()
    assert names(viewer) == ["holes"]


def test_reading_is_not_repeated_for_other_settings(
    widget, viewer, qtbot, cells, monkeypatch
):
    fits = []
    fit = Normalisation.fit

    def counted(rule, image):
        fits.append(image.shape)
        return fit(rule, image)

    monkeypatch.setattr(Normalisation, "fit", counted)
    viewer.add_image(cells[0], name="cells")
    settled(widget, qtbot)
    widget.draws.shown.setChecked(True)
    for sigma in (3, 5):
        widget.form.sigma.set_value(sigma)
        settled(widget, qtbot)
    assert len(fits) == 1
    assert isinstance(widget.draws._strip, Strip)


# -- the Train widget ------------------------------------------------------------------


def test_strength_and_grid_go_to_train_and_nothing_else(widget, viewer, qtbot):
    train = TrainWidget(viewer)
    viewer.window.add_dock_widget(train)
    train.form.editor("batch").value = 7
    train.form.editor("augment.zoom").value = 0.4
    before = train.form.value()
    widget.form.sigma.set_value(4.5)
    widget.form.grid.set_value(6)
    widget.draws.use.click()
    augment = replace(before.augment, elastic=4.5, grid=6)
    assert train.form.value() == replace(before, augment=augment)
    assert widget.status.text() == "Set in Train: elastic 4.5 px, elastic grid 6."
    assert "elastic 4.5 px" in train.status.text()


def test_train_is_opened_if_it_is_not_open(widget, viewer, qtbot):
    widget.form.sigma.set_value(250)
    widget.form.grid.set_value(40)
    assert train_widget(viewer) is None
    widget.draws.use.click()
    augment = train_widget(viewer).form.value().augment
    assert augment == AugmentConfig(elastic=100, grid=16)
    text = widget.status.text()
    assert "which was opened" in text
    assert "no more is allowed" in text


def test_a_training_under_way_is_left_alone(widget, viewer, qtbot, monkeypatch):
    train = TrainWidget(viewer)
    viewer.window.add_dock_widget(train)
    before = train.form.value()
    monkeypatch.setattr(TrainWidget, "running", True)
    widget.draws.use.click()
    assert "Nothing was set" in widget.status.text()
    assert train.form.value() == before


def test_the_strip_follows_the_settings_of_train(widget, viewer, qtbot, cells):
    viewer.add_image(cells[0], name="cells")
    train = TrainWidget(viewer)
    viewer.window.add_dock_widget(train)
    train.form.editor("patch").value = 64
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert "64 × 64 px" in widget.draws.note.text()
    assert "those of the Train widget" in widget.draws.note.text()
    before = viewer.layers["cells draws"].data.copy()
    train.form.editor("augment.brightness").value = 0.9
    settled(widget, qtbot)
    after = viewer.layers["cells draws"].data
    assert after.shape == before.shape
    assert (after != before).any()
    config, found = recipe(viewer, DeformConfig(sigma=3, grid=4))
    assert found
    augment = replace(train.form.value().augment, elastic=3, grid=4)
    assert config == replace(train.form.value(), augment=augment)
    viewer.window.remove_dock_widget(train)
    train.deleteLater()
    widget.form.sigma.set_value(2)
    settled(widget, qtbot)
    assert "Train is not open" in widget.draws.note.text()


def test_the_note_on_the_settings_follows_a_train_that_comes_and_goes(
    widget, viewer, qtbot, cells
):
    viewer.add_image(cells[0], name="cells")
    widget.draws.shown.setChecked(True)
    settled(widget, qtbot)
    assert "Train is not open" in widget.draws.note.text()
    train = TrainWidget(viewer)
    viewer.window.add_dock_widget(train)
    train.form.editor("patch").value = 64
    enter(widget)
    settled(widget, qtbot)
    assert "those of the Train widget" in widget.draws.note.text()
    assert "64 × 64 px" in widget.draws.note.text()
    train.form.editor("patch").value = 48  # followed from now on
    settled(widget, qtbot)
    assert "48 × 48 px" in widget.draws.note.text()
    viewer.window.remove_dock_widget(train)
    train.deleteLater()
    enter(widget)
    settled(widget, qtbot)
    assert "Train is not open" in widget.draws.note.text()


def enter(widget):
    """Move the mouse into a dock."""
    here = QPointF(5, 5)
    QApplication.sendEvent(widget, QEnterEvent(here, here, here))
