import numpy as np
import pytest

from napari_unet_studio.core.picture import (
    captioned,
    grey_picture,
    middle_plane,
    outlined,
)


@pytest.mark.parametrize(
    ("shape", "ndim", "index"),
    [
        ((5, 6), 2, ()),
        ((7, 5, 6), 2, (3,)),
        ((4, 7, 5, 6), 2, (2, 3)),
        ((7, 5, 6, 3), 3, (3,)),
    ],
)
def test_the_middle_plane_is_taken_of_all_other_axes(shape, ndim, index):
    array = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(middle_plane(array, ndim), array[index])


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int32", "int64", "float16", "float32", "float64"]
)
def test_a_plane_becomes_grey_from_black_to_white(dtype):
    plane = np.linspace(0, 100, 400).reshape(20, 20).astype(dtype)
    picture = grey_picture(plane)
    assert picture.dtype == np.uint8
    assert picture.shape == (20, 20, 3)
    assert (picture == picture[..., :1]).all()
    assert (picture.min(), picture.max()) == (0, 255)
    steps = np.diff(picture[..., 0].ravel().astype(int))
    assert (steps >= 0).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_unit_of_the_grey_values_does_not_matter(scale):
    plane = np.linspace(0, 1, 400).reshape(20, 20)
    np.testing.assert_array_equal(grey_picture(scale * plane), grey_picture(plane))


def test_a_mask_becomes_black_and_white():
    mask = np.zeros((20, 20), bool)
    mask[:10] = True
    assert set(grey_picture(mask)[..., 0].ravel().tolist()) == {0, 255}


@pytest.mark.parametrize("value", [0, 7.5, -1e9, np.nan])
def test_a_plane_without_contrast_becomes_black(value):
    assert not grey_picture(np.full((4, 5), value)).any()


def test_pixels_that_are_not_a_number_become_black_and_spoil_no_others():
    plane = np.linspace(0, 100, 400).reshape(20, 20)
    spoilt = plane.copy()
    spoilt[10, 10] = np.nan
    expected, found = grey_picture(plane), grey_picture(spoilt)
    assert not found[10, 10].any()
    assert np.abs(found.astype(int) - expected)[:10].max() <= 2


def test_infinite_pixels_are_as_bright_or_dark_as_finite_ones_get():
    plane = np.linspace(0, 0.1, 400).reshape(20, 20)
    plane[10, 10], plane[11, 11] = np.inf, -np.inf
    picture = grey_picture(plane)
    assert (picture[10, 10] == 255).all()
    assert (picture[11, 11] == 0).all()


def test_colours_of_8_bits_stay_as_they_are_and_belong_to_the_picture():
    plane = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    picture = grey_picture(plane)
    np.testing.assert_array_equal(picture, plane)
    assert not np.shares_memory(picture, plane)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_alpha_channel_is_left_out(dtype):
    assert grey_picture(np.ones((4, 5, 4), dtype)).shape == (4, 5, 3)


def test_each_object_is_outlined_in_a_colour_of_its_own():
    labels = np.zeros((12, 24), np.int32)
    labels[2:10, 2:10], labels[2:10, 12:20] = 1, 2
    plane = np.zeros((12, 24))
    picture = outlined(plane, labels)
    first, second = picture[2, 2], picture[2, 12]
    assert first.any()
    assert second.any()
    assert not np.array_equal(first, second)
    assert (picture[2, 2:10] == first).all()
    assert not picture[5, 5].any()  # inside, the image shows
    assert not picture[labels == 0].any()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "uint64"])
def test_labels_of_any_type_are_outlined(dtype):
    labels = np.zeros((8, 8), dtype)
    labels[2:6, 2:6] = {"bool": True, "uint8": 255}.get(dtype, 2**40 + 3)
    assert outlined(np.zeros((8, 8)), labels)[2, 2].any()


def test_an_image_without_objects_stays_grey():
    plane = np.arange(64.0).reshape(8, 8)
    np.testing.assert_array_equal(
        outlined(plane, np.zeros((8, 8), int)), grey_picture(plane)
    )


def test_a_caption_is_in_the_corner_and_leaves_the_rest():
    picture = np.full((100, 200, 3), 90, np.uint8)
    made = captioned(picture, "truth")
    assert made.shape == picture.shape
    assert made[:30, :60].min() == 0
    assert made[:30, :60].max() > 200
    assert (made[40:] == 90).all()
    assert (made[:, 90:] == 90).all()
    assert (picture == 90).all()
