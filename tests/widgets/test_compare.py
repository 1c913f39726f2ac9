"""The Compare widget in a real viewer: what a user does, and what may go wrong."""

import csv
import gc
import io
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from scipy import ndimage

import napari_unet_studio as us
from napari_unet_studio.core.metrics.errors import Verdict, error_map
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.widgets.compare import CompareWidget

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
SAMPLE = nuclei_2d((96, 96), seed=1)
PLACE = {"scale": (0.5, 0.5), "translate": (3.0, -7.0)}


@pytest.fixture(scope="module", autouse=True)
def torch_is_loaded():
    """Load it before the widgets do, in the main thread."""
    import torch  # noqa: F401


@pytest.fixture
def layers(viewer):
    """An image, its labels, and a worse segmentation."""
    image = viewer.add_image(SAMPLE.image.copy(), name="nuclei", **PLACE)
    truth = viewer.add_labels(SAMPLE.labels.copy(), name="truth", **PLACE)
    labels = np.where(np.isin(SAMPLE.labels, (1, 2)), 0, SAMPLE.labels)
    worse = viewer.add_labels(labels, name="worse", **PLACE)
    return image, truth, worse


@pytest.fixture
def widget(viewer, layers):
    """The docked widget, with the truth as reference."""
    _, made = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
    made._mark_timer.setInterval(20)
    made.form.reference.value = layers[1]
    return made


@pytest.fixture
def compared(widget, qtbot):
    """Press Compare and wait."""

    def press():
        widget.run_button.click()
        qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)

    return press


def row_of(widget, name):
    return next(s.row for s in widget._shown.values() if s.row.name == name)


def key_of(widget, name):
    return next(k for k, s in widget._shown.items() if s.row.name == name)


def names(widget):
    return [widget.results.item(row, 0).text() for row in range(len(widget._shown))]


def tips(widget):
    return [widget.results.item(row, 0).toolTip() for row in range(len(widget._shown))]


def ticked(widget):
    return [entry.name for entry in widget.form.candidates.chosen()]


# -- candidates ------------------------------------------------------------------------


def test_other_labels_of_the_size_are_offered(widget, viewer, layers):
    assert ticked(widget) == ["worse"]
    viewer.add_labels(SAMPLE.labels[:50], name="part")
    assert ticked(widget) == ["worse"]
    table = widget.form.candidates.table
    assert [table.item(row, 0).text() for row in range(2)] == ["worse", "part"]
    assert "50 × 96" in table.item(1, 1).text()
    assert "only labels of the same pixels" in table.item(1, 0).toolTip()
    assert not table.item(1, 0).flags() & Qt.ItemFlag.ItemIsUserCheckable
    widget.form.reference.value = viewer.layers["part"]
    assert ticked(widget) == []


def test_a_box_leaves_a_candidate_out(widget, viewer, layers):
    table = widget.form.candidates.table
    table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert ticked(widget) == []
    layers[2].name = "renamed"
    assert ticked(widget) == []
    widget.form.candidates.tick(layers[2], True)
    assert ticked(widget) == ["renamed"]
    widget.form.add_model()
    assert ticked(widget) == ["renamed", "nuclei"]
    table.cellClicked.emit(1, 2)
    assert ticked(widget) == ["renamed"]


def test_models_take_an_image_of_the_size_of_the_reference(widget, viewer, layers):
    viewer.add_image(np.zeros((20, 20)), name="small")
    assert widget.form.image.value is layers[0]
    assert not widget.form.image.native.isVisibleTo(widget)
    widget.form.add_model()
    assert widget.form.image.native.isVisibleTo(widget)
    assert widget.form.images() == [layers[0]]
    viewer.layers.remove(layers[0])
    widget.run()
    assert "no image of the size" in widget.status.text()
    assert not widget.running


# -- scores ----------------------------------------------------------------------------


