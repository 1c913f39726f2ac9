import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet_studio.core import _search
from napari_unet_studio.core.distances import nearest_objects
from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.weights import (
    PRESETS,
    WeightConfig,
    carve_gap,
    class_weights,
    nearest_two,
    separation_term,
    separation_weights,
)

few = settings(max_examples=40, deadline=None, derandomize=True)


def small_labels(ndim):
    sides = {2: (1, 13), 3: (1, 7)}[ndim]
    shapes = st.tuples(*[st.integers(*sides)] * ndim)
    values = st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 9])
    return shapes.flatmap(
        lambda shape: arrays(np.int32, shape, elements=values, fill=st.just(0))
    )


def brute_two(labels, spacing=None, cutoff=math.inf):
    stack = [np.full(labels.shape, np.inf)] * 2
    for i in np.unique(labels[labels > 0]):
        stack.append(ndimage.distance_transform_edt(labels != i, sampling=spacing))
    two = np.sort(np.stack(stack), axis=0)[:2]
    two[two > cutoff] = np.inf
    return two


def brute_weights(labels, w0, sigma, spacing=None):
    if spacing is not None:
        spacing = np.asarray(spacing) / min(spacing)
    d1, d2 = brute_two(labels, spacing)
    return w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def blobs(count, size=48, seed=0):
    rng = np.random.default_rng(seed)
    seeds = np.zeros((size, size), np.int32)
    seeds[tuple(rng.integers(0, size, (2, count)))] = np.arange(1, count + 1)
    distance, index = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    return np.where(distance < 0.6 * size / count**0.5, seeds[tuple(index)], 0)


# --- distances


@few
@given(small_labels(2), st.sampled_from([1.2, 2.9, 5.3, 40.0]))
def test_distances_in_a_plane_equal_brute_force(labels, cutoff):
    expected = brute_two(labels, cutoff=cutoff)
    np.testing.assert_allclose(nearest_two(labels, cutoff=cutoff), expected, 1e-5)


@few
@given(small_labels(3), st.sampled_from([2.9, 40.0]))
def test_distances_in_a_volume_equal_brute_force(labels, cutoff):
    expected = brute_two(labels, cutoff=cutoff)
    np.testing.assert_allclose(nearest_two(labels, cutoff=cutoff), expected, 1e-5)


@few
@given(
    small_labels(3),
    st.sampled_from([(4, 2, 2), (2.9, 0.7, 1.0), (0.13, 0.4, 0.4)]),
    st.sampled_from([0.93, 3.7, math.inf]),
)
def test_distances_follow_the_spacing(labels, spacing, cutoff):
    expected = brute_two(labels, spacing, cutoff)
    found = nearest_two(labels, spacing=spacing, cutoff=cutoff)
    np.testing.assert_allclose(found, expected, 1e-5)


@pytest.mark.parametrize("count", [1, 4, 40, 400])
def test_distances_between_many_blobs_equal_brute_force(count):
    labels = blobs(count)
    expected = brute_two(labels, cutoff=30)
    np.testing.assert_allclose(nearest_two(labels), expected, 1e-5)


@pytest.mark.parametrize("spacing", [(1700.3, 1.0), (2.7, 0.0016), (1e-7, 2.7e-4)])
@pytest.mark.parametrize("cutoff", [math.inf, 30.0])
def test_distances_are_exact_however_unlike_the_axes_are(spacing, cutoff):
    labels = np.zeros((20, 40), int)
    labels[3, 5], labels[3, 20], labels[17, 33] = 1, 2, 3
    cutoff *= min(spacing)
    expected = brute_two(labels, spacing, cutoff)
    found = nearest_two(labels, spacing, cutoff)
    np.testing.assert_allclose(found, expected, 1e-6)


