import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import (
    IOU_THRESHOLDS,
    Confusion,
    ObjectScores,
    Overlap,
    Seg,
    mean_finite,
    pairs_kept_apart,
    touching_pairs,
)

few = settings(max_examples=60, deadline=None, derandomize=True)

shapes = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
)


def label_images(count, ids=(0, 0, 1, 2, 5, 900)):
    return shapes.flatmap(
        lambda shape: st.tuples(
            *[arrays(np.int32, shape, elements=st.sampled_from(ids))] * count
        )
    )


def isnan(value):
    return math.isnan(value)


def masks(labels):
    return [labels == i for i in np.unique(labels[labels > 0])]


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


# --- pixels and classes


@few
@given(images=label_images(2, ids=(0, 1, 2, 3)))
def test_class_scores_are_those_of_the_pixel_sets(images):
    predicted, reference = images
    confusion = Confusion.of(predicted, reference, num_classes=4)
    assert confusion.pixel_error == pytest.approx((predicted != reference).mean())
    present = []
    for label in range(4):
        p, r = predicted == label, reference == label
        if not (p | r).any():
            assert isnan(confusion.iou(label))
            assert isnan(confusion.dice(label))
            continue
        expected = iou(p, r), 2 * (p & r).sum() / (p.sum() + r.sum())
        found = confusion.iou(label), confusion.dice(label)
        assert found == pytest.approx(expected)
        present.append((label, *expected))
    for background in (False, True):
        means = confusion.mean_iou(background), confusion.mean_dice(background)
        counted = [found for label, *found in present if label or background]
        if counted:
            assert means == pytest.approx(tuple(np.mean(counted, axis=0)))
        else:
            assert all(map(isnan, means))


@few
@given(images=label_images(3, ids=(0, 1, 2, 255)))
def test_ignored_pixels_of_the_reference_do_not_count(images):
    predicted, other, reference = images
    predicted, other = predicted % 3, other % 3
    ignored = reference == 255
    assert np.array_equal(
        Confusion.of(predicted, reference, 3, ignore=255).counts,
        Confusion.of(predicted[~ignored], reference[~ignored], 3).counts,
    )
    changed = np.where(ignored, other, predicted)
    assert np.array_equal(
        Confusion.of(changed, reference, 3, ignore=255).counts,
        Confusion.of(predicted, reference, 3, ignore=255).counts,
    )


@few
@given(first=label_images(2, ids=(0, 1)), second=label_images(2, ids=(0, 1)))
def test_counts_of_several_images_add_up(first, second):
    together = Confusion.of(*first) + Confusion.of(*second)
    predicted, reference = (
        np.concatenate([a.ravel(), b.ravel()])
        for a, b in zip(first, second, strict=True)
    )
    expected = Confusion.of(predicted, reference)
    assert np.array_equal(together.counts, expected.counts)


def test_without_pixels_every_class_score_is_nan():
    empty = Confusion.of(np.zeros((0, 4), int), np.zeros((0, 4), int))
    assert isnan(empty.pixel_error)
    assert isnan(empty.mean_iou())


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [([[2]], [[0]]), ([[0]], [[2]]), ([[1]], [[-1]]), ([[-1]], [[1]])],
)
def test_a_class_out_of_range_is_refused_and_not_counted_as_another(
    predicted, reference
):
    with pytest.raises(InputError, match="expected are 0 to 1"):
        Confusion.of(predicted, reference)


def test_masks_can_be_compared():
    assert Confusion.of(np.array([True, False]), np.array([True, True])).iou(1) == 0.5


# --- objects


@few
@given(images=label_images(2), threshold=st.sampled_from([0.5, 0.6, 0.75, 0.9]))
def test_objects_match_as_in_a_search_over_all_pairs(images, threshold):
    predicted, reference = images
    found, there = masks(predicted), masks(reference)
    matched = sum(iou(a, b) > threshold for a in found for b in there)
    scores = ObjectScores.of(predicted, reference, threshold)
    assert scores == ObjectScores(matched, len(found) - matched, len(there) - matched)
    if found or there:
        total = len(found) + len(there)
        assert scores.f1 == pytest.approx(2 * matched / total)
        assert scores.average_precision == pytest.approx(matched / (total - matched))
    else:
        assert isnan(scores.f1)
        assert isnan(scores.average_precision)