def test_labels_and_models_are_scored(widget, compared, layers):
    widget.form.add_model()
    compared()
    assert names(widget) == ["worse", "nuclei"]
    worse, nuclei = row_of(widget, "worse"), row_of(widget, "nuclei")
    _, truth, layer = layers
    assert dict(worse.scores) == pytest.approx(
        dict(us.evaluate(layer.data, truth.data))
    )
    found = us.segment(SAMPLE.image, "nuclei")
    assert dict(nuclei.scores) == pytest.approx(dict(us.evaluate(found, truth.data)))
    assert nuclei.parameters == load_model("nuclei").info()["parameters"]
    assert nuclei.seconds > 0
    text = widget.results.text()
    assert text.splitlines()[0].startswith("Candidate\tF1\tSEG")
    assert "Compared 2 candidates" in widget.status.text()
    assert "IoU" in widget.results.horizontalHeaderItem(1).toolTip()


def test_the_best_values_are_bold_and_rows_are_sorted(widget, viewer, compared, layers):
    viewer.add_labels(SAMPLE.labels, name="best", **PLACE)
    compared()
    table = widget.results
    bold = [table.item(row, 1).font().bold() for row in range(2)]
    assert names(widget) == ["worse", "best"]
    assert bold == [False, True]
    table.sortItems(1, Qt.SortOrder.DescendingOrder)
    assert names(widget) == ["best", "worse"]
    table.copy()
    copied = QApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in copied] == ["Candidate", "best", "worse"]


def test_scores_are_saved_as_csv(widget, compared, tmp_path):
    compared()
    widget.save(tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["f1"]) == row_of(widget, "worse").scores["f1"]


def test_the_copied_code_gives_the_same(widget, viewer, compared):
    widget.form.add_model()
    compared()
    widget.results.choose(key_of(widget, "worse"))
    space = {"viewer": viewer}
    exec(widget.as_python(), space)
    again = space["comparison"]
    for name in ("worse", "nuclei"):
        assert dict(again[name].scores) == dict(row_of(widget, name).scores)
    np.testing.assert_array_equal(space["errors"], widget.overlay.layer.data)


def test_edits_are_noticed_and_scored(widget, compared, layers, qtbot):
    widget.form.add_model()
    compared()
    seconds = row_of(widget, "nuclei").seconds
    layers[2].fill((50, 50), 0)
    qtbot.waitUntil(lambda: any("Edited" in tip for tip in tips(widget)))
    assert ["Edited" in tip for tip in tips(widget)] == [True, False]
    assert names(widget) == ["worse *", "nuclei"]
    assert "worse" in widget.status.text()
    layers[1].data_setitem((np.array([3]), np.array([4])), 77)
    qtbot.waitUntil(lambda: all("Edited" in tip for tip in tips(widget)))
    compared()
    assert not any("Edited" in tip for tip in tips(widget))
    expected = us.evaluate(layers[2].data, layers[1].data)
    assert dict(row_of(widget, "worse").scores) == pytest.approx(dict(expected))
    # What the model found is still known, and was scored with the new reference.
    assert row_of(widget, "nuclei").seconds == seconds
    found = us.evaluate(us.segment(SAMPLE.image), layers[1].data)
    assert dict(row_of(widget, "nuclei").scores) == pytest.approx(dict(found))
    layers[0].data = SAMPLE.image[::-1].copy()
    qtbot.waitUntil(lambda: "Edited" in tips(widget)[1])
    compared()
    assert row_of(widget, "nuclei").seconds != seconds


def test_a_removed_layer_leaves_its_scores(widget, viewer, compared, layers, qtbot):
    compared()
    viewer.layers.remove(layers[2])
    assert "removed" in tips(widget)[0]
    widget.results.choose(key_of(widget, "worse"))
    assert widget.overlay.alive
    viewer.layers.remove(layers[1])
    assert widget.form.reference.value is None
    widget.run()
    assert "no labels to compare with" in widget.status.text()


def test_another_reference_starts_another_table(widget, viewer, compared, layers):
    compared()
    widget.form.reference.value = layers[2]
    assert ticked(widget) == ["truth"]
    compared()
    assert names(widget) == ["truth"]
    assert row_of(widget, "truth").scores["spurious"] == 2


