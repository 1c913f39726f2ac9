import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.interpolate import CubicSpline

from napari_unet_studio.core import deform as module
from napari_unet_studio.core.deform import (
    DeformConfig,
    coarse_displacement,
    dense_displacement,
    elastic_deform,
    folding,
    pixel_coordinates,
    warp,
)
from napari_unet_studio.core.errors import ConfigError, InputError

few = settings(max_examples=25, deadline=None, derandomize=True)
planes = st.tuples(st.integers(1, 12), st.integers(1, 12))
volumes = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 6))


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def field_of(shape, seed=0, sigma=3.0, grid=3):
    coarse = coarse_displacement(len(shape), grid, sigma, seed).astype(float)
    return dense_displacement(coarse, shape)


def warp_one(image, coordinates, order):
    tensor = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    places = torch.from_numpy(np.ascontiguousarray(coordinates))[None]
    return warp(tensor, places, order)[0, 0].numpy()


def grid_of(shape):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(float)


# --- the field


def test_vectors_are_gaussian_and_depend_on_the_seed_alone():
    vectors = coarse_displacement(2, grid=60, sigma=7, seed=5)
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 60, 60)
    assert vectors.std() == pytest.approx(7, rel=0.03)
    assert abs(vectors.mean()) < 0.3
    np.testing.assert_array_equal(vectors, coarse_displacement(2, 60, 7, 5))
    np.testing.assert_array_equal(
        vectors, coarse_displacement(2, np.int64(60), np.float32(7), np.uint8(5))
    )
    assert (vectors != coarse_displacement(2, 60, 7, 6)).any()


def test_a_coarse_axis_moves_by_fewer_pixels():
    plain = coarse_displacement(3, seed=2)
    stack = coarse_displacement(3, seed=2, spacing=(4, 1, 0.5))
    np.testing.assert_allclose(stack[0], plain[0] / 8)
    np.testing.assert_allclose(stack[1], plain[1] / 2)
    np.testing.assert_array_equal(stack[2], plain[2])


@pytest.mark.parametrize("points", [2, 3, 4, 7])
@pytest.mark.parametrize("size", [2, 5, 33])
def test_the_field_is_a_natural_cubic_spline_along_each_axis(points, size):
    coarse = noise((2, points, points))
    knots = np.arange(points)
    ends = np.linspace(0, points - 1, size)
    expected = CubicSpline(knots, coarse, axis=1, bc_type="natural")(ends)
    expected = CubicSpline(knots, expected, axis=2, bc_type="natural")(ends)
    np.testing.assert_allclose(dense_displacement(coarse, (size, size)), expected)


def test_the_field_passes_through_the_vectors():
    coarse = noise((3, 3, 2, 4))
    dense = dense_displacement(coarse, (9, 8, 10))
    np.testing.assert_allclose(dense[:, ::4, ::7, ::3], coarse, atol=1e-12)


def test_equal_vectors_give_a_constant_field():
    coarse = np.ones((2, 3, 3)) * [[[4]], [[-7.5]]]
    dense = dense_displacement(coarse, (11, 6))
    np.testing.assert_allclose(dense, np.ones((2, 11, 6)) * [[[4]], [[-7.5]]])


def test_an_axis_of_one_pixel_takes_the_middle_of_the_grid():
    coarse = noise((2, 3, 3))
    dense = dense_displacement(coarse, (1, 9))
    np.testing.assert_allclose(dense[:, 0, ::4], coarse[:, 1])


@pytest.mark.parametrize("shape", [(7, 300), (5, 6, 40)])
def test_arrays_tensors_and_batches_have_the_same_field(shape, monkeypatch):
    coarse = noise((3, len(shape), *[3] * len(shape)), 1)
    batch = dense_displacement(coarse, shape)
    tensors = dense_displacement(torch.from_numpy(coarse), shape)
    np.testing.assert_allclose(tensors.numpy(), batch, atol=1e-12)
    for one, expected in zip(coarse, batch, strict=True):
        np.testing.assert_allclose(dense_displacement(one, shape), expected)
    monkeypatch.setattr("napari_unet_studio.core.displacement.SMALL_PRODUCT", 2000)
    np.testing.assert_allclose(dense_displacement(coarse, shape), batch)
    assert dense_displacement(coarse.astype("f4"), shape).dtype == np.float32


