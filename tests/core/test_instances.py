from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.instances import ObjectConfig, close_gaps, label_objects

PLAIN = ObjectConfig(min_size=0, fill_holes=0)
few = settings(max_examples=60, deadline=None, derandomize=True)

masks = st.one_of(
    arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    arrays(bool, st.tuples(*[st.integers(1, 4)] * 3)),
)


def mask_of(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


def objects(mask, **changes):
    """Label a mask given as such, with nothing removed, filled or split by default."""
    config = ObjectConfig(**{"min_size": 0, "fill_holes": 0, **changes})
    return label_objects(np.where(mask, 0.9, 0.1), config)


def ball(shape, centre, radius, spacing=None):
    grid = np.indices(shape).astype(float)
    offset = grid - np.reshape(centre, (-1,) + (1,) * len(shape))
    if spacing is not None:
        offset *= np.reshape(spacing, (-1,) + (1,) * len(shape))
    return (offset**2).sum(0) <= radius**2


# --- threshold and components


@few
@given(mask=masks)
def test_objects_are_the_components_connected_by_faces(mask):
    found = objects(mask)
    expected, count = ndimage.label(mask)
    assert found.dtype == np.int32
    assert np.array_equal(found, expected)
    assert found.max() == count


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_a_pixel_of_exactly_the_threshold_belongs_to_an_object(threshold):
    probability = np.array([[0.3, 0.0, 0.5, 0.0, 0.7]])
    found = label_objects(probability, ObjectConfig(threshold, min_size=0))
    assert np.array_equal(found > 0, probability >= threshold)
    assert found.max() == np.count_nonzero(probability >= threshold)


def test_objects_that_meet_at_a_corner_stay_two():
    mask = mask_of("##...", "##...", "..##.", "..##.")
    assert objects(mask).max() == 2
    cube = np.zeros((4, 4, 4), bool)
    cube[:2, :2, :2] = cube[2:, 2:, :2] = cube[:2, 2:, 2:] = True
    assert objects(cube).max() == 3


@pytest.mark.parametrize("split", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_splitting_never_joins_objects_that_meet_at_a_corner(split, size):
    mask = np.zeros((2 * size, 2 * size), bool)
    mask[:size, :size] = mask[size:, size:] = True
    found = objects(mask, split=split)
    assert found[0, 0] != found[-1, -1]
    assert found.max() == 2


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 5, 7), (1, 20, 20)])
@pytest.mark.parametrize("split", [0.0, 1.0])
def test_an_empty_image_has_no_objects_and_a_full_one_has_one(shape, split):
    config = ObjectConfig(split=split, min_size=0)
    assert not label_objects(np.zeros(shape), config).any()
    assert (label_objects(np.ones(shape), config) == 1).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_probabilities_of_any_precision_are_labelled(dtype):
    probability = np.array([[0.75, 0.0, 0.75]], dtype)
    assert label_objects(probability, PLAIN).tolist() == [[1, 0, 2]]


def test_time_points_are_never_taken_for_planes_of_one_volume():
    film = np.zeros((2, 2, 5, 5))
    film[0, 1, 1:3, 1:3] = film[1, 0, 1:3, 1:3] = 1  # neighbours in memory, not in time
    with pytest.raises(InputError, match="one time point at a time"):
        label_objects(film, PLAIN)
    with pytest.raises(InputError, match="1 axes"):
        label_objects(film[0, 0, 0], PLAIN)


def test_a_spacing_of_other_axes_is_refused():
    with pytest.raises(InputError, match="2 axes"):
        label_objects(np.ones((5, 5)), replace(PLAIN, split=1.0), (2.0, 0.5, 0.5))


def test_the_probabilities_stay_as_they_were():
    probability = np.random.default_rng(0).random((20, 20))
    before = probability.copy()
    label_objects(probability, ObjectConfig(split=1.0, close_gaps=2))
    assert np.array_equal(probability, before)


# --- sizes


@few
@given(mask=masks, min_size=st.integers(0, 12))
def test_exactly_the_objects_below_the_least_size_are_removed(mask, min_size):
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = min_size
    found = objects(mask, min_size=min_size)
    assert np.array_equal(found > 0, mask & (sizes >= min_size)[labels])
    assert np.array_equal(np.unique(found[found > 0]), np.arange(1, found.max() + 1))


def test_an_object_of_exactly_the_least_size_stays():
    mask = mask_of("##.###", "......", "#..##.")
    for least, kept in ((0, 4), (1, 4), (2, 3), (3, 1), (4, 0)):
        assert objects(mask, min_size=least).max() == kept


