from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.splitting import (
    first_pixels,
    in_scan_order,
    reconstruct,
    split_objects,
)
from napari_unet_studio.core.stitching import Arrays, make_pass, passes, stitch

PLAIN = ObjectConfig(min_size=0, fill_holes=0)
few = settings(max_examples=100, deadline=None, derandomize=True)

configs = st.builds(
    ObjectConfig,
    threshold=st.floats(0.2, 0.8),
    min_size=st.sampled_from([0, 1, 3, 16]),
    fill_holes=st.sampled_from([0, 1, 5, 100, 10_000_000]),
    close_gaps=st.sampled_from([0, 0, 1, 2, 5, 22]),
    split=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 10.0]),
    low=st.sampled_from([0.0, 0.0, 0.1, 0.4, 0.9]),
    max_size=st.sampled_from([0, 0, 10, 60]),
    smooth=st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0]),
    seeds=st.sampled_from(["distance", "probability"]),
    border=st.sampled_from(["keep", "keep", "sides", "all"]),
)


@st.composite
def fields(draw):
    """Draw noise or smooth blobs, values 0 to 1, and the blocks to cut them into."""
    axes = draw(st.sampled_from([2, 3]))
    shape = draw(st.tuples(*[st.integers(1, 25 if axes == 2 else 9)] * axes))
    longest = draw(st.sampled_from([2, 8, 50]))
    block = draw(st.tuples(*[st.integers(1, longest)] * axes))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    smooth = draw(st.sampled_from([0.0, 0.7, 1.5, 2.5]))
    field = ndimage.gaussian_filter(generator.random(shape), smooth)
    field = (field - field.min()) / max(np.ptp(field), 1e-9)
    return field.astype(draw(st.sampled_from(["float16", "float32"]))), block


def blobs(shape, sigma=2.0, seed=0):
    noise = np.random.default_rng(seed).random(shape)
    field = ndimage.gaussian_filter(noise, sigma)
    return (field - field.min()) / np.ptp(field)


def run(arrays, config, block, call_all, spacing=None, through=dict, **options):
    """Run all passes; `call_all` runs the calls, `through` is done to all results."""
    state = {}
    grid = BlockGrid(arrays.probability.shape, block)
    for name in passes(config):
        # As another process would: made again for each call.
        def call(number, name=name, state=state):
            work = make_pass(name, config, grid, spacing, arrays, state, **options)
            return work.block(number)

        work = make_pass(name, config, grid, spacing, arrays, state, **options)
        found = call_all(call, len(work))
        state = through(work.merge([through(found[n]) for n in range(len(work))]))
    return state


def in_memory(probability):
    held = {}

    def scratch(name, dtype):
        # What was there before must not matter.
        return held.setdefault(name, np.full(probability.shape, 77, dtype))

    return Arrays(probability, np.full(probability.shape, -1, np.int32), scratch)


def in_order(call, count):
    return [call(number) for number in range(count)]


# --- the same as the whole


@few
@given(case=fields(), config=configs)
@pytest.mark.slow
def test_blocks_give_what_the_whole_gives(case, config):
    probability, block = case
    found = stitch(probability, config, block)
    assert found.dtype == np.int32
    assert np.array_equal(found, label_objects(probability, config))


@few
@given(
    case=fields(),
    split=st.sampled_from([0.25, 0.5, 1.0]),
    smooth=st.sampled_from([0.0, 0.5, 1.5]),
    data=st.data(),
)
def test_blocks_give_what_the_whole_gives_with_pixels_of_any_form(
    case, split, smooth, data
):
    probability, block = case
    sizes = st.sampled_from([0.25, 0.5, 1.0, 3.0])
    spacing = data.draw(st.tuples(*[sizes] * probability.ndim))
    config = ObjectConfig(split=split, min_size=2, fill_holes=4, smooth=smooth)
    found = stitch(probability, config, block, spacing)
    assert np.array_equal(found, label_objects(probability, config, spacing))


@pytest.mark.parametrize("block", [(1, 1), (1, 50), (16, 17), (29, 9), (64, 99)])
@pytest.mark.parametrize("split", [0.0, 0.5])
def test_blocks_of_any_size_give_the_same(block, split):
    probability = blobs((30, 37)).astype(np.float16)
    config = ObjectConfig(0.6, 2, split=split, close_gaps=3, fill_holes=20)
    expected = label_objects(probability, config)
    assert expected.max() > 3
    assert np.array_equal(stitch(probability, config, block), expected)


@pytest.mark.parametrize("shape", [(1, 1), (9, 8), (3, 5, 7), (1, 20, 20), (20, 1)])
@pytest.mark.parametrize("split", [0.0, 1.0])
def test_empty_and_full_images_have_no_object_and_one(shape, split):
    config = ObjectConfig(split=split, min_size=0, close_gaps=2)
    block = (3,) * len(shape)
    assert not stitch(np.zeros(shape), config, block).any()
    assert (stitch(np.ones(shape), config, block) == 1).all()


