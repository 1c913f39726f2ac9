import itertools

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.geometry import checked_region, plan_tiles
from napari_unet_studio.core.mirror import mirror_indices, read_mirrored
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

# Before that, padding by more than the image was no reflection of reflections.
reflecting = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0",
    reason="np.pad of numpy 1 reflects wide margins otherwise",
)
few = settings(max_examples=60, deadline=None, derandomize=True)

PLANNED = {
    "unet": UNetSpec(channels=(2, 2, 2)),
    "unet, one convolution": UNetSpec(channels=((2,), (2,), (2,))),
    "unet, valid": UNetSpec(channels=(2, 2, 2), padding="valid"),
    "unet, valid, one convolution": UNetSpec(
        channels=((2,), (2,), (2,)), padding="valid"
    ),
    "unet++": UNetPlusPlusSpec(channels=(2, 2, 2)),
    "3d unet": UNetSpec(ndim=3, channels=((2,), (2,))),
    "3d unet, valid": UNetSpec(ndim=3, channels=((2,), (2,)), padding="valid"),
    "3d unet++": UNetPlusPlusSpec(ndim=3, channels=((2,), (2,))),
}
# Deep enough for gaps between the sizes that are tried.
DEEP = [NETWORKS["unet"], NETWORKS["unet-2015"], NETWORKS["unet++"]]

cases = st.sampled_from(list(PLANNED.values())).flatmap(
    lambda spec: st.tuples(
        st.just(spec),
        st.tuples(*[st.integers(1, 90 if spec.ndim == 2 else 30)] * spec.ndim),
    )
)