@pytest.mark.parametrize("spacing", [(1.0, 1.5), (0.3, 0.2), (2.0, 0.5)])
def test_equal_distances_along_unlike_axes_are_equal(spacing):
    # As many steps along each axis as the other one's step is long.
    steps = [round(s / 0.1) for s in reversed(spacing)]
    least = math.gcd(*steps)
    rows, columns = (step // least for step in steps)
    labels = np.zeros((rows + 1, columns + 1), int)
    labels[0, columns], labels[rows, 0] = 2, 1
    found = nearest_objects(labels, spacing)
    assert found.d1[0, 0] == found.d2[0, 0]
    assert (found.first[0, 0], found.second[0, 0]) == (1, 2)


def test_an_axis_too_coarse_to_step_along_does_no_harm():
    labels = np.array([[[1, 0, 0, 2]], [[0, 3, 0, 0]]])
    apart = nearest_two(labels, spacing=(1e6, 1.1, 1.0))
    for plane, alone in zip((0, 1), (labels[0], labels[1]), strict=True):
        expected = nearest_two(alone, spacing=(1.1, 1.0))
        np.testing.assert_allclose([d[plane] for d in apart], expected, 1e-6)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((60, 70), (1e6, 1.0)), ((60, 70), (1e9, 1.0))]
)
def test_distances_beyond_64_bits_are_refused(shape, spacing):
    labels = np.zeros(shape, np.int32)
    labels[0, 0], labels[-1, -1] = 1, (1 << 20) - 1
    with pytest.raises(ConfigError, match="smaller cutoff"):
        nearest_two(labels, spacing, math.inf)
    labels[-1, -1] = 2
    found = nearest_two(labels, spacing, 80.0)
    assert found.d2[0, 0] == math.inf
    assert found.d1[0, -1] == 69


def test_any_cutoff_is_allowed():
    labels = np.array([[1, 0, 0, 2]])
    np.testing.assert_array_equal(
        nearest_two(labels, cutoff=1e200), nearest_two(labels, cutoff=math.inf)
    )


def test_a_distance_equal_to_the_cutoff_counts():
    labels = np.zeros((4, 5), int)
    labels[0, 0] = 1
    d1, _ = nearest_two(labels, cutoff=5)
    assert d1[3, 4] == 5
    d1, _ = nearest_two(labels, cutoff=4.99)
    assert d1[3, 4] == np.inf


def test_a_pixel_between_equally_near_objects_has_equal_distances():
    labels = np.zeros((9, 9), int)
    labels[4, 0], labels[4, 8], labels[0, 4] = 1, 2, 3
    d1, d2 = nearest_two(labels)
    assert d1[4, 4] == d2[4, 4] == 4


def test_the_image_may_span_several_blocks_and_threads(monkeypatch):
    labels = blobs(60)
    volume = np.stack([labels, np.roll(labels, 9), np.zeros_like(labels), labels])
    whole = [nearest_two(labels), nearest_two(volume, (3, 1, 1))]
    monkeypatch.setattr(_search, "BLOCK", 300)
    monkeypatch.setattr(_search, "LARGEST_BLOCK", 600)
    monkeypatch.setattr(_search, "LARGE", 1)
    for threads in (1, 3, None):
        parts = [
            nearest_two(labels, threads=threads),
            nearest_two(volume, (3, 1, 1), threads=threads),
        ]
        for part, expected in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(part, expected)


def test_long_rows_are_searched_across_chunks():
    labels = np.zeros((3, 1600), np.int32)
    labels[1, [3, 505, 519, 1030, 1590]] = [1, 2, 3, 4, 5]
    expected = brute_two(labels, cutoff=60)
    np.testing.assert_allclose(nearest_two(labels, cutoff=60), expected, 1e-5)


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", ">i4"]
)
def test_any_integer_type_gives_the_same_distances(dtype):
    labels = blobs(1 if dtype == "bool" else 30)
    found = nearest_two(labels.astype(dtype))
    np.testing.assert_array_equal(found, nearest_two(labels))
    assert found.d1.dtype == found.d2.dtype == np.float32


@pytest.mark.parametrize("offset", [2**20, 2**31, 2**63])
def test_large_ids_are_told_apart(offset):
    labels = blobs(30).astype(np.uint64)
    large = np.where(labels > 0, labels + np.uint64(offset), 0).astype(np.uint64)
    np.testing.assert_array_equal(nearest_two(large), nearest_two(labels))
    full = np.where(large > 0, large, np.uint64(offset))  # an image without background
    ids = np.where(labels > 0, labels, np.uint64(31))
    np.testing.assert_array_equal(nearest_two(full), nearest_two(ids))


