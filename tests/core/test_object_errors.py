"""What went wrong with each object, by hand and by properties."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import (
    ObjectErrors,
    ObjectScores,
    ObjectSums,
    Overlap,
    PanopticQuality,
    Seg,
    Verdict,
    error_map,
    object_table,
)

few = settings(max_examples=60, deadline=None, derandomize=True)

seeds = st.integers(0, 10_000)


@st.composite
def images(draw):
    """Labels of a few touching objects in a plane or a volume."""
    shape = draw(st.sampled_from([(24, 30), (6, 12, 10)]))
    return blobs(shape, draw(st.integers(2, 12)), draw(seeds))


def counts(errors):
    return {
        name: getattr(errors, name)
        for name in ("matched", "missed", "spurious", "merges", "splits")
    }


def ids_of(labels):
    return np.unique(labels[labels > 0])


@few
@given(labels=images())
def test_identical_labels_are_perfect(labels) -> None:
    count = len(ids_of(labels))
    errors = ObjectErrors.of(labels, labels)
    assert counts(errors) == {
        "matched": count,
        "missed": 0,
        "spurious": 0,
        "merges": 0,
        "splits": 0,
    }
    assert np.array_equal(error_map(labels, labels), labels > 0)
    scores = ObjectSums.of_objects(Overlap.of(labels, labels)).total().scores()
    known = {name: value[0] for name, value in scores.items() if value == value}
    assert set(known.values()) == {1.0}
    assert PanopticQuality.of(labels, labels).value == 1


@few
@given(labels=images(), seed=seeds)
def test_renaming_ids_changes_nothing(labels, seed) -> None:
    generator = np.random.default_rng(seed)
    found = np.where(generator.random(labels.shape) < 0.8, np.roll(labels, 1), 0)
    names = np.concatenate(([0], generator.permutation(90_000)[: labels.max()] + 1))
    renamed, truth = names[found], (names * 7)[labels]
    before, after = ObjectErrors.of(found, labels), ObjectErrors.of(renamed, truth)
    assert counts(before) == counts(after)
    assert np.array_equal(error_map(found, labels), error_map(renamed, truth))
    assert ObjectScores.of(renamed, truth) == ObjectScores.of(found, labels)
    assert Seg.of(renamed, truth).value == pytest.approx(Seg.of(found, labels).value)


@few
@given(labels=images(), seed=seeds)
def test_a_merged_pair_is_exactly_one_merge(labels, seed) -> None:
    ids = ids_of(labels)
    assume(len(ids) > 1)
    i, j = np.random.default_rng(seed).permutation(ids)[:2]
    merged = np.where(labels == j, i, labels)
    errors = ObjectErrors.of(merged, labels)
    assert (errors.merges, errors.splits) == (1, 0)
    assert (errors.missed, errors.spurious) == (0, 0)
    there = dict(zip(errors.reference_ids, errors.reference, strict=True))
    assert {k for k, v in there.items() if v == Verdict.MERGED} == {i, j}
    found = dict(zip(errors.predicted_ids, errors.predicted, strict=True))
    assert {k for k, v in found.items() if v == Verdict.MERGED} == {i}
    shown = error_map(merged, labels)
    assert np.array_equal(shown == Verdict.MERGED, (labels == i) | (labels == j))


@few
@given(labels=images(), seed=seeds)
def test_a_split_object_is_exactly_one_split(labels, seed) -> None:
    generator = np.random.default_rng(seed)
    i = generator.choice(ids_of(labels))
    pixels = np.flatnonzero(labels == i)
    assume(len(pixels) > 1)
    part = generator.permutation(pixels)[: generator.integers(1, len(pixels))]
    parted = labels.copy()
    parted.flat[part] = labels.max() + 1
    errors = ObjectErrors.of(parted, labels)
    assert (errors.merges, errors.splits) == (0, 1)
    assert (errors.missed, errors.spurious) == (0, 0)
    assert np.array_equal(error_map(parted, labels) == Verdict.SPLIT, labels == i)
    # Seen from the other side it is a merge.
    back = ObjectErrors.of(labels, parted)
    assert (back.merges, back.splits) == (1, 0)


@few
@given(labels=images(), seed=seeds)
def test_a_lost_object_is_missed_and_an_invented_one_spurious(labels, seed) -> None:
    i = np.random.default_rng(seed).choice(ids_of(labels))
    without = np.where(labels == i, 0, labels)
    lost, invented = ObjectErrors.of(without, labels), ObjectErrors.of(labels, without)
    assert (lost.missed, lost.spurious, lost.merges, lost.splits) == (1, 0, 0, 0)
    assert (invented.missed, invented.spurious) == (0, 1)
    assert np.array_equal(error_map(without, labels) == Verdict.MISSED, labels == i)
    assert np.array_equal(error_map(labels, without) == Verdict.SPURIOUS, labels == i)


@few
@given(labels=images(), seed=seeds)
def test_units_of_objects_add_up_to_the_scores(labels, seed) -> None:
    generator = np.random.default_rng(seed)
    found = np.where(generator.random(labels.shape) < 0.9, np.roll(labels, 2), 0)
    overlap = Overlap.of(found, labels)
    total = ObjectSums.of_objects(overlap).total()
    errors = ObjectErrors.from_overlap(overlap)
    assert {k: int(v[0]) for k, v in total.counts().items()} == counts(errors)
    scores = {name: values[0] for name, values in total.scores().items()}
    for threshold in (0.5, 0.75, 0.95):
        counted = ObjectScores.from_overlap(overlap, threshold)
        name = "average_precision" + (f"_{threshold}" if threshold > 0.5 else "")
        assert scores[name] == pytest.approx(counted.average_precision, nan_ok=True)
    first = ObjectScores.from_overlap(overlap)
    assert scores["precision"] == pytest.approx(first.precision, nan_ok=True)
    assert scores["recall"] == pytest.approx(first.recall)
    assert scores["f1"] == pytest.approx(first.f1)
    assert scores["seg"] == pytest.approx(Seg.from_overlap(overlap).value)
    quality = PanopticQuality.from_overlap(overlap)
    assert scores["panoptic_quality"] == pytest.approx(quality.value)
    assert quality.value == pytest.approx(
        quality.recognition * (quality.segmentation if first.true_positives else 0)
    )
    there, mask = labels > 0, found > 0
    assert scores["iou"] == pytest.approx((there & mask).sum() / (there | mask).sum())


def test_errors_of_a_few_objects_by_hand() -> None:
    truth = [[1, 1, 1, 1, 2, 0, 3, 3, 3, 3, 0, 4, 4, 0, 0]]
    found = [[5, 5, 5, 5, 5, 0, 6, 6, 7, 7, 0, 0, 8, 8, 9]]
    errors = ObjectErrors.of(found, truth)
    # 5 matches 1 with an IoU of 4 / 5 and is a merge nevertheless.
    assert counts(errors) == {
        "matched": 1,
        "missed": 1,
        "spurious": 2,
        "merges": 1,
        "splits": 1,
    }
    told = [Verdict(v).name for v in errors.reference]
    assert told == ["MERGED", "MERGED", "SPLIT", "MISSED"]
    told = [Verdict(v).name for v in errors.predicted]
    assert told == ["MERGED", "SPLIT", "SPLIT", "SPURIOUS", "SPURIOUS"]
    assert error_map(found, truth).tolist() == [
        [4, 4, 4, 4, 4, 0, 5, 5, 5, 5, 0, 2, 2, 3, 3]
    ]


def test_half_of_an_object_is_neither_merged_nor_split() -> None:
    errors = ObjectErrors.of([[0, 1, 1, 1]], [[2, 2, 3, 3]])  # half of 2, all of 3
    assert (errors.merges, errors.splits, errors.matched) == (0, 0, 1)
    errors = ObjectErrors.of([[0, 1, 1, 0]], [[2, 2, 3, 3]])  # half of each
    assert (errors.merges, errors.missed, errors.spurious) == (0, 2, 1)


def test_the_margins_of_matched_objects_are_background() -> None:
    truth = np.zeros((12, 12), int)
    truth[2:10, 2:10] = 1
    found = np.zeros_like(truth)
    found[3:10, 2:10], found[3:10, 10] = 9, 9
    shown = error_map(found, truth)
    assert np.array_equal(shown, (truth > 0) & (found > 0))


def test_a_pixel_of_two_matched_objects_that_do_not_match_is_background() -> None:
    truth = [[1, 1, 1, 1, 2, 2, 2, 2]]
    found = [[1, 1, 1, 1, 1, 2, 2, 2]]
    assert error_map(found, truth).tolist() == [[1, 1, 1, 1, 0, 1, 1, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_ids_of_any_type_are_painted(dtype) -> None:
    top = int(np.iinfo(dtype).max)
    truth = np.array([[top, top, 0, 3]], dtype)
    found = np.array([[top, top, 7, 0]], dtype)
    assert error_map(found, truth).tolist() == [[1, 1, 3, 2]]
    errors = ObjectErrors.of(found, truth)
    assert errors.reference_ids.tolist() == [3, top]
    assert error_map(np.array([[True, False]]), [[1, 0]]).tolist() == [[1, 0]]


@pytest.mark.parametrize("shape", [(0, 4), (3, 4)])
def test_without_objects_there_are_no_errors(shape) -> None:
    nothing = np.zeros(shape, int)
    assert set(counts(ObjectErrors.of(nothing, nothing)).values()) == {0}
    assert not error_map(nothing, nothing).any()


def test_an_empty_reference_makes_all_objects_spurious() -> None:
    labels = blobs((30, 30), 7)
    errors = ObjectErrors.of(labels, labels * 0)
    assert (errors.spurious, errors.missed) == (7, 0)
    assert np.array_equal(error_map(labels, labels * 0) == 3, labels > 0)


def test_thousands_of_objects_of_one_pixel() -> None:
    ids = np.arange(1, 40_001).reshape(200, 200)
    truth = np.where(np.indices(ids.shape).sum(axis=0) % 2, ids, 0)
    errors = ObjectErrors.of(truth[::-1, ::-1], truth)
    assert errors.matched + errors.missed == np.count_nonzero(truth)
    errors = ObjectErrors.of(ids, truth)
    assert (errors.matched, errors.spurious) == (20_000, 20_000)
    joined = ObjectErrors.of(truth > 0, truth)
    assert (joined.merges, joined.missed, joined.matched) == (1, 0, 0)


@pytest.mark.parametrize("measure", [ObjectErrors.of, error_map, Overlap.of])
def test_what_are_no_labels_is_refused(measure) -> None:
    labels = blobs((12, 12), 3)
    with pytest.raises(InputError, match="whole numbers are needed"):
        measure(labels, labels * 0.5)
    with pytest.raises(InputError, match="different shapes"):
        measure(labels, labels[1:])


def test_a_threshold_that_allows_several_matches_is_refused() -> None:
    with pytest.raises(InputError, match=r"unique from 0\.5"):
        ObjectErrors.of([[1]], [[1]], 0.3)


def test_large_ids_that_float64_cannot_tell_apart_are_painted() -> None:
    truth = np.array([[2**60, 0, 2**60 + 1, 0]], np.uint64)
    found = np.array([[2**60, 0, 0, 2**60 + 1]], np.uint64)
    assert error_map(found, truth).tolist() == [[1, 0, 2, 3]]


# --- ignored pixels


def test_the_part_outside_ignored_pixels_is_compared() -> None:
    truth = np.array([[1, 1, 1, 1, 0, 0, 0, 0]])
    found = np.array([[5, 5, 5, 5, 5, 5, 0, 8]])
    ignored = np.array([[0, 0, 0, 0, 1, 1, 1, 0]])
    overlap = Overlap.of(found, truth, ignored)
    assert overlap.iou.tolist() == [1.0]
    assert overlap.predicted_ignored[1:].tolist() == [2, 0]
    scores = ObjectScores.from_overlap(overlap, 0.95)
    assert scores == ObjectScores(1, 1, 0)


@pytest.mark.parametrize(("inside", "counted"), [(2, True), (3, True), (4, False)])
def test_an_object_mostly_in_ignored_pixels_is_not_counted(inside, counted) -> None:
    found = np.zeros((1, 12), int)
    found[0, 4:10] = 3  # six pixels
    ignored = np.zeros_like(found)
    ignored[0, 10 - inside :] = 1
    overlap = Overlap.of(found, found * 0, ignored)
    assert ObjectScores.from_overlap(overlap) == ObjectScores(0, int(counted), 0)
    verdict = Verdict.SPURIOUS if counted else Verdict.BACKGROUND
    assert ObjectErrors.from_overlap(overlap).predicted.tolist() == [verdict]


def test_a_map_of_errors_leaves_out_what_is_ignored() -> None:
    truth = np.array([[1, 1, 1, 0, 0, 0, 0, 0, 900]])
    found = np.array([[5, 5, 5, 5, 0, 8, 8, 8, 0]])
    ignored = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1]])
    # Most of 8 cannot be judged, so the rest of it is no error, either.
    shown = error_map(found, truth, ignored=ignored)
    assert shown.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0, 0]]
    assert error_map(found, truth).tolist() == [[1, 1, 1, 0, 0, 3, 3, 3, 2]]


@few
@given(labels=images(), seed=seeds)
def test_what_lies_in_ignored_pixels_changes_no_count(labels, seed) -> None:
    generator = np.random.default_rng(seed)
    ignored = generator.random(labels.shape) < 0.3
    found = np.roll(labels, 1)
    other = np.where(ignored, 0, found)
    one, two = (Overlap.of(each, labels, ignored) for each in (found, other))
    assert np.array_equal(one.iou, two.iou)
    assert np.array_equal(one.reference_area, two.reference_area)
    nothing = Overlap.of(found, labels, np.zeros(labels.shape, bool))
    plain = Overlap.of(found, labels)
    assert np.array_equal(nothing.pixels, plain.pixels)
    assert not nothing.excused().any()
    everything = Overlap.of(found, labels, np.ones(labels.shape, bool))
    assert (everything.found, everything.there) == (0, 0)


# --- the table


def test_a_row_tells_of_each_object() -> None:
    truth = [[4, 4, 4, 0, 9, 9]]
    found = [[2, 2, 3, 3, 0, 0]]
    table = object_table(Overlap.of(found, truth))
    assert table["of"].tolist() == ["reference"] * 2 + ["predicted"] * 2
    assert table["id"].tolist() == [4, 9, 2, 3]
    assert table["pixels"].tolist() == [3, 2, 2, 2]
    assert table["iou"] == pytest.approx([2 / 3, 0, 2 / 3, 1 / 4])
    assert table["partner"].tolist() == [2, 0, 4, 4]
    assert table["verdict"].tolist() == ["matched", "missed", "matched", "spurious"]