# --- holes


def test_a_hole_is_filled_up_to_its_size():
    ring = mask_of(".....", ".####.."[:5], ".#..#", ".####", ".....")
    assert objects(ring, fill_holes=1)[2, 2] == 0
    assert objects(ring, fill_holes=2)[2, 2:4].tolist() == [1, 1]


def test_a_small_piece_of_background_at_the_border_is_no_hole():
    corner = mask_of("..###", ".####", "#####")
    assert np.array_equal(objects(corner, fill_holes=100) > 0, corner)


def test_background_between_objects_is_no_hole_in_one_of_them():
    # Four objects around one pixel; filling it would make them one.
    mask = mask_of(".##.", "#.##", "##.#", ".##.")
    before = objects(mask)
    assert np.array_equal(objects(mask, fill_holes=100), before)


@few
@given(mask=masks, size=st.integers(0, 30))
def test_filling_holes_never_joins_objects_nor_takes_pixels_away(mask, size):
    before, after = objects(mask), objects(mask, fill_holes=size)
    assert (after[mask] > 0).all()
    # Each object of before is in one of after, and those are as many but for
    # objects that lay in a hole of another.
    enclosing = {
        int(i): set(after[before == i].tolist()) for i in np.unique(before[mask])
    }
    assert all(len(ids) == 1 for ids in enclosing.values())
    filled = (after > 0) & ~mask
    background, _ = ndimage.label(~mask, np.ones((3,) * mask.ndim))
    for i in np.unique(background[filled]):
        hole = background == i
        assert filled[hole].all()
        assert hole.sum() <= size
        # One object lies around it; others may lie inside. A plane is no volume here.
        region = ndimage.binary_fill_holes(hole.squeeze())
        around = ndimage.binary_dilation(region) & ~region & mask.squeeze()
        assert len(np.unique(before.squeeze()[around])) == 1


def test_what_lies_in_a_filled_hole_joins_the_object_around_it():
    spot = mask_of("#####", "#...#", "#.#.#", "#...#", "#####")
    spot = np.pad(spot, 1)
    assert objects(spot, fill_holes=7).max() == 2
    assert np.array_equal(objects(spot, fill_holes=8)[1:6, 1:6], np.ones((5, 5)))


def test_holes_are_filled_in_volumes_and_in_stacks_of_one_plane():
    shell = np.zeros((5, 5, 5), bool)
    shell[1:4, 1:4, 1:4] = True
    shell[2, 2, 2] = False
    assert objects(shell, fill_holes=1)[2, 2, 2] == 1
    plane = shell[2:3]
    assert objects(plane, fill_holes=1)[0, 2, 2] == 1


# --- splitting


def two_discs(distance, radius=10):
    shape = (4 * radius, 6 * radius)
    middle = (2 * radius, 3 * radius)
    return [
        ball(shape, (middle[0], middle[1] + side * distance / 2), radius)
        for side in (-1, 1)
    ]


@pytest.mark.parametrize("distance", [13, 16, 19])
def test_two_overlapping_discs_become_two_objects(distance):
    left, right = two_discs(distance)
    found = objects(left | right, split=1.0)
    assert found.max() == 2
    halves = found[20, 20], found[20, 40]
    assert set(halves) == {1, 2}
    # Each keeps the pixels that only one of the discs has, and none is lost.
    for disc, other, label in ((left, right, halves[0]), (right, left, halves[1])):
        own = disc & ~other
        assert (found[own] == label).mean() > 0.98
    assert np.array_equal(found > 0, left | right)


@pytest.mark.parametrize("radius", [1, 2.5, 7, 15])
@pytest.mark.parametrize("split", [0.25, 1.0, 5.0])
def test_one_disc_stays_one_object(radius, split):
    disc = ball((40, 40), (19.5, 20), radius)
    assert objects(disc, split=split).max() == 1


def test_a_deeper_neck_is_needed_for_a_larger_split():
    left, right = two_discs(14)  # radius 10, half width of the neck 7.1
    assert objects(left | right, split=1.5).max() == 2
    assert objects(left | right, split=3.5).max() == 1


