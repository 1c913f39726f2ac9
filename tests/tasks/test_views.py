"""Averages over mirrored, turned and rotated views, and the pixel size of the model."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run

EXACT = {"device": "cpu", "precision": "float32"}


def probabilities(image, model, spacing=None, region=None, **changes):
    config = PredictConfig(**EXACT, **changes)
    task = predict(image, model, config, spacing=spacing, region=region)
    return run(task).probabilities


def noise(shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def smooth(shape, sigma=4.0):
    image = ndimage.gaussian_filter(noise(shape), sigma)
    return (image - image.min()) / np.ptp(image)


def symmetries(ndim, turns):
    """All mirror images of an array's last axes, and quarter turns in the last two."""
    for exchanged in (False, True) if turns else (False,):
        for number in range(2**ndim):
            axes = [axis for axis in range(-ndim, 0) if number >> -axis - 1 & 1]
            if turns and -3 in axes:
                continue
            yield exchanged, axes


@pytest.mark.parametrize(
    ("average", "ndim", "views"), [("flips", 2, 4), ("turns", 2, 8), ("flips", 3, 8)]
)
def test_an_average_is_the_mean_of_the_answers_for_each_view(
    tiny_model, average, ndim, views
) -> None:
    # On the network's grid: then each view of the whole image is on it, too.
    model, image = tiny_model(ndim=ndim, channels=(4, 8)), noise((12, 16, 20)[-ndim:])
    answers = []
    for exchanged, axes in symmetries(ndim, average == "turns"):
        view = image.swapaxes(-1, -2) if exchanged else image
        answer = np.flip(probabilities(np.flip(view, axes).copy(), model), axes)
        answers.append(answer.swapaxes(-1, -2) if exchanged else answer)
    assert len(answers) == views
    found = probabilities(image, model, average=average)
    np.testing.assert_allclose(found, np.mean(answers, axis=0), atol=1e-5)
    assert np.abs(found - answers[0]).max() > 1e-3


@pytest.mark.parametrize("average", ["flips", "turns"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_averages_do_not_depend_on_tiles(tiny_model, average, padding) -> None:
    model, image = tiny_model(padding=padding), noise((101, 74))
    whole = probabilities(image, model, average=average)
    tiled = probabilities(image, model, average=average, tile=90)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_quarter_turns_need_a_network_that_treats_y_and_x_alike(tiny_model) -> None:
    model = tiny_model(channels=(4, 8), pooling=((2, 1),))
    with pytest.raises(ConfigError, match="choose the average 'flips'"):
        probabilities(noise((20, 20)), model, average="turns")


def test_the_seven_rotations_of_the_paper_agree_on_a_round_object(
    threshold_model,
) -> None:
    y, x = np.mgrid[:80, :90]
    image = np.clip(1.5 - np.hypot(y - 40, x - 44) / 20, 0, 1).astype(np.float32)
    model = threshold_model()
    once = probabilities(image, model)
    averaged = probabilities(image, model, average="paper")
    assert averaged.shape == once.shape
    np.testing.assert_allclose(averaged, once, atol=0.05)
    assert not np.array_equal(averaged, once)


def test_a_region_of_the_averaged_rotations_is_that_of_the_image(tiny_model) -> None:
    model, image = tiny_model(), smooth((90, 70))
    region = np.s_[13:61, 20:70]
    whole = probabilities(image, model, average="paper")
    part = probabilities(image, model, average="paper", region=region)
    np.testing.assert_allclose(part, whole[:, *region], atol=1e-5)


# -- pixel size ----------------------------------------------------------------------


def of_size(model, spacing, unit="um"):
    return Model(model.network, replace(model.card, spacing=spacing, unit=unit))


def test_the_pixel_size_of_the_model_finds_objects_at_another_scale(
    threshold_model,
) -> None:
    model = of_size(threshold_model(), (1.0, 1.0))
    fine = np.kron(smooth((30, 26)), np.ones((2, 2), np.float32))
    found = probabilities(fine, model, spacing=(0.5, 0.5), pixel_size="model")
    assert found.shape == (1, 60, 52)
    mask, truth = found[0] > 0.5, fine > 0.5
    assert np.mean(mask == truth) > 0.97


def test_the_same_pixel_size_changes_nothing(tiny_model) -> None:
    model, image = of_size(tiny_model(), (0.5, 0.5)), noise((40, 44))
    found = probabilities(image, model, spacing=(0.5, 0.5), pixel_size="model")
    np.testing.assert_array_equal(found, probabilities(image, model))


def test_a_region_at_the_pixel_size_of_the_model_is_that_of_the_image(
    tiny_model,
) -> None:
    model, image = of_size(tiny_model(), (1.3, 0.8)), smooth((90, 70))
    settings = {"spacing": (1.0, 1.0), "pixel_size": "model"}
    region = np.s_[13:61, 20:70]
    whole = probabilities(image, model, **settings)
    part = probabilities(image, model, region=region, **settings)
    np.testing.assert_allclose(part, whole[:, *region], atol=1e-5)


def test_planes_of_a_stack_take_the_sizes_of_their_own_axes(tiny_model) -> None:
    model, stack = of_size(tiny_model(), (1.0, 1.0)), smooth((2, 40, 44), (0, 4, 4))
    found = probabilities(stack, model, spacing=(9.0, 0.5, 0.5), pixel_size="model")
    single = probabilities(stack[1], model, spacing=(0.5, 0.5), pixel_size="model")
    np.testing.assert_allclose(found[:, 1], single, atol=1e-6)


@pytest.mark.parametrize(
    ("card", "spacing", "message"),
    [
        ((None, "um"), (1.0, 1.0), "does not know the pixel size"),
        (((1.0, 1.0), "pixel"), (1.0, 1.0), "does not know the pixel size"),
        (((1.0, 1.0), "um"), None, "pixel size of the image is not known"),
        (((1.0, 1.0), "um"), (1e-3, 1e-3), "more than 64 times"),
    ],
)
def test_an_unknown_or_absurd_pixel_size_is_said(
    tiny_model, card, spacing, message
) -> None:
    model = of_size(tiny_model(), *card)
    with pytest.raises(InputError, match=message):
        probabilities(noise((20, 24)), model, spacing=spacing, pixel_size="model")