def test_a_field_made_for_inference_still_serves_training():
    with torch.inference_mode():
        dense_displacement(torch.ones(2, 3, 3), (19, 23))
    coarse = torch.ones(2, 3, 3, requires_grad=True)
    dense_displacement(coarse, (19, 23)).sum().backward()
    assert coarse.grad is not None


def test_folding_counts_the_pixels_that_turn_over():
    y, x = grid_of((20, 30))
    assert folding(np.zeros((2, 20, 30))) == 0
    assert folding(np.stack([-2 * y, 0 * x])) == 1
    assert folding(np.stack([0 * y, -0.9 * x])) == 0
    half = np.stack([0 * y, np.where(x < 15, 0, -3 * (x - 14.5))])
    assert folding(half) == pytest.approx(0.5, abs=0.04)
    assert folding(torch.from_numpy(half)) == folding(half)
    flipped = np.stack([0 * y, -2 * x, 0 * y])[:, :, :, None]
    assert folding(flipped) == 1


# --- warp


@few
@given(st.one_of(planes, volumes), st.integers(0, 99))
def test_linear_sampling_equals_scipy(shape, seed):
    image = noise(shape, seed)
    places = grid_of(shape) + 9 * noise((len(shape), *shape), seed + 1)
    expected = ndimage.map_coordinates(image, places, order=1, mode="mirror")
    found = warp_one(image, places, "linear")
    np.testing.assert_allclose(found, expected, atol=1e-9)


@few
@given(st.one_of(planes, volumes), st.integers(0, 99))
def test_nearest_sampling_equals_scipy(shape, seed):
    labels = np.arange(np.prod(shape)).reshape(shape)
    places = grid_of(shape) + 9 * noise((len(shape), *shape), seed + 1)
    expected = ndimage.map_coordinates(labels, places, order=0, mode="mirror")
    np.testing.assert_array_equal(warp_one(labels, places, "nearest"), expected)


def test_cubic_sampling_is_close_to_a_spline_on_a_smooth_image():
    image = ndimage.gaussian_filter(noise((64, 64)), 4)
    places = grid_of(image.shape) + field_of(image.shape)
    expected = ndimage.map_coordinates(image, places, order=3, mode="mirror")
    error = warp_one(image, places, "cubic") - expected
    assert error.std() < 0.01 * image.std()


@pytest.mark.parametrize("order", ["cubic", "linear", "nearest"])
@pytest.mark.parametrize("shape", [(9, 14), (5, 9, 7)])
def test_a_constant_displacement_shifts(order, shape):
    image = noise(shape).astype("f4")
    shift = np.array([2.0, -3, 1][: len(shape)]).reshape(-1, *[1] * len(shape))
    found = warp_one(image, grid_of(shape) + shift, order)
    padded = np.pad(image, 4, mode="reflect")
    window = tuple(
        slice(4 + int(s), 4 + int(s) + n)
        for s, n in zip(shift.ravel(), shape, strict=True)
    )
    np.testing.assert_allclose(found, padded[window], atol=1e-5)


