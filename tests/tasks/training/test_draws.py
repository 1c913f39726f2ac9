from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.draws import draws, example, patches_of
from napari_unet_studio.tasks.training.items import Item

UNIT = (np.zeros(1), np.ones(1))


def blobs(shape=(90, 110), seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    for number in range(1, 6):
        corner = [rng.integers(0, n - n // 4) for n in shape]
        box = tuple(slice(c, c + n // 4) for c, n in zip(corner, shape, strict=True))
        labels[box] = 300 * number
    return rng.random((1, *shape), np.float32), labels


def drawn(item, config=None, spacing=None, seed=0, count=3):
    return run(draws(patches_of(item, config or TrainConfig(), spacing, seed), count))


def test_draws_are_the_batches_of_training() -> None:
    image, labels = blobs()
    weights = np.random.default_rng(1).random(labels.shape, np.float32)
    item = example(image, labels, weights, *UNIT)
    source = patches_of(item, TrainConfig(), None, 5)
    for step, draw in enumerate(drawn(item, seed=5)):
        images, target, weight_map = source(step, "cpu")
        assert torch.equal(torch.from_numpy(draw.image), images[0])
        assert torch.equal(torch.from_numpy(draw.labels), target[0])
        assert torch.equal(torch.from_numpy(draw.weight_map), weight_map[0])


def test_ids_take_the_way_of_the_target_that_training_makes_of_them() -> None:
    image, labels = blobs()
    item = example(image, labels, None, *UNIT)
    truth = Item.of(image, (labels > 0).astype(np.int16))
    pairs = zip(drawn(item), drawn(truth), strict=True)
    for with_ids, with_classes in pairs:
        assert set(np.unique(with_ids.labels)) <= {0, 300, 600, 900, 1200, 1500}
        np.testing.assert_array_equal(with_ids.labels > 0, with_classes.labels)
        np.testing.assert_array_equal(with_ids.image, with_classes.image)


def test_more_draws_begin_with_the_same_ones() -> None:
    item = example(*blobs(), None, *UNIT)
    few, many = drawn(item, count=2), drawn(item, count=4)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.image, b.image)
    assert (drawn(item, seed=1)[0].image != few[0].image).any()


@pytest.mark.parametrize("ndim", [2, 3])
def test_patches_have_the_size_that_training_takes(ndim) -> None:
    shape = (300, 280) if ndim == 2 else (20, 80, 70)
    item = example(*blobs(shape), None, *UNIT)
    config = TrainConfig(augment=AugmentConfig(elastic=0))
    patch = drawn(item, config, count=1)[0]
    assert patch.image.shape[1:] == ((256, 256) if ndim == 2 else (24, 64, 64))
    assert patch.labels.shape == patch.image.shape[1:]
    smaller = drawn(item, replace(config, patch=48), count=1)[0]
    assert smaller.image.shape[-2:] == (48, 48)


def test_a_network_of_other_dimensions_gives_way_to_the_usual_one() -> None:
    item = example(*blobs(), None, *UNIT)
    source = patches_of(item, TrainConfig(network="unet-3d"), None, 0)
    assert source.spec == NETWORKS[TrainConfig().network]


def test_the_border_that_a_valid_network_does_not_answer_for_has_no_labels() -> None:
    image, labels = blobs((300, 300))
    weights = np.ones(labels.shape, np.float32)
    item = example(image, np.ones_like(labels), weights, *UNIT)
    patch = drawn(item, TrainConfig(network="unet-2015", patch=100), count=1)[0]
    spec = NETWORKS["unet-2015"]
    trim = spec.trim[0]
    inner = patch.labels[trim:-trim, trim:-trim]
    assert inner.shape == spec.output_shape(patch.image.shape[1:])
    assert (inner == 1).all()
    assert patch.labels.sum() == inner.size
    assert patch.weight_map.sum() == pytest.approx(inner.size)


def test_without_labels_there_are_none_and_stopping_stops() -> None:
    image, _ = blobs()
    item = example(image, None, None, *UNIT)
    patch = drawn(item, count=1)[0]
    assert not patch.labels.any()
    assert patch.weight_map is None
    source = patches_of(item, TrainConfig(), None, 0)
    assert run(draws(source, 3, lambda: True)) is None
