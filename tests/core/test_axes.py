import dask.array as da
import numpy as np
import pytest
import zarr

from napari_unet_studio.core.axes import Frames, over_frames, spatial_ndim
from napari_unet_studio.core.channels import pick_channel
from napari_unet_studio.core.errors import InputError


def marked(*shape):
    return np.arange(np.prod(shape)).reshape(shape)


# --- arranging


@pytest.mark.parametrize(
    ("shape", "ndim", "channel_axis", "axes", "leading", "channels", "spatial"),
    [
        ((5, 6), 2, None, "YX", (), 1, (5, 6)),
        ((4, 5, 6), 2, None, "ZYX", (4,), 1, (5, 6)),
        ((4, 5, 6), 3, None, "ZYX", (), 1, (4, 5, 6)),
        ((3, 4, 5, 6), 2, None, "TZYX", (3, 4), 1, (5, 6)),
        ((3, 4, 5, 6), 3, None, "TZYX", (3,), 1, (4, 5, 6)),
        ((5, 6, 3), 2, -1, "YX", (), 3, (5, 6)),
        ((3, 5, 6), 2, 0, "YX", (), 3, (5, 6)),
        ((5, 3, 6), 2, 1, "YX", (), 3, (5, 6)),
        ((7, 2, 4, 5, 6), 3, 1, "TZYX", (7,), 2, (4, 5, 6)),
        ((7, 4, 5, 6, 2), 2, 4, "TZYX", (7, 4), 2, (5, 6)),
    ],
)
def test_axes_beyond_those_of_the_network_are_looped_over(
    shape, ndim, channel_axis, axes, leading, channels, spatial
):
    image = marked(*shape)
    frames = Frames.of(image, ndim, channel_axis=channel_axis)
    assert frames.axes == axes
    assert frames.leading == leading
    assert frames.channels == channels
    assert frames.shape == spatial
    plain = image if channel_axis is None else np.moveaxis(image, channel_axis, 0)
    plain = plain[None] if channel_axis is None else plain
    np.testing.assert_array_equal(frames.channels_first(), plain)
    seen = list(frames)
    assert len(seen) == len(frames) == np.prod(leading, dtype=int)
    for index, frame in seen:
        np.testing.assert_array_equal(frame, plain[(slice(None), *index)])


def test_named_axes_are_kept():
    frames = Frames.of(marked(4, 5, 6), 2, axes="tyx")
    assert (frames.axes, frames.leading) == ("TYX", (4,))


@pytest.mark.parametrize(
    "make",
    [
        lambda a, p: da.from_array(a, chunks=5),
        lambda a, p: da.from_zarr(stored(a, p)),
        lambda a, p: stored(a, p),
    ],
    ids=["dask", "dask on zarr", "zarr"],
)
def test_a_stored_image_stays_lazy(make, tmp_path):
    image = marked(4, 3, 8, 9)
    frames = Frames.of(make(image, tmp_path / "a.zarr"), 2, channel_axis=1)
    assert isinstance(frames.array, da.Array)
    index, frame = list(frames)[2]
    assert index == (2,)
    assert isinstance(frame, da.Array)
    np.testing.assert_array_equal(frame.compute(), image[2])


def stored(array, path):
    made = zarr.create_array(
        path, shape=array.shape, dtype=array.dtype, chunks=array.shape
    )
    made[:] = array
    return made


class InOnePiece:
    """What an HDF5 dataset without chunks looks like."""

    def __init__(self, array):
        self.array, self.chunks = array, None
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        return self.array[key]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


def test_a_stored_image_without_chunks_stays_lazy_too():
    image = marked(4, 8, 9)
    frames = Frames.of(InOnePiece(image), 2)
    assert isinstance(frames.array, da.Array)
    np.testing.assert_array_equal(frames.array[2, 0].compute(), image[2])


def test_a_list_is_an_image_too():
    assert Frames.of([[1, 2], [3, 4]], 2).shape == (2, 2)


# --- refusals


@pytest.mark.parametrize(
    ("shape", "ndim", "axes", "channel_axis", "message"),
    [
        ((), 2, None, None, "name every axis"),
        ((5,), 2, None, None, "name every axis"),
        ((5, 6), 2, None, 0, "name every axis"),
        ((2, 3, 4, 5, 6), 2, None, None, "name every axis"),
        ((4, 5, 6), 2, "YX", None, "name every axis"),
        ((4, 5, 6), 2, "YZX", None, "name every axis"),
        ((4, 5, 6), 2, "YYX", None, "name every axis"),
        ((4, 5, 6), 2, "CYX", None, "name every axis"),
        ((4, 5, 6), 2, "", None, "name every axis"),
        ((5, 6), 3, None, None, "use a network for 2D images"),
        ((4, 5, 6), 3, "TYX", None, "use a network for 2D images"),
        ((0, 6), 2, None, None, "is empty"),
        ((0, 5, 6), 2, None, None, "is empty"),
        ((5, 6, 0), 2, None, -1, "is empty"),
        ((5, 6, 3), 2, None, 3, "no axis 3 for channels"),
        ((5, 6, 3), 2, None, -4, "no axis -4 for channels"),
    ],
)
def test_an_image_that_does_not_suit_is_refused_with_a_remedy(
    shape, ndim, axes, channel_axis, message
):
    with pytest.raises(InputError, match=message):
        Frames.of(np.zeros(shape), ndim, axes, channel_axis)


@pytest.mark.parametrize("dtype", ["complex64", "U3", "O", "datetime64[s]"])
def test_values_that_are_no_real_numbers_are_refused(dtype):
    with pytest.raises(InputError, match="integers or real numbers"):
        Frames.of(np.zeros((4, 4), dtype), 2)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_real_numbers_of_any_type_are_taken(dtype):
    assert Frames.of(np.zeros((4, 4), dtype), 2).array.dtype == dtype


# --- time points


@pytest.mark.parametrize(
    ("axes", "count"), [("YX", 2), ("TYX", 2), ("ZYX", 3), ("TZYX", 3)]
)
def test_time_is_not_spatial(axes, count):
    assert spatial_ndim(axes) == count


@pytest.mark.parametrize(
    ("axes", "calls"), [("YX", 1), ("ZYX", 1), ("TYX", 4), ("TZYX", 3)]
)
def test_a_function_sees_the_spatial_part_of_each_time_point(axes, calls):
    shape = {"YX": (5, 6), "ZYX": (4, 5, 6), "TYX": (4, 5, 6), "TZYX": (3, 4, 5, 6)}
    array = marked(*shape[axes])
    seen = []

    def negative(frame):
        seen.append(frame.shape)
        return -frame

    np.testing.assert_array_equal(over_frames(negative, array, axes), -array)
    assert seen == [array.shape[-spatial_ndim(axes) :]] * calls


def test_a_channel_is_known_by_any_whole_number():
    image = marked(3, 4, 5)
    for kind in (int, np.int64, np.uint8):
        np.testing.assert_array_equal(pick_channel(image, 0, kind(2)), image[2])
    for wrong in (True, 2.0, np.True_):
        with pytest.raises(InputError, match="give a number"):
            pick_channel(image, 0, wrong)