def test_large_ids_are_copied_exactly():
    labels = (np.arange(48).reshape(6, 8) + 2**62 + 1).astype(np.int64)
    flipped = warp_one(labels, grid_of((6, 8))[:, ::-1, ::-1].copy(), "nearest")
    np.testing.assert_array_equal(flipped, labels[::-1, ::-1])


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16]
)
def test_nearest_sampling_keeps_any_type(dtype):
    x = torch.arange(2 * 3 * 20).reshape(2, 3, 4, 5).to(dtype)
    places = pixel_coordinates(torch.zeros(1, 2, 4, 5))
    found = warp(x, places, "nearest")
    assert found.dtype == dtype
    assert torch.equal(found, x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_interpolation_keeps_floating_types(dtype):
    x = torch.rand(1, 1, 6, 6).to(dtype)
    found = warp(x, pixel_coordinates(torch.zeros(1, 2, 6, 6)), "cubic")
    assert found.dtype == dtype
    torch.testing.assert_close(found, x)


@pytest.mark.parametrize("order", ["cubic", "linear", "nearest"])
@pytest.mark.parametrize("shape", [(8, 9), (4, 8, 9)])
def test_a_batch_equals_its_images_one_by_one(order, shape):
    ndim = len(shape)
    x = torch.from_numpy(noise((3, 2, *shape)))
    u = torch.from_numpy(np.stack([field_of(shape, seed) for seed in range(3)]))
    places = pixel_coordinates(u)
    batch = warp(x, places, order)
    assert batch.shape == (3, 2, *shape)
    for n in range(3):
        one = warp(x[n : n + 1], places[n : n + 1], order)
        torch.testing.assert_close(batch[n : n + 1], one)
    shared = warp(x, places[:1], order)
    torch.testing.assert_close(shared[:1], batch[:1])
    smaller = places[(..., *[slice(1, 4)] * ndim)]
    window = batch[(..., *[slice(1, 4)] * ndim)]
    torch.testing.assert_close(warp(x, smaller, order), window)


@pytest.mark.cuda
@pytest.mark.parametrize("order", ["cubic", "linear", "nearest"])
@pytest.mark.parametrize("shape", [(40, 50), (9, 30, 20)])
def test_processor_and_gpu_agree(order, shape):
    coarse = np.stack([coarse_displacement(len(shape), seed=s) for s in range(2)])
    x = torch.from_numpy(noise((2, 3, *shape))).float()
    if order == "nearest":
        x = (x * 1e6).long() + 2**40
    results = []
    for device in ("cpu", "cuda"):
        u = dense_displacement(torch.from_numpy(coarse).to(device), shape)
        results.append(warp(x.to(device), pixel_coordinates(u), order).cpu())
    if order == "nearest":  # positions may differ by rounding, halfway between pixels
        assert (results[0] != results[1]).float().mean() < 1e-3
    else:
        torch.testing.assert_close(*results, atol=1e-3, rtol=0)


# --- arrays


@pytest.mark.parametrize("shape", [(33, 47), (9, 21, 17)])
@pytest.mark.parametrize("grid", [2, 3, 5])
def test_arrays_are_deformed_as_tensors_are(shape, grid):
    image = noise((2, *shape))
    labels = np.arange(np.prod(shape)).reshape(shape)
    found, moved = elastic_deform(
        image, labels, grid=grid, sigma=8, seed=4, channel_axis=0
    )
    coarse = coarse_displacement(len(shape), grid, 8, 4).astype(float)
    u = dense_displacement(torch.from_numpy(coarse)[None], shape)
    places = pixel_coordinates(u)
    expected = warp(torch.from_numpy(image)[None], places)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    nearest = warp(torch.from_numpy(labels)[None, None], places, "nearest")[0, 0]
    np.testing.assert_array_equal(moved, nearest.numpy())
    single = elastic_deform(image[0].astype("f4"), grid=grid, sigma=8, seed=4)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected[0], atol=1e-4)


@pytest.mark.parametrize("shape", [(31, 30), (7, 12, 11)])
def test_blocks_and_threads_change_nothing(shape, monkeypatch):
    image, labels = noise(shape), np.arange(np.prod(shape)).reshape(shape)
    whole = elastic_deform(image, labels)
    monkeypatch.setattr(module, "BLOCK", 3 * np.prod(shape[1:]))
    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(module, "core_count", lambda: 3)
    for part, expected in zip(elastic_deform(image, labels), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "i2", "u2", ">u2", "i4", "u8", "f2", "f4", "f8"]
)
def test_the_type_of_image_and_labels_stays(dtype):
    image = ndimage.gaussian_filter(noise((24, 30)), 1) * 90 + 128
    image = image > 128 if dtype == "bool" else image.astype(dtype)
    before = image.copy()
    ids = (np.arange(720).reshape(24, 30) // 100).astype("u2")
    found, labels = elastic_deform(image, ids, sigma=2, seed=1)
    assert found.dtype == image.dtype
    assert found.shape == image.shape
    assert labels.dtype == ids.dtype
    assert set(np.unique(labels)) <= set(np.unique(ids))
    assert (found != image).any()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("dtype", "top"), [("u1", 255), ("u2", 65535), ("u8", 2**64 - 1), ("i8", 2**63 - 1)]
)
def test_overshoot_of_integers_is_clipped(dtype, top):
    image = np.zeros((40, 40), dtype)
    image[:, 20:] = top
    found = elastic_deform(image, sigma=2)
    assert found[:, 0].max() < top // 100
    assert found[:, -1].min() > top - top // 100