def test_views_and_lists_are_read_as_they_look():
    labels = blobs(30)
    for view in (labels[::2, ::-1], labels.T, labels[5:, 7:]):
        expected = nearest_two(np.ascontiguousarray(view))
        np.testing.assert_array_equal(nearest_two(view), expected)
    np.testing.assert_array_equal(nearest_two(labels.tolist()), nearest_two(labels))


@few
@given(small_labels(2), st.permutations([1, 2, 3, 4, 9]))
def test_renumbering_the_objects_changes_nothing(labels, order):
    table = np.arange(10)
    table[[1, 2, 3, 4, 9]] = order
    np.testing.assert_array_equal(nearest_two(table[labels]), nearest_two(labels))


@few
@given(small_labels(3), st.sampled_from([0, 1, 2, (0, 1), (1, 2), (0, 1, 2)]))
def test_a_mirrored_volume_has_mirrored_distances(labels, axis):
    for found, plain in zip(
        nearest_two(np.flip(labels, axis)), nearest_two(labels), strict=True
    ):
        np.testing.assert_array_equal(found, np.flip(plain, axis))


def test_one_object_has_no_second_distance():
    d1, d2 = nearest_two(np.eye(6, dtype=bool))
    assert d1.max() < np.inf
    assert np.isinf(d2).all()


def test_empty_arrays_are_allowed():
    assert nearest_two(np.zeros((0, 5), int)).d1.shape == (0, 5)
    assert separation_weights(np.zeros((4, 0), int), gap=1).shape == (4, 0)


# --- weights


@few
@given(small_labels(2), st.sampled_from([0.7, 2.0, 5.0, 11.0]))
def test_the_border_term_equals_brute_force(labels, sigma):
    found = separation_weights(labels, sigma=sigma, balance="none") - 1
    np.testing.assert_allclose(found, brute_weights(labels, 10, sigma), atol=1e-5)


@few
@given(small_labels(3), st.sampled_from([(2.5, 0.5, 0.5), (1.7, 0.9, 1.1)]))
def test_sigma_is_in_pixels_of_the_finest_axis(labels, spacing):
    found = separation_weights(labels, spacing=spacing, balance="none") - 1
    expected = brute_weights(labels, 10, 5, spacing)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 5.0, 25.0])
@pytest.mark.parametrize("count", [6, 90])
def test_the_border_term_of_blobs_equals_brute_force(sigma, count):
    labels = blobs(count, size=96)
    found = separation_weights(labels, sigma=sigma, balance="none") - 1
    np.testing.assert_allclose(found, brute_weights(labels, 10, sigma), atol=1e-5)


def test_the_weights_of_2015_are_equation_2():
    labels = np.array([[1, 1, 0, 0, 0, 2, 2, 0]])
    sums = np.array([5, 4, 4, 4, 4, 4, 5, 7.0])  # d1 + d2
    balance = np.where(labels > 0, 8 / (2 * 4), 8 / (2 * 4))
    expected = balance + 10 * np.exp(-(sums**2) / 50)
    np.testing.assert_allclose(separation_weights(labels), expected, rtol=1e-6)


def test_the_weights_of_2019_are_those_of_the_plugin():
    labels = np.array([[1, 1, 0, 0, 0, 2, 2, 0]])
    d1 = np.array([0, 0, 1, 2, 1, 0, 0, 1.0])
    d2 = np.array([5, 4, 3, 2, 3, 4, 5, 6.0])
    outside = 0.1 + 0.9 * np.exp(-(d1**2) / 200) + 50 * np.exp(-((d1 + d2) ** 2) / 72)
    expected = np.where(labels > 0, 1, outside)
    found = separation_weights(labels, preset="2019")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_balance_of_2019_reaches_further_than_the_border_term():
    labels = np.zeros((1, 80), int)
    labels[0, 0] = 1
    expected = 0.1 + 0.9 * np.exp(-(np.arange(80.0) ** 2) / 200)
    found = separation_weights(labels, preset="2019", sigma=1)[0]
    np.testing.assert_allclose(found[1:], expected[1:], atol=1e-6)
    assert found[0] == 1


