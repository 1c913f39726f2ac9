"""Measures of objects agree with scikit-image's, and blocks change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import regionprops_table

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import (
    MeasureConfig,
    Measurement,
    measure_objects,
)
from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.sample_data import SAMPLES

PLANE, VOLUME = (0.7, 0.3), (2.0, 0.5, 0.4)
SAME = {
    "area": "area",
    "volume": "area",
    "equivalent diameter": "equivalent_diameter_area",
    "major axis": "axis_major_length",
    "minor axis": "axis_minor_length",
    "eccentricity": "eccentricity",
    "mean a": "intensity_mean",
    "min a": "intensity_min",
    "max a": "intensity_max",
    "std a": "intensity_std",
    "solidity": "solidity",
}


@pytest.fixture(scope="module")
def plane():
    return SAMPLES["nuclei_2d"]().labels[150:340, 130:330]


@pytest.fixture(scope="module")
def volume():
    return SAMPLES["nuclei_3d"]().labels[:14, 20:90, 20:80]


def intensities(shape):
    return np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)


def expected(labels, image, spacing, names):
    return regionprops_table(labels, image, properties=names, spacing=spacing)


def assert_agrees(labels, spacing):
    image = intensities(labels.shape)
    config = MeasureConfig(solidity=labels.ndim == 2)
    found = measure_objects(labels, spacing, {"a": image}, config)
    names = {ours: theirs for ours, theirs in SAME.items() if ours in found}
    boxes = ("label", "num_pixels", "centroid", "bbox")
    theirs = expected(labels, image, spacing, (*boxes, *names.values()))
    np.testing.assert_array_equal(found["label"], theirs["label"])
    np.testing.assert_array_equal(found["pixels"], theirs["num_pixels"])
    for ours, name in names.items():
        np.testing.assert_allclose(
            found[ours], theirs[name], rtol=1e-6, atol=1e-6, err_msg=ours
        )
    axes = "zyx"[-labels.ndim :]
    for number, axis in enumerate(axes):
        np.testing.assert_allclose(found[axis], theirs[f"centroid-{number}"], 1e-9)
        for end, place in (("start", number), ("stop", number + labels.ndim)):
            np.testing.assert_array_equal(
                found[f"{axis} {end}"], theirs[f"bbox-{place}"]
            )


@pytest.mark.parametrize("spacing", [(1, 1), (0.5, 0.5), PLANE])
def test_measures_of_a_plane_are_those_of_scikit_image(plane, spacing):
    assert_agrees(plane, spacing)


@pytest.mark.parametrize("spacing", [(1, 1, 1), VOLUME])
def test_measures_of_a_volume_are_those_of_scikit_image(volume, spacing):
    assert_agrees(volume, spacing)


def test_solidity_of_volumes(volume):
    found = measure_objects(volume, config=MeasureConfig(solidity=True))
    whole = found["z stop"] - found["z start"] > 4
    kept = np.isin(volume, found["label"][whole]) * volume
    theirs = expected(kept, None, (1, 1, 1), ("solidity",))["solidity"]
    np.testing.assert_allclose(found["solidity"][whole], theirs, rtol=1e-6)
    flat = np.zeros((3, 4, 5), int)
    flat[1, 1, 1:4], flat[1, 2, 1] = 1, 1
    flat[0, 0, 0] = flat[1, 1, 0] = flat[2, 2, 0] = 2
    flat[2, 3, ::2] = 3
    with_hull = measure_objects(flat, config=MeasureConfig(solidity=True))["solidity"]
    assert 0.5 < with_hull[0] < 1
    assert with_hull[2] == 0.6
    slanted = np.zeros((3, 3, 3), int)
    slanted[0, 0, 0] = slanted[1, 1, 1] = slanted[2, 2, 2] = 1
    found = measure_objects(slanted, config=MeasureConfig(solidity=True))
    assert np.isnan(found["solidity"]).all()


def test_orientation_is_scikit_images_in_degrees(plane):
    found = measure_objects(plane, PLANE)
    theirs = expected(plane, None, PLANE, ("orientation",))["orientation"]
    long = found["eccentricity"] > 0.2
    np.testing.assert_allclose(
        found["orientation"][long], np.degrees(theirs[long]), atol=1e-6
    )


def test_perimeter_is_scikit_images_of_crofton(plane):
    found = measure_objects(plane)["perimeter"]
    theirs = regionprops_table(plane, properties=("perimeter_crofton",))
    np.testing.assert_allclose(found, theirs["perimeter_crofton"], rtol=1e-6)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0.5), (0.4, 1)])
def test_perimeter_and_area_of_a_disc_do_not_depend_on_the_pixels(spacing):
    grid = [(np.arange(int(64 / s)) + 0.5) * s - 32 for s in spacing]
    disc = np.add.outer(grid[0] ** 2, grid[1] ** 2) <= 25**2
    found = measure_objects(disc, spacing)
    assert found["perimeter"][0] == pytest.approx(2 * np.pi * 25, rel=0.02)
    assert found["area"][0] == pytest.approx(np.pi * 25**2, rel=0.01)
    assert found["circularity"][0] == pytest.approx(1, abs=0.04)
    assert found["elongation"][0] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 1), (3, 0.8, 0.8)])
def test_surface_of_a_ball_does_not_depend_on_the_pixels(spacing):
    grid = [(np.arange(int(56 / s)) + 0.5) * s - 28 for s in spacing]
    z, y, x = np.meshgrid(*grid, indexing="ij")
    found = measure_objects(z**2 + y**2 + x**2 <= 22**2, spacing)
    assert found["surface"][0] == pytest.approx(4 * np.pi * 22**2, rel=0.02)
    assert found["sphericity"][0] == pytest.approx(1, abs=0.02)
    for axis in ("major axis", "middle axis", "minor axis"):
        assert found[axis][0] == pytest.approx(44, rel=0.01)


def test_one_pixel_and_a_line_have_finite_measures():
    found = measure_objects([[1, 0, 2, 2, 2]], (2.0, 0.5))
    assert found["elongation"].tolist() == [0, 1]
    assert found["orientation"][1] == pytest.approx(90)
    assert all(np.isfinite(column).all() for column in found.values())


@settings(deadline=None, max_examples=40)
@given(
    labels=arrays(np.uint8, (4, 6, 7), elements=st.integers(0, 5)),
    block=st.tuples(*(st.integers(1, n) for n in (4, 6, 7))),
)
def test_blocks_change_nothing(labels, block):
    image = intensities(labels.shape)
    whole = Measurement(labels, VOLUME, {"a": image}, labels % 2)
    whole.add(tuple(slice(0, n) for n in labels.shape))
    parts = Measurement(labels, VOLUME, {"a": image}, labels % 2)
    for region in BlockGrid(labels.shape, block):
        parts.add(region)
    one, other = whole.columns(), parts.columns()
    assert list(one) == list(other)
    for name, column in one.items():
        np.testing.assert_allclose(
            other[name], column, rtol=1e-9, atol=1e-6, err_msg=name
        )


@settings(deadline=None, max_examples=40)
@given(labels=arrays(np.int16, (7, 9), elements=st.integers(-1, 6)))
def test_neighbours_are_the_touching_pairs(labels):
    found = measure_objects(labels)
    pairs = touching_pairs(labels)
    counts = [int((pairs == label).sum()) for label in found["label"]]
    assert found["neighbours"].tolist() == counts


@settings(deadline=None, max_examples=30)
@given(
    labels=arrays(np.int32, (6, 8), elements=st.integers(0, 5)),
    order=st.permutations(range(1, 6)),
    first=st.integers(0, 2**40),
)
def test_other_ids_change_nothing_but_the_ids(labels, order, first):
    ids = np.concatenate(([0], np.array(order, np.int64) * 7 + first))
    one, other = measure_objects(labels), measure_objects(ids[labels])
    back = np.argsort(ids[one["label"]])
    for name in one:
        if name != "label":
            np.testing.assert_allclose(other[name], one[name][back], err_msg=name)
    assert other["label"].tolist() == ids[one["label"]][back].tolist()


def test_nearest_is_the_distance_between_centres():
    found = measure_objects([[1, 0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]], (1.0, 2.0))
    assert found["nearest"].tolist() == [2, 6, 2]
    assert np.isnan(measure_objects([[1, 1]])["nearest"]).all()


def test_a_stack_of_one_plane_has_the_borders_of_the_plane():
    plane = np.zeros((6, 7), int)
    plane[2:4, 2:4], plane[0, 5] = 1, 2
    for axis in range(3):
        stack = np.expand_dims(plane, axis)
        assert measure_objects(stack)["border"].tolist() == [False, True]


def test_class_is_that_of_most_pixels_and_the_smallest_of_equals():
    labels = np.array([[1, 1, 1, 2, 2, 3]])
    classes = np.array([[5, 9, 9, 7, 4, -1]])
    found = measure_objects(labels, classes=classes)
    assert found["class"].tolist() == [9, 4, -1]
    many = np.arange(labels.size * 50).reshape(1, -1)
    each = measure_objects(many + 1, classes=many)
    assert (each["class"] == each["label"] - 1).all()


def test_values_that_are_not_numbers_stay_in_their_object():
    image = np.array([[1, 2, np.nan, 4]])
    with np.errstate(all="raise"):
        found = measure_objects([[1, 1, 2, 2]], None, {"a": image})
    assert found["mean a"][0] == 1.5
    assert np.isnan([found[f"{s} a"][1] for s in ("mean", "min", "max", "std")]).all()


def test_large_offsets_do_not_spoil_the_spread():
    image = 1e9 + np.array([[0.0, 1.0, 0.0, 1.0]])
    assert measure_objects([[1, 1, 1, 1]], None, {"a": image})["std a"][0] == 0.5


def test_no_objects_give_empty_columns():
    for labels in (np.zeros((4, 5), int), np.zeros((0, 5), int)):
        found = measure_objects(labels, None, {"a": labels}, classes=labels)
        assert set(map(len, found.values())) == {0}
        full = measure_objects(np.ones((4, 5), int), None, {"a": np.ones((4, 5))})
        assert {*found} - {"class"} == {*full}


def test_thousands_of_one_pixel_objects():
    labels = np.zeros((300, 300), np.uint32)
    labels[::2, ::2] = np.arange(1, 150**2 + 1).reshape(150, 150)
    found = measure_objects(labels, None, {"a": labels})
    assert len(found["label"]) == 150**2
    assert (found["mean a"] == found["label"]).all()
    assert not found["neighbours"].any()
    assert (found["nearest"] == 2).all()


def test_what_cannot_be_measured_is_said():
    labels = np.ones((4, 4), int)
    with pytest.raises(InputError, match="integer instance ids"):
        measure_objects(labels.astype(float))
    with pytest.raises(InputError, match="the labels have"):
        measure_objects(labels, None, {"a": np.ones((4, 5))})
    with pytest.raises(InputError, match="class image has shape"):
        measure_objects(labels, classes=np.ones((5, 4), int))
    with pytest.raises(InputError, match="classes are whole"):
        measure_objects(labels, classes=np.ones((4, 4)))
    with pytest.raises(InputError, match="intensities are"):
        measure_objects(labels, None, {"a": np.ones((4, 4), complex)})
    with pytest.raises(InputError, match="number the objects anew"):
        measure_objects(np.full((2, 2), 2**64 - 1, np.uint64))
    with pytest.raises(InputError, match="spacing"):
        measure_objects(labels, (1, 0))
