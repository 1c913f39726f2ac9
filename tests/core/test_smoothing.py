import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_studio.core.smoothing import smoothed, smoothing_reach

few = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize("shape", [(30, 41), (9, 20, 31), (1, 20), (2, 3)])
@pytest.mark.parametrize("sigma", [0.25, 1.0, 2.5])
def test_it_is_the_gaussian_of_scipy(shape, sigma):
    values = np.random.default_rng(0).random(shape)
    expected = ndimage.gaussian_filter(
        values, sigma, mode="reflect", radius=smoothing_reach(sigma, len(shape))
    )
    found = smoothed(values, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_it_is_as_wide_in_physical_units_along_each_axis():
    point = np.zeros((31, 31, 31))
    point[15, 15, 15] = 1
    found = smoothed(point, 2.0, (2.0, 1.0, 1.0))
    z, y, _ = np.indices(point.shape) - 15.0
    spread = [float(np.sqrt((found * axis**2).sum())) for axis in (z, y)]
    np.testing.assert_allclose(spread, (1.0, 2.0), rtol=0.03)
    assert abs(found.sum() - 1) < 1e-5


@few
@given(
    sigma=st.sampled_from([0.25, 0.5, 1.0, 3.0]),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_a_part_with_what_is_around_it_gives_the_same_bits(sigma, seed, data):
    shape = data.draw(st.tuples(*[st.integers(1, 40)] * 2))
    values = np.random.default_rng(seed).random(shape).astype(np.float32)
    whole, reach = smoothed(values, sigma), smoothing_reach(sigma, 2)
    starts = [data.draw(st.integers(0, n - 1)) for n in shape]
    stops = [
        data.draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)
    ]
    lows = [max(a - r, 0) for a, r in zip(starts, reach, strict=True)]
    around = tuple(
        slice(low, b + r) for low, b, r in zip(lows, stops, reach, strict=True)
    )
    inner = tuple(
        slice(a - low, b - low) for a, b, low in zip(starts, stops, lows, strict=True)
    )
    part = smoothed(values[around], sigma)[inner]
    own = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))
    assert np.array_equal(part, whole[own])