def test_a_carved_pixel_of_2019_is_background_at_distance_zero():
    labels = np.array([[1, 1, 1, 2, 2, 2]])
    plain = separation_weights(labels, preset="2019")
    carved = separation_weights(labels, preset="2019", gap=1)
    assert (plain == 1).all()
    expected = [1, 1, 1, 1 + 50 * math.exp(-1 / 72), 1, 1]
    np.testing.assert_allclose(carved[0], expected, rtol=1e-6)


def test_numbers_of_the_presets_can_be_replaced():
    labels = blobs(20)
    for preset, (w0, sigma) in PRESETS.items():
        explicit = separation_weights(labels, preset, w0=w0, sigma=sigma)
        np.testing.assert_array_equal(explicit, separation_weights(labels, preset))
        assert np.ptp(separation_weights(labels, preset, w0=0)) < 3


def test_a_kept_distance_map_gives_the_same_term():
    labels = blobs(30)
    two = nearest_two(labels, cutoff=6 * 7)
    before = two.d1.copy()
    term = separation_term(two, w0=3, sigma=7)
    full = separation_weights(labels, w0=3, sigma=7, balance="none")
    np.testing.assert_allclose(term + 1, full, atol=1e-6)
    np.testing.assert_array_equal(two.d1, before)


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
def test_background_alone_needs_no_border_term(preset):
    found = separation_weights(np.zeros((5, 6), np.uint8), preset=preset)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.1 if preset == "2019" else 1.0)


@pytest.mark.parametrize("preset", ["2015", "2019"])
def test_one_object_has_finite_weights(preset):
    labels = np.zeros((9, 9), int)
    labels[2:5, 3:6] = 7
    found = separation_weights(labels, preset=preset)
    assert np.isfinite(found).all()
    if preset == "2015":
        np.testing.assert_array_equal(found, class_weights(labels))


@few
@given(small_labels(2))
def test_both_classes_weigh_the_same_and_the_mean_is_one(labels):
    found = class_weights(labels).astype(float)
    assert found.mean() == pytest.approx(1)
    if 0 < np.count_nonzero(labels) < labels.size:
        assert found[labels > 0].sum() == pytest.approx(found[labels == 0].sum())


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
@pytest.mark.parametrize("ignore", [-1, 255])
def test_ignored_pixels_weigh_nothing_and_are_no_object(preset, ignore):
    plain = np.zeros((6, 20), np.int16)
    plain[1:5, 2:6], plain[1:5, 9:13] = 1, 2
    labels = plain.copy()
    labels[:, 15:] = ignore
    found = separation_weights(labels, preset, ignore=ignore, gap=1)
    assert (found[:, 15:] == 0).all()
    expected = separation_weights(plain[:, :15], preset)
    np.testing.assert_allclose(found[:, :15], expected, rtol=1e-6)


def test_an_image_that_is_ignored_as_a_whole_weighs_nothing():
    assert not separation_weights(np.full((3, 3), 9), ignore=9).any()


# --- carving


def neighbours_differ(labels):
    padded = np.pad(labels, 1)
    centre = tuple(slice(1, -1) for _ in labels.shape)
    result = np.zeros(labels.shape, bool)
    for shift in np.ndindex(*(3,) * labels.ndim):
        window = tuple(
            slice(s, s + n) for s, n in zip(shift, labels.shape, strict=True)
        )
        other = padded[window]
        result |= (other > 0) & (other != padded[centre]) & (labels > 0)
    return result


@few
@given(st.one_of(small_labels(2), small_labels(3)), st.integers(1, 4))
def test_carving_parts_all_objects_and_only_removes(labels, gap):
    carved = carve_gap(labels, gap)
    assert not neighbours_differ(carved).any()
    assert ((carved == labels) | (carved == 0)).all()
    assert set(np.unique(carved)) <= {0, *np.unique(labels)}
    near = ndimage.binary_dilation(
        neighbours_differ(labels), np.ones((3,) * labels.ndim), iterations=gap
    )
    np.testing.assert_array_equal(carved[~near], labels[~near])