@few
@given(seed=st.integers(0, 2**32), width=st.sampled_from([1, 2, 5, 22]))
def test_gaps_in_the_middle_of_two_objects_are_closed_alike(seed, width):
    # Integer positions on a coarse lattice: ties between objects are the rule.
    generator = np.random.default_rng(seed)
    probability = np.zeros((40, 40))
    probability[tuple(generator.integers(0, 20, (2, 30)) * 2)] = 1
    config = ObjectConfig(min_size=0, fill_holes=0, close_gaps=width)
    found = stitch(probability, config, (7, 11))
    assert np.array_equal(found, label_objects(probability, config))


# --- what crosses blocks


def spiral(size):
    """A path of one pixel that winds inwards, with one pixel between its turns."""
    image = np.zeros((size, size), bool)
    y, x, dy, dx = 0, 0, 0, 1
    image[0, 0] = True

    def free(steps):
        a, b = y + steps * dy, x + steps * dx
        return not (0 <= a < size and 0 <= b < size) or not image[a, b]

    turns = 0
    while turns < 2:
        inside = 0 <= y + dy < size and 0 <= x + dx < size
        if inside and not image[y + dy, x + dx] and free(2):
            y, x, turns = y + dy, x + dx, 0
            image[y, x] = True
        else:
            dy, dx, turns = dx, -dy, turns + 1
    return image


@pytest.mark.parametrize("split", [0.0, 1.0])
@pytest.mark.parametrize("block", [(2, 1), (5, 7), (16, 16)])
def test_a_spiral_through_every_block_is_one_object(block, split):
    image = spiral(33)
    grid = BlockGrid(image.shape, block)
    if block != (2, 1):
        assert all(image[region].any() for region in grid)
    found = stitch(image * 0.9, ObjectConfig(split=split), block)
    assert np.array_equal(found, image.astype(int))


def test_a_hole_in_four_blocks_is_filled_up_to_its_size():
    ring = np.ones((10, 10))
    ring[[0, -1]] = 0
    ring[:, [0, -1]] = 0
    ring[3:7, 3:7] = 0
    for size, filled in ((15, 0), (16, 16)):
        config = ObjectConfig(fill_holes=size)
        found = stitch(ring, config, (5, 5))
        assert found[3:7, 3:7].sum() == filled


def test_background_that_leaks_through_a_corner_between_blocks_is_no_hole():
    image = np.ones((8, 8))
    image[2:4, 2:4] = 0  # up to the corner where the four blocks meet
    diagonal = np.arange(4, 8)
    image[diagonal, diagonal] = 0
    config = ObjectConfig(fill_holes=100, min_size=0)
    assert np.array_equal(stitch(image, config, (4, 4)) > 0, image > 0)
    image[7, 7] = 1
    assert stitch(image, config, (4, 4)).all()


def test_an_object_in_a_hole_joins_the_one_around_it():
    image = np.zeros((20, 20))
    image[2:18, 2:18] = 1
    image[5:15, 5:15] = 0
    image[8:12, 8:12] = 1
    for size, count in ((83, 2), (84, 1)):
        config = ObjectConfig(fill_holes=size)
        assert stitch(image, config, (10, 10)).max() == count


def test_objects_that_meet_at_the_corner_of_blocks_stay_two():
    image = np.zeros((8, 8))
    image[:4, :4] = image[4:, 4:] = 1
    assert stitch(image, PLAIN, (4, 4)).max() == 2
    assert stitch(image, ObjectConfig(split=1.0), (4, 4)).max() == 2


def test_an_object_counts_all_its_parts_for_the_least_size():
    image = np.zeros((8, 8))
    image[3:5, 3:5] = 1
    for size, count in ((4, 1), (5, 0)):
        assert stitch(image, ObjectConfig(min_size=size), (4, 4)).max() == count


# --- what is too large to split


def test_an_object_whose_box_is_too_large_stays_whole_and_is_counted():
    y, x = np.indices((40, 80))
    discs = [np.hypot(y - 20, x - c) < 12 for c in (20, 39)]
    probability = np.any(discs, axis=0).astype(float)
    config = ObjectConfig(split=1.0)
    for largest, count, unsplit in ((23 * 42, 2, 0), (23 * 42 - 1, 1, 1)):
        for block in ((20, 30), (4, 4)):
            arrays = in_memory(probability)
            state = run(arrays, config, block, in_order, largest=largest)
            assert arrays.labels.max() == state["count"] == count
            assert state["unsplit"] == unsplit
            assert np.array_equal(arrays.labels > 0, probability > 0)


# --- passes as they are run