@pytest.mark.parametrize("slope", [0.0, 0.21, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("width", [3.0, 5.5])
def test_a_rod_is_not_chopped_however_it_lies(slope, width):
    along, across = np.indices((60, 60)) - 30.0
    length = np.hypot(1, slope)
    u, v = (along + slope * across) / length, (across - slope * along) / length
    rod = (np.abs(u) < 25) & (np.abs(v) < width)
    assert objects(rod, split=1.0).max() == 1


def test_two_overlapping_balls_become_two_objects():
    shape = (20, 20, 34)
    mask = ball(shape, (10, 10, 10), 8) | ball(shape, (10, 10, 22), 8)
    found = objects(mask, split=1.0)
    assert found.max() == 2
    assert found[10, 10, 10] != found[10, 10, 22]


def test_distances_for_splitting_are_physical():
    # Two discs in a plane whose rows are three times as far apart as its columns.
    spacing = (3.0, 1.0)
    left, right = (ball((16, 60), (8, centre), 10, spacing) for centre in (20, 36))
    probability = (left | right).astype(float)
    config = ObjectConfig(min_size=0, fill_holes=0, split=1.0)
    assert label_objects(probability, config, spacing).max() == 2
    disc = ball((16, 40), (8, 20), 14, spacing).astype(float)
    assert label_objects(disc, config, spacing).max() == 1


@few
@given(mask=masks, split=st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_splitting_only_divides(mask, split):
    before, after = objects(mask), objects(mask, split=split)
    assert np.array_equal(after > 0, mask)
    for i in np.unique(after[mask]):
        piece = after == i
        assert len(np.unique(before[piece])) == 1
        assert ndimage.label(piece)[1] == 1


def test_pieces_below_the_least_size_are_removed_after_splitting():
    left, right = two_discs(17)
    least = int(left.sum()) + 20
    assert objects(left | right, min_size=least).max() == 1
    assert objects(left | right, split=1.0, min_size=least).max() == 0


# --- gaps


def test_a_gap_is_closed_up_to_its_width_and_open_background_is_not():
    row = np.array([[0, 1, 1, 0, 0, 2, 0, 0, 0, 3, 0]], np.int32)
    assert close_gaps(row, 1).tolist() == row.tolist()
    assert close_gaps(row, 2).tolist() == [[0, 1, 1, 1, 2, 2, 0, 0, 0, 3, 0]]
    assert set(close_gaps(row, 3)[0, 5:10].tolist()) == {2, 3}


def test_closing_gaps_changes_no_object_and_joins_none():
    generator = np.random.default_rng(4)
    labels = ndimage.label(generator.random((40, 40)) > 0.6)[0].astype(np.int32)
    closed = close_gaps(labels, 2)
    assert closed.dtype == np.int32
    assert np.array_equal(closed[labels > 0], labels[labels > 0])
    assert set(np.unique(closed)) == set(np.unique(labels))


def test_closing_gaps_leaves_a_lonely_object_and_an_empty_image_alone():
    disc = ball((20, 20), (10, 10), 5).astype(np.int32)
    assert np.array_equal(close_gaps(disc, 3), disc)
    assert not close_gaps(np.zeros((5, 5), np.int32), 3).any()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("gap", [2, 4])
def test_the_gap_of_a_training_target_is_given_back_along_thick_slices_too(axis, gap):
    ids = np.ones((12, 12, 12), np.int32)
    ids[(slice(None),) * axis + (slice(6, None),)] = 2
    probability = (carve_gap(ids, gap) > 0).astype(np.float32)
    config = ObjectConfig(min_size=0, fill_holes=0, close_gaps=gap)
    labels = label_objects(probability, config, spacing=(5.0, 1.0, 1.0))
    assert np.array_equal(labels, ids)


# --- two thresholds


def test_weak_pixels_belong_to_an_object_that_reaches_the_threshold():
    row = np.array([[0.3, 0.4, 0.9, 0.4, 0.1, 0.4, 0.4, 0.1, 0.6, 0.2]])
    plain = label_objects(row, ObjectConfig(0.5, min_size=0))
    assert plain.tolist() == [[0, 0, 1, 0, 0, 0, 0, 0, 2, 0]]
    both = label_objects(row, ObjectConfig(0.5, min_size=0, low=0.35))
    assert both.tolist() == [[0, 1, 1, 1, 0, 0, 0, 0, 2, 0]]
    more = label_objects(row, ObjectConfig(0.5, min_size=0, low=0.3))
    assert more.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0, 2, 0]]


@few
@given(
    field=arrays(np.float32, (9, 9), elements=st.floats(0, 1, width=16)),
    low=st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.9]),
)
def test_two_thresholds_are_hysteresis(field, low):
    from skimage.filters import apply_hysteresis_threshold

    config = ObjectConfig(0.6, min_size=0, fill_holes=0, low=low)
    found = label_objects(field, config) > 0
    if not 0 < low < 0.6:
        assert np.array_equal(found, field >= 0.6)
    else:
        # scikit-image takes what is above, not at the thresholds.
        just = np.nextafter(np.float32([low, 0.6]), np.float32(0))
        assert np.array_equal(found, apply_hysteresis_threshold(field, *just))