@few
@given(images=label_images(2))
def test_overlaps_are_those_of_the_pixel_sets(images):
    predicted, reference = images
    overlap = Overlap.of(predicted, reference)
    expected = sorted(
        (i + 1, j + 1, int((a & b).sum()), iou(a, b))
        for i, a in enumerate(masks(predicted))
        for j, b in enumerate(masks(reference))
        if (a & b).any()
    )
    found = sorted(
        zip(
            overlap.predicted,
            overlap.reference,
            overlap.pixels,
            overlap.iou,
            strict=True,
        )
    )
    assert np.allclose(found, expected)


@few
@given(images=label_images(1))
def test_an_image_matches_itself_whatever_its_ids(images):
    (labels,) = images
    renamed = np.where(labels > 0, 1000 - labels, 0)
    count = len(masks(labels))
    assert ObjectScores.of(renamed, labels) == ObjectScores(count, 0, 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "uint64"])
def test_ids_of_any_integer_type_are_compared(dtype):
    top = int(np.iinfo(dtype).max)
    labels = np.array([[top, top, 0, 1]], dtype)
    assert ObjectScores.of(labels, labels.copy()) == ObjectScores(2, 0, 0)


def test_an_overlap_of_exactly_one_half_is_no_match():
    assert ObjectScores.of([[1, 1, 0]], [[1, 1, 1]]).true_positives == 1
    assert ObjectScores.of([[1, 0]], [[1, 1]]).true_positives == 0


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0, 2), (4, 4)])
def test_images_without_objects_have_none_to_match(shape):
    nothing = np.zeros(shape, int)
    assert ObjectScores.of(nothing, nothing) == ObjectScores(0, 0, 0)


def test_object_counts_of_several_images_add_up():
    total = ObjectScores(1, 2, 3) + ObjectScores(10, 20, 30)
    assert total == ObjectScores(11, 22, 33)
    assert total.f1 == pytest.approx(22 / 77)


@pytest.mark.parametrize("threshold", [0.49, 1.0, float("nan")])
def test_a_threshold_that_allows_several_matches_is_refused(threshold):
    with pytest.raises(InputError, match=r"unique from 0\.5"):
        ObjectScores.of([[1]], [[1]], threshold)


