"""The Inspect widget in a real viewer."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from napari.layers import Image
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QToolTip, QWidget

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.places import field_of
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.widgets._inspect.diagram import DiagramView
from napari_unet_studio.widgets._inspect.field import NAME, Seen
from napari_unet_studio.widgets._inspect.panel import HEADS, LEVEL
from napari_unet_studio.widgets._segment.region import VIEW, WHOLE

PLUGIN = "napari-unet-studio"
WAIT = 60_000
PLACE = {"scale": (0.5, 0.5), "translate": (3.0, -7.0), "units": ("um", "um")}
SPECS = {
    "plain": UNetSpec(channels=(4, 6, 8), norm="batch"),
    "nested": UNetPlusPlusSpec(channels=(4, 6, 8)),
    "volume": UNetSpec(ndim=3, channels=(2, 3)),
    "colour": UNetSpec(channels=(4, 6), in_channels=3),
    "valid": UNetSpec(channels=(4, 6, 8), padding="valid"),
    "guided": NETWORKS["unet3+-guided"].scaled(1 / 32),
}


def picture(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Models of some networks with random weights."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    found = {}
    for name, spec in SPECS.items():
        rule = Normalisation("fixed", 0, 1)
        card = ModelCard(name=name, spec=spec, normalisation=rule)
        if name == "plain":
            card = replace(card, spacing=(1.0, 1.0), unit="um")
        found[name] = Model(build(spec).eval(), card).save(folder / f"{name}.unet")
    return found


@pytest.fixture
def widget(viewer, files, tmp_path, monkeypatch):
    """A docked widget with the plain model."""
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path))
    _, made = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect")
    made.models.choose(files["plain"])
    made.input.region.choose(WHOLE)
    return made


def finish(widget, qtbot):
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


def show(widget, qtbot, node="", what=None):
    """Show feature maps and return their layer."""
    if node:
        widget.diagram.choose(node)
    if what is not None:
        widget.panel.what.setCurrentText(what)
    before = set(widget.viewer.layers)
    widget.run_button.click()
    finish(widget, qtbot)
    new = set(widget.viewer.layers) - before
    return new.pop() if new else None


def test_no_tooltip_speaks_of_segmenting(widget) -> None:
    tips = [part.toolTip() for part in widget.findChildren(QWidget)]
    assert any("part of the image" in tip for tip in tips)
    assert not [tip for tip in tips if "segment" in tip]


# -- diagram ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_drawn_at_the_width_of_a_dock(name, qtbot) -> None:
    view = DiagramView(lambda name: name)
    qtbot.addWidget(view)
    view.show_graph(NETWORKS[name].graph)
    view.resize(max(340, view.minimumSizeHint().width()), view.sizeHint().height())
    assert not view.grab().isNull()
    assert view.name
    for box in view.names:
        x, y = view.middle(box)
        assert 0 < x < view.width()
        assert 0 < y < view.height()
        assert view.names[view.box_at(x, y)] == box


def test_boxes_are_chosen_by_mouse_and_keys_and_tell_about_themselves(
    widget, qtbot
) -> None:
    view = widget.diagram
    assert view.name == "encoder.2"
    x, y = view.middle("encoder.1")
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(int(x), int(y)))
    assert view.name == "encoder.1"
    assert widget.node.text().startswith("encoder.1: 6 channels of 256 × 256 px")
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.name == "decoder.0"
    at = QPoint(int(x), int(y))
    help_event = QHelpEvent(QEvent.Type.ToolTip, at, view.mapToGlobal(at))
    QApplication.sendEvent(view, help_event)
    text = QToolTip.text()
    assert "6 channels of 256 × 256 px" in text
    assert "Pixels of 2 × 2 px see 14 × 14 px" in text
    assert "parameters" in text
    assert "operations" in text


def test_facts_follow_image_and_model(widget, viewer, files) -> None:
    assert "Receptive field 44 × 44 px\n" in widget.panel.facts.text()
    viewer.add_image(picture(40, 30), name="a", **PLACE)
    text = widget.panel.facts.text()
    assert "(22 × 22 µm)" in text
    assert "Image of 40 × 30 px" in text
    widget.models.choose(files["valid"])
    assert "loses 20 × 20 px a side" in widget.panel.facts.text()
    widget.models.choose(files["guided"])
    widget.diagram.choose("presence")
    assert "One value for the whole image" in widget.node.text()


def test_speed_is_measured_on_request(widget, viewer, qtbot) -> None:
    viewer.add_image(picture(40, 30), name="a")
    assert not widget.panel.speed.text()
    widget.panel.speed_button.click()
    finish(widget, qtbot)
    text = widget.panel.speed.text()
    number = r"^\d[\d,.]*( million| billion)? pixels a second on CPU"
    assert re.search(rf"{number}.*40 × 30 px in 1 tile", text)


@pytest.mark.parametrize("change", ["model", "image", "device"])
def test_the_speed_of_what_is_no_longer_chosen_is_not_shown(
    widget, viewer, files, qtbot, change
) -> None:
    viewer.add_image(picture(50, 60), name="b")
    widget.image.value = viewer.add_image(picture(40, 30), name="a")
    widget.panel.speed_button.click()
    assert widget.running
    if change == "model":
        widget.models.choose(files["nested"])
    elif change == "image":
        widget.image.value = viewer.layers["b"]
    else:
        widget.panel.form.editor("device").value = "cpu"
    finish(widget, qtbot)
    assert not widget.panel.speed.text()
    assert "Something else is chosen" in widget.status.text()


# -- feature maps ----------------------------------------------------------------------


def test_maps_lie_exactly_on_the_image_and_name_their_axis(
    widget, viewer, qtbot
) -> None:
    image = viewer.add_image(picture(40, 30), name="a", rotate=30, **PLACE)
    layer = show(widget, qtbot, "encoder.2")
    assert layer.data.shape == (8, 10, 8)
    assert layer.axis_labels[0] == "channel"
    for pixel in ((0, 0), (9, 3)):
        # The corners of a map's pixel are those of a block of 4 x 4 pixels.
        for corner in ((-0.5, -0.5), (0.5, 0.5)):
            on_map = [p + c for p, c in zip(pixel, corner, strict=True)]
            on_image = [4 * p + 1.5 + 4 * c for p, c in zip(pixel, corner, strict=True)]
            np.testing.assert_allclose(
                layer.data_to_world((0, *on_map))[1:], image.data_to_world(on_image)
            )
    made = layer.metadata[METADATA_KEY]
    strengths = [strength for _, _, strength in made["channels"]]
    assert strengths == sorted(strengths, reverse=True)
    assert widget.status.text() == "8 feature maps of encoder.2."
    assert widget.panel.map.text().startswith("Map 1 of 8: channel")
    viewer.dims.set_current_step(0, 3)
    assert widget.panel.map.text().startswith("Map 4 of 8: channel")
    viewer.layers.remove(layer)
    assert not widget.panel.map.text()
    assert not widget._maps


def test_the_field_of_view_is_computed_and_stays(widget, viewer, qtbot) -> None:
    image = viewer.add_image(picture(400, 500), name="a")
    viewer.scene.camera.zoom = 8
    viewer.scene.camera.center = (200, 210)
    widget.input.region.choose(VIEW)
    before = viewer.scene.camera.zoom, viewer.scene.camera.center[-2:]
    layer = show(widget, qtbot, "encoder.1")
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center[-2:]) == before
    low, high = layer.extent.world[:, 1:]
    assert (low > 20).all()
    assert (high < image.extent.world[1] - 20).all()
    assert (low < 200).all()
    assert (high > 200).all()


def test_nodes_of_a_level_and_heads_lie_side_by_side(
    widget, viewer, qtbot, files
) -> None:
    viewer.add_image(picture(40, 30), name="a")
    widget.models.choose(files["nested"])
    widget.panel.form.editor("count").value = 2
    row = show(widget, qtbot, "nodes.0.1", LEVEL)
    assert row.data.shape == (6, 40, 30)
    assert "level of nodes.0.1" in row.name
    heads = show(widget, qtbot, what=HEADS)
    assert heads.data.shape == (2, 40, 30)
    assert heads.data.min() >= 0
    assert heads.data.max() <= 1


def test_the_same_look_again_takes_the_place_of_the_first(
    widget, viewer, qtbot
) -> None:
    viewer.add_image(picture(40, 30), name="a")
    show(widget, qtbot, "encoder.1")
    widget.panel.form.editor("count").value = 3
    show(widget, qtbot, "encoder.1")
    assert len(viewer.layers) == 2
    assert viewer.layers[-1].data.shape[0] == 3
    show(widget, qtbot, "encoder.2")
    assert len(viewer.layers) == 3
    assert widget.image.value.name == "a"


def test_series_volumes_colours_and_other_pixel_sizes(
    widget, viewer, qtbot, files
) -> None:
    labels = {"axis_labels": ("t", "y", "x"), "scale": (60, 0.5, 0.5)}
    series = viewer.add_image(picture(3, 20, 24), name="series", **labels)
    viewer.dims.set_current_step(0, 1)
    widget.input.region.choose(VIEW)
    layer = show(widget, qtbot, "encoder.1")
    assert layer.data.shape == (6, 1, 10, 12)
    np.testing.assert_allclose(
        layer.data_to_world((0, 0, 0, 0))[1:], series.data_to_world((1, 0.5, 0.5))
    )
    viewer.layers.clear()
    viewer.add_image(picture(8, 12, 16), name="stack", axis_labels=("z", "y", "x"))
    widget.models.choose(files["volume"])
    layer = show(widget, qtbot, "encoder.1")
    assert layer.data.shape == (3, 4, 6, 8)
    viewer.layers.clear()
    viewer.add_image(picture(40, 32, 3), rgb=True, name="rgb")
    widget.models.choose(files["colour"])
    assert show(widget, qtbot, "encoder.1").data.shape == (6, 20, 16)
    widget.models.choose(files["plain"])  # the grey of the colours
    assert show(widget, qtbot, "encoder.1").data.shape == (6, 20, 16)
    viewer.layers.clear()
    viewer.add_image(picture(40, 32), name="fine", scale=(0.5, 0.5), units="um")
    assert not widget.panel.form.editor("pixel_size").native.isHidden()
    widget.panel.form.editor("pixel_size").value = "model"
    layer = show(widget, qtbot, "encoder.1")
    assert layer.data.shape[1:] >= (10, 8)
    np.testing.assert_allclose(layer.scale[1:], 2)


def test_copied_code_shows_the_same(widget, viewer, qtbot) -> None:
    viewer.add_image(picture(40, 30), name="a", **PLACE)
    widget.panel.form.editor("count").value = 2
    layer = show(widget, qtbot, "encoder.1")
    widget._on_clicked((10.0, 1.0))
    finish(widget, qtbot)
    gradient = widget._saliency
    before = set(viewer.layers)
    exec(widget.as_python(), {"viewer": viewer})
    again = [x for x in viewer.layers if x not in before]
    np.testing.assert_array_equal(again[0].data, layer.data)
    np.testing.assert_array_equal(again[1].data, gradient.data)
    for one, other in zip(again, (layer, gradient), strict=True):
        np.testing.assert_allclose(one.extent.world, other.extent.world)


def test_copying_code_loads_no_torch(widget, viewer, monkeypatch) -> None:
    viewer.add_image(picture(40, 30), name="a")
    monkeypatch.delitem(sys.modules, "torch")
    assert "us.feature_layer" in widget.as_python()
    assert "torch" not in sys.modules


# -- receptive field -------------------------------------------------------------------


def test_the_receptive_field_follows_the_cursor(widget, viewer, qtbot) -> None:
    image = viewer.add_image(picture(200, 220), name="a", rotate=20, **PLACE)
    viewer.layers.selection.active = image
    widget.panel.field.setChecked(True)
    middle = viewer.layers[NAME].data[:, 0].mean(axis=0)
    np.testing.assert_allclose(middle, (100, 110), atol=4)
    viewer.mouse_over_canvas = True
    box = viewer.layers[NAME]
    assert viewer.layers.selection.active is image
    for pixel in ((101, 90), (3, 219)):
        viewer.cursor.position = tuple(image.data_to_world(pixel))
        qtbot.waitUntil(lambda: not widget.box._clock.isActive())
        corners = box.data[:, 0]
        for axis, (low, high) in enumerate(field_of(SPECS["plain"], pixel)):
            size = image.data.shape[axis]
            assert corners[:, axis].min() == max(low, 0) - 0.5
            assert corners[:, axis].max() == min(high, size) - 0.5
    np.testing.assert_allclose(box.scale, image.scale)
    viewer.cursor.position = (-5000, 0)  # beside the image it stays where it was
    qtbot.waitUntil(lambda: not widget.box._clock.isActive())
    np.testing.assert_array_equal(box.data[:, 0], corners)
    widget.panel.field.setChecked(False)
    assert NAME not in viewer.layers
    assert viewer.layers.selection.active is image


def test_the_box_follows_an_image_that_is_moved_or_replaced(widget, viewer) -> None:
    image = viewer.add_image(picture(200, 220), name="a")
    widget.panel.field.setChecked(True)
    image.scale, image.translate = (0.5, 0.25), (3, 4)
    box = viewer.layers[NAME]
    np.testing.assert_allclose(box.scale, image.scale)
    np.testing.assert_allclose(box.translate, image.translate)
    image.data = picture(20, 22)
    corners = viewer.layers[NAME].data[:, 0]
    assert corners.max(axis=0).tolist() == [19.5, 21.5]


def test_the_box_goes_with_the_user_the_image_and_the_dock(
    widget, viewer, files
) -> None:
    viewer.add_image(picture(60, 50), name="a")
    widget.panel.field.setChecked(True)
    viewer.layers.remove(viewer.layers[NAME])
    assert not widget.panel.field.isChecked()
    widget.panel.field.setChecked(True)
    assert NAME in viewer.layers
    viewer.layers.remove(viewer.layers["a"])
    assert NAME not in viewer.layers
    viewer.add_image(picture(60, 50), name="b")
    assert NAME in viewer.layers
    widget.models.choose(files["volume"])  # no receptive field on a plane
    assert NAME not in viewer.layers
    widget.models.choose(files["valid"])
    assert NAME in viewer.layers
    viewer.window.remove_dock_widget(widget)
    assert NAME not in viewer.layers


def test_the_box_of_a_volume_lies_in_the_plane_on_display(
    widget, viewer, qtbot, files
) -> None:
    viewer.add_image(picture(20, 40, 50), name="a", axis_labels=("z", "y", "x"))
    widget.models.choose(files["volume"])
    viewer.dims.set_current_step(0, 4)
    widget.panel.field.setChecked(True)
    viewer.mouse_over_canvas = True
    viewer.cursor.position = (4, 20, 21)
    qtbot.waitUntil(lambda: not widget.box._clock.isActive())
    box = viewer.layers[NAME]
    assert set(box.data[:, 0, 0]) == {4}
    (_, (low, high), _) = field_of(SPECS["volume"], (4, 20, 21))
    assert set(box.data[:, 0, 1]) == {low - 0.5, high - 0.5}
    viewer.dims.order = (1, 0, 2)
    qtbot.waitUntil(lambda: not widget.box._clock.isActive())
    assert len(set(box.data[:, 0, 0])) == 2
    for seen in (True, False):  # by the user
        box.visible = seen
        for ndisplay, visible in ((3, False), (2, seen)):
            viewer.dims.ndisplay = ndisplay
            qtbot.waitUntil(lambda: not widget.box._clock.isActive())
            assert box.visible is visible
            assert len(box.data) == 4  # napari does not draw what was empty in 3D


def test_the_field_of_resampled_images_grows(widget, viewer) -> None:
    layer = viewer.add_image(picture(200, 200), name="a", scale=(0.5, 0.5), units="um")
    source = widget.input.read()
    seen = Seen(source, SPECS["plain"], (2.0, 2.0))
    (low, high), _ = seen.box((100, 100))
    assert high - low == 2 * 44
    assert low < 100 < high < len(layer.data)


# -- saliency --------------------------------------------------------------------------


def test_a_click_shows_what_the_answer_rests_on(widget, viewer, qtbot) -> None:
    image = viewer.add_image(picture(90, 80), name="a", **PLACE)
    viewer.layers.selection.active = image
    widget.panel.click.setChecked(True)
    world = tuple(image.data_to_world((44, 41)))
    press(viewer, world)
    finish(widget, qtbot)
    layer = widget._saliency
    assert layer.metadata[METADATA_KEY]["pixel"] == [44, 41]
    (low, high), _ = field_of(SPECS["plain"], (44, 41))
    start = image.world_to_data(layer.data_to_world((0, 0)))
    assert round(start[0]) == low
    assert len(layer.data) == high - low
    assert viewer.layers.selection.active is image
    press(viewer, tuple(image.data_to_world((20, 20))))
    finish(widget, qtbot)
    assert layer not in viewer.layers  # the next one takes its place
    told = len(notification_manager.records)
    press(viewer, (-500.0, 0.0))
    assert "beside the image" in widget.status.text()
    assert len(notification_manager.records) == told
    press(viewer, world, drag=True)
    assert not widget.running
    widget.panel.click.setChecked(False)
    press(viewer, world)
    assert not widget.running
    assert not ours(viewer)


class Event:
    """What napari hands to the callbacks of the mouse."""

    button, modifiers = 1, ()

    def __init__(self, position):
        self.position, self.pos, self.type = position, (10, 10), "mouse_press"


def ours(viewer):
    """Return the callbacks of the mouse that the widget has added."""
    return [c for c in viewer.mouse_drag_callbacks if "Clicks" in repr(c)]


def press(viewer, position, drag=False):
    event = Event(position)
    for callback in ours(viewer):
        running = callback(viewer, event)
        next(running, None)
        if drag:
            event.type, event.pos = "mouse_move", (40, 10)
            next(running, None)
        event.type = "mouse_release"
        next(running, None)


# -- what does not fit -----------------------------------------------------------------


def test_without_an_image_or_with_one_that_does_not_fit(
    widget, viewer, qtbot, files
) -> None:
    widget.run()
    assert "no image" in widget.status.text()
    widget.panel.field.setChecked(True)
    assert NAME not in viewer.layers
    widget.panel.field.setChecked(False)
    viewer.add_image(picture(20, 20), name="a")
    widget.models.choose(files["volume"])
    widget.run()
    assert not widget.running
    assert widget.status.text()
    assert widget.as_python() == ""
    widget.models.choose(files["guided"])
    widget.diagram.choose("presence")
    widget.run()
    finish(widget, qtbot)
    assert "one value for the whole image" in widget.status.text()


@pytest.mark.parametrize("change", ["model", "image"])
def test_no_code_is_copied_for_a_saliency_of_something_else(
    widget, viewer, files, qtbot, change
) -> None:
    image = viewer.add_image(picture(40, 30), name="a")
    other = viewer.add_image(picture(40, 30), name="b")
    widget.image.value = image
    widget._on_clicked((10.0, 1.0))
    finish(widget, qtbot)
    assert widget._saliency in viewer.layers
    assert "us.saliency_layer" in widget.as_python()
    if change == "model":
        widget.models.choose(files["valid"])
    else:
        widget.image.value = other
    assert "us.feature_layer" in widget.as_python()
    assert "us.saliency_layer" not in widget.as_python()
    widget.models.choose(files["plain"])
    widget.image.value = image
    image.name = "renamed"
    assert "us.saliency_layer" in widget.as_python()


def test_an_image_smaller_than_the_network_needs_is_mirrored(
    widget, viewer, qtbot, files
) -> None:
    viewer.add_image(picture(5, 7), name="a")
    widget.models.choose(files["valid"])
    layer = show(widget, qtbot, "encoder.2")
    assert np.isfinite(layer.data).all()
    widget._on_clicked((2, 3))
    finish(widget, qtbot)
    assert widget._saliency.data.shape == (5, 7)


def test_closing_in_mid_work_leaves_nothing_behind(widget, viewer, qtbot) -> None:
    viewer.add_image(picture(1500, 1500), name="a")
    widget.panel.click.setChecked(True)
    widget.panel.field.setChecked(True)
    widget.diagram.choose("decoder.1")
    widget.run()
    assert widget.running
    viewer.window.remove_dock_widget(widget)
    assert NAME not in viewer.layers
    assert not ours(viewer)
    qtbot.waitUntil(lambda: widget.job is None, timeout=WAIT)
    assert [layer.name for layer in viewer.layers] == ["a"]
    viewer.layers.remove("a")
    viewer.add_image(picture(9, 9))


def test_cancelling_shows_nothing(widget, viewer, qtbot) -> None:
    viewer.add_image(picture(900, 900), name="a")
    widget.run()
    widget.cancel_button.click()
    finish(widget, qtbot)
    assert widget.status.text() == "Stopped."
    assert len(viewer.layers) == 1


def test_every_control_has_a_tooltip_and_nothing_is_wider_than_the_dock(
    widget, viewer, qtbot
) -> None:
    viewer.window._qt_window.show()
    viewer.add_image(picture(40, 30), name="a" * 60)
    widget.resize(370, 700)
    qtbot.wait(50)
    from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox

    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox):
        for control in widget.findChildren(kind):
            if control.isVisible() and control.parent() is not None:
                assert control.toolTip() or control.parent().toolTip(), control
    content = widget.body.parentWidget()
    assert content.width() <= widget.width()
    assert isinstance(widget.image.value, Image)
