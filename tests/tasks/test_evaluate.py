"""Scores of objects, classes and membranes, added up image by image."""

import numpy as np
import pytest

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.evaluate import Tally, scorer
from napari_unet_studio.tasks.evaluate_classes import ClassTally
from napari_unet_studio.tasks.evaluate_membranes import MembraneTally

# --- objects


def squares(side: int = 10) -> np.ndarray:
    labels = np.zeros((30, 30), int)
    labels[2 : 2 + side, 2:12], labels[15:25, 15:25] = 4, 9
    return labels


def test_objects_are_scored_at_every_threshold() -> None:
    tally = Tally()
    tally.add(squares(7), squares())  # 7 rows of 10 of the first one
    scores = tally.scores()
    assert scores["f1"] == scores["average_precision"] == 1
    assert scores["average_precision_0.6"] == 1
    assert scores["average_precision_0.7"] == pytest.approx(1 / 3)
    assert scores["average_precision_0.9"] == pytest.approx(1 / 3)
    assert scores["seg"] == pytest.approx((0.7 + 1) / 2)
    assert np.isnan(scores["pairs_kept_apart"])


def test_scores_of_images_are_those_of_their_objects_together() -> None:
    tally = Tally()
    tally.add(squares(), squares())
    tally.add(squares() * 0, squares())
    scores = tally.scores()
    assert (scores["matched"], scores["missed"], scores["spurious"]) == (2, 2, 0)
    assert (scores["precision"], scores["recall"], scores["seg"]) == (1, 0.5, 0.5)


def test_ids_may_start_anew_in_each_time_point() -> None:
    truth = np.stack([squares(), np.where(squares() == 4, 77, squares())])
    found = np.stack([squares(), squares()])
    tally = Tally()
    tally.add(found, truth, "TYX")
    assert (tally.scores()["seg"], tally.scores()["matched"]) == (1, 4)


# --- classes


def test_classes_are_scored_by_their_labels() -> None:
    tally = scorer("classes")
    truth = [[0, 0, 64, 64, 159, 255]]
    tally.add([[0, 64, 64, 64, 159, 0]], truth)
    assert tally.scores() == pytest.approx(
        {
            "pixel_error": 2 / 6,
            "mean_iou": (1 / 3 + 2 / 3 + 1 + 0) / 4,
            "mean_dice": (1 / 2 + 4 / 5 + 1 + 0) / 4,
            "iou 0": 1 / 3,
            "iou 64": 2 / 3,
            "iou 159": 1,
            "iou 255": 0,
            "dice 0": 1 / 2,
            "dice 64": 4 / 5,
            "dice 159": 1,
            "dice 255": 0,
        }
    )


def test_classes_of_several_images_are_counted_together() -> None:
    parts, whole = ClassTally(), ClassTally()
    rng = np.random.default_rng(0)
    found, truth = rng.choice([0, 32, 900], (2, 40, 50))
    for rows in (slice(0, 13), slice(13, 40)):
        parts.add(found[rows], truth[rows])
    whole.add(found, truth)
    assert parts.scores() == whole.scores()
    assert (parts.images, parts.values) == (2, [0, 32, 900])


def test_pixels_of_the_ignored_label_do_not_count() -> None:
    truth = np.array([[0, 0, 1, 1], [7, 7, 7, 7]])
    found = np.array([[0, 1, 1, 1], [0, 1, 5, 7]])
    tally = scorer("classes", ignore=7)
    tally.add(found, truth)
    other = scorer("classes", ignore=7)
    other.add(np.where(truth == 7, 3, found), truth)
    assert tally.scores() == other.scores()
    assert tally.scores()["pixel_error"] == 0.25
    assert "iou 5" not in tally.scores()
    nothing = scorer("classes", ignore=7)
    nothing.add(found[1:], truth[1:])
    assert np.isnan(nothing.scores()["mean_iou"])


# --- membranes


def cells(wall: int, size: int = 40) -> np.ndarray:
    """Draw two cells with a wall of two pixels between them."""
    plane = np.full((size, size), 255, np.uint8)
    plane[:, wall : wall + 2] = 0
    return plane