@pytest.mark.parametrize(
    "measure", [Confusion.of, Overlap.of, ObjectScores.of, Seg.of, pairs_kept_apart]
)
def test_images_of_different_shapes_are_refused(measure):
    with pytest.raises(InputError, match=r"\(2, 3\) and \(3, 2\)"):
        measure(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_average_precision_falls_with_the_threshold() -> None:
    # Two objects of ten pixels; one is found with 7 of them, the other with all.
    truth = np.repeat([[1] * 10, [2] * 10], 1, axis=0)
    found = truth.copy()
    found[0, 7:] = 0
    overlap = Overlap.of(found, truth)
    by_hand = {t: 1.0 if t < 0.7 else 1 / 3 for t in IOU_THRESHOLDS}
    assert len(by_hand) == 10
    for threshold in IOU_THRESHOLDS:
        scores = ObjectScores.from_overlap(overlap, threshold)
        assert scores == ObjectScores.of(found, truth, threshold)
        assert scores.average_precision == pytest.approx(by_hand[threshold])


# --- SEG


def test_seg_of_a_few_objects_by_hand() -> None:
    truth = [[1, 1, 1, 1, 0, 2, 2, 0, 3, 3]]
    found = [[7, 7, 7, 0, 0, 8, 0, 0, 9, 9]]
    # 3 of 4; half of an object is not more than half; all of it.
    assert Seg.of(found, truth) == Seg(0.75 + 0 + 1, 3)
    # What is found elsewhere costs nothing, what swallows others costs its size.
    assert Seg.of([[0, 0, 0, 0, 4, 0, 0, 4, 3, 3]], truth).value == pytest.approx(1 / 3)
    assert Seg.of([[5] * 10], truth) == Seg(0.4 + 0.2 + 0.2, 3)


@few
@given(images=label_images(2))
def test_seg_is_that_of_a_search_over_all_pairs(images):
    predicted, reference = images
    found, there = masks(predicted), masks(reference)
    total = sum(iou(a, b) for a in found for b in there if 2 * (a & b).sum() > b.sum())
    seg = Seg.of(predicted, reference)
    assert (seg.total, seg.objects) == (pytest.approx(total), len(there))
    assert isnan(seg.value) == (not there)
    if there:
        assert 0 <= seg.value <= 1
        assert Seg.of(reference * 3, reference).value == 1


def test_seg_of_several_images_adds_up() -> None:
    assert (Seg(1.5, 2) + Seg(0.5, 2)).value == 0.5


# --- touching objects


def pairs_by_search(labels, within):
    places = [(np.argwhere(labels == i), i) for i in np.unique(labels[labels > 0])]
    found = []
    for (a, i), (b, j) in itertools.combinations(places, 2):
        if np.abs(a[:, None] - b[None]).max(-1).min() <= within:
            found.append([i, j])
    return found


@few
@given(images=label_images(1), within=st.integers(1, 8))
def test_touching_pairs_are_those_of_a_search_over_all_pixels(images, within):
    (labels,) = images
    expected = pairs_by_search(labels, within)
    assert touching_pairs(labels, within).tolist() == expected


def test_objects_further_apart_than_a_narrow_image_is_wide_are_found():
    assert touching_pairs([[1, 0, 0, 2]], within=3).tolist() == [[1, 2]]
    assert touching_pairs([[1], [0], [0], [2]], within=3).tolist() == [[1, 2]]


@pytest.mark.parametrize("first", [2**8 - 2, 2**53, 2**63 - 1, 2**64 - 2])
def test_pairs_of_any_ids_are_told_apart(first):
    labels = np.array([[first, first + 1]], np.uint64)
    assert touching_pairs(labels).tolist() == [[first, first + 1]]
    assert pairs_kept_apart(labels, labels) == (1, 1)
    assert pairs_kept_apart(np.ones_like(labels), labels) == (0, 1)


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (2, 2)])
def test_without_objects_there_are_no_pairs(shape):
    assert touching_pairs(np.zeros(shape, int)).shape == (0, 2)


def test_a_distance_below_one_pixel_is_refused():
    with pytest.raises(InputError, match="1 or more"):
        touching_pairs([[1, 2]], within=0)


def apart_by_search(predicted, reference):
    kept = 0
    pairs = pairs_by_search(reference, 1)
    for pair in pairs:
        covering = []
        for i in pair:
            inside = predicted[reference == i]
            best = [
                k
                for k in np.unique(inside[inside > 0])
                if 2 * (inside == k).sum() > inside.size
            ]
            covering += best
        kept += len(covering) == 2 and covering[0] != covering[1]
    return kept, len(pairs)


@few
@given(images=label_images(2))
def test_pairs_kept_apart_are_those_of_a_search(images):
    predicted, reference = images
    assert pairs_kept_apart(predicted, reference) == apart_by_search(
        predicted, reference
    )


def test_a_perfect_segmentation_keeps_all_pairs_apart_and_a_merged_one_none():
    truth = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3]])
    assert pairs_kept_apart(truth * 7, truth) == (3, 3)
    assert pairs_kept_apart(truth > 0, truth) == (0, 3)


# --- means


def test_the_mean_leaves_out_what_is_not_a_number():
    assert mean_finite([1.0, float("nan"), 3.0]) == 2.0
    assert isnan(mean_finite([float("nan")]))
    assert isnan(mean_finite([]))


@pytest.mark.parametrize("offset", [0, 2**31, 2**40])
def test_touching_pairs_of_large_ids_keep_them(offset):
    small = np.array([[3, 3, 5, 0, 9], [7, 0, 5, -1, 9]])
    labels = np.where(small > 0, small + offset, small)
    expected = (np.array([[3, 5], [3, 7]]) + offset).tolist()
    assert touching_pairs(labels).tolist() == expected
    full = np.where(labels > 0, labels, 1 + offset)
    assert [1 + offset, 3 + offset] in touching_pairs(full).tolist()