def test_rows_of_another_reference_are_marked(widget, viewer, compared, layers, qtbot):
    compared()
    widget.results.choose(key_of(widget, "worse"))
    assert widget.overlay.alive
    widget.form.reference.value = layers[2]
    assert names(widget) == ["worse *"]
    assert "against 'truth', which is not the reference now" in tips(widget)[0]
    assert "not the reference now" in widget.status.text()
    qtbot.waitUntil(lambda: not widget.overlay.alive)
    assert not widget.legend.isVisibleTo(widget)
    widget.results.cellClicked.emit(0, 0)
    assert not widget.overlay.alive
    widget.form.reference.value = layers[1]  # nothing was lost
    assert names(widget) == ["worse"]
    assert widget.status.text() == ""
    qtbot.waitUntil(lambda: widget.overlay.alive)
    assert widget.legend.isVisibleTo(widget)


def test_rows_of_another_shape_kind_or_axes_are_marked(
    widget, viewer, compared, layers, qtbot
):
    compared()
    small = viewer.add_labels(SAMPLE.labels[:50], name="small")
    widget.form.reference.value = small
    assert names(widget) == ["worse *"]
    qtbot.waitUntil(lambda: not widget.overlay.alive)
    widget.form.reference.value = layers[1]
    widget.form.kind.setCurrentIndex(1)
    assert names(widget) == ["worse *"]
    assert "as objects, which is not what is chosen now" in tips(widget)[0]
    compared()
    assert names(widget) == ["worse"]
    assert widget.comparison().kind == "classes"
    stacks = [viewer.add_labels(np.stack([SAMPLE.labels] * 2)) for _ in range(2)]
    widget.form.reference.value = stacks[0]
    widget.form.axes.setCurrentIndex(widget.form.axes.findData("ZYX"))
    compared()
    assert not widget.results.outdated
    widget.form.axes.setCurrentIndex(widget.form.axes.findData("TYX"))
    assert "with the axes ZYX" in tips(widget)[0]


def test_a_model_is_predicted_anew_as_classes(widget, compared, layers):
    widget.form.add_model()
    compared()
    widget.form.kind.setCurrentIndex(1)
    compared()
    found = us.predict(SAMPLE.image, "nuclei").classes
    expected = us.evaluate(found, layers[1].data, kind="classes")
    assert dict(row_of(widget, "nuclei").scores) == pytest.approx(dict(expected))
    assert "finds objects" in tips(widget)[1]
    assert "Notes on nuclei" in widget.status.text()
    compared()  # what was predicted before keeps its notes
    assert "finds objects" in tips(widget)[1]


def test_a_model_of_classes_is_split_into_objects_after_another_kind(
    widget, compared, layers, tmp_path
):
    path, nuclei = tmp_path / "classes.unet", load_model("nuclei")
    Model(nuclei.network, replace(nuclei.card, target="classes")).save(path)
    widget.form.models.choose(path)
    widget.form.add_model()
    kinds = widget.form.kind
    kinds.setCurrentIndex(kinds.findData("membranes"))
    compared()
    kinds.setCurrentIndex(kinds.findData("objects"))
    compared()
    pieces, _ = ndimage.label(us.predict(SAMPLE.image, path).classes)
    expected = us.evaluate(pieces, layers[1].data)
    assert pieces.max() > 1
    assert dict(row_of(widget, "classes").scores) == pytest.approx(dict(expected))


