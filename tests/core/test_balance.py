import math

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet_studio.core.border import reach
from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.weights import (
    balanced,
    carve_gap,
    class_counts,
    class_weights,
    nearest_objects,
    nearest_two,
    separation_term,
    separation_weights,
    weigh,
)

few = settings(max_examples=40, deadline=None, derandomize=True)
labels_2d = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(
        np.int32,
        shape,
        elements=st.sampled_from([0, 0, 0, 1, 2, 3, 9]),
        fill=st.just(0),
    )
)
CLASSES = {1: 1, 2: 2, 3: 1, 9: 3}


def cells(size=64, cell=9, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 30, (math.ceil(size / cell),) * 2)
    return np.kron(coarse, np.ones((cell, cell), np.int32))[:size, :size].astype("i4")


# --- class balance


@few
@given(labels_2d, st.integers(0, 3), st.sampled_from([None, 9, 0]))
def test_classes_are_counted_as_the_target_has_them(labels, gap, ignore):
    carved = carve_gap(labels, gap, ignore)
    of = np.vectorize(lambda i: CLASSES.get(i, 0))(carved)
    counted = np.bincount(of[labels != ignore], minlength=4)
    found = class_counts(labels, gap, ignore, CLASSES)
    if ignore == 9:
        counted[3] = 0
    assert found.tolist() == counted.tolist()
    plain = class_counts(labels, gap, ignore)
    assert plain.tolist() == [counted[0], counted[1:].sum()]


@few
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=5))
def test_balanced_classes_weigh_the_same_in_total(counts):
    weights = np.array(balanced(counts))
    present = np.array(counts) > 0
    totals = (weights * counts)[present]
    assert np.allclose(totals, sum(counts) / max(1, present.sum()))
    assert (weights[~present] == 1).all()


def test_classes_of_objects_weigh_by_hand():
    labels = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 2, 7]])
    found = class_weights(labels, classes={1: 1, 2: 1, 7: 2})
    expected = [10 / (3 * 6)] * 6 + [10 / (3 * 3)] * 3 + [10 / 3]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_global_balance_adds_up_the_counts_of_images():
    first, second = cells(), np.zeros((30, 30), int)
    second[3, 3] = 4
    counts = class_counts(first) + class_counts(second)
    weights = [class_weights(x, balanced(counts)) for x in (first, second)]
    objects = sum(w[x > 0].sum() for w, x in zip(weights, (first, second), strict=True))
    rest = sum(w[x == 0].sum() for w, x in zip(weights, (first, second), strict=True))
    assert objects == pytest.approx(rest, rel=1e-4)


def test_given_numbers_are_taken_as_they_are():
    labels = cells()
    found = separation_weights(labels, w0=0, balance=(0.25, 3))
    np.testing.assert_array_equal(found, np.where(labels > 0, 3, 0.25))


def test_ids_of_any_size_have_classes():
    labels = np.array([[0, 2**40, 2**40, 2**50]], np.uint64)
    found = class_weights(labels, (0, 1, 2), classes={2**40: 2, 2**50: 1})
    assert found.tolist() == [[0, 2, 2, 1]]


def test_the_border_is_high_between_objects_of_one_class():
    labels = np.array([[1, 0, 2]])
    same = separation_weights(labels, balance="none", classes={1: 1, 2: 1})
    np.testing.assert_array_equal(same, separation_weights(labels, balance="none"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({1: 1}, "Object 2 has no class;"),
        ({}, "Object 1 has no class, nor have 1 more;"),
        ({1: 1, 2: 0}, "has the class 0"),
        ({1: 1, 2: -3}, "has the class -3"),
        ({1: 1, 2: 1.5}, "class of object 2 is 1.5"),
        ({1: 1, 2: 2**31}, "whole number from 1 to 65536"),
    ],
)
def test_objects_without_a_class_are_refused(classes, message):
    with pytest.raises(InputError, match=message):
        class_weights([[0, 1, 2]], classes=classes)


@pytest.mark.parametrize(
    "balance", [(1,), (1, 2, 3), (1, -1), (1, math.nan), "batch", 3]
)
def test_a_balance_that_is_none_is_refused(balance):
    with pytest.raises(ConfigError, match="class balance"):
        class_weights([[0, 1]], balance)


# --- the parts


@few
@given(labels_2d, st.sampled_from([None, (2.0, 1.0), (1.3, 0.7)]))
def test_the_two_nearest_objects_have_the_distances(labels, spacing):
    found = nearest_objects(labels, spacing, math.inf)
    two = nearest_two(labels, spacing, math.inf)
    np.testing.assert_array_equal(found.d1, two.d1)
    np.testing.assert_array_equal(found.d2, two.d2)
    away = {
        i: ndimage.distance_transform_edt(labels != i, sampling=spacing)
        for i in np.unique(labels[labels > 0])
    }
    for ids, distance in ((found.first, found.d1), (found.second, found.d2)):
        assert ((ids == 0) == np.isinf(distance)).all()
        for i, of_one in away.items():
            here = ids == i
            np.testing.assert_allclose(distance[here], of_one[here], rtol=1e-5)
    assert ((found.first != found.second) | (found.first == 0)).all()
    np.testing.assert_array_equal(found.first[labels > 0], labels[labels > 0])