@few
@given(st.one_of(small_labels(2), small_labels(3)))
def test_a_gap_of_one_removes_pixels_that_touch_an_earlier_object(labels):
    expected = labels.copy()
    for index in np.argwhere(labels):
        for shift in np.ndindex(*(3,) * labels.ndim):
            before = shift < (1,) * labels.ndim
            other = tuple(index + np.array(shift) - 1)
            inside = np.all((np.array(other) >= 0) & (other < np.array(labels.shape)))
            if before and inside and labels[other] not in (0, labels[tuple(index)]):
                expected[tuple(index)] = 0
    np.testing.assert_array_equal(carve_gap(labels, 1), expected)


@pytest.mark.parametrize("gap", range(2, 7))
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_straight_contact_gets_exactly_the_gap_in_its_middle(axis, gap):
    labels = np.full((5, 5, 5), 1).repeat(4, axis)
    labels[(slice(None),) * axis + (slice(10, None),)] = 2
    carved = carve_gap(labels, gap)
    assert ((carved == 0).sum(axis) == gap).all()
    assert ((carved == 1).sum(axis) == 10 - gap // 2).all()


def test_a_gap_of_one_is_the_plugins_staggered_line():
    across = np.array([[1, 1, 2, 2]] * 3)
    assert carve_gap(across).tolist() == [[1, 1, 0, 2], [1, 0, 0, 2], [1, 0, 0, 2]]
    assert carve_gap(across.T).tolist() == [[1] * 3, [1] * 3, [0] * 3, [2] * 3]
    np.testing.assert_array_equal(carve_gap(across, 0), across)


def test_objects_apart_stay_whole_beside_a_wide_gap():
    labels = np.array([[1, 1, 1, 1, 2, 2, 2, 2], [0] * 8, [3] * 8])
    carved = carve_gap(labels, 6)
    np.testing.assert_array_equal(carved[2], labels[2])
    assert carved[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize("gap", [1, 2, 3, 4])
def test_an_object_wider_than_the_gap_survives_in_a_crowd(gap):
    side = gap + 2
    block = np.arange(1, 10).reshape(3, 3).repeat(side, axis=0).repeat(side, axis=1)
    assert set(np.unique(carve_gap(block, gap))) == set(range(10))


def test_carving_keeps_type_input_and_ignored_pixels():
    labels = np.array([[1, 1, 2, 255, 255]], np.uint8)
    carved = carve_gap(labels, 1, ignore=255)
    assert carved.dtype == np.uint8
    assert carved.tolist() == [[1, 1, 0, 255, 255]]
    assert labels.tolist() == [[1, 1, 2, 255, 255]]
    assert carve_gap(labels > 0).all()


# --- refusals


@pytest.mark.parametrize("function", [nearest_two, class_weights, separation_weights])
def test_labels_that_are_no_ids_are_refused(function):
    with pytest.raises(InputError, match=r"float64.*astype"):
        function(np.zeros((3, 3)))
    with pytest.raises(InputError, match="negative id -3"):
        function(np.array([[0, -3]]))
    with pytest.raises(InputError, match="1 axes"):
        function(np.zeros(3, int))
    with pytest.raises(InputError, match="negative id"):
        separation_weights(np.array([[0, -3, -1]]), ignore=-1)


@pytest.mark.parametrize("spacing", [(1,), (1, 0), (1, -2), (1, np.inf)])
def test_a_spacing_that_does_not_fit_is_refused(spacing):
    with pytest.raises(InputError, match="spacing"):
        separation_weights(np.zeros((3, 3), int), spacing=spacing)


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "2016"},
        {"w0": -1.0},
        {"sigma": 0.0},
        {"sigma": math.nan},
        {"balance": "batch"},
        {"gap": -1},
        {"gap": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError):
        replace(WeightConfig(), **change)
    with pytest.raises(ConfigError):
        separation_weights(np.zeros((3, 3), int), **change)


def test_an_ignored_id_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="ignored id is 'none'"):
        separation_weights([[0, 1]], ignore="none")


def test_a_cutoff_of_zero_is_refused():
    with pytest.raises(ConfigError, match="cutoff"):
        nearest_two(np.zeros((3, 3), int), cutoff=0)