ALL = ObjectConfig(
    split=0.5, close_gaps=3, fill_holes=20, low=0.48, smooth=0.5, max_size=5000
)


@pytest.mark.parametrize("config", [ALL, ObjectConfig(), PLAIN])
def test_calls_in_any_order_and_twice_give_the_same(config):
    probability = blobs((40, 50))
    generator = np.random.default_rng(1)

    def shuffled(call, count):
        numbers = np.repeat(np.arange(count), 2)
        generator.shuffle(numbers)
        return {int(number): call(int(number)) for number in numbers}

    arrays = in_memory(probability)
    state = run(arrays, config, (13, 9), shuffled)
    expected = label_objects(probability, config)
    assert np.array_equal(arrays.labels, expected)
    assert state["count"] == expected.max()


def test_zarr_arrays_threads_and_files_in_between_give_the_same(tmp_path):
    shape, block = (20, 30, 25), (8, 8, 16)
    probability = blobs(shape).astype(np.float16)

    def create(name, dtype):
        return zarr.open_array(
            tmp_path / f"{name}.zarr", shape=shape, chunks=block, dtype=dtype, mode="a"
        )

    source = create("probability", "float16")
    source[:] = probability

    def in_threads(call, count):
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(call, range(count)))

    def stored(arrays):
        np.savez(tmp_path / "kept.npz", **arrays)
        with np.load(tmp_path / "kept.npz", allow_pickle=False) as kept:
            return dict(kept)

    kept = {name: create(name, "int32") for name in ("pieces", "wide", "numbered")}
    kept["mask"] = create("mask", "uint8")
    arrays = Arrays(source, create("labels", "int64"), lambda name, _: kept[name])
    run(arrays, ALL, block, in_threads, through=stored, spacing=(2.0, 1.0, 1.0))
    expected = label_objects(probability, ALL, (2.0, 1.0, 1.0))
    assert expected.max() > 5
    assert np.array_equal(arrays.labels[:], expected)


def test_summaries_of_smooth_objects_are_small():
    probability = blobs((512, 512), 4.0)
    grid = BlockGrid(probability.shape, (256, 256))
    sizes = []
    state = {}
    arrays = in_memory(probability)
    for name in passes(ObjectConfig(split=1.0)):
        work = make_pass(name, ObjectConfig(split=1.0), grid, None, arrays, state)
        found = in_order(work.block, len(work))
        sizes += [sum(array.nbytes for array in one.values()) for one in found]
        state = work.merge(found)
    assert max(sizes) < probability[:256, :256].size / 4


def test_arrays_of_another_shape_are_refused():
    arrays = in_memory(np.zeros((5, 5)))
    with pytest.raises(InputError, match="shape"):
        make_pass("objects", PLAIN, BlockGrid((5, 6), (2, 2)), None, arrays, {})


# --- splitting, which must not see other objects


@few
@given(case=fields(), depth=st.sampled_from([0.25, 0.5, 1.0]), data=st.data())
def test_each_object_is_split_as_if_it_were_alone(case, depth, data):
    probability, _ = case
    sizes = st.sampled_from([0.25, 1.0, 3.0])
    spacing = data.draw(st.tuples(*[sizes] * probability.ndim))
    labels, count = ndimage.label(probability > 0.5)
    together = split_objects(labels, depth, spacing)
    for index in range(1, min(count, 4) + 1):
        alone = split_objects(np.where(labels == index, 1, 0), depth, spacing)
        own = np.where(labels == index, together, 0)
        assert np.array_equal(in_scan_order(own), alone)


@few
@given(case=fields(), drop=st.floats(0.01, 0.6))
def test_reconstruction_is_the_limit_of_dilations_under_the_ceiling(case, drop):
    ceiling = case[0].astype(np.float32)
    labels, count = ndimage.label(ceiling > 0.3)
    marker = np.maximum(ceiling - np.float32(drop), 0)
    expected = np.zeros_like(ceiling)
    for index in range(1, count + 1):
        own = labels == index
        level = np.where(own, marker, 0)
        while True:
            wider = ndimage.grey_dilation(level, (3,) * level.ndim, mode="nearest")
            raised = np.where(own, np.minimum(wider, ceiling), 0)
            if np.array_equal(raised, level):
                break
            level = raised
        expected += level
    assert np.array_equal(reconstruct(marker, ceiling, labels), expected)


@few
@given(case=fields())
def test_first_pixels_are_those_of_a_search(case):
    labels = (case[0] * 6).astype(int)
    expected = [
        np.flatnonzero(labels == i)[0] if (labels == i).any() else labels.size
        for i in range(1, labels.max() + 1)
    ]
    assert first_pixels(labels).tolist() == expected
    assert in_scan_order(labels).max(initial=0) == len(np.unique(labels[labels > 0]))