def test_integers_are_rounded_not_cut():
    image = np.full((20, 20), 200, np.uint8)
    assert (elastic_deform(image, sigma=5) == 200).all()


@pytest.mark.parametrize("shape", [(20, 24), (5, 12, 13)])
def test_no_displacement_is_the_identity(shape):
    image, labels = noise(shape), np.arange(np.prod(shape)).reshape(shape)
    found, ids = elastic_deform(image, labels, sigma=0)
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(ids, labels)
    assert not np.shares_memory(found, image)


def test_the_same_seed_gives_the_same_deformation():
    image = noise((30, 30))
    first = elastic_deform(image, seed=3)
    np.testing.assert_array_equal(first, elastic_deform(image, seed=3))
    assert np.abs(first - elastic_deform(image, seed=4)).max() > 0.1


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channels_move_together(axis):
    image = noise((3, 20, 24))
    stacked = elastic_deform(np.moveaxis(image, 0, axis), channel_axis=axis)
    for channel, found in zip(image, np.moveaxis(stacked, axis, 0), strict=True):
        np.testing.assert_allclose(found, elastic_deform(channel), atol=1e-12)


def test_a_flat_stack_moves_little_along_its_coarse_axis():
    planes = np.broadcast_to(np.arange(12.0)[:, None, None], (12, 20, 20))
    alike = elastic_deform(planes, sigma=2)
    coarse = elastic_deform(planes, sigma=2, spacing=(20, 1, 1))
    assert np.abs(coarse - planes).max() < np.abs(alike - planes).max() / 10


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (1, 1), (1, 8, 9), (2, 2, 2)])
def test_thin_images_are_deformed(shape):
    image = noise(shape)
    found = elastic_deform(image, sigma=1)
    assert found.shape == shape
    assert np.isfinite(found).all()


# --- refusals


@pytest.mark.parametrize("change", [{"grid": 1}, {"sigma": -1.0}, {"seed": -1}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError):
        DeformConfig(**change)
    with pytest.raises(ConfigError):
        elastic_deform(np.zeros((8, 8)), **change)


def test_images_and_labels_that_do_not_fit_are_refused():
    image = np.zeros((8, 9))
    with pytest.raises(InputError, match=r"shape \(8, 8\).*\(8, 9\)"):
        elastic_deform(image, np.zeros((8, 8), int))
    with pytest.raises(InputError, match="float64"):
        elastic_deform(image, image)
    with pytest.raises(InputError, match="complex128"):
        elastic_deform(image.astype(complex))
    with pytest.raises(InputError, match="4 spatial axes"):
        elastic_deform(np.zeros((2, 2, 2, 2)))
    with pytest.raises(InputError, match="contains 3 NaN or infinite values"):
        elastic_deform(np.where(np.eye(3), np.nan, 1.0))
    with pytest.raises(InputError, match="channel axis 5"):
        elastic_deform(image, channel_axis=5)
    with pytest.raises(InputError, match="spacing"):
        elastic_deform(image, spacing=(1, 1, 1))


def test_fields_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="not in 4"):
        coarse_displacement(4)
    with pytest.raises(InputError, match="expected"):
        dense_displacement(np.zeros((3, 3, 3)), (8, 8))
    with pytest.raises(InputError, match="at least 2"):
        dense_displacement(np.zeros((2, 1, 3)), (8, 8))
    with pytest.raises(InputError, match="component"):
        folding(np.zeros((3, 8, 8)))
    x, places = torch.zeros(2, 1, 8, 8), torch.zeros(2, 2, 8, 8)
    with pytest.raises(InputError, match="do not fit"):
        warp(x, places[:, :1], "linear")
    with pytest.raises(InputError, match="do not fit"):
        warp(x, places.expand(3, 2, 2, 8, 8)[:, 0], "linear")
    with pytest.raises(ConfigError, match="spline"):
        warp(x, places, "spline")
    with pytest.raises(InputError, match="int64"):
        warp(x.long(), places, "cubic")