# --- largest size, borders, smoothing


@few
@given(mask=masks, max_size=st.integers(0, 12))
def test_exactly_the_objects_above_the_largest_size_are_removed(mask, max_size):
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = (sizes <= max_size)[labels] if max_size else True
    assert np.array_equal(objects(mask, max_size=max_size) > 0, mask & kept)


@few
@given(
    mask=masks, border=st.sampled_from(["keep", "sides", "all"]), split=st.booleans()
)
def test_exactly_the_objects_at_the_border_are_removed(mask, border, split):
    before = objects(mask, split=0.5 * split)
    after = objects(mask, split=0.5 * split, border=border)
    axes = {"keep": (), "sides": (-2, -1), "all": range(mask.ndim)}[border]
    touching = set()
    for axis in axes:
        if mask.shape[axis] > 1:
            touching |= set(before.take((0, -1), axis=axis).ravel().tolist())
    expected = (before > 0) & ~np.isin(before, list(touching))
    assert np.array_equal(after > 0, expected)
    assert set(np.unique(after)) | {0} == set(range(after.max(initial=0) + 1))


def test_the_first_and_last_plane_of_a_stack_are_no_sides():
    stack = np.zeros((3, 7, 7), bool)
    stack[:, 2:5, 2:5] = True
    assert objects(stack, border="sides").max() == 1
    assert objects(stack, border="all").max() == 0
    # A stack of one plane is a plane.
    assert objects(stack[:1], border="all").max() == 1


def test_smoothing_takes_spikes_from_the_outline_and_keeps_the_size():
    disc = ball((60, 60), (30, 30), 15)
    rough = disc.copy()
    rough[30, 46:52] = rough[5:15, 30] = True  # spikes of one pixel
    rough[40, 20] = False
    found = objects(rough, smooth=1.5) > 0
    assert np.count_nonzero(found ^ disc) < 0.01 * disc.sum()
    assert np.count_nonzero(rough ^ disc) > 0.01 * disc.sum()


# --- splitting by probability


def test_a_faint_line_between_objects_splits_them_by_probability_only():
    probability = np.zeros((20, 41))
    probability[4:16, 4:37] = 0.95
    probability[4:16, 20] = 0.7  # no neck, but a doubt
    config = ObjectConfig(min_size=0, fill_holes=0, split=10, seeds="probability")
    found = label_objects(probability, config)
    assert found.max() == 2
    assert found[10, 10] != found[10, 30]
    for changes in ({"seeds": "distance"}, {"split": 30}):
        assert label_objects(probability, replace(config, **changes)).max() == 1


@few
@given(
    field=arrays(np.float32, (9, 9), elements=st.floats(0, 1, width=16)),
    split=st.sampled_from([1.0, 10.0, 50.0]),
)
def test_splitting_by_probability_only_divides(field, split):
    config = ObjectConfig(0.3, min_size=0, fill_holes=0)
    before = label_objects(field, config)
    after = label_objects(field, replace(config, split=split, seeds="probability"))
    assert np.array_equal(after > 0, before > 0)
    for i in np.unique(after[after > 0]):
        piece = after == i
        assert len(np.unique(before[piece])) == 1
        assert ndimage.label(piece)[1] == 1


def test_probabilities_that_are_not_numbers_are_background():
    probability = np.full((9, 9), 0.9)
    probability[4] = np.nan
    for changes in ({}, {"split": 5.0, "seeds": "probability"}, {"low": 0.2}):
        config = ObjectConfig(min_size=0, fill_holes=0, **changes)
        assert label_objects(probability, config).max() == 2


# --- settings


def test_settings_of_earlier_versions_are_read():
    old = {"threshold": 0.4, "min_size": 3, "fill_holes": 2, "close_gaps": 1}
    config = ObjectConfig.from_dict({**old, "split": 1.0})
    assert config == ObjectConfig(0.4, 3, 2, 1, 1.0)
    assert ObjectConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"min_size": -1},
        {"min_size": 2.5},
        {"fill_holes": -1},
        {"split": -0.5},
        {"close_gaps": -1},
        {"low": -0.1},
        {"max_size": -1},
        {"smooth": 11.0},
        {"seeds": "colour"},
        {"border": "remove"},
        {"link": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        ObjectConfig(**fields)
