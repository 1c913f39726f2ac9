"""The sliders of the objects in a real viewer, on probabilities given as such."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.linking import link_objects
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.layers import METADATA_KEY, source_of
from napari_unet_studio.tasks.predict import PredictConfig, Prediction, interpret
from napari_unet_studio.widgets import _result
from napari_unet_studio.widgets._objects import ObjectsPanel
from napari_unet_studio.widgets._redraw import Part, redraw
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment.results import Results
from napari_unet_studio.widgets.table import TableWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 60_000
CARD = ModelCard(
    name="given", spec=UNetSpec(channels=(4, 8), num_classes=1), threshold=0.43
)
PLAIN = ObjectConfig(threshold=0.43, min_size=0, fill_holes=0)
Show = Callable[..., ObjectsPanel]


def discs(shape: tuple[int, ...] = (60, 90)) -> np.ndarray:
    """Return two discs that overlap, one at the border, and a faint one."""
    y, x = np.indices(shape[-2:])
    plane = np.zeros(shape[-2:], np.float32)
    for centre, radius, value in (
        ((30, 25), 12, 0.9),
        ((30, 44), 12, 0.9),
        ((5, 75), 9, 0.8),
        ((45, 75), 7, 0.3),
    ):
        inside = np.hypot(y - centre[0], x - centre[1]) < radius
        plane[inside] = np.maximum(plane, value)[inside]
    plane[45, 75] = 0.6  # a spot that reaches the threshold
    return np.broadcast_to(plane, shape).copy()


@pytest.fixture
def show(viewer: "Viewer", qtbot: "QtBot") -> Show:
    """Show probabilities as the result of a run, with the panel for their objects."""

    def shown(probability: np.ndarray, axes: str = "YX", **place: Any) -> ObjectsPanel:
        image = viewer.add_image(
            probability, name="cells", axis_labels=tuple(axes.lower()), **place
        )
        source, config = source_of(image), PredictConfig(device="cpu", tile=64)
        stack = probability[None].copy()
        _, labels = interpret(stack, CARD, PLAIN, axes, source.spacing)
        region = tuple(slice(0, n) for n in probability.shape)
        prediction = Prediction(
            stack, labels, labels, CARD, axes, PLAIN, config, region
        )
        run = Run(
            (image,), source, axes, 0, CARD, Path("g.unet"), "given", config, PLAIN
        )
        panel = ObjectsPanel()
        qtbot.addWidget(panel)
        results = Results(viewer, panel)
        panel.show_result(results.put(run, prediction, None))
        return panel

    return shown


def settle(panel: ObjectsPanel, qtbot: "QtBot") -> Labels:
    """Wait until the labels show the settings, and return them."""
    result: Any = panel.result
    qtbot.waitUntil(
        lambda: result.prediction.objects == panel.form.value() and not result._stale,
        timeout=WAIT,
    )
    return result.labels  # type: ignore[no-any-return]


def move(panel: ObjectsPanel, qtbot: "QtBot", **values: Any) -> Labels:
    """Change settings and return the labels that follow."""
    for name, value in values.items():
        panel.form.editors[name].set_value(value)
    return settle(panel, qtbot)


# -- every setting is live ------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 0.85},
        {"min_size": 300},
        {"fill_holes": 20},
        {"close_gaps": 3},
        {"split": 1.0},
        {"low": 0.2},
        {"max_size": 300},
        {"smooth": 1.5},
        {"split": 5.0, "seeds": "probability"},
        {"border": "sides"},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_each_setting_redraws_the_labels(
    show: Show, qtbot: "QtBot", changes: dict[str, Any]
) -> None:
    probability = discs()
    panel = show(probability)
    labels = move(panel, qtbot, **changes)
    expected = label_objects(probability, panel.form.value())
    assert np.array_equal(labels.data, expected)
    assert panel.form.value().to_dict() == PLAIN.to_dict() | changes
    assert labels.metadata[METADATA_KEY]["objects"] == panel.form.value().to_dict()
    assert panel.count.text().startswith(str(expected.max()))


def test_objects_of_a_time_series_are_linked(show: Show, qtbot: "QtBot") -> None:
    film = np.stack([np.roll(discs(), 3 * t, axis=1) for t in range(4)])
    panel = show(film, "TYX")
    assert not panel.form.editors["link"].isHidden()
    labels = move(panel, qtbot, link=0.2)
    frames = [label_objects(frame, panel.form.value()) for frame in film]
    assert np.array_equal(labels.data, link_objects(np.stack(frames), 0.2))
    count = sum(int(frame.max()) for frame in frames)
    assert panel.count.text().startswith(f"{count} objects in 4 frames")


def test_without_time_there_is_nothing_to_link(show: Show) -> None:
    panel = show(discs())
    assert panel.form.editors["link"].isHidden()


# -- what the panel tells -------------------------------------------------------------


def test_sizes_are_told_in_micrometres_where_these_are_known(
    show: Show, qtbot: "QtBot"
) -> None:
    panel = show(discs(), scale=(0.5, 0.5), units=("um", "um"))
    move(panel, qtbot, min_size=20, max_size=8000)
    assert panel.form.sizes["min_size"].text() == "= 5 µm²"
    assert panel.form.sizes["max_size"].text() == "= 2,000 µm²"
    move(panel, qtbot, max_size=0)
    assert panel.form.sizes["max_size"].isHidden()


def test_sizes_of_volumes_are_cubic_and_of_bare_pixels_are_not_told(
    show: Show, qtbot: "QtBot"
) -> None:
    panel = show(
        discs((4, 60, 90)), "ZYX", scale=(2, 0.5, 0.5), units=("um", "um", "um")
    )
    move(panel, qtbot, min_size=20)
    assert panel.form.sizes["min_size"].text() == "= 10 µm³"
    bare = show(discs())
    assert bare.form.sizes["min_size"].isHidden()


def test_the_depth_of_a_split_is_in_pixels_or_per_cent(
    show: Show, qtbot: "QtBot"
) -> None:
    panel = show(discs())
    field = panel.form.editors["split"].field
    assert field.suffix() == " px"
    move(panel, qtbot, seeds="probability")
    assert field.suffix() == " %"


@pytest.mark.parametrize(
    ("name", "text"), [("split", "2.25"), ("threshold", "0.35"), ("min_size", "125")]
)
def test_numbers_can_be_typed(show: Show, qtbot: "QtBot", name: str, text: str) -> None:
    panel = show(discs())
    panel.show()
    field = panel.form.editors[name].field
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    settle(panel, qtbot)
    assert getattr(panel.form.value(), name) == float(text)


def test_auto_is_the_threshold_of_the_model_and_reset_all_of_its_settings(
    show: Show, qtbot: "QtBot"
) -> None:
    panel = show(discs())
    assert "0.43" in panel.form.auto_button.toolTip()
    move(panel, qtbot, threshold=0.7, split=1.0, border="all")
    panel.form.auto_button.click()
    settle(panel, qtbot)
    found = panel.form.value()
    assert (found.threshold, found.split, found.border) == (0.43, 1.0, "all")
    panel.reset()
    settle(panel, qtbot)
    assert panel.form.value() == CARD.objects


def test_rare_settings_are_one_click_away(show: Show) -> None:
    panel = show(discs())
    panel.show()
    form = panel.form
    assert form.editors["split"].isVisible()
    assert not form.more.isExpanded()
    form.more.expand(animate=False)
    for name in ("low", "max_size", "smooth", "seeds", "border"):
        assert not form.editors[name].isHidden()


# -- an edited layer of probabilities -------------------------------------------------


def test_sliders_work_from_probabilities_that_the_user_replaced(
    viewer: "Viewer", show: Show, qtbot: "QtBot"
) -> None:
    probability = discs()
    panel = show(probability)
    layer = viewer.layers["cells [given] probability"]
    flat = np.zeros_like(probability)
    flat[10:20, 10:20] = 1
    layer.data = flat  # the labels follow by themselves
    labels = settle(panel, qtbot)
    assert np.array_equal(labels.data > 0, flat > 0)
    assert "as you edited it" in panel.place.text()
    assert move(panel, qtbot, min_size=200).data.max() == 0
    assert panel.result is not None
    assert panel.result.as_python().startswith("# Without what was edited")


def test_sliders_see_what_was_painted_into_the_probabilities(
    viewer: "Viewer", show: Show, qtbot: "QtBot"
) -> None:
    panel = show(discs())
    layer = viewer.layers["cells [given] probability"]
    layer.data[:] = 0
    layer.data[2:6, 2:6] = 0.9
    layer.refresh()
    labels = move(panel, qtbot, threshold=0.5)
    assert np.count_nonzero(labels.data) == 16


@pytest.mark.parametrize("kind", ["shape", "removed"])
def test_probabilities_that_cannot_be_used_are_told(
    viewer: "Viewer", show: Show, qtbot: "QtBot", kind: str
) -> None:
    probability = discs()
    panel = show(probability)
    layer = viewer.layers["cells [given] probability"]
    if kind == "shape":
        layer.data = np.zeros((5, 5), np.float32)
    else:
        viewer.layers.remove(layer)
    labels = move(panel, qtbot, threshold=0.85)
    assert np.array_equal(labels.data, label_objects(probability, panel.form.value()))
    assert ("holds other data" in panel.place.text()) == (kind == "shape")


# -- first what is on screen ----------------------------------------------------------


def test_the_field_on_screen_is_drawn_before_the_rest(
    viewer: "Viewer", show: Show, qtbot: "QtBot", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_result, "_AT_ONCE", 0.0)
    probability = np.tile(discs(), (20, 20))
    panel = show(probability)
    result: Any = panel.result
    labels = result.labels
    labels.corner_pixels = np.array([[600, 900], [720, 1080]])
    seen: list[bool] = []
    before = labels.data.copy()

    def look() -> None:
        outside = np.ones(labels.data.shape, bool)
        outside[600:721, 900:1081] = False
        seen.append(bool((labels.data != before)[outside].any()))

    labels.events.set_data.connect(look)
    settled = move(panel, qtbot, threshold=0.85)
    assert seen[0] is False  # the field alone had changed
    assert np.array_equal(settled.data, label_objects(probability, panel.form.value()))


# -- buttons --------------------------------------------------------------------------


def test_table_opens_the_object_table_with_the_labels(
    viewer: "Viewer", show: Show
) -> None:
    panel = show(discs())
    said: list[str] = []
    panel.said.connect(said.append)
    panel.table_button.click()
    tables = [
        widget
        for name, widget in viewer.window.dock_widgets.items()
        if name.startswith("Object table")
    ]
    assert len(tables) == 1
    assert said == [""]
    assert panel.result is not None
    assert tables[0].labels.value is panel.result.labels
    viewer.layers.remove(panel.result.labels)
    panel.table_button.click()
    assert said[-1] == "There are no labels to measure: their layer was removed."


def test_table_that_is_open_is_used(viewer: "Viewer", show: Show) -> None:
    panel = show(discs())
    assert panel.result is not None
    opened = TableWidget(viewer)  # under the name that it has from the menu
    viewer.window.add_dock_widget(opened, name="Object table (U-Net Studio)")
    panel.table_button.click()
    tables = [
        w for w in viewer.window.dock_widgets.values() if isinstance(w, TableWidget)
    ]
    assert tables == [opened]
    assert opened.labels.value is panel.result.labels


def test_keep_gives_a_copy_to_edit(
    viewer: "Viewer", show: Show, qtbot: "QtBot"
) -> None:
    panel = show(discs())
    panel.keep_button.click()
    kept = viewer.layers["cells [given] labels kept"]
    kept.paint((3, 3), 9)
    labels = move(panel, qtbot, threshold=0.85)
    assert kept.data[3, 3] == 9
    assert labels.data[3, 3] == 0
    assert kept.editable


def test_labels_are_kept_once(viewer: "Viewer", show: Show, qtbot: "QtBot") -> None:
    panel = show(discs())
    said: list[str] = []
    panel.said.connect(said.append)
    for _ in range(3):
        panel.keep_button.click()
    assert said[1:] == 2 * [
        "These labels are kept already, as 'cells [given] labels kept'."
    ]
    assert sum("kept" in layer.name for layer in viewer.layers) == 1
    move(panel, qtbot, threshold=0.85)  # other labels
    panel.keep_button.click()
    assert sum("kept" in layer.name for layer in viewer.layers) == 2
    viewer.layers[panel.result.kept].paint((3, 3), 9)
    panel.keep_button.click()  # what is kept is another image by now
    assert sum("kept" in layer.name for layer in viewer.layers) == 3


def test_a_large_plane_is_shown_with_open_gaps_until_the_settings_rest():
    probability = np.zeros((1100, 1000), np.float32)
    probability[10:40, 10:40] = probability[10:40, 43:70] = 0.9
    objects = ObjectConfig(close_gaps=4)
    task = redraw(probability, objects, "YX", (1.0, 1.0), (), lambda: False)
    part = next(task)
    opened = label_objects(probability, ObjectConfig())
    np.testing.assert_array_equal(part.labels, opened)
    assert probability[part.index].shape == probability.shape
    with pytest.raises(StopIteration) as end:
        next(task)
    closed = label_objects(probability, objects)
    np.testing.assert_array_equal(end.value.value, closed)
    assert (closed != opened).any()
    at_once = redraw(probability, objects, "YX", (1.0, 1.0), None, lambda: False)
    with pytest.raises(StopIteration) as end:
        next(at_once)
    np.testing.assert_array_equal(end.value.value, closed)
    stopped = redraw(probability, objects, "YX", (1.0, 1.0), (), lambda: True)
    assert isinstance(next(stopped), Part)
    assert next(stopped, None) is None