def test_scores_of_a_model_are_of_one_image_and_channel(
    widget, viewer, compared, layers, qtbot
):
    form = widget.form
    form.add_model()
    two = np.stack([SAMPLE.image, SAMPLE.image[::-1]])
    pair = viewer.add_image(two, name="pair", axis_labels=("c", "y", "x"))
    form.image.value = layers[0]
    compared()
    widget.results.choose(key_of(widget, "nuclei"))
    assert widget.overlay.alive
    form.image.value = pair
    assert names(widget) == ["worse", "nuclei *"]  # labels were not predicted
    assert "on the image 'nuclei', which is not the one chosen" in tips(widget)[1]
    assert "on the image 'nuclei'" in widget.status.text()
    qtbot.waitUntil(lambda: not widget.overlay.alive)
    form.image.value = layers[0]
    assert names(widget) == ["worse", "nuclei"]
    qtbot.waitUntil(lambda: widget.overlay.alive)
    form.image.value = pair
    compared()
    assert names(widget) == ["worse", "nuclei"]
    form.channel.setCurrentIndex(1)
    assert names(widget) == ["worse", "nuclei *"]
    assert "another channel of 'pair'" in tips(widget)[1]
    compared()
    assert names(widget) == ["worse", "nuclei"]
    assert widget.overlay.alive
    found = us.evaluate(us.segment(two[1]), layers[1].data)
    assert dict(row_of(widget, "nuclei").scores) == pytest.approx(dict(found))


def test_the_line_names_what_was_edited(widget, viewer, compared, layers, qtbot):
    viewer.add_labels(SAMPLE.labels, name="right", **PLACE)
    compared()
    layers[1].data_setitem((np.array([3]), np.array([4])), 77)
    qtbot.waitUntil(lambda: "Edited since: truth." in widget.status.text())
    layers[2].data_setitem((np.array([3]), np.array([4])), 78)
    qtbot.waitUntil(lambda: "Edited since: truth, worse." in widget.status.text())


def test_removed_layers_leave_the_memory(widget, viewer, compared, qtbot):
    for name in ("here", "there"):
        viewer.add_labels(SAMPLE.labels.copy(), name=name, **PLACE)
    widget.form.reference.value = viewer.layers["here"]
    compared()
    pixels = [weakref.ref(viewer.layers[name].data) for name in ("here", "there")]
    for name in ("here", "there"):
        viewer.layers.remove(name)
    assert len(widget._shown) == 3

    def gone():
        gc.collect()
        return not any(each() is not None for each in pixels)

    qtbot.waitUntil(gone)


@pytest.mark.parametrize("names", [("c", "y", "x"), None])
def test_models_of_one_channel_are_given_one(widget, viewer, compared, layers, names):
    viewer.layers.remove(layers[0])
    image = np.stack([SAMPLE.image[::-1], SAMPLE.image])
    viewer.add_image(image, name="two", axis_labels=names)
    widget.form.add_model()
    assert widget.form.channel.isVisibleTo(widget)
    widget.form.channel.setCurrentIndex(1)
    compared()
    expected = us.evaluate(us.segment(SAMPLE.image), layers[1].data)
    assert dict(row_of(widget, "nuclei").scores) == pytest.approx(dict(expected))
    space = {"viewer": viewer}
    exec(widget.as_python(), space)
    again = space["comparison"]["nuclei"].scores
    assert dict(again) == pytest.approx(dict(expected))


def test_a_model_that_cannot_is_a_row_with_the_reason(widget, compared, tmp_path):
    path = tmp_path / "gone.unet"
    load_model("nuclei").save(path)
    widget.form.models.choose(path)
    widget.form.add_model()
    path.unlink()
    compared()
    assert names(widget) == ["worse", "gone"]
    assert "gone.unet" in tips(widget)[1]
    assert "gone" in widget.status.text()
    widget.results.choose(key_of(widget, "gone"))
    assert not widget.overlay.alive
    assert not widget.legend.isVisibleTo(widget)


def test_a_mask_as_reference_is_said(widget, compared, layers):
    mask = np.zeros((96, 96), int)
    mask[5:20, 5:20] = mask[40:60, 40:60] = 1
    layers[1].data = mask
    compared()
    assert "connected components" in widget.status.text()


def test_an_empty_reference_is_said(widget, compared, layers):
    layers[1].data = np.zeros_like(layers[1].data)
    compared()
    assert "no objects" in widget.status.text()
    assert row_of(widget, "worse").scores["matched"] == 0


