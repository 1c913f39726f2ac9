"""Tiles of networks whose grid is declared: any smallest size and step, or one size."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.foreign import ForeignSpec


@st.composite
def cases(draw):
    """A network, an image and a region of it."""
    smallest = draw(st.integers(5, 100)), draw(st.integers(5, 100))
    step = draw(st.sampled_from([(0, 0), (1, 1), (4, 4), (16, 8)]))
    trim = draw(st.sampled_from([0, 0, 2]))
    # A network of one size needs more pixels than it has context.
    most = 30 if step[0] else (min(smallest) - 1) // 2
    reach = 0 if trim else draw(st.integers(0, most))
    spec = ForeignSpec(
        digest="0" * 64,
        smallest=smallest,
        step=step,
        shrink=(trim, trim),
        reach=(reach, reach),
        whole=draw(st.booleans()),
    )
    shape = (draw(st.integers(1, 250)), draw(st.integers(1, 250)))
    region = []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        region.append(slice(start, draw(st.integers(start + 1, size))))
    return spec, shape, tuple(region)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(cases(), st.sampled_from([100, 64**2, 128**2, 10**6]))
def test_windows_are_on_the_grid_and_cover_every_pixel_once(case, cap):
    spec, shape, region = case
    plan = plan_tiles(shape, spec, cap, region)
    for side, least, step in zip(plan.window, spec.smallest, spec.step, strict=True):
        assert side == least or (step and side > least and (side - least) % step == 0)
    covered = np.zeros(shape)
    for tile in plan:
        for axis in range(2):
            core, read, crop = (x[axis] for x in (tile.core, tile.read, tile.crop))
            halo, trim = spec.halo[axis], spec.trim[axis]
            assert read.stop - read.start == plan.window[axis]
            assert read.start + trim + crop.start == core.start
            assert crop.start >= 0
            assert crop.stop <= plan.window[axis] - 2 * trim
            if spec.local and not trim:
                # As much context as the image has.
                assert read.start <= max(0, core.start - halo)
                assert read.stop >= min(shape[axis], core.stop + halo)
                assert read.start % spec.divisor[axis] == 0
        weights = np.ones([part.stop - part.start for part in tile.core])
        if tile.weights[0] is not None:
            weights = np.outer(*tile.weights)
        covered[tile.core] += weights
    wanted = np.zeros(shape)
    wanted[region] = 1
    assert np.allclose(covered, wanted, atol=1e-5)


def test_cores_go_on_where_windows_do_not_end_on_the_grid():
    # The smallest size is no multiple of the step, and the region begins between two.
    spec = ForeignSpec(digest="0" * 64, smallest=(19, 19), step=(4, 4), reach=(24, 24))
    region = (slice(0, 9), slice(27, 64))
    plan = plan_tiles((151, 65), spec, 45**2, region)
    cores = [span.core for span in plan.spans[1]]
    assert cores[0].start == 27
    assert cores[-1].stop == 64
    assert all(a.stop == b.start for a, b in itertools.pairwise(cores))


def test_a_small_image_is_mirrored_up_to_the_only_size():
    spec = ForeignSpec(digest="0" * 64, smallest=(512, 512), step=(0, 0))
    (tile,) = plan_tiles((100, 200), spec, 64**2)
    assert tile.read == (slice(0, 512), slice(0, 512))
    assert tile.crop == (slice(0, 100), slice(0, 200))
