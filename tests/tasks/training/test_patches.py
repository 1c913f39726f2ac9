from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.patches import PatchSource

PLAIN = AugmentConfig(
    rotate=False,
    flip=False,
    zoom=0,
    elastic=0,
    brightness=0,
    contrast=0,
    gamma=0,
    noise=0,
)
SPEC = UNetSpec(channels=(4, 8, 16))


def item_of(target, image=None, weight_map=None):
    image = target.astype(np.float32) if image is None else image
    whole = image if image.ndim > target.ndim else image[None]
    return Item.of(whole, target.astype(np.int16), weight_map)


def source_of(*items, spec=SPEC, patch=32, batch=2, config=PLAIN, seed=0, spacing=None):
    return PatchSource(items, spec, patch, batch, config, spacing, seed)


def half_plane(shape=(80, 90)):
    target = np.zeros(shape, np.int16)
    target[..., : shape[-1] // 2] = 1
    return target


def test_a_batch_depends_on_its_step_and_the_seed_alone() -> None:
    rng = np.random.default_rng(0)
    item = item_of(half_plane(), rng.random((80, 90), np.float32), half_plane() + 1.0)
    source = source_of(item, config=AugmentConfig())
    source(0, "cpu")
    first, later, other = source(3, "cpu"), source(3, "cpu"), source(4, "cpu")
    again = source_of(item, config=AugmentConfig())(3, "cpu")
    reseeded = source_of(item, config=AugmentConfig(), seed=1)(3, "cpu")
    for a, b, c in zip(first, later, again, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
    assert not torch.equal(first.images, other.images)
    assert not torch.equal(first.images, reseeded.images)


def test_drawing_a_batch_uses_no_global_random_numbers() -> None:
    before = torch.get_rng_state()
    source_of(item_of(half_plane()), config=AugmentConfig())(0, "cpu")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_image_target_and_weights_stay_on_top_of_each_other(padding, ndim) -> None:
    target = half_plane((60, 80, 90)[-ndim:])
    item = item_of(target, weight_map=target * 2.0 + 1)
    geometry = replace(PLAIN, rotate=True, flip=True, zoom=0.3, elastic=4.0)
    spec = UNetSpec(ndim=ndim, channels=(4, 8), padding=padding)
    source = source_of(item, spec=spec, config=geometry)
    seen = []
    for step in range(4):
        images, found, weights = source(step, "cpu")
        trim = spec.trim[0]
        inner = (slice(None), 0, *(slice(trim, s - trim) for s in images.shape[2:]))
        seen.append(float(found.float().mean()))
        # Interpolation blurs the border of the two halves, by a pixel or so.
        assert ((images[inner] > 0.5) == (found == 1)).float().mean() > 0.98
        assert ((weights > 2) == (found == 1)).float().mean() > 0.98
    assert 0.05 < np.mean(seen) < 0.95


def test_pixels_of_plain_patches_are_those_of_the_image() -> None:
    position = np.arange(80 * 90, dtype=np.int16).reshape(80, 90)
    images, target, weights = source_of(item_of(position))(0, "cpu")
    torch.testing.assert_close(images[:, 0], target.float(), atol=0.05, rtol=0)
    assert (target.diff(dim=2) == 1).all()
    assert (target.diff(dim=1) == 90).all()
    assert weights is None


def test_grey_values_are_normalised_per_channel() -> None:
    image = np.stack([np.full((40, 40), 10.0), np.full((40, 40), 500.0)])
    item = replace(
        item_of(half_plane((40, 40)), image),
        offset=np.array([10.0, 100.0]),
        scale=np.array([1.0, 200.0]),
    )
    images = source_of(item, spec=replace(SPEC, in_channels=2))(0, "cpu").images
    assert torch.allclose(images[:, 0], torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(images[:, 1], torch.tensor(2.0), atol=1e-6)


def test_a_valid_network_gets_the_target_of_its_output() -> None:
    spec = replace(SPEC, padding="valid")
    source = source_of(item_of(half_plane()), spec=spec, patch=30, batch=3)
    images, target, _ = source(0, "cpu")
    assert images.shape[2:] == spec.input_shape((30, 30))
    assert target.shape == (3, *spec.output_shape(images.shape[2:]))
    assert min(target.shape[1:]) >= 30


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_all_of_an_image_is_trained_on(padding) -> None:
    position = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    spec = replace(SPEC, padding=padding)
    item = replace(item_of(position), foreground=np.zeros((0, 2), np.intp))
    source = source_of(item, spec=spec, patch=16, batch=8)
    seen = torch.cat([source(step, "cpu").target.unique() for step in range(16)])
    assert len(seen.unique()) > 0.95 * position.size


@pytest.mark.parametrize("shape", [(5, 7), (20, 20), (3, 200)])
def test_images_smaller_than_a_patch_are_mirrored(shape) -> None:
    source = source_of(
        item_of(half_plane(shape)), patch=64, config=AugmentConfig(), batch=1
    )
    images, target, _ = source(0, "cpu")
    smallest = [min(64, s) for s in shape]
    assert images.shape[2:] == target.shape[1:] == SPEC.input_shape(smallest)
    assert images.isfinite().all()


def test_small_and_large_images_go_into_one_batch() -> None:
    items = [item_of(half_plane(shape)) for shape in ((9, 9), (90, 70), (20, 200))]
    images = source_of(*items, batch=16, patch=48)(0, "cpu").images
    assert images.shape == (16, 1, 48, 48)


def test_a_thin_stack_gives_thin_patches() -> None:
    spec = UNetSpec(ndim=3, channels=(2, 4, 8))
    source = source_of(
        item_of(half_plane((3, 64, 64))),
        spec=spec,
        config=AugmentConfig(),
        spacing=(5.0, 1.0, 1.0),
    )
    images, target, _ = source(0, "cpu")
    assert images.shape == (2, 1, 4, 32, 32)
    assert target.shape == (2, 4, 32, 32)
    assert set(target.unique().tolist()) <= {0, 1}


def test_rare_objects_are_met_more_often_than_by_chance() -> None:
    target = np.zeros((600, 600), np.int16)
    target[300:304, 300:304] = 1
    source = source_of(item_of(target), batch=8)
    with_object = [source(step, "cpu").target.flatten(1).any(1) for step in range(8)]
    assert torch.stack(with_object).float().mean() > 0.3


@pytest.mark.parametrize("foreground", [True, False])
def test_of_a_frame_that_is_hardly_labelled_all_patches_have_labels(foreground) -> None:
    target = np.full((600, 600), -1, np.int16)
    target[300:310, 280:290] = 0
    if foreground:
        target[304:308, 284:288] = 1
    source = source_of(item_of(target, np.zeros((600, 600), np.float32)), batch=8)
    known = [(source(step, "cpu").target >= 0).flatten(1).any(1) for step in range(8)]
    assert torch.stack(known).all()
