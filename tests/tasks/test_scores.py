"""Scores as a mapping, with images, objects and intervals."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_unet_studio as us
from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.evaluate import scorer

few = settings(max_examples=20, deadline=None, derandomize=True)


def pair(seed=0, objects=20):
    truth = blobs((60, 70), objects, seed)
    return np.where(truth % 5 == 1, 0, np.roll(truth, 1, 0)), truth


def test_scores_are_a_mapping_of_numbers() -> None:
    scores = us.evaluate(*pair())
    assert dict(scores) == {**scores}
    assert "f1" in scores
    assert scores.get("no such score") is None
    assert all(isinstance(value, float | int) for value in scores.values())
    assert isinstance(scores["missed"], int)
    assert repr(scores).startswith("Scores({'iou': 0.")
    with pytest.raises(KeyError):
        scores["pairs"]


def test_everything_but_the_objects_is_json() -> None:
    scores = us.evaluate(*pair())
    told = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert told["scores"] == dict(scores)
    assert told["intervals"]["f1"] == list(scores.intervals["f1"])
    assert told["intervals_over"] == "objects"
    assert told["per_image"][0]["f1"] == scores["f1"]


@few
@given(seed=st.integers(0, 99), others=st.integers(1, 3))
def test_images_are_counted_together(seed, others) -> None:
    pairs = [pair(seed + k, 5 + 3 * k) for k in range(others + 1)]
    labels, references = zip(*pairs, strict=True)
    together = us.evaluate(list(labels), list(references))
    alone = [us.evaluate(*each) for each in pairs]
    for row, scores in zip(together.per_image, alone, strict=True):
        assert {name: row[name] for name in scores} == pytest.approx(dict(scores))
    for name in ("matched", "missed", "spurious", "merges", "splits"):
        assert together[name] == sum(scores[name] for scores in alone)
    side_by_side = us.evaluate(np.hstack(labels), np.hstack(offset(references)))
    for name in ("iou", "dice", "pixel_error"):
        assert together[name] == pytest.approx(side_by_side[name])
    assert len(together.objects["id"]) == sum(len(s.objects["id"]) for s in alone)
    assert set(together.objects["image"]) == {str(k) for k in range(len(pairs))}


def offset(images):
    return [np.where(x > 0, x + 1000 * k, 0) for k, x in enumerate(images)]


def test_intervals_are_drawn_over_images_or_over_the_objects_of_one() -> None:
    one = us.evaluate(*pair())
    assert one.unit == "objects"
    assert one.intervals["recall"][0] < one["recall"] < one.intervals["recall"][1]
    assert "pixel_error" not in one.intervals
    labels, references = zip(*(pair(seed) for seed in range(6)), strict=True)
    many = us.evaluate(list(labels), list(references))
    assert many.unit == "images"
    assert {"pixel_error", "iou", "f1"} <= set(many.intervals)
    assert many.confidence(0.5)["f1"][0] >= many.intervals["f1"][0]
    assert many.confidence(seed=3) == many.confidence(seed=3)
    # Counts are no shares: they have no intervals.
    assert "missed" not in many.intervals


def test_classes_have_intervals_over_images_only() -> None:
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 3, 64], (8, 30, 30))
    found = np.where(generator.random(truth.shape) < 0.1, 0, truth)
    one = us.evaluate(found[0], truth[0], kind="classes")
    assert one.intervals == {}
    assert not one.objects
    many = us.evaluate(list(found), list(truth), kind="classes")
    low, high = many.intervals["dice 64"]
    assert low < many["dice 64"] < high
    assert many["dice 64"] == pytest.approx(2 * many["iou 64"] / (1 + many["iou 64"]))
    means = [many[f"iou {value}"] for value in (0, 3, 64)]
    assert many["mean_iou"] == pytest.approx(np.mean(means))


def test_a_class_that_few_images_hold_is_scored_over_these() -> None:
    truth = [np.zeros((4, 4), int), np.full((4, 4), 7)]
    found = [truth[0], np.where(np.eye(4), 0, 7)]
    scores = us.evaluate(found, truth, kind="classes")
    assert np.isnan(scores.per_image[0]["iou 7"])
    assert scores["iou 7"] == 0.75
    assert scores.intervals["iou 7"] == (0.75, 0.75)


def test_membranes_have_intervals_over_the_planes_of_one_image() -> None:
    truth = np.ones((6, 30, 30), int)
    truth[:, :, 15] = 0
    found = truth.copy()
    found[:2] = 1
    scores = us.evaluate(found, truth, kind="membranes")
    assert scores.unit == "planes"
    low, high = scores.intervals["v_info"]
    assert scores["v_info"] == pytest.approx(4 / 6)
    assert low < scores["v_info"] < high


def test_ids_of_a_time_series_start_anew_and_frames_are_told() -> None:
    found, truth = pair()
    scores = us.evaluate(np.stack([found] * 2), np.stack([truth, truth * 3]), "TYX")
    single = us.evaluate(found, truth)
    assert scores["f1"] == single["f1"]
    assert scores["missed"] == 2 * single["missed"]
    assert np.array_equal(np.unique(scores.objects["frame"]), [0, 1])


def test_pixels_of_an_ignored_label_do_not_count() -> None:
    found, truth = pair()
    truth = truth.copy()
    truth[:, :20] = 999
    scores = us.evaluate(found, truth, ignore=999)
    cut = us.evaluate(found[:, 20:], truth[:, 20:])
    for name in ("iou", "dice", "pixel_error", "seg", "recall", "matched"):
        assert scores[name] == cut[name]
    assert scores["spurious"] <= cut["spurious"]
    assert 999 not in scores.objects["id"][scores.objects["of"] == "reference"]


def test_a_mask_with_ignored_pixels_is_a_mask() -> None:
    _, truth = pair()
    mask = (truth > 0) * 255
    mask[:3] = 9
    tally = scorer("objects", ignore=9)
    tally.add(mask, mask)
    assert len(tally.notes) == 1
    tally = scorer("objects", ignore=-1)
    tally.add(truth, truth.astype(np.uint8))
    assert tally.scores()["f1"] == 1


def test_without_a_reference_object_no_share_of_them_is_told() -> None:
    found, truth = pair()
    scores = us.evaluate(found, truth * 0)
    assert {"recall", "seg"}.isdisjoint(scores)
    assert (scores["precision"], scores["f1"], scores["missed"]) == (0, 0, 0)
    assert scores["spurious"] == len(np.unique(found)) - 1
    assert us.evaluate(truth * 0, truth)["recall"] == 0
    nothing = us.evaluate(truth * 0, truth * 0)
    assert (dict(nothing), nothing.intervals) == ({"pixel_error": 0.0}, {})


def test_lists_that_do_not_fit_are_refused() -> None:
    found, truth = pair()
    with pytest.raises(InputError, match="2 segmentations and 1 references"):
        us.evaluate([found, found], [truth])
    with pytest.raises(InputError, match="the other a single one"):
        us.evaluate([found, found], truth)
    with pytest.raises(InputError, match="whole numbers"):
        us.evaluate(found, truth * 0.5)


def test_a_list_of_rows_is_one_image() -> None:
    rows = [[1, 1, 0], [0, 0, 2]]
    assert len(us.evaluate(rows, rows).per_image) == 1
    arrays = [np.array(row) for row in rows]
    assert len(us.evaluate(arrays, arrays).per_image) == 1


def test_nothing_was_compared() -> None:
    for kind in ("objects", "classes", "membranes"):
        tally = scorer(kind)
        assert tally.images == 0
        assert all(value != value for value in tally.scores().values())
        assert dict(tally.result()) == {}


def test_images_without_pixels_have_no_scores() -> None:
    empty = np.zeros((0, 5), int)
    for kind in ("objects", "classes", "membranes"):
        assert dict(us.evaluate(empty, empty, kind=kind)) == {}
