"""The preview of a training: where it lies, and what it shows."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet_studio.io.registry import load_model
from napari_unet_studio.layers import source_of
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.tasks.training.judging import Preview
from napari_unet_studio.widgets._train.place import Place, locate
from napari_unet_studio.widgets._train.preview import NAME, PreviewLayer
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds

pytestmark = pytest.mark.usefixtures("home")


def test_the_preview_lies_on_the_part_that_was_held_out(
    previews: Any,
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    qtbot: "QtBot",
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=200))
    viewer.layers.selection.active = layers[1]
    widget.run()
    qtbot.waitUntil(lambda: len(previews()) == 1, timeout=WAIT)
    (layer,) = previews()
    assert viewer.layers.selection.active is layers[1]
    rows = layer.data.shape[0]
    assert layer.data.shape[1] == 96
    # Of these nuclei the near end is held out: hardly any lie at the far one.
    for corner in ((0, 0), (rows - 1, 95)):
        np.testing.assert_allclose(
            layer.data_to_world(corner), layers[0].data_to_world(corner)
        )
    assert layer.name == f"{NAME} of nuclei"
    assert widget.course.preview_note.text() == "Preview: nuclei"
    assert widget.course.show_button.isVisibleTo(widget)
    first = layer.data
    qtbot.waitUntil(lambda: layer.data is not first, timeout=WAIT)
    assert len(previews()) == 1
    viewer.layers.remove(layer)
    count = len(widget.course.plot.values("iou")[0])
    qtbot.waitUntil(
        lambda: len(widget.course.plot.values("iou")[0]) > count, timeout=WAIT
    )
    assert not previews()
    widget.discard()
    finish(widget)


def test_the_preview_is_kept_on_request(
    previews: Any,
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
) -> None:
    widget.course.keep_layers.setChecked(True)
    widget.run()
    finish(widget)
    assert len(previews()) == 1
    assert len(widget.pairs()) == 1


def test_a_frame_of_a_stack_is_shown_where_it_belongs() -> None:
    stack = Image(np.zeros((5, 8, 9)), name="stack", scale=(3, 2, 2), rotate=30)
    place = Place(source_of(stack))
    rows, all_of = slice(0, 8), slice(0, 9)
    cases: list[tuple[Any, ...]] = [
        ((8, 9), (), (3, 0, 0)),
        ((8, 9), (slice(3, 5), rows, all_of), (3, 0, 0)),
        ((8, 4), (slice(0, 5), rows, slice(5, 9)), (3, 0, 5)),
        ((8, 4), (slice(0, 5), rows, slice(0, 4)), (3, 0, 0)),
        # Of a large part, the middle is judged.
        ((4, 4), (slice(3, 4), rows, slice(1, 9)), (3, 2, 3)),
    ]
    for size, region, first in cases:
        frame = np.zeros(size, np.float32)
        parts = [HeldOut(0, "other", region), HeldOut(1, "stack", region)]
        preview = Preview("stack [3]", frame, frame)
        shape, start, found = locate(preview, [place], parts if region else ())
        assert found is place
        layer = Image(frame.reshape(shape), **place.options(start))
        for corner in ((0, 0, 0), (0, size[0] - 1, size[1] - 1)):
            there = tuple(np.add(corner, first))
            np.testing.assert_allclose(
                layer.data_to_world(corner), stack.data_to_world(there)
            )


def test_a_frame_larger_than_what_is_held_out_is_plain_pixels() -> None:
    place = Place(source_of(Image(np.zeros((8, 9)), name="img", scale=(3, 2))))
    frame = np.zeros((8, 9), np.float32)
    part = HeldOut(0, "img", (slice(4, 8), slice(0, 9)))
    assert locate(Preview("img", frame, frame), [place], [part])[2] is None


def test_of_a_large_frame_the_middle_is_shown(viewer: "Viewer") -> None:
    image = viewer.add_image(np.zeros((1200, 40)), name="large", scale=(2, 2))
    preview = PreviewLayer(viewer, [Place(source_of(image))], classes=False)
    frame = np.random.default_rng(0).random((1200, 40), np.float32)
    for _ in range(2):
        preview.show(Preview("large", frame, frame))
        assert preview.layer is not None
        assert (preview.layer.data == frame[88:1112]).all()
    assert preview.layer.data_to_world((0, 0)) == (176, 0)


def test_the_preview_is_named_and_shown_with_its_image() -> None:
    viewer = ViewerModel()
    stack = viewer.add_image(np.zeros((9, 8, 9)), name="stack", scale=(3, 2, 2))
    over = viewer.add_image(np.ones((9, 8, 9)), name="over it")
    glow = viewer.add_image(np.ones((9, 8, 9)), name="glow", blending="additive")
    painted = viewer.add_labels(np.ones((9, 8, 9), int), name="painted")
    preview = PreviewLayer(viewer, [Place(source_of(stack))], classes=False)
    preview.reveal()
    frame = np.zeros((8, 9), np.float32)
    preview.show(Preview("stack [7]", frame, frame))
    assert preview.title == "stack, z 7"
    assert preview.layer is not None
    assert preview.layer.name == f"{NAME} of stack"
    viewer.dims.set_point(0, 0)
    stack.visible = preview.layer.visible = False
    viewer.layers.selection.active = painted
    preview.reveal()
    assert viewer.dims.point[0] == 21
    assert stack.visible
    assert preview.layer.visible
    assert glow.visible
    assert painted.visible
    assert not over.visible
    assert viewer.layers.selection == {painted}
    viewer.layers.remove(preview.layer)
    assert not preview.there
    viewer.dims.set_point(0, 0)
    preview.reveal()
    assert viewer.dims.point[0] == 0


def test_a_preview_of_a_file_bears_its_name() -> None:
    viewer = ViewerModel()
    preview = PreviewLayer(viewer, [], classes=False)
    frame = np.zeros((8, 9), np.float32)
    preview.show(Preview("a file", frame, frame))
    assert [layer.name for layer in viewer.layers] == [
        f"{NAME} of a file, image",
        f"{NAME} of a file",
    ]
    assert preview.title == "a file"


def test_a_layer_named_like_a_frame_is_told_from_it() -> None:
    layers = (
        Image(np.zeros((5, 8, 9)), name="img", scale=(1, 2, 2)),
        Image(np.zeros((8, 9)), name="img [1]", scale=(7, 7)),
    )
    places = [Place(source_of(layer)) for layer in layers]
    frame = np.zeros((8, 9), np.float32)
    assert locate(Preview("img [1]", frame, frame), places) == (
        (8, 9),
        (0, 0),
        places[1],
    )
    assert locate(Preview("gone", frame, frame), places) == ((8, 9), (0, 0), None)


def test_channels_are_no_axis_of_the_preview() -> None:
    image = Image(
        np.zeros((3, 8, 9)), name="img", axis_labels=("c", "y", "x"), scale=(1, 2, 5)
    )
    frame = np.zeros((8, 9), np.float32)
    place = Place(source_of(image))
    shape, start, _ = locate(Preview("img", frame, frame), [place])
    layer = Image(frame.reshape(shape), **place.options(start))
    assert layer.data_to_world((7, 8)) == image.data_to_world((0, 7, 8))[1:]


def test_classes_are_shown_with_the_range_of_their_indices(
    sample: Any,
    previews: Any,
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    tiny: Any,
) -> None:
    layers[1].data = np.digitize(sample.labels, [1, 3])
    widget.course.keep_layers.setChecked(True)
    widget.form.set(tiny(target="classes"))
    widget.run()
    finish(widget)
    (layer,) = previews()
    assert layer.contrast_limits[1] >= layer.data.max()
    assert load_model("my model").card.class_values == (0, 1, 2)
    assert "IoU" in widget.status.text()
