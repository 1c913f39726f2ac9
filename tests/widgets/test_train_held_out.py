"""What is held out of a training, as layers and in words."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet_studio.layers import source_of
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.widgets._train.held_out import HeldOutLayers, in_words
from napari_unet_studio.widgets._train.place import Place
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

WAIT = 120_000  # milliseconds
ENDLESS = 100_000

pytestmark = pytest.mark.usefixtures("home")


def held_out(viewer: "Viewer") -> list[Labels]:
    return [layer for layer in viewer.layers if layer.name.startswith("held out")]


def test_what_is_held_out_is_a_layer_in_its_place(
    previews: Any,
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    qtbot: "QtBot",
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=400))
    viewer.layers.selection.active = layers[1]
    under_way(widget)
    (layer,) = held_out(viewer)
    qtbot.waitUntil(lambda: len(previews()) == 1, timeout=WAIT)
    (shown,) = previews()
    assert viewer.layers.selection == {layers[1]}
    assert viewer.layers.selection.active is layers[1]
    assert layer.opacity < 0.5
    assert not layer.editable
    # The preview lies on the part held out, from corner to corner.
    inner = [shown.data_to_world(c) for c in ((0, 0), np.subtract(shown.data.shape, 1))]
    for point in inner:
        assert layer.get_value(point, world=True) == 1
    parts = {
        layer.get_value(layers[0].data_to_world(pixel), world=True)
        for pixel in np.ndindex(96, 96)
    }
    assert {1, 2, None} == parts or {0, 1, 2, None} == parts
    assert "held out" in widget.course.measured.text()
    assert "of nuclei" in widget.course.measured.text()
    widget.discard()
    finish(widget)
    assert not held_out(viewer)


def test_what_is_held_out_is_kept_on_request_and_never_trained_on(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.course.keep_layers.setChecked(True)
    for count in (1, 2):
        widget.run()
        finish(widget)
        assert len(held_out(viewer)) == count
    widget.table.add_fitting()
    assert widget.pairs() == [(*layers, "train")]


def test_where_rows_are_marked_to_validate_nothing_is_held_out(
    viewer: "Viewer", layers: tuple[Image, Labels], widget: TrainWidget, finish: Any
) -> None:
    widget.course.keep_layers.setChecked(True)
    widget.set_pairs([(*layers, "train"), (*layers, "validate")])
    widget.run()
    finish(widget)
    assert not held_out(viewer)
    assert widget.course.measured.isHidden()


def test_a_held_out_layer_that_the_user_removed_is_no_harm(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    under_way: Any,
    finish: Any,
    tiny: Any,
) -> None:
    widget.form.set(tiny(updates=ENDLESS))
    under_way(widget)
    viewer.layers.remove(held_out(viewer)[0])
    widget.discard()
    finish(widget)
    assert [layer.name for layer in viewer.layers] == ["nuclei", "nuclei labels"]


@pytest.mark.parametrize(
    ("region", "gap"),
    [
        ((slice(24, 32), slice(0, 9)), (slice(17, 24), slice(0, 9))),
        ((slice(0, 8), slice(0, 9)), (slice(8, 14), slice(0, 9))),
        ((slice(0, 32), slice(6, 9)), (slice(0, 32), slice(4, 6))),
        ((slice(0, 32), slice(0, 9)), None),
        ((slice(24, 32), slice(0, 9)), (slice(24, 24), slice(0, 9))),
    ],
)
def test_every_pixel_of_a_part_and_its_gap_is_marked(
    region: Any, gap: Any, viewer: "Viewer"
) -> None:
    image = viewer.add_image(np.zeros((32, 9)), name="a", scale=(2, 3), rotate=20)
    wanted = np.zeros((32, 9), int)
    wanted[region] = 1
    if gap is not None:
        wanted[gap] = 2
    marks = HeldOutLayers(viewer, [Place(source_of(image))])
    marks.show([HeldOut(0, "a", region, gap)])
    (layer,) = marks.layers
    assert layer.data.size < 32 + 9
    found = [
        layer.get_value(image.data_to_world(pixel), world=True) or 0
        for pixel in np.ndindex(32, 9)
    ]
    assert (np.reshape(found, (32, 9)) == wanted).all()


def test_many_images_held_out_do_not_fill_the_list() -> None:
    viewer = ViewerModel()
    images = [viewer.add_image(np.zeros((4, 4)), name=f"i{n}") for n in range(12)]
    marks = HeldOutLayers(viewer, [Place(source_of(image)) for image in images])
    parts = [HeldOut(n, f"i{n}", (slice(0, 4),) * 2) for n in range(12)]
    marks.show([HeldOut(0, "a file", (slice(0, 4),) * 2), *parts])
    assert 1 < len(held_out(viewer)) < 10
    assert "and 8 more" in in_words(parts)
