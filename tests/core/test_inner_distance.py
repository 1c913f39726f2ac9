import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet_studio.core.inner_distance import inner_distance

masks = st.one_of(
    arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    arrays(bool, st.tuples(*[st.integers(1, 7)] * 3)),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(mask=masks, data=st.data())
def test_it_is_the_distance_transform_of_scipy(mask, data):
    sizes = st.sampled_from([0.25, 1.0, 3.0])
    spacing = data.draw(st.tuples(*[sizes] * mask.ndim))
    found = inner_distance(mask, spacing)
    assert found.dtype == np.float32
    if mask.all():
        assert np.isinf(found).all()
    else:
        expected = ndimage.distance_transform_edt(mask, sampling=spacing)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_large_objects_and_single_holes_are_measured_too():
    mask = np.ones((301, 401), bool)
    mask[150, 200] = False
    found = inner_distance(mask)
    assert found[150, 0] == 200
    assert found[0, 0] == np.float32(np.hypot(150, 200))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.3, 1.0), (1.0, 2.5)])
def test_objects_of_hundreds_of_pixels_are_those_of_scipy(spacing):
    generator = np.random.default_rng(0)
    mask = generator.random((300, 280)) > 3e-4
    mask[:, 100] = True
    found = inner_distance(mask, spacing)
    expected = ndimage.distance_transform_edt(mask, sampling=spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isinf(inner_distance(np.ones((150, 150), bool))).all()


def test_a_part_that_holds_the_background_next_to_it_gives_the_same_bits():
    y, x = np.indices((400, 420)) - 200
    mask = y**2 + x**2 < 190**2
    mask[:, -3:] = mask[-3:] = True
    whole = inner_distance(mask)[5:396, 5:396]
    assert np.array_equal(whole, inner_distance(mask[5:396, 5:396]))
