from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import (
    AugmentConfig,
    augment,
    augment_tone,
    coordinates,
    draw,
)

OFF = AugmentConfig(
    rotate=False,
    flip=False,
    zoom=0,
    elastic=0,
    brightness=0,
    contrast=0,
    gamma=0,
    noise=0,
)
GEOMETRY = replace(OFF, rotate=True, flip=True, zoom=0.3, elastic=4.0)
SHAPES = {2: (24, 30), 3: (8, 16, 20)}
SPACINGS = {
    2: [None, (2.0, 1.0), (1.0, 3.0)],
    3: [None, (4.0, 1.0, 1.0), (2.0, 1.0, 3.0)],
}
cases = pytest.mark.parametrize(
    ("ndim", "spacing"), [(n, s) for n in (2, 3) for s in SPACINGS[n]]
)
either_ndim = pytest.mark.parametrize("ndim", [2, 3])


def drawn(config, ndim, seed=0, batch=2, spacing=None):
    return draw(config, batch, ndim, np.random.default_rng(seed), spacing)


def textured(ndim, window, channels=1, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, channels, *window, generator=generator)
    target = torch.randint(0, 5, (batch, *window), generator=generator)
    weights = torch.rand(batch, *window, generator=generator)
    return images, target, weights


def ramps(window, batch=2):
    """Images whose channels say where a pixel lies: its position along each axis."""
    axes = [torch.arange(float(size)) for size in window]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return places.expand(batch, *places.shape)


# --- nothing to do


@either_ndim
@pytest.mark.parametrize("margin", [0, 4])
def test_with_everything_off_a_patch_is_the_centre_of_its_window(ndim, margin):
    shape = SHAPES[ndim]
    assert OFF.window(shape) == shape
    window = tuple(s + 2 * margin for s in shape)
    images, target, weights = textured(ndim, window, channels=2)
    patches, labels, weight_map = augment(
        images, target, weights, drawn(OFF, ndim), shape
    )
    centre = (..., *(slice(margin, margin + s) for s in shape))
    torch.testing.assert_close(patches, images[centre], atol=1e-4, rtol=0)
    torch.testing.assert_close(weight_map, weights[centre], atol=1e-4, rtol=0)
    assert torch.equal(labels, target[centre])


# --- geometry


@either_ndim
@pytest.mark.parametrize("seed", range(3))
def test_image_labels_and_weights_move_together(ndim, seed):
    shape = SHAPES[ndim]
    window = GEOMETRY.window(shape)
    images = ramps(window)
    for axis in range(ndim):
        position = images[:, axis]
        patches, labels, weights = augment(
            images,
            position.round().long(),
            position,
            drawn(GEOMETRY, ndim, seed),
            shape,
        )
        # Away from the border of the window, where mirroring bends the ramps.
        inside = torch.ones_like(labels, dtype=torch.bool)
        for other, size in enumerate(window):
            place = patches[:, other]
            inside &= (place > 2) & (place < size - 3)
        assert inside.float().mean() > 0.9
        found = patches[:, axis]
        # Cubic interpolation ripples by 0.05 on a ramp of slope 1.
        assert (labels - found)[inside].abs().max() < 0.56
        assert (weights - found)[inside].abs().max() < 0.06


@cases
@pytest.mark.parametrize("seed", range(8))
def test_turned_and_zoomed_patches_lie_inside_their_window(ndim, spacing, seed):
    config = replace(GEOMETRY, elastic=0)
    shape = SHAPES[ndim]
    window = config.window(shape, spacing)
    where = coordinates(drawn(config, ndim, seed, 8, spacing), shape, window, "cpu")
    for axis, size in enumerate(window):
        assert where[:, axis].min() >= -0.01
        assert where[:, axis].max() <= size - 0.99


@cases
def test_elastic_patches_hardly_ever_leave_their_window(ndim, spacing):
    shape = SHAPES[ndim]
    window = GEOMETRY.window(shape, spacing)
    where = coordinates(drawn(GEOMETRY, ndim, 1, 64, spacing), shape, window, "cpu")
    last = torch.tensor(window).reshape(1, ndim, *[1] * ndim) - 1
    outside = ((where < 0) | (where > last)).any(1)
    assert outside.float().mean() < 0.005


