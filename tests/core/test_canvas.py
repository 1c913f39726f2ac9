import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_studio.core.canvas import rescaled, turned

few = settings(max_examples=40, deadline=None, derandomize=True)


def smooth(shape, sigma=4.0):
    """An image without details that a coarser grid would lose."""
    noise = np.random.default_rng(0).random(shape)
    image = ndimage.gaussian_filter(noise, (0, *(sigma,) * (len(shape) - 1)))
    return (image / np.ptp(image)).astype(np.float32)


def everything(canvas):
    return canvas[(..., *(slice(0, s) for s in canvas.size))]


CANVASES = {
    "finer": lambda image: rescaled(image, (0.4, 0.7)),
    "coarser": lambda image: rescaled(image, (2.3, 1.6)),
    "turned": lambda image: turned(image, 360 / 7, margin=16),
    "both": lambda image: turned(rescaled(image, (1.3, 0.8)), 100, margin=8),
}


@few
@given(
    kind=st.sampled_from(list(CANVASES)),
    low=st.tuples(st.floats(0, 0.8), st.floats(0, 0.8)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_a_part_is_the_same_as_in_the_whole(kind, low, size) -> None:
    canvas = CANVASES[kind](smooth((2, 40, 50)))
    starts = [int(share * s) for share, s in zip(low, canvas.size, strict=True)]
    part = tuple(
        slice(a, min(a + n, s))
        for a, n, s in zip(starts, size, canvas.size, strict=True)
    )
    np.testing.assert_allclose(
        canvas[(..., *part)], everything(canvas)[(..., *part)], atol=1e-5
    )


@pytest.mark.parametrize("kind", ["finer", "coarser", "turned"])
def test_what_is_seen_comes_back(kind) -> None:
    image = smooth((2, 40, 50))
    canvas = CANVASES[kind](image)
    region = np.s_[6:33, 5:44]
    part = canvas.bring_back(region)
    back = canvas.answer(canvas[(..., *part)], part, region)
    np.testing.assert_allclose(back, image[:, *region], atol=0.03)
    whole = tuple(slice(0, s) for s in canvas.size)
    np.testing.assert_allclose(
        canvas.answer(everything(canvas), whole, region), back, atol=1e-5
    )


def test_a_turn_by_a_quarter_is_exact() -> None:
    image = smooth((1, 30, 44))
    canvas = turned(image, 90, margin=0)
    assert canvas.size == (44, 30)
    np.testing.assert_allclose(
        everything(canvas), np.rot90(image, -1, (1, 2)), atol=1e-6
    )


def test_volumes_turn_in_their_planes_only() -> None:
    volume = smooth((1, 5, 30, 30))
    canvas = turned(volume, 180, margin=0)
    np.testing.assert_allclose(everything(canvas), volume[..., ::-1, ::-1], atol=1e-5)


def test_a_coarser_grid_shows_means_not_single_pixels() -> None:
    checkers = (np.indices((64, 64)).sum(axis=0) % 2)[np.newaxis].astype(np.float32)
    coarse = everything(rescaled(checkers, (4, 4)))
    assert np.abs(coarse[:, 2:-2, 2:-2] - 0.5).max() < 0.02


def test_a_constant_image_stays_constant() -> None:
    image = np.full((1, 20, 20), 7, np.uint8)
    for make in CANVASES.values():
        np.testing.assert_allclose(everything(make(image)), 7, atol=1e-5)
