"""The picture of a model, made from what it learned."""

import numpy as np
import pytest

import napari_unet_studio as us
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.thumbnail import SIDE, thumbnail_of


@pytest.mark.parametrize("shape", [(40, 300), (300, 40), (7, 200, 30), (5, 5)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_picture_shows_a_labelled_plane_of_any_frame(shape, channels) -> None:
    image = np.random.default_rng(0).random((channels, *shape), np.float32)
    target = np.zeros(shape, np.int16)
    target[tuple(size - 2 for size in shape)] = 1
    picture = thumbnail_of([Item.of(image, target)])
    assert picture is not None
    assert picture.shape == (min(SIDE, shape[-2]), min(SIDE, shape[-1]), 3)
    assert picture.dtype == np.uint8
    # The outline of the one pixel is in colour, on an image without any.
    grey = (picture.max(axis=2) == picture.min(axis=2)).all()
    assert not grey


def test_without_labels_there_is_no_picture() -> None:
    assert thumbnail_of([]) is None
    assert thumbnail_of([Item.of(np.ones((1, 9, 9)), np.zeros((9, 9), int))]) is None


def test_a_training_gives_its_model_a_picture_that_is_saved(tmp_path) -> None:
    sample = nuclei_2d((96, 96))
    settings = {"network": "unet++-16", "width": 0.2, "updates": 1, "patch": 32}
    model = us.train([(sample.image, sample.labels)], settings)
    assert model.thumbnail is not None
    loaded = us.load_model(model.save(tmp_path / "cells"))
    np.testing.assert_array_equal(loaded.thumbnail, model.thumbnail)
