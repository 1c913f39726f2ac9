"""Deformation of arrays: against scipy, brute force and the tensors' executor."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_studio.core import deform as module
from napari_unet_studio.core import resampling
from napari_unet_studio.core.deform import (
    DeformConfig,
    coarse_displacement,
    deform_blocks,
    deform_channels,
    dense_displacement,
    elastic_deform,
    folding,
    pixel_coordinates,
    warp,
)
from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.resampling import Resampler

few = settings(max_examples=40, deadline=None, derandomize=True)
planes = st.tuples(st.integers(1, 14), st.integers(1, 14))
volumes = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 6))
shapes = st.one_of(planes, volumes)
orders = st.sampled_from(["cubic", "linear"])
either = pytest.mark.parametrize("shape", [(23, 31), (7, 12, 11)])


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def numbered(shape):
    return np.arange(np.prod(shape)).reshape(shape)


def dense(coarse, shape):
    return dense_displacement(coarse.astype(float), shape)


def places_of(coarse, shape):
    return np.indices(shape) + dense(coarse, shape)


def away_from_ties(places):
    """Where rounding of a position cannot change which pixel is the nearest."""
    return (np.abs(places - np.floor(places) - 0.5) > 1e-6).all(axis=0)


def keys(image, places):
    """Evaluate Keys' convolution with a = -0.75 as its definition says."""
    a = -0.75
    last = np.array(image.shape) - 1
    out = np.zeros(places.shape[1:])
    for pixel in np.ndindex(out.shape):
        where = places[(slice(None), *pixel)]
        base = np.floor(where).astype(int)
        for offset in product(range(-1, 3), repeat=2):
            index = base + offset
            x = np.abs(where - index)
            inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
            outer = a * (x**3 - 5 * x**2 + 8 * x - 4)
            weight = np.prod(np.where(x <= 1, inner, np.where(x < 2, outer, 0)))
            mirrored = np.abs(index) % np.maximum(2 * last, 1)
            out[pixel] += (
                weight * image[tuple(np.minimum(mirrored, 2 * last - mirrored))]
            )
    return out


# --- what the kernels compute


@few
@given(shapes, orders, st.integers(0, 99), st.floats(0.1, 30), st.integers(2, 5))
def test_arrays_and_tensors_agree_everywhere(shape, order, seed, sigma, grid):
    image, weights = noise((2, *shape), seed), noise(shape, seed + 1)
    labels = numbered(shape)
    coarse = coarse_displacement(len(shape), grid, sigma, seed)
    found = Resampler(image, labels, weights, order).part(coarse, 0, shape[0])
    places = pixel_coordinates(torch.from_numpy(dense(coarse, shape))[None])

    def tensors(array, order):
        return warp(torch.from_numpy(array)[None], places, order)[0].numpy()

    np.testing.assert_allclose(found.images, tensors(image, order), atol=1e-9)
    expected = tensors(weights[None], "linear")[0]
    np.testing.assert_allclose(found.weight_map, expected, atol=1e-9)
    clear = away_from_ties(places[0].numpy())
    nearest = tensors(labels[None], "nearest")[0]
    np.testing.assert_array_equal(found.labels[clear], nearest[clear])