def test_a_film_is_compared_frame_by_frame(viewer, widget, compared, layers):
    film = np.stack([SAMPLE.labels, SAMPLE.labels + 5 * (SAMPLE.labels > 0)])
    named = {"axis_labels": ("t", "y", "x")}
    truth = viewer.add_labels(film, name="film", **named)
    other = np.where(film == 3, 0, film)
    viewer.add_labels(other, name="seg", **named)
    widget.form.reference.value = truth
    assert widget.form.axes_name == "TYX"
    assert ticked(widget) == ["seg"]
    compared()
    expected = us.evaluate(other, film, axes="TYX")
    assert dict(row_of(widget, "seg").scores) == pytest.approx(dict(expected))
    widget.form.axes.setCurrentIndex(widget.form.axes.findData("ZYX"))
    compared()
    expected = us.evaluate(other, film, axes="ZYX")
    assert dict(row_of(widget, "seg").scores) == pytest.approx(dict(expected))


# -- errors ----------------------------------------------------------------------------


def test_a_chosen_row_shows_its_errors(widget, viewer, compared, layers):
    viewer.add_labels(SAMPLE.labels, name="right", **PLACE)
    compared()
    widget.results.choose(key_of(widget, "worse"))
    overlay = viewer.layers["worse errors"]
    np.testing.assert_array_equal(
        overlay.data, error_map(layers[2].data, layers[1].data)
    )
    np.testing.assert_allclose(overlay.extent.world, layers[1].extent.world)
    assert not overlay.editable
    assert viewer.layers.selection.active is overlay
    place = tuple(np.argwhere(overlay.data == Verdict.MISSED)[0])
    status = overlay.get_status(place, dims_displayed=[0, 1])
    assert "missed" in status["value"]
    widget.results.choose(key_of(widget, "right"))
    assert "worse errors" not in viewer.layers
    assert set(np.unique(viewer.layers["right errors"].data)) == {0, Verdict.MATCHED}
    made = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert len(made) == 4
    assert "errors" in overlay.metadata[METADATA_KEY]
    assert ticked(widget) == ["worse", "right"]  # an error map is no candidate


def test_the_legend_counts_and_shows_one_kind_alone(widget, compared):
    compared()
    widget.results.choose(key_of(widget, "worse"))
    buttons, overlay = widget.legend.buttons, widget.overlay.layer
    assert buttons[Verdict.MISSED].text() == "Missed 2"
    assert not buttons[Verdict.SPLIT].isEnabled()
    buttons[Verdict.MISSED].click()
    assert overlay.get_color(int(Verdict.MISSED))[3] == 1
    assert overlay.get_color(int(Verdict.MATCHED))[3] == 0
    buttons[Verdict.MATCHED].click()
    assert overlay.get_color(int(Verdict.MISSED))[3] == 0
    buttons[Verdict.MATCHED].click()
    assert overlay.get_color(int(Verdict.MISSED))[3] == 1
    assert widget.legend.only is None


def test_a_removed_overlay_comes_back(widget, viewer, compared):
    compared()
    widget.results.choose(key_of(widget, "worse"))
    viewer.layers.remove("worse errors")
    compared()
    assert "worse errors" in viewer.layers


def test_a_click_brings_a_removed_overlay_back(widget, viewer, compared):
    compared()
    viewer.layers.remove("worse errors")
    assert not widget.overlay.alive
    widget.results.cellClicked.emit(0, 0)
    assert "worse errors" in viewer.layers
    viewer.layers.remove("worse errors")
    widget.legend.buttons[Verdict.MISSED].click()
    overlay = viewer.layers["worse errors"]
    assert overlay.get_color(int(Verdict.MISSED))[3] == 1
    assert overlay.get_color(int(Verdict.MATCHED))[3] == 0


