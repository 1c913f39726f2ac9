import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_studio.core.counting import count_pairs, joined
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.linking import link_objects, matched

few = settings(max_examples=150, deadline=None, derandomize=True)


def ids(shape, most=5):
    return arrays(np.int32, shape, elements=st.integers(0, most))


def numbered(frame):
    """Return a frame with the ids 1..n."""
    return np.unique(np.append(frame, 0), return_inverse=True)[1][:-1].reshape(
        frame.shape
    )


def greedy(before, after, least):
    """Pair objects by the largest overlap, one after the other."""
    candidates = []
    for a in np.unique(before[before > 0]):
        for b in np.unique(after[after > 0]):
            common = np.count_nonzero((before == a) & (after == b))
            if common:
                iou = common / np.count_nonzero((before == a) | (after == b))
                if iou >= least:
                    candidates.append((-iou, b, a))
    pairs = {}
    for _, b, a in sorted(candidates):
        if b not in pairs and a not in pairs.values():
            pairs[int(b)] = int(a)
    return pairs


@few
@given(data=st.data(), least=st.sampled_from([0.01, 0.1, 0.3, 0.6]))
def test_pairs_are_those_of_a_greedy_search(data, least):
    shape = data.draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    before, after = data.draw(ids(shape)), data.draw(ids(shape))
    one, two = matched(count_pairs(before, after), least)
    found = dict(zip(two.tolist(), one.tolist(), strict=True))
    assert found == greedy(before, after, least)


@few
@given(before=ids((6, 7)), after=ids((6, 7)), cut=st.integers(1, 5))
def test_pairs_of_parts_sum_to_those_of_the_whole(before, after, cut):
    parts = [count_pairs(before[p], after[p]) for p in (np.s_[:cut], np.s_[cut:])]
    for one, two in zip(joined(parts), count_pairs(before, after), strict=True):
        assert np.array_equal(one, two)


@few
@given(film=ids((4, 6, 6)), least=st.sampled_from([0.05, 0.3]))
def test_linking_renames_objects_and_changes_no_pixel_else(film, least):
    film = np.stack([numbered(frame) for frame in film])
    linked = link_objects(film, least)
    assert linked.dtype == np.int32
    for frame, found in zip(film, linked, strict=True):
        pairs = np.unique(np.stack([frame.ravel(), found.ravel()]), axis=1)
        assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
        assert np.array_equal(frame > 0, found > 0)
    # All ids from 1 to the highest are used.
    assert set(np.unique(linked)) | {0} == set(range(int(linked.max(initial=0)) + 1))
    assert np.array_equal(linked[0], film[0])


def test_objects_that_stay_keep_their_ids_and_new_ones_get_new_ids():
    frame = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((4, 4), int))
    film = np.stack([frame, frame, np.where(frame == 2, 0, frame), frame])
    film[2] = numbered(film[2])
    linked = link_objects(film)
    assert np.array_equal(linked[1], frame)
    assert np.array_equal(linked[2], np.where(frame == 2, 0, frame))
    assert np.array_equal(linked[3], np.where(frame == 2, 7, frame))


def test_of_a_divided_object_the_larger_part_keeps_the_id():
    before = np.ones((1, 10), int)
    after = np.array([[1, 1, 1, 0, 2, 2, 2, 2, 2, 2]])
    assert link_objects(np.stack([before, after]))[1].max() == 2
    assert link_objects(np.stack([before, after]))[1, 0, 9] == 1


def test_less_overlap_than_asked_for_links_nothing():
    film = np.zeros((2, 1, 6), int)
    film[0, 0, :4] = film[1, 0, 2:] = 1  # 2 of 6 pixels
    assert link_objects(film, 0.33)[1].max() == 1
    assert link_objects(film, 0.34)[1].max() == 2


def test_volumes_and_empty_time_points_are_linked_too():
    film = np.zeros((3, 4, 4, 4), int)
    film[0, 1:3, 1:3, 1:3] = film[2, 1:3, 1:3, 1:3] = 1
    linked = link_objects(film)
    assert [int(frame.max()) for frame in linked] == [1, 0, 2]


def test_large_ids_are_linked_and_those_below_zero_are_background():
    film = np.array([[[2**40, 2**40, 0, -3, 7]], [[9, 9, -1, 0, 2**63 - 1]]])
    assert link_objects(film)[:, 0].tolist() == [[2, 2, 0, 0, 1]] * 2


def test_ids_that_no_object_has_use_up_none():
    film = np.zeros((20, 1, 3), np.int32)
    film[::2, 0, 0] = film[1::2, 0, 2] = 2**20 - 1  # never overlaps the one before
    assert np.array_equal(link_objects(film).max((1, 2)), np.arange(1, 21))


def test_what_are_no_labels_is_refused():
    with pytest.raises(InputError, match="integer instance ids"):
        link_objects(np.ones((2, 3, 3)))


def test_many_objects_are_matched_like_few():
    count = 300
    row = np.repeat(np.arange(1, count + 1), 5)[None]
    moved = np.roll(row, 2)
    moved[0, :2] = 0
    one, two = matched(count_pairs(row, moved), 0.1)
    assert np.array_equal(np.sort(one), np.arange(1, count + 1))
    assert np.array_equal(one, two)