def test_a_perfect_partition_has_no_errors_whatever_its_ids() -> None:
    truth = np.stack([cells(20), cells(9)])
    numbered = np.where(np.arange(40) < 15, 3, 8) * (truth > 0)
    for found in (truth, truth > 0, numbered * 0 + truth // 255):
        tally = scorer("membranes")
        tally.add(found, truth, "ZYX")
        assert tally.scores() == {
            "pixel_error": 0,
            "rand_error": 0,
            "v_rand": 1,
            "v_info": pytest.approx(1),
            "warping_error": 0,
            "splits_and_mergers": 0,
        }


def test_thick_membranes_cost_pixels_and_pairs_but_no_thinned_scores() -> None:
    truth, found = cells(20), cells(20)
    found[:, 16:26] = 0
    tally = MembraneTally()
    tally.add(found, truth)
    scores = tally.scores()
    assert scores["pixel_error"] == pytest.approx(8 / 40)
    assert scores["rand_error"] > 0.1
    assert scores["v_rand"] > 0.99
    assert scores["warping_error"] == 0


def test_a_hole_in_a_membrane_joins_cells() -> None:
    truth, found = cells(20), cells(20)
    found[18:20, 20:22] = 255
    tally = MembraneTally()
    tally.add(found, truth)
    scores = tally.scores()
    assert scores["pixel_error"] == pytest.approx(4 / 1600)
    assert scores["v_rand"] == pytest.approx(2 / 3, abs=0.01)
    assert scores["v_info"] == 0
    assert scores["splits_and_mergers"] == pytest.approx(2 / 1600)


def test_touching_ids_are_parted_by_a_membrane() -> None:
    truth = cells(20)
    truth[:, 21] = 255  # one pixel wide
    found = np.where(np.arange(40) < 20, 5, 6) * np.ones((40, 1), int)
    tally = MembraneTally()
    tally.add(found, truth)
    assert tally.scores()["pixel_error"] == 0
    assert tally.scores()["rand_error"] == 0


def test_cells_that_meet_at_corners_are_parted_already() -> None:
    truth = 1 - np.eye(12, dtype=int)
    tally = MembraneTally()
    tally.add(truth, truth)
    assert tally.scores()["pixel_error"] == 0
    assert tally.scores()["rand_error"] == 0


def test_scores_of_partitions_are_means_over_planes() -> None:
    truth = np.stack([cells(20)] * 2)
    found = truth.copy()
    found[1] = 255
    tally = MembraneTally()
    tally.add(found, truth)
    merged = MembraneTally()
    merged.add(found[1], truth[1])
    expected = (1 + merged.scores()["v_rand"]) / 2
    assert tally.scores()["v_rand"] == pytest.approx(expected)
    assert len(tally.planes) == 2
    assert tally.images == 1


# --- what does not fit


@pytest.mark.parametrize("kind", ["objects", "classes", "membranes"])
def test_what_cannot_be_compared_is_refused(kind) -> None:
    labels = squares()
    with pytest.raises(InputError, match="type float64"):
        scorer(kind).add(labels * 0.5, labels)
    with pytest.raises(InputError, match="different shapes"):
        scorer(kind).add(labels, labels[1:])
    with pytest.raises(InputError, match="cannot have the axes 'TYX'"):
        scorer(kind).add(labels, labels, "TYX")
    with pytest.raises(InputError, match="Single numbers"):
        scorer(kind).add(1, 1)


def test_objects_of_a_reference_that_hang_together_are_split_on_demand() -> None:
    labels = np.zeros((40, 80), int)
    labels[5:35, 5:35], labels[5:35, 36:66] = 1, 2
    mask = (labels > 0) * 1
    mask[20, 35] = 1
    joined, parted = scorer("objects"), scorer("objects", split=4.0)
    for one in (joined, parted):
        one.add(labels, mask)
    assert joined.scores()["f1"] == 0
    assert parted.scores()["f1"] == 1
    (note,) = parted.notes
    assert "divided at necks, were taken" in note


def test_specks_of_a_mask_do_not_count() -> None:
    mask = np.zeros((40, 40), int)
    mask[5:35, 5:35] = 1
    found = mask.copy()
    mask[1, 1:3] = mask[38, 38] = 1
    every, meant = scorer("objects"), scorer("objects", specks=3)
    for one in (every, meant):
        one.add(found, mask)
    assert every.scores()["seg"] == pytest.approx(1 / 3)
    assert meant.scores()["seg"] == meant.scores()["f1"] == 1
    assert meant.scores()["pixel_error"] == 0


def test_options_of_another_kind_are_refused() -> None:
    with pytest.raises(InputError, match="ignored among objects or classes"):
        scorer("membranes", ignore=255)
    with pytest.raises(InputError, match="taken of objects, and these are membranes"):
        scorer("membranes", connected=True)
    with pytest.raises(InputError, match="taken of objects, and these are classes"):
        scorer("classes", split=2.0)
    with pytest.raises(InputError, match="class -1"):
        scorer("classes").add([[-1]], [[0]])
    with pytest.raises(InputError, match="class 18446744073709551615"):
        scorer("classes").add([[0]], np.array([[2**64 - 1]], np.uint64))
    with pytest.raises(InputError, match="two or more axes"):
        scorer("membranes").add([1, 0], [1, 0])