def test_nearest_objects_keep_large_ids_and_know_what_is_ignored():
    labels = np.array([[2**50, 0, 0, 7, 0, -1]])
    found = nearest_objects(labels, ignore=-1)
    assert found.first.tolist() == [[2**50, 2**50, 7, 7, 7, 7]]
    assert found.second.tolist() == [[7, 7, 2**50, 2**50, 2**50, 2**50]]


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("ignore", [None, 5])
def test_the_parts_put_together_are_the_whole(preset, inside, ignore):
    labels = cells()
    sigma, w0 = 4.0, 7.0
    found = nearest_objects(labels, cutoff=reach(preset, sigma) or 1, ignore=ignore)
    target = carve_gap(labels, 2, ignore)
    occupied = (target != 0) & (target != ignore)
    annotated = None if ignore is None else labels != ignore
    balance = class_weights(target, ignore=ignore)
    together = weigh(found, occupied, balance, preset, w0, sigma, inside, annotated)
    whole = separation_weights(
        labels, preset, w0, sigma, gap=2, inside=inside, ignore=ignore
    )
    np.testing.assert_allclose(together, whole, rtol=1e-6)
    if preset == "2015" and inside and ignore is None:
        np.testing.assert_allclose(
            whole, balance + separation_term(found, w0, sigma), rtol=1e-6
        )


# --- larger than memory

SETTINGS = [
    {},
    {"preset": "2019"},
    {"gap": 3, "sigma": 7, "inside": False},
    {"ignore": 5, "gap": 1},
    {"spacing": (2.3, 1.0)},
    {"classes": {i: 1 + i % 3 for i in range(1, 30)}},
    {"ignore": 0, "gap": 2},
    {"balance": (1.0, 2.0)},
    {"balance": np.array([1.0, 2.0])},
    {"balance": "none", "sigma": 1.0},
    {"preset": "none"},
]


@pytest.mark.parametrize("options", SETTINGS)
def test_blocks_give_what_the_whole_array_gives(options):
    labels = cells(150, 8)
    lazy = separation_weights(da.from_array(labels, chunks=(40, 70)), **options)
    assert isinstance(lazy, da.Array)
    assert lazy.shape == labels.shape
    found = lazy.compute()
    assert found.dtype == lazy.dtype == np.float32
    expected = separation_weights(labels, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_blocks_of_a_volume_give_what_the_whole_volume_gives():
    labels = np.stack([cells(50, 7, seed) for seed in (1, 1, 2, 2, 2, 3)])
    options = {"spacing": (3.0, 1.0, 1.0), "sigma": 2.0, "gap": 2}
    lazy = separation_weights(da.from_array(labels, chunks=(3, 20, 50)), **options)
    expected = separation_weights(labels, **options)
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "shape", [(1, 60), (60, 1), (1, 1), (2, 40, 40), (1, 1, 9), (0, 5), (5, 0)]
)
@pytest.mark.parametrize("balance", ["image", "none"])
def test_blocks_reach_across_axes_shorter_than_the_gap(shape, balance):
    labels = np.random.default_rng(0).integers(0, 3, shape)
    lazy = da.from_array(labels, chunks=tuple(max(1, n // 2) for n in shape))
    for options in ({"gap": 4}, {"gap": 4, "preset": "none"}, {"preset": "2019"}):
        expected = separation_weights(labels, balance=balance, **options)
        found = separation_weights(lazy, balance=balance, **options).compute()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_blocks_that_need_no_balance_read_only_their_surroundings():
    read = []

    def block(block_info=None):
        place = block_info[None]["chunk-location"]
        read.append(place)
        return np.full((100, 100), 1 + place[1], np.int32)

    lazy = da.map_blocks(block, chunks=((100,), (100,) * 8), dtype=np.int32)
    separation_weights(lazy, preset="2019")[:, 10:20].compute(scheduler="sync")
    assert set(read) == {(0, 0), (0, 1)}


def test_a_zarr_array_is_read_where_it_is_asked_for(tmp_path):
    labels = cells(200, 8)
    store = zarr.open_array(
        tmp_path / "labels.zarr",
        mode="w",
        shape=(200, 200),
        chunks=(40, 40),
        dtype="i4",
    )
    store[:] = labels
    lazy = separation_weights(store, balance="none")
    expected = separation_weights(labels, balance="none")
    np.testing.assert_array_equal(lazy[50:90, 100:120], expected[50:90, 100:120])
    store[:] = 0  # a scheduler that keeps results knows an array by its name
    assert separation_weights(store, balance="none").name != lazy.name


def test_blocks_refuse_what_arrays_refuse():
    with pytest.raises(InputError, match="float64"):
        separation_weights(da.zeros((9, 9)))
    with pytest.raises(InputError, match="1 axes"):
        separation_weights(da.zeros(9, dtype=int))
    with pytest.raises(InputError, match="spacing"):
        separation_weights(da.zeros((9, 9), dtype=int), spacing=(1, 0))
    with pytest.raises(ConfigError):
        separation_weights(da.zeros((9, 9), dtype=int), sigma=-1)
    labels = da.from_array(cells(), chunks=20)
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        separation_weights(labels[labels[:, 0] > 0])