def smallest_window(shape, spec):
    lengths = []
    for size, step, halo, trim in zip(
        shape, spec.divisor, spec.halo, spec.trim, strict=True
    ):
        if trim:
            lengths.append(spec.input_shape((step,) * spec.ndim)[0])
        else:
            lengths.append(min(-(-size // step) * step, 2 * halo + step))
    return tuple(lengths)


# --- plans


@few
@given(case=cases, cap=st.integers(1, 20_000))
def test_the_cores_of_a_plan_cover_every_pixel_once(case, cap):
    spec, shape = case
    plan = plan_tiles(shape, spec, cap)
    times = np.zeros(shape, int)
    tiles = list(plan)
    for tile in tiles:
        times[tile.core] += 1
    assert (times == 1).all()
    assert len(tiles) == len(plan)


@few
@given(case=cases, cap=st.integers(1, 20_000))
def test_every_tile_takes_from_the_answer_for_its_window_the_pixels_of_its_core(
    case, cap
):
    spec, shape = case
    plan = plan_tiles(shape, spec, cap)
    answer = spec.output_shape(plan.window)  # raises if the window is not admissible
    for tile in plan:
        for axis in range(spec.ndim):
            core, read, crop = tile.core[axis], tile.read[axis], tile.crop[axis]
            assert read.stop - read.start == plan.window[axis]
            assert crop.stop - crop.start == core.stop - core.start > 0
            assert 0 <= crop.start < crop.stop <= answer[axis]
            # Pixel 0 of the answer is pixel read.start + trim of the image.
            assert read.start + spec.trim[axis] + crop.start == core.start


@few
@given(case=cases, cap=st.integers(1, 20_000))
def test_windows_respect_the_cap_where_that_is_possible(case, cap):
    spec, shape = case
    least = smallest_window(shape, spec)
    window = plan_tiles(shape, spec, cap).window
    if np.prod(least) <= cap:
        assert np.prod(window) <= cap
    else:
        assert window == least


@settings(few, max_examples=25)
@given(
    spec=st.sampled_from(DEEP),
    shape=st.tuples(*[st.integers(1, 30_000)] * 2),
    spare=st.integers(0, 4_000),
)
def test_large_images_respect_a_cap_close_to_the_smallest_window(spec, shape, spare):
    cap = int(np.prod(smallest_window(shape, spec))) + spare
    assert np.prod(plan_tiles(shape, spec, cap).window) <= cap


@few
@given(case=cases, cap=st.integers(1, 20_000), more=st.integers(0, 20_000))
def test_a_larger_cap_never_costs_more_pixels(case, cap, more):
    spec, shape = case
    least = int(np.prod(smallest_window(shape, spec)))
    tight = plan_tiles(shape, spec, least + cap).read_ratio
    assert 1 <= plan_tiles(shape, spec, least + cap + more).read_ratio <= tight


@few
@given(case=cases)
def test_an_image_under_the_cap_is_one_tile(case):
    spec, shape = case
    plan = plan_tiles(shape, spec, 10**9)
    (tile,) = plan
    assert tile.core == tuple(slice(0, size) for size in shape)


def test_windows_of_a_padded_network_stay_inside_the_image_where_it_is_large():
    spec = NETWORKS["unet"]
    for tile in plan_tiles((1024, 2048), spec, 512**2):
        assert all(read.start >= 0 for read in tile.read)
        assert all(r.stop <= s for r, s in zip(tile.read, (1024, 2048), strict=True))


# --- regions


@st.composite
def regions(draw):
    spec, shape = draw(cases)
    ends = [draw(st.lists(st.integers(0, s), min_size=2, max_size=2)) for s in shape]
    parts = [sorted(e) for e in ends]
    region = tuple(slice(a, max(a + 1, b)) for a, b in parts)
    return (
        spec,
        shape,
        tuple(
            slice(min(p.start, s - 1), min(p.stop, s))
            for p, s in zip(region, shape, strict=True)
        ),
    )


@few
@given(case=regions(), cap=st.integers(1, 20_000))
def test_the_cores_of_a_region_cover_it_once_with_all_the_context_there_is(case, cap):
    spec, shape, region = case
    plan = plan_tiles(shape, spec, cap, region)
    covered = np.zeros(shape, int)
    for tile in plan:
        covered[tile.core] += 1
        for axis, (core, read, crop) in enumerate(
            zip(tile.core, tile.read, tile.crop, strict=True)
        ):
            step, halo, trim = spec.divisor[axis], spec.halo[axis], spec.trim[axis]
            assert crop.start == core.start - read.start - trim
            assert (read.start + trim) % step == 0
            if not trim:
                padded = -(-shape[axis] // step) * step
                assert read.start <= max(0, core.start // step * step - halo)
                assert read.stop >= min(padded, -(-core.stop // step) * step + halo)
                assert 0 <= read.start < read.stop <= padded
    inside = np.zeros(shape, int)
    inside[region] = 1
    np.testing.assert_array_equal(covered, inside)


@pytest.mark.parametrize("region", [np.s_[3:3, 0:5], np.s_[0:5, 5:11], np.s_[0:5]])
def test_a_region_that_is_empty_or_outside_is_refused(region):
    region = region if isinstance(region, tuple) else (region,)
    with pytest.raises(InputError, match="empty or leaves the image"):
        plan_tiles((10, 10), PLANNED["unet"], 1000, region)


# --- blended tiles

BLENDED = {
    "same": UNetSpec(channels=(2, 2, 2), norm="instance"),
    "valid": UNetSpec(channels=(2, 2, 2), norm="group", padding="valid"),
    "volume": UNetSpec(ndim=3, channels=((2,), (2,)), norm="instance"),
}


@few
@given(
    spec=st.sampled_from(list(BLENDED.values())),
    sizes=st.lists(st.integers(1, 70), min_size=3, max_size=3),
    cap=st.integers(1, 20_000),
)
def test_overlapping_tiles_count_as_one_together_at_every_pixel(spec, sizes, cap):
    shape = tuple(sizes[: spec.ndim])
    plan = plan_tiles(shape, spec, cap)
    total = np.zeros((1, *shape), np.float32)
    for tile in plan:
        lengths = [part.stop - part.start for part in tile.core]
        tile.add(total, np.ones((1, *lengths), np.float32), (0,) * spec.ndim)
    np.testing.assert_allclose(total, 1, atol=1e-5)


@few
@given(
    spec=st.sampled_from(list(BLENDED.values())),
    start=st.integers(0, 30),
    length=st.integers(1, 30),
)
def test_blended_tiles_of_a_region_are_those_of_the_image(spec, start, length):
    shape = (61,) * spec.ndim
    region = (slice(start, start + length),) * spec.ndim
    whole = {str(tile.read): tile for tile in plan_tiles(shape, spec, 8000)}
    for tile in plan_tiles(shape, spec, 8000, region):
        full = whole[str(tile.read)]
        for core, crop, some, of, all_of in zip(
            tile.core, tile.crop, tile.weights, full.core, full.weights, strict=True
        ):
            assert of.start <= core.start < core.stop <= of.stop
            inner = slice(core.start - of.start, core.stop - of.start)
            np.testing.assert_array_equal(some, all_of[inner])
            assert crop.stop - crop.start == core.stop - core.start


def test_a_block_of_a_huge_image_is_planned_without_its_other_tiles():
    """Millions of tiles, of which those of the block alone are made."""
    start = 5 * 10**5
    region = (slice(start, start + 700), slice(start, start + 900))
    plan = plan_tiles((10**6, 10**6), BLENDED["same"], 256 * 256, region)
    assert 9 <= len(plan) <= 36
    total = np.zeros((1, 700, 900), np.float32)
    for tile in plan:
        lengths = [part.stop - part.start for part in tile.core]
        tile.add(total, np.ones((1, *lengths), np.float32), (start, start))
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_neighbours_of_blended_tiles_share_at_least_a_quarter():
    plan = plan_tiles((1000, 1200), BLENDED["same"], 256 * 256)
    for axis in plan.spans:
        for one, two in itertools.pairwise(axis):
            shared = one.core.stop - two.core.start
            assert shared >= 0.2 * (one.core.stop - one.core.start)


# --- tiled answer


def whole_answer(network, image):
    """The answer for the whole image at once, with numpy's mirroring."""
    spec, shape = network.spec, image.shape[1:]
    window = spec.input_shape(shape)
    sides = [
        (trim, size - length - trim)
        for size, length, trim in zip(window, shape, spec.trim, strict=True)
    ]
    x = torch.from_numpy(np.pad(image, [(0, 0), *sides], mode="reflect"))
    with torch.inference_mode():
        answer = network(x[None])[0].numpy()
    return answer[(slice(None), *(slice(0, s) for s in shape))]


def tiled_answer(network, image, plan):
    result = np.full((network.spec.num_classes, *image.shape[1:]), np.nan)
    for tile in plan:
        x = torch.from_numpy(read_mirrored(image, tile.read).copy())
        with torch.inference_mode():
            answer = network(x[None])[0].numpy()
        result[(slice(None), *tile.core)] = answer[(slice(None), *tile.crop)]
    return result


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("spec", PLANNED.values(), ids=PLANNED)
def test_tiles_put_together_equal_the_answer_for_the_whole_image(spec, norm):
    generator = np.random.default_rng(5)
    shape = (61, 67) if spec.ndim == 2 else (9, 19, 25)
    torch.manual_seed(3)
    network = build(spec, norm=norm, num_classes=2).double()
    image = generator.normal(size=(1, *shape))
    if norm == "batch":  # running statistics other than 0 and 1
        sides = spec.input_shape((20,) * spec.ndim)
        network(torch.from_numpy(generator.normal(2, 3, (2, 1, *sides))))
    network.eval()
    plan = plan_tiles(shape, spec, int(1.5 * np.prod(smallest_window(shape, spec))))
    assert len(plan) > 1
    tiled = tiled_answer(network, image, plan)
    whole = whole_answer(network, image)
    assert whole.std() > 1e-3
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-10)


@pytest.mark.parametrize("spec", PLANNED.values(), ids=PLANNED)
def test_any_region_has_the_answer_of_the_whole_image(spec):
    generator = np.random.default_rng(7)
    shape = (61, 67) if spec.ndim == 2 else (9, 19, 25)
    torch.manual_seed(3)
    network = build(spec, num_classes=2).double().eval()
    image = generator.normal(size=(1, *shape))
    whole = whole_answer(network, image)
    for _ in range(4):
        ends = [np.sort(generator.choice(s + 1, 2, replace=False)) for s in shape]
        region = tuple(slice(int(a), int(b)) for a, b in ends)
        cap = int(1.2 * np.prod(smallest_window(shape, spec)))
        found = tiled_answer(network, image, plan_tiles(shape, spec, cap, region))
        inside = (slice(None), *region)
        np.testing.assert_allclose(found[inside], whole[inside], rtol=0, atol=1e-10)


# --- mirroring


@reflecting
@settings(few, max_examples=200)
@given(size=st.integers(1, 12), start=st.integers(-40, 40), length=st.integers(1, 40))
def test_mirrored_positions_are_those_of_numpy_reflection(size, start, length):
    stop = start + length
    before, after = max(0, -start), max(0, stop - size)
    mirrored = np.pad(np.arange(size), (before, after), mode="reflect")
    expected = mirrored[start + before : stop + before]
    assert mirror_indices(start, stop, size).tolist() == expected.tolist()


class Recorder:
    """An array that remembers what was read of it."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.read = np.zeros(array.shape, bool)

    def __getitem__(self, key):
        self.read[key] = True
        return self.array[key]


def as_numpy(array, path):
    return array


def as_dask(array, path):
    return da.from_array(array, chunks=7)


def as_zarr(array, path):
    stored = zarr.create_array(
        path, shape=array.shape, dtype=array.dtype, chunks=(1, 5, 6)
    )
    stored[:] = array
    return stored


def as_dask_on_zarr(array, path):
    return da.from_zarr(as_zarr(array, path))


def as_memory_map(array, path):
    mapped = np.lib.format.open_memmap(path, "w+", array.dtype, array.shape)
    mapped[:] = array
    return mapped


@pytest.mark.parametrize(
    "kind", [as_numpy, as_dask, as_zarr, as_dask_on_zarr, as_memory_map]
)
@pytest.mark.parametrize(
    "window",
    [
        (slice(3, 9), slice(2, 11)),
        (slice(-4, 6), slice(10, 19)),
        (slice(-30, 41), slice(-20, 60)),
        (slice(-9, -2), slice(15, 20)),
        (slice(0, 13), slice(0, 17)),
    ],
    ids=["inside", "over the edge", "wider than the image", "outside", "all"],
)
def test_a_window_is_read_as_if_the_image_were_mirrored(kind, window, tmp_path):
    image = np.arange(2 * 13 * 17).reshape(2, 13, 17)
    found = read_mirrored(kind(image, tmp_path / "stored"), window)
    mirrored = np.pad(image, ((0, 0), (64, 64), (64, 64)), mode="reflect")
    shifted = tuple(slice(w.start + 64, w.stop + 64) for w in window)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, mirrored[(slice(None), *shifted)])


def test_an_axis_of_one_pixel_is_repeated():
    image = np.array([[[5, 6, 7]]])
    found = read_mirrored(image, (slice(-2, 2), slice(0, 3)))
    assert found.tolist() == [[[5, 6, 7]] * 4]


def test_only_the_pixels_under_the_window_are_read():
    stored = Recorder(np.zeros((2, 100, 100)))
    read_mirrored(stored, (slice(-5, 10), slice(40, 60)))
    assert stored.read[:, :10, 40:60].all()
    assert stored.read.sum() == 2 * 10 * 20


def test_a_lazy_image_computes_only_the_chunks_under_the_window():
    made = []

    def chunk(block_info=None):
        made.append(block_info[None]["chunk-location"])
        return np.zeros((10, 10))

    image = da.map_blocks(
        chunk, chunks=((10,) * 8, (10,) * 8), dtype=float, meta=np.zeros((0, 0))
    )
    read_mirrored(image, (slice(-3, 9), slice(25, 38)))
    assert set(made) == {(0, 2), (0, 3)}


@pytest.mark.parametrize(
    ("region", "why"),
    [
        (slice(0, 9), "is empty or leaves"),
        ((slice(0, 9), 3), "a slice with steps of 1 for each axis"),
        (5, "a slice with steps of 1 for each axis"),
        ((slice(0, 9, 2), slice(0, 9)), "a slice with steps of 1 for each axis"),
        ((slice(-3, None), slice(0, 9)), "is empty or leaves"),
        ((slice(0, 11), slice(0, 9)), "is empty or leaves"),
    ],
)
def test_a_wrong_region_is_refused_with_the_reason(region, why) -> None:
    with pytest.raises(InputError, match=why):
        checked_region(region, (10, 10))
