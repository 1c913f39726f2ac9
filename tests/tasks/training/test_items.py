import dask.array as da
import numpy as np
import pytest

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.tasks.training.items import (
    POSITIONS,
    Item,
    in_memory,
    some_positions,
)

RNG = np.random.default_rng(0)


def item_of(shape=(40, 50), **options):
    target = RNG.integers(-1, 3, shape).astype(np.int16)
    weights = RNG.random(shape, np.float32)
    return Item.of(RNG.random((2, *shape), np.float32), target, weights, **options)


BOXES = [
    (slice(3, 20), slice(0, 50)),
    (slice(-5, 12), slice(40, 70)),
    (slice(-60, 90), slice(-1, 51)),
]


@pytest.mark.parametrize("box", BOXES)
def test_a_window_holds_what_lies_under_it_mirrored_beyond_the_frame(box) -> None:
    item = item_of()
    image, target, weights = item.read(box)
    np.testing.assert_array_equal(image, read_mirrored(item.image, box))
    np.testing.assert_array_equal(target, read_mirrored(item.truth.target, box))
    np.testing.assert_array_equal(weights, read_mirrored(item.truth.weight_map, box))
    assert image.dtype == weights.dtype == np.float32
    assert target.dtype == np.int16


def test_grey_values_are_normalised_per_channel() -> None:
    item = item_of(offset=np.array([1.0, 2.0]), scale=np.array([2.0, 4.0]))
    image = item.read(item.whole).image
    np.testing.assert_allclose(image[0], (item.image[0] - 1) / 2, rtol=1e-5)
    np.testing.assert_allclose(image[1], (item.image[1] - 2) / 4, rtol=1e-5)


def test_a_part_is_a_frame_of_its_own() -> None:
    item = item_of()
    part = item.crop((slice(0, 40), slice(10, 30)))
    assert part.shape == (40, 20)
    found, expected = part.read(part.whole), item.read((slice(0, 40), slice(10, 30)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    # Beyond its border lies its own mirror image, not the rest of the frame.
    beyond = part.read((slice(0, 40), slice(-3, 1))).target
    np.testing.assert_array_equal(beyond, found.target[:, [3, 2, 1, 0]])
    for places, marked in (
        (part.foreground, found.target > 0),
        (part.known, found.target >= 0),
    ):
        np.testing.assert_array_equal(places, np.argwhere(marked))
    inner = part.crop((slice(5, 9), slice(0, 20)))
    np.testing.assert_array_equal(
        inner.read(inner.whole).target, item.truth.target[5:9, 10:30]
    )


def test_what_is_ignored_is_neither_known_nor_an_object() -> None:
    item = item_of()
    ids = item.truth.ids(item.whole)
    assert (ids >= 0).all()
    assert not ids[item.truth.target == -1].any()
    assert (item.truth.target[tuple(item.known.T)] >= 0).all()
    assert (item.truth.target[tuple(item.foreground.T)] > 0).all()
    everything = Item.of(np.zeros((1, 4, 4)), np.ones((4, 4), np.int16))
    assert everything.known is None


def test_without_weights_there_are_none() -> None:
    item = item_of()
    assert item.truth.unweighted().read(item.whole)[1] is None
    assert item.truth.part((slice(0, 9), slice(0, 9))).read(BOXES[0])[1] is not None


def test_a_lazy_frame_with_a_value_that_is_no_number_is_refused_where_it_is() -> None:
    image = np.ones((1, 30, 30), np.float32)
    image[0, 20, 20] = np.nan
    target = np.ones((30, 30), np.int16)
    item = Item.of(da.from_array(image, chunks=10), target, name="cells")
    assert item.read((slice(0, 10), slice(0, 10))).image.all()
    with pytest.raises(InputError, match="'cells' contains 1 NaN"):
        item.read((slice(15, 25), slice(15, 25)))


def test_positions_are_few_and_all_over_the_frame() -> None:
    marked = np.ones((300, 300), bool)
    found = some_positions(marked)
    assert POSITIONS <= len(found) <= 2 * POSITIONS
    assert np.ptp(found, axis=0).min() > 290
    rare = np.zeros((300, 300), bool)
    rare[5, 7] = True
    assert some_positions(rare).tolist() == [[5, 7]]


def test_what_lies_in_a_file_is_not_in_memory(tmp_path) -> None:
    array = np.ones((4, 4))
    np.save(tmp_path / "a.npy", array)
    assert in_memory(array)
    assert not in_memory(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert not in_memory(da.from_array(array))
