import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from napari_unet_studio.core.carve import widen_gaps

few = settings(max_examples=60, deadline=None, derandomize=True)
small_labels = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=9),
    elements=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 9]),
    fill=st.just(0),
)


@few
@given(small_labels, st.integers(0, 5))
def test_only_objects_with_another_near_lose_pixels_and_only_there(labels, gap):
    widened = widen_gaps(labels, gap)
    assert ((widened == labels) | (widened == 0)).all()
    box = np.ones((2 * (gap + gap // 2) + 3,) * labels.ndim)
    for number in np.unique(labels[labels > 0]):
        others = (labels > 0) & (labels != number)
        near = ndimage.binary_dilation(others, box)
        kept = (labels == number) & ~near
        np.testing.assert_array_equal(widened[kept], number)


@few
@given(small_labels, st.integers(1, 5))
def test_objects_that_are_widened_apart_do_not_touch(labels, gap):
    widened = widen_gaps(labels, gap)
    for number in np.unique(widened[widened > 0]):
        around = ndimage.binary_dilation(widened == number, np.ones((3,) * labels.ndim))
        assert not ((widened > 0) & (widened != number) & around).any()


@pytest.mark.parametrize(
    ("gap", "apart"), [(2, 0), (2, 1), (3, 1), (3, 2), (6, 1), (6, 5)]
)
def test_a_straight_line_between_two_objects_becomes_as_wide_as_the_gap(gap, apart):
    row = np.repeat([1, 0, 2], [20, apart, 20])[None].repeat(30, axis=0)
    assert ((widen_gaps(row, gap) == 0).sum(axis=1) == gap).all()
    assert ((widen_gaps(row.T, gap) == 0).sum(axis=0) == gap).all()


def test_wide_gaps_and_ignored_pixels_stay_as_they_are():
    row = np.array([[1, 1, 1, 0, 0, 0, 2, 2, 2, 9, 9, 9]])
    np.testing.assert_array_equal(widen_gaps(row, 3, ignore=9), row)
    np.testing.assert_array_equal(widen_gaps(row, 0), row)