@cases
def test_a_patch_is_turned_in_physical_space(ndim, spacing):
    config = replace(OFF, rotate=True, flip=True)
    matrices = drawn(config, ndim, 2, 16, spacing).matrices.astype(float)
    size = np.ones(ndim) if spacing is None else np.array(spacing)
    physical = size[:, None] * matrices / size
    identity = np.broadcast_to(np.eye(ndim), physical.shape)
    np.testing.assert_allclose(
        physical @ physical.transpose(0, 2, 1), identity, atol=1e-5
    )
    assert {1.0, -1.0} == set(np.linalg.det(physical).round(4).tolist())
    if ndim == 3:  # planes stay planes
        assert np.abs(matrices[:, 0, 1:]).max() < 1e-6
        assert np.abs(matrices[:, 1:, 0]).max() < 1e-6


@either_ndim
def test_patches_are_zoomed_by_at_most_the_factor_in_either_direction(ndim):
    config = replace(OFF, zoom=0.25)
    matrices = drawn(config, ndim, 0, 200).matrices
    factors = matrices[:, 0, 0]
    assert np.array_equal(matrices, np.eye(ndim) * factors[:, None, None])
    assert 1 / 1.25 - 1e-6 <= factors.min() < 0.85
    assert 1.18 < factors.max() <= 1.25 + 1e-6


@either_ndim
def test_without_the_elastic_part_straight_lines_stay_straight(ndim):
    config = replace(GEOMETRY, elastic=0)
    shape = SHAPES[ndim]
    where = coordinates(drawn(config, ndim), shape, shape, "cpu")
    for axis in range(2, ndim + 2):
        assert torch.diff(where, n=2, dim=axis).abs().max() < 1e-3
    bent = coordinates(drawn(GEOMETRY, ndim), shape, shape, "cpu")
    assert torch.diff(bent, n=2, dim=-1).abs().max() > 1e-3


def test_elastic_vectors_are_as_long_in_space_along_every_axis():
    spacing = (4.0, 1.0, 2.0)
    coarse = drawn(replace(OFF, elastic=8.0), 3, 0, 200, spacing).coarse
    deviations = coarse.std((0, 2, 3, 4)) * spacing
    np.testing.assert_allclose(deviations, 8.0, rtol=0.05)


@either_ndim
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64"])
def test_no_label_is_invented_and_none_is_rounded(ndim, dtype):
    shape = SHAPES[ndim]
    window = GEOMETRY.window(shape)
    images, target, weights = textured(ndim, window)
    ids = torch.tensor([0, 3, 7, 100, 127])
    target = ids[target].to(getattr(torch, dtype))
    _, labels, _ = augment(images, target, weights, drawn(GEOMETRY, ndim), shape)
    assert labels.dtype == torch.int64
    assert labels.shape == (2, *shape)
    assert set(labels.unique().tolist()) == set(ids.tolist())


def test_ignored_pixels_stay_ignored():
    shape = SHAPES[2]
    images, target, weights = textured(2, GEOMETRY.window(shape))
    everywhere = torch.full_like(target, -1)
    _, labels, _ = augment(images, everywhere, weights, drawn(GEOMETRY, 2), shape)
    assert (labels == -1).all()


def test_without_a_weight_map_none_comes_back():
    images, target, _ = textured(2, SHAPES[2])
    assert augment(images, target, None, drawn(OFF, 2), SHAPES[2])[2] is None


def test_weights_never_leave_their_range():
    shape = SHAPES[2]
    images, target, weights = textured(2, GEOMETRY.window(shape))
    _, _, found = augment(images, target, weights, drawn(GEOMETRY, 2), shape)
    assert weights.min() - 1e-5 <= found.min() <= found.max() <= weights.max() + 1e-5


# --- repeating


