import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent

from napari_unet_studio.widgets import _deform
from napari_unet_studio.widgets._deform.apply import compiled
from napari_unet_studio.widgets.deform import DeformWidget


@pytest.fixture
def widget(viewer, qtbot):
    """A docked widget with a preview of an image, its labels and its weights."""
    rng = np.random.default_rng(0)
    viewer.add_image(rng.random((60, 70), np.float32), name="cells")
    ids = viewer.add_labels(rng.integers(0, 9, (60, 70)), name="ids")
    weights = rng.random((60, 70), np.float32)
    weights = viewer.add_image(weights, name="weights", visible=False)
    made = DeformWidget(viewer)
    viewer.window.add_dock_widget(made)
    made.showEvent(QShowEvent())
    qtbot.waitUntil(compiled, timeout=60_000)
    made.live.settle_timer.setInterval(60)
    made.image.value = viewer.layers["cells"]
    made.labels.value, made.weights.value = ids, weights
    made.form.bent.setChecked(True)
    made.preview.setChecked(True)
    settled(made, qtbot)
    assert len(viewer.layers) == 7
    return made


def settled(widget, qtbot):
    qtbot.waitUntil(
        lambda: not widget.live.busy and not any(t.isActive() for t in widget._clocks),
        timeout=30_000,
    )


def shown(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


AFTER = {
    "cells",
    "ids",
    "cells deformed (preview)",
    "ids deformed (preview)",
    "cells deformation grid",
}


def test_one_click_shows_the_layers_before_and_the_next_one_after(widget, viewer):
    compare = widget.form.compare
    assert shown(viewer) == AFTER
    for _ in range(3):
        compare.click()
        assert shown(viewer) == {"cells", "ids"}
        assert compare.text() == "Show after"
        compare.click()
        assert shown(viewer) == AFTER
        assert compare.text() == "Show before"


def test_layers_that_were_hidden_are_shown_for_as_long_as_it_lasts(widget, viewer):
    for name in ("cells", "ids"):
        viewer.layers[name].visible = False
    viewer.layers["ids deformed (preview)"].visible = False
    viewer.layers["weights deformed (preview)"].visible = True
    widget.form.compare.click()
    assert shown(viewer) == {"cells", "weights"}
    widget.form.compare.click()
    assert shown(viewer) == {
        "cells deformed (preview)",
        "weights deformed (preview)",
        "cells deformation grid",
    }


def test_an_eye_that_the_user_closes_meanwhile_stays_closed(widget, viewer):
    viewer.layers["cells"].visible = False
    widget.form.compare.click()
    viewer.layers["cells"].visible = False
    viewer.layers["ids deformed (preview)"].visible = True
    widget.form.compare.click()
    assert shown(viewer) == AFTER - {"cells"}


def test_holding_the_button_down_gives_a_short_look(widget, viewer, qtbot, monkeypatch):
    compare = widget.form.compare
    monkeypatch.setattr(_deform.compare, "HOLD", 0)
    qtbot.mousePress(compare, Qt.MouseButton.LeftButton)
    assert shown(viewer) == {"cells", "ids"}
    qtbot.mouseRelease(compare, Qt.MouseButton.LeftButton)
    assert shown(viewer) == AFTER
    assert not compare.isChecked()
    monkeypatch.setattr(_deform.compare, "HOLD", 1e9)
    qtbot.mouseClick(compare, Qt.MouseButton.LeftButton)
    assert shown(viewer) == {"cells", "ids"}
    qtbot.mouseClick(compare, Qt.MouseButton.LeftButton)
    assert shown(viewer) == AFTER


def test_a_setting_brings_the_state_after_back(widget, viewer, qtbot):
    widget.form.compare.click()
    widget.form.sigma.set_value(5)
    assert shown(viewer) == AFTER
    settled(widget, qtbot)
    made = viewer.layers["cells deformed (preview)"]
    np.testing.assert_array_equal(made._slice.image.raw, np.asarray(made.data))


def test_the_preview_is_right_after_moving_on_in_the_state_before(viewer, qtbot):
    data = np.random.default_rng(0).random((3, 40, 50), np.float32)
    viewer.add_image(data, name="movie", axis_labels=("t", "y", "x"))
    widget = DeformWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.reset_choices()
    widget.showEvent(QShowEvent())
    qtbot.waitUntil(compiled, timeout=60_000)
    widget.preview.setChecked(True)
    widget.form.compare.click()
    viewer.dims.set_current_step(0, 2)
    settled(widget, qtbot)
    widget.form.compare.click()
    settled(widget, qtbot)
    made = viewer.layers["movie deformed (preview)"]
    np.testing.assert_array_equal(made._slice.image.raw, np.asarray(made.data[2]))


@pytest.mark.parametrize("end", ["untick", "remove", "clear image", "close", "apply"])
def test_whatever_ends_the_preview_gives_the_layers_their_eyes_back(
    widget, viewer, qtbot, end
):
    viewer.layers["ids"].visible = False
    widget.form.compare.click()
    assert viewer.layers["ids"].visible
    if end == "untick":
        widget.preview.setChecked(False)
    elif end == "remove":
        viewer.layers.remove("cells deformed (preview)")
    elif end == "clear image":
        viewer.layers.remove("cells")
    elif end == "close":
        viewer.window.remove_dock_widget(widget)
    else:
        widget.run_button.click()
        qtbot.waitUntil(lambda: not widget.running, timeout=30_000)
    settled(widget, qtbot)
    assert not viewer.layers["ids"].visible
    if end == "clear image":
        return  # another image may have taken its place
    assert not any("preview" in layer.name for layer in viewer.layers)
    assert not widget.form.compare.isEnabled()
    assert not widget.form.compare.isChecked()


def test_without_a_preview_there_is_nothing_to_compare(widget, viewer, qtbot):
    widget.preview.setChecked(False)
    settled(widget, qtbot)
    assert not widget.form.compare.isEnabled()
    widget.form.compare.click()
    assert shown(viewer) == {"cells", "ids"}