def test_labels_are_hidden_once_and_it_is_said(widget, viewer, compared, layers):
    other = viewer.add_labels(SAMPLE.labels[:50], name="other")
    compared()
    assert [layer.visible for layer in layers] == [True, False, False]
    assert not other.visible  # of another size: it was not compared, but would cover
    assert "truth, worse, other were hidden" in widget.status.text()
    layers[2].visible = True  # the user wants to see them
    layers[2].fill((50, 50), 0)
    compared()
    assert layers[2].visible
    assert "hidden" not in widget.status.text()
    viewer.window.remove_dock_widget(widget.parent())
    assert not layers[1].visible


def test_the_legend_counts_both_sides_of_mergers(widget, compared, layers):
    truth = np.zeros((96, 96), int)
    for number in range(4):
        truth[10:30, 20 * number + 2 : 20 * number + 20] = number + 1
    layers[1].data, layers[2].data = truth, (truth + 1) // 2
    compared()
    assert row_of(widget, "worse").scores["merges"] == 2
    assert widget.legend.buttons[Verdict.MERGED].text() == "Merged 4 in 2"
    titles = widget.results.text().splitlines()[0].split("\t")
    assert {"Mergers", "Splits"} <= set(titles)


def test_what_a_model_found_becomes_a_layer(widget, viewer, compared, layers):
    widget.form.add_model()
    compared()
    widget.results.choose(key_of(widget, "nuclei"))
    widget.outcome.keep_button.click()
    made = viewer.layers["nuclei [nuclei] labels"]
    np.testing.assert_array_equal(made.data, us.segment(SAMPLE.image))
    np.testing.assert_allclose(made.extent.world, layers[1].extent.world)
    assert "nuclei [nuclei] labels" in ticked(widget)
    # What is painted in it is no answer of the model.
    scores = dict(row_of(widget, "nuclei").scores)
    made.data[:] = 0
    made.refresh()
    compared()
    assert dict(row_of(widget, "nuclei").scores) == scores


def test_thousands_of_specks_have_errors_too(widget, viewer, compared, layers):
    specks = np.zeros((96, 96), int)
    specks[::2, ::2] = np.arange(1, 48 * 48 + 1).reshape(48, 48)
    layers[2].data = specks
    compared()
    assert sum(b.isEnabled() for b in widget.legend.buttons.values()) >= 1
    assert widget.overlay.alive


# -- trouble ---------------------------------------------------------------------------


def test_it_stops_on_request(widget, qtbot, layers):
    widget.form.add_model()
    widget.run_button.click()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert "Stopped" in widget.status.text()
    assert widget.form.isEnabled()


def test_closing_in_mid_work_is_safe(widget, viewer, qtbot):
    widget.form.add_model()
    widget.run_button.click()
    job = widget.job
    with qtbot.waitSignal(job.finished, timeout=WAIT):
        viewer.window.remove_dock_widget(widget.parent())
    qtbot.wait(50)
    assert [layer.name for layer in viewer.layers] == ["nuclei", "truth", "worse"]


def test_closing_takes_the_errors_away(widget, viewer, compared):
    compared()
    assert widget.overlay.alive
    viewer.window.remove_dock_widget(widget.parent())
    assert [layer.name for layer in viewer.layers] == ["nuclei", "truth", "worse"]


def test_layers_may_go_in_mid_work(widget, viewer, qtbot, layers):
    widget.form.add_model()
    widget.run_button.click()
    for layer in layers:
        viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    assert len(widget._shown) == 2
    assert "removed" in widget.status.text()


def test_it_opens_in_an_empty_viewer(viewer):
    made = CompareWidget(viewer)
    viewer.window.add_dock_widget(made)
    made.run()
    assert "no labels to compare with" in made.status.text()
    assert made.as_python() == ""


def test_an_error_goes_with_its_cause(viewer, widget):
    viewer.layers.clear()
    widget.run()
    assert "no labels to compare with" in widget.status.text()
    viewer.add_labels(SAMPLE.labels, name="truth")
    assert widget.form.reference.value is viewer.layers["truth"]
    assert widget.status.text() == ""
