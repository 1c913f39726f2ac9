"""Scores of planes whose membranes part cells: partitions and topology."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import (
    Partitions,
    Warping,
    cells_of,
    thinned_borders,
)
from napari_unet_studio.core.metrics.warping import warped

few = settings(max_examples=60, deadline=None, derandomize=True)
planes = st.tuples(st.integers(1, 9), st.integers(1, 9))


def pairs_of(values):
    return planes.flatmap(
        lambda shape: st.tuples(
            *[arrays(np.int32, shape, elements=st.sampled_from(values))] * 2
        )
    )


# --- partitions


def test_scores_of_a_merger_and_of_a_split_by_hand() -> None:
    one, two = [[1, 1, 1, 1]], [[1, 1, 2, 2]]
    for scores in (Partitions.of(one, two), Partitions.of(two, one)):
        assert scores.pixels == 4
        # 2 pairs are together in both, 6 in one and 2 in the other: F = 4 / 8.
        assert scores.rand_error == pytest.approx(0.5)
        # 4 + 4 of (16 + 4 + 4) / 2.
        assert scores.v_rand == pytest.approx(2 / 3)
        assert scores.v_info == 0
    # Entropies log 2 and 3/4 log 4/3 + 1/4 log 4; they share all but the joint one.
    found = Partitions.of([[1, 1, 1, 2]], two)
    joint = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    single = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    shared = single + math.log(2) - joint
    assert found.v_info == pytest.approx(2 * shared / (single + math.log(2)))
    assert found.v_rand == pytest.approx(2 * 6 / (10 + 8))
    assert found.rand_error == pytest.approx(1 - 2 * 1 / (3 + 2))


def test_membranes_of_the_reference_do_not_count_and_others_stand_alone() -> None:
    truth = [[1, 1, 0, 2, 2]]
    exact = Partitions.of([[3, 3, 3, 4, 4]], truth)
    assert (exact.pixels, exact.rand_error, exact.v_rand) == (4, 0, 1)
    assert exact.v_info == pytest.approx(1)
    # A pixel of each cell is called membrane: these two are not together.
    drawn = Partitions.of([[3, 0, 0, 0, 4]], truth)
    assert drawn.rand_error == 1  # no pair is together any more
    assert drawn.v_rand == pytest.approx(2 * 4 / (4 + 8))


@few
@given(images=pairs_of((0, 1, 2, 3, 900)))
def test_partitions_score_as_in_scikit_image(images) -> None:
    found, truth = images
    found = found + 1  # there, membrane is one segment like others
    scores = Partitions.of(found, truth)
    if not (truth > 0).any():
        assert all(map(math.isnan, (scores.rand_error, scores.v_rand, scores.v_info)))
        return
    if scores.joint.max() > 1:  # it divides by the number of pairs
        expected = adapted_rand_error(truth, found, ignore_labels=(0,))[0]
        assert scores.rand_error == pytest.approx(expected)
    inside = truth > 0
    lost = variation_of_information(truth[inside], found[inside])
    entropies = [
        variation_of_information(np.ones(inside.sum(), int), image[inside])[0]
        for image in (truth, found)
    ]
    if sum(entropies):
        shared = (sum(entropies) - sum(lost)) / 2
        assert scores.v_info == pytest.approx(2 * shared / sum(entropies), abs=1e-9)
    else:
        assert scores.v_info == 1


@few
@given(images=pairs_of((0, 1, 2, 3)))
def test_scores_of_partitions_are_bounded_and_blind_to_names(images) -> None:
    found, truth = images
    scores = Partitions.of(found, truth)
    if not scores.pixels:
        return
    assert 0 <= scores.rand_error <= 1
    assert 0 < scores.v_rand <= 1
    assert 0 <= scores.v_info <= 1 + 1e-12
    names = np.array([0, 70, 5, 6])
    again = Partitions.of(names[found], names[truth])
    assert (again.rand_error, again.v_rand) == (scores.rand_error, scores.v_rand)
    assert again.v_info == pytest.approx(scores.v_info)
    perfect = Partitions.of(names[truth], truth)
    assert (perfect.rand_error, perfect.v_rand) == (0, 1)
    assert perfect.v_info == pytest.approx(1)


def test_cells_hang_together_along_edges_only() -> None:
    mask = [[255, 0], [0, 255]]
    assert cells_of(mask).tolist() == [[1, 0], [0, 2]]
    assert cells_of(np.array(mask) > 0).tolist() == [[1, 0], [0, 2]]
    assert cells_of([[4, 4, 9], [9, 9, 9]]).tolist() == [[1, 1, 2], [2, 2, 2]]


@pytest.mark.parametrize("width", [1, 2, 3, 6, 9])
def test_membranes_of_any_width_are_thinned_to_one_pixel(width) -> None:
    cells = np.ones((20, 30), int)
    cells[:, 12 : 12 + width] = 0
    thin = thinned_borders(cells_of(cells))
    assert ((thin == 0).sum(1) == 1).all()
    assert label(thin > 0, connectivity=1).max() == 2
    truth = np.ones((20, 30), int)
    truth[:, 12 + (width - 1) // 2] = 0
    assert Partitions.of(thin, cells_of(truth)).v_rand > 0.9


def test_a_membrane_that_ends_within_a_cell_parts_nothing() -> None:
    cells = np.ones((20, 20), int)
    cells[:12, 8:11] = 0
    assert (thinned_borders(cells_of(cells)) == 1).all()
    nothing = np.zeros((4, 5), int)
    assert np.array_equal(thinned_borders(nothing), nothing)


# --- the warping error


def simple_by_search(pattern) -> bool:
    """A pixel is simple if one cell and one membrane meet it, each connected."""
    places = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
    patch = np.zeros((3, 3), int)
    for place, where in enumerate(places):
        patch[where] = pattern >> place & 1
    cells = label(patch, connectivity=1)
    membranes = 1 - patch
    membranes[1, 1] = 0
    edges = {cells[0, 1], cells[1, 0], cells[1, 2], cells[2, 1]} - {0}
    return len(edges) == 1 and label(membranes, connectivity=2).max() == 1


def test_simple_points_are_those_of_digital_topology() -> None:
    from napari_unet_studio.core.metrics.warping import _simple

    found = _simple()
    assert found.tolist() == [simple_by_search(pattern) for pattern in range(256)]
    assert found.sum() == 116  # the simple configurations of the plane


def topology(mask):
    """Return the number of cells, and of membranes that hang together."""
    framed = np.pad(np.asarray(mask) > 0, 1)
    return label(framed, connectivity=1).max(), label(~framed, connectivity=2).max()


@few
@given(images=pairs_of((0, 1)))
def test_warping_keeps_the_topology_and_never_moves_away(images) -> None:
    found, truth = images
    result = warped(truth, found)
    assert topology(result) == topology(truth)
    before, after = truth != found, result != (found > 0)
    assert (after <= before).all()
    scores = Warping.of(found, truth)
    assert scores.pixels == truth.size
    assert scores.wrong == after.sum()
    assert scores.splits + scores.mergers <= scores.wrong
    if topology(found) != topology(truth):
        assert scores.wrong > 0
    assert Warping.of(truth, truth).wrong == 0


@few
@given(images=pairs_of((0, 1)))
def test_what_stays_wrong_splits_or_joins_as_a_search_says(images) -> None:
    found, truth = images
    result = warped(truth, found)
    cells = label(result, connectivity=1).max()
    splits = mergers = 0
    for place in np.argwhere(result != (found > 0)):
        changed = result.copy()
        changed[tuple(place)] ^= True
        now = label(changed, connectivity=1).max()
        if result[tuple(place)]:
            splits += now > cells
        else:
            mergers += now < cells
    scores = Warping.of(found, truth)
    assert (scores.splits, scores.mergers) == (splits, mergers)


def room(walls=()):
    """Draw a cell of 12 x 20 pixels with a frame, and walls across it."""
    plane = np.zeros((16, 24), int)
    plane[2:14, 2:22] = 1
    for wall in walls:
        plane[:, wall] = 0
    return plane


def test_a_moved_or_thicker_membrane_is_no_error() -> None:
    assert Warping.of(room([11]), room([12])).wrong == 0
    assert Warping.of(room([8, 9, 10]), room([10, 11, 12])).wrong == 0
    # Further away than it is wide, it is a false one and a missing one.
    assert Warping.of(room([9]), room([12])) == Warping(384, 13, 1, 12)
    thick = room([9, 10, 11, 12])
    assert Warping.of(thick, room([11])).wrong == 0
    assert Warping.of(room([11]), thick).wrong == 0


def test_a_missing_membrane_counts_its_length_and_a_false_one_a_pixel() -> None:
    merged = Warping.of(room(), room([12]))
    assert merged == Warping(16 * 24, 12, 0, 12)
    assert merged.topology == pytest.approx(12 / (16 * 24))
    split = Warping.of(room([12]), room())
    assert split == Warping(16 * 24, 1, 1, 0)
    assert split.error == pytest.approx(1 / (16 * 24))


def test_a_missing_cell_a_new_one_and_a_hole_are_wrong_but_no_split() -> None:
    empty = np.zeros((16, 24), int)
    assert Warping.of(empty, room()) == Warping(384, 1, 0, 0)
    added = room()
    added[0, 0] = 1
    assert Warping.of(added, room()) == Warping(384, 1, 0, 0)
    hole = room()
    hole[5:8, 5:8] = 0
    # A membrane grows into the reference, but it must not close a ring: the last
    # pixel of a path to the hole stays.
    found = Warping.of(hole, room())
    assert found.wrong >= 1
    assert (found.splits, found.mergers) == (0, 0)


def test_membranes_that_reach_the_edge_go_on_beyond_it() -> None:
    whole = np.ones((6, 9), int)
    walled = whole.copy()
    walled[:, 4] = 0
    assert Warping.of(whole, walled).mergers == 6
    assert Warping.of(walled, whole).splits == 1


def test_warping_errors_add_up_and_need_planes() -> None:
    total = Warping(100, 3, 1, 1) + Warping(100, 5, 2, 1)
    assert (total.error, total.topology) == (0.04, 0.025)
    assert math.isnan(Warping(0, 0, 0, 0).error)
    assert math.isnan(Warping(0, 0, 0, 0).topology)
    with pytest.raises(InputError, match="one plane after another"):
        Warping.of(np.ones((2, 3, 3), int), np.ones((2, 3, 3), int))
    for measure in (Warping.of, Partitions.of):
        with pytest.raises(InputError, match=r"\(2, 3\) and \(3, 2\)"):
            measure(np.zeros((2, 3), int), np.zeros((3, 2), int))
