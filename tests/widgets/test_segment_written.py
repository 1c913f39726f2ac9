"""Layers of results are written again as long as nobody else has touched them."""

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet_studio.layers import labels_tuple, source_of
from napari_unet_studio.widgets._written import Written, write

SMALL, LARGE = (40, 50), (2100, 2100)  # the latter is more than is looked at


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("how", ["paint", "fill", "item", "other data"])
def test_edits_are_noticed_in_small_and_large_layers(
    shape: tuple[int, int], how: str
) -> None:
    layer = ViewerModel().add_labels(np.zeros(shape, np.int32))
    written = Written(layer)
    assert written.intact
    if how == "paint":
        layer.paint((33, 17), 5)
    elif how == "fill":
        layer.fill((33, 17), 5)
    elif how == "item":
        layer.data_setitem((np.array([33]), np.array([17])), 5)
    else:
        layer.data = np.ones(shape, np.int32)
    assert not written.intact


def test_own_writes_leave_a_layer_intact() -> None:
    viewer = ViewerModel()
    source = source_of(viewer.add_image(np.zeros(LARGE), name="image"))
    before = None
    for value in (1, 2):
        pixels = np.full(LARGE, value, np.int32)
        before, note = write(viewer, labels_tuple(pixels, source, "l", {}), before)
        assert not note
        assert before.intact
    assert len(viewer.layers) == 2
    before.layer.paint((3, 3), 7)
    after, note = write(viewer, labels_tuple(pixels, source, "l", {}), before)
    assert note.startswith("You edited 'l'")
    assert after.layer is viewer.layers["l [1]"]


def test_strokes_on_other_pixels_can_neither_be_undone_nor_redone() -> None:
    viewer = ViewerModel()
    source = source_of(viewer.add_image(np.zeros(SMALL), name="image"))
    pixels = [np.full(SMALL, value, np.int32) for value in (1, 2)]
    before, _ = write(viewer, labels_tuple(pixels[0], source, "l", {}), None)
    before.layer.paint((3, 3), 7)
    before.layer.undo()
    after, _ = write(viewer, labels_tuple(pixels[1].copy(), source, "l", {}), before)
    assert after.layer is before.layer
    after.layer.redo()
    after.layer.undo()
    np.testing.assert_array_equal(after.layer.data, pixels[1])
    assert after.intact


def test_layer_does_not_keep_what_watches_it() -> None:
    layer = ViewerModel().add_labels(np.zeros(SMALL, np.int32))
    watching = weakref.ref(Written(layer))
    gc.collect()
    assert watching() is None