@either
@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_single_precision_is_good_to_four_digits(shape, order):
    image = noise(shape).astype("f4")
    settings = {"sigma": 8, "seed": 2, "interpolation": order}
    found, weights = elastic_deform(image, weight_map=image, **settings)
    exact = elastic_deform(image.astype(float), **settings)
    assert found.dtype == weights.dtype == np.float32
    np.testing.assert_allclose(found, exact, atol=1e-4)
    u = dense_displacement(
        torch.from_numpy(coarse_displacement(len(shape), 3, 8, 2)), shape
    )
    tensor = torch.from_numpy(image)[None, None]
    expected = warp(tensor, pixel_coordinates(u[None]), order)[0, 0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


@few
@given(shapes, st.integers(0, 99))
def test_linear_and_nearest_equal_scipy_on_the_same_field(shape, seed):
    image, labels = noise(shape, seed), numbered(shape)
    coarse = coarse_displacement(len(shape), 3, 5, seed)
    found = Resampler(image[None], labels, None, "linear").part(coarse, 0, shape[0])
    places = places_of(coarse, shape)
    expected = ndimage.map_coordinates(image, places, order=1, mode="mirror")
    np.testing.assert_allclose(found.images[0], expected, atol=1e-9)
    ids = ndimage.map_coordinates(labels, places, order=0, mode="mirror")
    clear = away_from_ties(places)
    np.testing.assert_array_equal(found.labels[clear], ids[clear])


@few
@given(planes, st.integers(0, 99))
def test_cubic_is_keys_convolution(shape, seed):
    """Scipy's order 3 is a spline, another kernel; so this is the definition."""
    image = noise(shape, seed)
    coarse = coarse_displacement(2, 3, 4, seed)
    found = Resampler(image[None]).part(coarse, 0, shape[0])
    places = places_of(coarse, shape)
    expected = keys(image, places)
    np.testing.assert_allclose(found.images[0], expected, atol=1e-9)
    tensor = torch.from_numpy(image)[None, None]
    warped = warp(tensor, torch.from_numpy(places)[None])[0, 0]
    np.testing.assert_allclose(warped, expected, atol=1e-9)


def test_cubic_is_close_to_a_spline_in_a_smooth_image():
    image = ndimage.gaussian_filter(noise((64, 70)), 4)
    places = places_of(coarse_displacement(2, seed=3), image.shape)
    spline = ndimage.map_coordinates(image, places, order=3, mode="mirror")
    assert (elastic_deform(image, seed=3) - spline).std() < 0.01 * image.std()


@either
@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_no_vectors_are_the_identity(shape, order):
    image, labels = noise(shape), numbered(shape)
    coarse = np.zeros((len(shape), *[3] * len(shape)), np.float32)
    found = Resampler(image[None], labels, image, order).part(coarse, 0, shape[0])
    np.testing.assert_array_equal(found.images[0], image)
    np.testing.assert_array_equal(found.weight_map, image)
    np.testing.assert_array_equal(found.labels, labels)


@either
@pytest.mark.parametrize("order", ["cubic", "linear"])
@pytest.mark.parametrize("shift", [(2, -3, 1), (-6, 5, 4)])
def test_equal_vectors_shift_and_mirror(shape, order, shift):
    image, labels = noise(shape), numbered(shape)
    shift = shift[: len(shape)]
    coarse = np.zeros((len(shape), *[3] * len(shape)), np.float32)
    for axis, step in enumerate(shift):
        coarse[axis] = step
    found = Resampler(image[None], labels, image, order).part(coarse, 0, shape[0])
    window = tuple(slice(6 + s, 6 + s + n) for s, n in zip(shift, shape, strict=True))
    expected = np.pad(image, 6, mode="reflect")[window]
    np.testing.assert_allclose(found.images[0], expected, atol=1e-9)
    np.testing.assert_allclose(found.weight_map, expected, atol=1e-9)
    moved = np.pad(labels, 6, mode="reflect")[window]
    np.testing.assert_array_equal(found.labels, moved)


@either
def test_parts_make_up_the_whole(shape):
    image, labels = noise((2, *shape)), numbered(shape)
    coarse = coarse_displacement(len(shape), seed=5)
    resampler = Resampler(image, labels, image[0])
    whole = resampler.part(coarse, 0, shape[0])
    part = resampler.part(coarse, 3, 6)
    np.testing.assert_array_equal(part.images, whole.images[:, 3:6])
    np.testing.assert_array_equal(part.labels, whole.labels[3:6])
    np.testing.assert_array_equal(part.weight_map, whole.weight_map[3:6])


@either
@pytest.mark.parametrize("lines", [1, 3])
def test_a_plane_may_be_sampled_in_several_calls(shape, lines, monkeypatch):
    image, labels = noise((2, *shape)).astype("f2"), numbered(shape)
    coarse = coarse_displacement(len(shape), seed=5)
    resampler = Resampler(image, labels, image[0])
    whole = resampler.part(coarse, 2, 6)
    monkeypatch.setattr(resampling, "BLOCK", lines * shape[-1])
    for found, expected in zip(resampler.part(coarse, 2, 6), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


# --- what belongs together stays together


@few
@given(
    shapes,
    st.integers(0, 99),
    st.sampled_from(["bool", "u1", "i2", ">u2", "i4", "u4", "i8", "u8"]),
)
def test_labels_keep_their_type_and_gain_no_ids(shape, seed, dtype):
    labels = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
    labels[labels != 0] |= labels.dtype.type(
        np.iinfo(dtype).max if dtype != "bool" else 1
    )
    image = noise(shape)
    _, moved = elastic_deform(image, labels, sigma=4, seed=seed)
    assert moved.dtype == labels.dtype
    assert set(np.unique(moved)) <= set(np.unique(labels))


@either
def test_image_labels_weights_and_masks_stay_aligned(shape):
    image = ndimage.gaussian_filter(noise(shape), 1)
    labels = numbered(shape)
    options = {"sigma": 3, "seed": 7, "interpolation": "linear"}
    found, ids, weights = elastic_deform(image, labels, weight_map=image, **options)
    np.testing.assert_array_equal(weights, found)  # one field, one way to sample
    _, mask = elastic_deform(image, labels % 3 == 1, **options)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, ids % 3 == 1)
    # Each number knows where it was: within half a pixel of where the image was read.
    places = places_of(coarse_displacement(len(shape), 3, 3, 7), shape)
    last = np.array(shape).reshape(-1, *[1] * len(shape)) - 1
    mirrored = last - np.abs(last - np.abs(places) % (2 * last))
    where = np.stack(np.unravel_index(ids, shape))
    assert np.abs(where - mirrored).max() <= 0.5 + 1e-9


@either
def test_weight_maps_stay_within_their_range(shape):
    weights = np.where(noise(shape) > 0, 10, 1).astype(np.float16)
    image, moved = elastic_deform(noise(shape), weight_map=weights, sigma=5)
    assert moved.dtype == np.float16
    assert moved.shape == shape
    assert 1 <= moved.min() < moved.max() <= 10
    np.testing.assert_array_equal(image, elastic_deform(noise(shape), sigma=5))


def test_linear_stays_within_the_range_of_an_edge_and_cubic_does_not():
    edge = np.zeros((40, 40))
    edge[:, 20:] = 1
    linear = elastic_deform(edge, sigma=2, interpolation="linear")
    cubic = elastic_deform(edge, sigma=2)
    assert 0 <= linear.min() < linear.max() <= 1
    assert cubic.min() < -0.01
    assert cubic.max() > 1.01


@pytest.mark.parametrize("dtype", ["u1", "i8", "u8", "f2", ">f2"])
def test_cubic_does_not_leave_the_range_of_a_type(dtype):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    image = np.full((40, 40), info.min, dtype)
    image[:, 20:] = info.max
    found = elastic_deform(image, sigma=3, seed=2)
    assert found.dtype == image.dtype
    assert np.isfinite(found).all()
    assert found.min() < 0.1 * info.max
    assert found.max() > 0.9 * info.max
    assert (found[:, :8] < 0.1 * info.max).all()
    assert (found[:, -8:] > 0.9 * info.max).all()


def test_volumes_are_always_sampled_linearly():
    image = noise((6, 9, 8))
    np.testing.assert_array_equal(
        elastic_deform(image), elastic_deform(image, interpolation="linear")
    )


def test_a_coarser_axis_moves_equally_far_in_space():
    y, x = np.mgrid[:33, :40]
    ramp = 3.0 * y - 2.0 * x  # which linear sampling reproduces at any pixel size
    options = {"sigma": 4, "seed": 3, "interpolation": "linear"}
    fine = elastic_deform(ramp, spacing=(0.5, 0.5), **options)
    flat = elastic_deform(ramp[::2], spacing=(1, 0.5), **options)
    np.testing.assert_allclose(flat, fine[::2], atol=1e-4)


def test_strong_settings_fold_and_weak_ones_do_not():
    weak = dense(coarse_displacement(2, 3, 5, 1), (128, 128))
    strong = dense(coarse_displacement(2, 12, 30, 1), (128, 128))
    assert folding(weak) == 0
    assert folding(strong) > 0.1


def test_results_come_in_the_order_of_the_arguments():
    image = noise((9, 10))
    labels, weights = numbered((9, 10)), np.ones((9, 10), np.float32)
    for sigma in (0, 2):
        whole = elastic_deform(image, labels, sigma=sigma, weight_map=weights)
        assert [part.dtype for part in whole] == [image.dtype, labels.dtype, "f4"]
        _, only = elastic_deform(image, sigma=sigma, weight_map=weights)
        np.testing.assert_array_equal(only, whole[2])
        assert not np.shares_memory(only, weights)
        named = deform_channels(image[None], None, 3, sigma, 0, None, weights)
        assert named.labels is None
        np.testing.assert_array_equal(named.weight_map, only)


def test_a_configuration_is_the_arguments():
    config = DeformConfig(4, 2.5, 9, "linear")
    image = noise((20, 21))
    np.testing.assert_array_equal(
        elastic_deform(image, **config.to_dict()),
        elastic_deform(image, None, 4, 2.5, 9, interpolation="linear"),
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_layout_are_read_and_left_alone(order):
    image = np.asarray(noise((20, 24)), order=order)
    labels = np.asarray(numbered((24, 20)).T, order=order)
    expected = elastic_deform(image.copy("C"), labels.copy("C"), weight_map=image)
    for array in (image, labels):
        array.flags.writeable = False
    found = elastic_deform(image, labels, weight_map=image)
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)
        assert part.flags.writeable


# --- block by block


@either
@pytest.mark.parametrize("threads", [1, 3])
def test_the_share_that_is_done_grows_to_all(shape, threads, monkeypatch):
    image, labels = noise((2, *shape)), numbered(shape)
    expected = deform_channels(image, labels, 3, 5, 1, None, image[0])
    monkeypatch.setattr(module, "BLOCK", 2 * np.prod(shape[1:]))
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "core_count", lambda: threads)
    blocks = deform_blocks(image, labels, 3, 5, 1, None, image[0])
    shares = []
    while True:
        try:
            shares.append(next(blocks))
        except StopIteration as stop:
            found = stop.value
            break
    assert shares == sorted(set(shares))
    assert len(shares) == -(-shape[0] // 2)
    assert shares[-1] == 1
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("threads", [1, 2])
def test_closing_ends_the_work(threads, monkeypatch):
    done = []
    fill = Resampler.fill

    def counted(self, *arguments):
        done.append(1)
        fill(self, *arguments)

    monkeypatch.setattr(Resampler, "fill", counted)
    monkeypatch.setattr(module, "BLOCK", 1)
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "core_count", lambda: threads)
    blocks = deform_blocks(noise((1, 3000, 8)), None, 3, 5, 1, None)
    next(blocks)
    blocks.close()
    assert len(done) < 3000


