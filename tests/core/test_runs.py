import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet_studio.core.runs import (
    complement,
    components,
    filled,
    label_mask,
    on_border,
    painted,
    runs_of,
    sizes,
)
from napari_unet_studio.core.splitting import in_scan_order

few = settings(max_examples=150, deadline=None, derandomize=True)
masks = st.one_of(
    arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)),
)


def pixels(runs):
    return painted(runs, np.ones(len(runs.start))) > 0


@few
@given(mask=masks)
def test_runs_and_their_complement_are_the_mask_and_the_rest(mask):
    runs = runs_of(mask)
    assert np.array_equal(pixels(runs), mask)
    assert np.array_equal(pixels(complement(runs)), ~mask)


@few
@given(mask=masks, corners=st.booleans())
def test_components_are_those_of_scipy_in_scan_order(mask, corners):
    structure = ndimage.generate_binary_structure(
        mask.ndim, mask.ndim if corners else 1
    )
    expected, count = ndimage.label(mask, structure)
    found = label_mask(mask, corners)
    assert found.dtype == np.int32
    assert np.array_equal(found, in_scan_order(expected))
    part, number = components(runs_of(mask), corners)
    assert number == count
    area = np.bincount(found.ravel(), minlength=1)[1:]
    assert np.array_equal(sizes(runs_of(mask), part, number), area)


@few
@given(mask=masks, largest=st.integers(0, 30))
def test_holes_are_enclosed_pieces_of_background_up_to_a_size(mask, largest):
    around = np.ones((3,) * mask.ndim)
    background, count = ndimage.label(~mask, around)
    expected = mask.copy()
    inner = tuple(slice(1, -1) if n > 1 else slice(None) for n in mask.shape)
    edge = np.ones(mask.shape, bool)
    edge[inner] = False
    flat = sum(n > 1 for n in mask.shape) < 2
    for i in range(1, count + 1):
        hole = background == i
        if not flat and not (hole & edge).any() and hole.sum() <= largest:
            expected |= hole
    runs = filled(runs_of(mask), largest)
    assert np.array_equal(pixels(runs), expected)
    # Runs of a row never touch, as those of the mask as such.
    for one, two in zip(runs[1:], runs_of(expected)[1:], strict=True):
        assert np.array_equal(one, two)


@few
@given(mask=masks, axes=st.sampled_from([(-1,), (-2,), (-2, -1), (0,)]))
def test_runs_at_the_border_touch_the_first_or_last_pixels(mask, axes):
    labels = label_mask(mask)
    runs = runs_of(mask)
    part, count = components(runs)
    found = {int(i) + 1 for i in part[on_border(runs, axes)]}
    expected = set()
    for axis in axes:
        if mask.shape[axis] > 1:
            expected |= set(labels.take((0, -1), axis=axis).ravel().tolist())
    assert found == expected - {0}
    assert count == labels.max(initial=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 1, 5)])
def test_full_and_empty_masks_have_one_component_and_none(shape):
    assert (label_mask(np.ones(shape, bool)) == 1).all()
    assert not label_mask(np.zeros(shape, bool)).any()


def test_a_spiral_and_a_comb_are_one_component_each():
    comb = np.zeros((9, 41), bool)
    comb[:, ::2] = True
    comb[-1] = True
    assert label_mask(comb).max() == 1
    assert label_mask(comb[:-1]).max() == 21