@either_ndim
def test_the_same_seed_gives_the_same_patches_and_another_seed_others(ndim):
    config = AugmentConfig()
    shape = SHAPES[ndim]
    problem = textured(ndim, config.window(shape))
    first, again, other = (
        augment(*problem, drawn(config, ndim, seed), shape) for seed in (5, 5, 6)
    )
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_each_patch_of_a_batch_is_varied_differently():
    config = AugmentConfig()
    shape = SHAPES[2]
    image, target, weights = textured(2, config.window(shape), batch=1)
    several = [t.expand(3, *t.shape[1:]) for t in (image, target, weights)]
    for result in augment(*several, drawn(config, 2, batch=3), shape):
        assert not torch.equal(result[0], result[1])
        assert not torch.equal(result[1], result[2])


def test_augmentation_disturbs_neither_its_input_nor_the_random_state_of_torch():
    config = AugmentConfig()
    problem = textured(2, config.window(SHAPES[2]))
    before = [t.clone() for t in problem]
    state = torch.get_rng_state()
    augment(*problem, drawn(config, 2), SHAPES[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(problem, before, strict=True))


# --- tone


def toned(images, **changes):
    return augment_tone(images, drawn(replace(OFF, **changes), images.ndim - 2, 3))


@either_ndim
def test_tone_changes_neither_labels_nor_shape(ndim):
    config = replace(OFF, brightness=0.5, contrast=0.5, gamma=0.5, noise=0.5)
    shape = SHAPES[ndim]
    images, target, weights = textured(ndim, shape, channels=3)
    patches, labels, weight_map = augment(
        images, target, weights, drawn(config, ndim), shape
    )
    assert patches.shape == images.shape
    assert (patches - images).abs().max() > 0.01
    assert torch.equal(labels, target)
    torch.testing.assert_close(weight_map, weights, atol=1e-4, rtol=0)


def test_brightness_shifts_every_pixel_by_the_same_amount():
    images, _, _ = textured(2, (20, 20), channels=2)
    shift = toned(images, brightness=0.4) - images
    for sample in shift:
        assert sample.max() - sample.min() < 1e-5
    assert 0.01 < shift.abs().max() <= 0.4
    assert (shift[0, 0, 0, 0] - shift[1, 0, 0, 0]).abs() > 0.01


def test_contrast_keeps_the_mean_and_scales_the_deviation():
    images, _, _ = textured(2, (20, 20), channels=2)
    found = toned(images, contrast=0.5)
    axes = (2, 3)
    torch.testing.assert_close(found.mean(axes), images.mean(axes))
    ratio = found.std(axes) / images.std(axes)
    assert ((ratio - 1).abs() <= 0.5).all()
    assert ((ratio - 1).abs() > 0.01).all()


def test_gamma_keeps_the_darkest_and_brightest_pixel_and_the_order():
    images, _, _ = textured(2, (20, 20))
    images = 3 * images - 1  # normalised values lie below 0 and above 1 too
    found = toned(images, gamma=1.0)
    assert (found - images).abs().max() > 0.05
    torch.testing.assert_close(found.amin((2, 3)), images.amin((2, 3)))
    torch.testing.assert_close(found.amax((2, 3)), images.amax((2, 3)))
    for before, after in zip(images.flatten(1), found.flatten(1), strict=True):
        assert (after[before.argsort()].diff() >= -1e-5).all()


def test_noise_has_at_most_its_deviation_and_no_mean():
    images, _, _ = textured(2, (100, 100))
    grain = toned(images, noise=0.3) - images
    deviations = grain.std((1, 2, 3))
    assert (deviations <= 0.31).all()
    assert deviations.max() > 0.02
    assert (grain.mean((1, 2, 3)).abs() < 0.02).all()


def test_every_draw_has_its_own_noise():
    images = torch.zeros(1, 1, 50, 50)
    config = replace(OFF, noise=0.3)
    first, second = (
        augment_tone(images, drawn(config, 2, seed, 1)).flatten() for seed in (1, 2)
    )
    assert torch.corrcoef(torch.stack((first, second)))[0, 1].abs() < 0.2


@pytest.mark.parametrize("value", [0.0, 1.0, -7.0])
def test_a_constant_image_stays_finite(value):
    images = torch.full((2, 1, 8, 8), value)
    found = toned(images, brightness=0.1, contrast=0.3, gamma=1.0)
    assert found.isfinite().all()
    assert (found - value).abs().max() <= 0.1001