# --- refusals


def test_weight_maps_that_do_not_fit_are_refused():
    image = np.zeros((8, 9))
    with pytest.raises(InputError, match=r"weight map has shape \(8, 8\).*\(8, 9\)"):
        elastic_deform(image, weight_map=np.zeros((8, 8)))
    with pytest.raises(InputError, match=r"holds int64.*mask as labels"):
        elastic_deform(image, weight_map=np.zeros((8, 9), np.int64))
    with pytest.raises(InputError, match="The weight map contains NaN"):
        elastic_deform(image, weight_map=np.full((8, 9), np.nan))
    with pytest.raises(ConfigError, match="interpolation is 'spline'"):
        elastic_deform(image, interpolation="spline")


# --- on a GPU


@pytest.mark.cuda
@either
@pytest.mark.parametrize("order", ["cubic", "linear"])
def test_arrays_and_a_gpu_agree(shape, order):
    image, labels = noise(shape).astype("f4"), numbered(shape)
    found, ids = elastic_deform(image, labels, sigma=6, seed=8, interpolation=order)
    coarse = torch.from_numpy(coarse_displacement(len(shape), 3, 6, 8)).cuda()
    places = pixel_coordinates(dense_displacement(coarse[None], shape))
    tensor = torch.from_numpy(image)[None, None].cuda()
    warped = warp(tensor, places, order)[0, 0].cpu().numpy()
    np.testing.assert_allclose(warped, found, atol=1e-3)
    tensor = torch.from_numpy(labels)[None, None].cuda()
    nearest = warp(tensor, places, "nearest")[0, 0].cpu().numpy()
    assert (nearest != ids).mean() < 1e-2  # halfway between pixels, rounding decides
