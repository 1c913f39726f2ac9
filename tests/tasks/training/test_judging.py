import pickle
from dataclasses import replace

import numpy as np
import pytest

from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.training.items import Item, KeptTruth
from napari_unet_studio.tasks.training.judging import (
    Judge,
    collapsed,
    predict_item,
    preview_of,
    selection_score,
)

CARD = ModelCard(name="a", spec=UNetSpec(channels=(4, 8)))
KINDS = ModelCard(
    name="b",
    spec=UNetSpec(channels=(4, 8), num_classes=3),
    target="classes",
    class_values=(0, 64, 255),
)


def item_of(target, labels=None):
    target = np.asarray(target, np.int16)
    item = Item.of(np.zeros((1, *target.shape), np.float32), target)
    if labels is None:
        return item
    labels = np.where(target < 0, 0, labels)
    return replace(item, truth=KeptTruth(target, labels))


def boxes(*places, shape=(60, 60)):
    """Objects of 10 x 10 pixels."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(places, start=1):
        labels[y : y + 10, x : x + 10] = number
    return labels


def of_objects(labels, found, ignored=None):
    target = (labels > 0).astype(np.int16)
    if ignored is not None:
        target[ignored] = -1
    judge = Judge(CARD)
    judge.add(item_of(target, labels), (found > 0)[None].astype(np.float32))
    return judge


def of_classes(target, found, card=KINDS):
    judge = Judge(card)
    classes = np.arange(len(card.class_values))[:, None, None]
    judge.add(item_of(target), (np.asarray(found) == classes).astype(np.float32))
    return judge


# -- objects -------------------------------------------------------------------------


def test_a_perfect_answer_scores_one() -> None:
    labels = boxes((5, 5), (30, 30))
    scores = of_objects(labels, labels).scores()
    assert scores == {"iou": 1, "dice": 1, "pixel_error": 0, "f1": 1}


def test_the_threshold_of_the_card_makes_the_objects() -> None:
    labels = boxes((5, 5), (30, 30))
    probabilities = (labels / 5).astype(np.float32)[None]
    found = {}
    for threshold in (0.1, 0.3, 0.5):
        judge = Judge(replace(CARD, threshold=threshold))
        judge.add(item_of(labels > 0, labels), probabilities)
        found[threshold] = judge.objects.true_positives
    assert found == {0.1: 2, 0.3: 1, 0.5: 0}


def test_what_is_found_where_all_is_ignored_counts_for_nothing() -> None:
    labels = boxes((5, 5), (30, 30))
    ignored = np.zeros(labels.shape, bool)
    ignored[25:] = True
    perfect = of_objects(labels, boxes((5, 5)), ignored).scores()
    more = of_objects(labels, boxes((5, 5), (30, 30), (45, 5)), ignored).scores()
    everywhere = np.where(ignored, 1, labels)
    assert perfect == more == of_objects(labels, everywhere, ignored).scores()
    assert perfect["f1"] == perfect["iou"] == 1
    assert perfect["pixel_error"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_no_answer_on_ignored_pixels_changes_a_score_of_pixels(seed) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(-1, 3, (40, 40))
    found = rng.integers(0, 3, (40, 40))
    other = np.where(target < 0, rng.integers(0, 3, (40, 40)), found)
    assert of_classes(target, found).scores() == of_classes(target, other).scores()
    known = target >= 0
    judge = of_classes(target, found)
    assert judge.pixels.counts.sum() == known.sum()
    expected = 1 - (target == found)[known].mean()
    assert judge.scores()["pixel_error"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("inside", "false"),
    [(10, 0), (6, 0), (5, 1), (2, 1), (0, 1)],
)
def test_an_object_is_wrong_only_if_half_of_it_lies_where_labels_are(
    inside, false
) -> None:
    labels = boxes((5, 5))
    ignored = np.zeros(labels.shape, bool)
    ignored[:, 40:] = True
    found = boxes((5, 5), (30, 30 + inside))
    judge = of_objects(labels, found, ignored)
    assert judge.objects.true_positives == 1
    assert judge.objects.false_positives == false
    assert judge.objects.false_negatives == 0
    # Its pixels where labels are count in any case.
    outside = 10 * (10 - inside)
    assert judge.pixels.counts[1, 0] == outside


def test_the_part_of_an_object_where_labels_are_may_be_right() -> None:
    labels = boxes((5, 5), (30, 32))
    ignored = np.zeros(labels.shape, bool)
    ignored[:, 34:] = True  # four fifths of the second object
    judge = of_objects(labels, labels, ignored)
    assert judge.objects.true_positives == 2
    assert judge.scores()["f1"] == 1
    missed = of_objects(labels, boxes((5, 5)), ignored)
    assert missed.objects.false_negatives == 1


def test_ids_need_not_follow_each_other() -> None:
    labels = boxes((5, 5), (30, 30)) * 1000
    ignored = np.zeros(labels.shape, bool)
    ignored[50:] = True
    assert of_objects(labels, labels, ignored).scores()["f1"] == 1


# -- classes -------------------------------------------------------------------------


def test_every_class_has_a_score_of_its_own() -> None:
    scores = of_classes([[0, 0, 1, 1, 2, -1]], [[0, 1, 1, 1, 1, 2]]).scores()
    assert scores["iou 0"] == pytest.approx(1 / 2)
    assert scores["iou 64"] == pytest.approx(2 / 4)
    assert scores["iou 255"] == 0
    assert scores["iou"] == pytest.approx((2 / 4 + 0) / 2)
    assert scores["dice"] == pytest.approx((2 * 2 / 6 + 0) / 2)
    assert scores["pixel_error"] == pytest.approx(2 / 5)
    assert "f1" not in scores


def test_without_background_all_classes_count_for_the_mean() -> None:
    card = replace(KINDS, class_values=(3, 64, 255))
    scores = of_classes([[0, 0, 1, 1, 2, -1]], [[0, 1, 1, 1, 1, 2]], card).scores()
    assert scores["iou 3"] == pytest.approx(1 / 2)
    assert scores["iou"] == pytest.approx((1 / 2 + 2 / 4 + 0) / 3)


def test_a_class_that_is_in_neither_image_is_left_out() -> None:
    scores = of_classes([[0, 0, 1, 1]], [[0, 0, 1, 1]]).scores()
    assert "iou 255" not in scores
    assert scores["iou"] == 1


def test_where_nothing_is_known_nothing_is_scored() -> None:
    scores = of_classes([[-1, -1]], [[0, 1]]).scores()
    assert not scores
    assert selection_score(scores) == float("-inf")


# -- several judges ------------------------------------------------------------------


def test_judges_of_parts_add_up_to_one_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(4):
        labels = boxes(*rng.integers(0, 50, (6, 2)))
        target = (labels > 0).astype(np.int16)
        target[rng.random(labels.shape) < 0.1] = -1
        frames.append((item_of(target, labels), rng.random((1, 60, 60), np.float32)))
    whole, first, second = Judge(CARD), Judge(CARD), Judge(CARD)
    for number, frame in enumerate(frames):
        whole.add(*frame)
        (first if number < 1 else second).add(*frame)
    before = first.scores()
    both = first + pickle.loads(pickle.dumps(second))
    assert both.scores() == whole.scores()
    assert both.objects == whole.objects
    np.testing.assert_array_equal(both.pixels.counts, whole.pixels.counts)
    assert first.scores() == before
    first.merge(second)
    assert first.scores() == whole.scores()


def test_an_answer_of_one_class_everywhere_has_collapsed() -> None:
    labels = boxes((5, 5))
    assert collapsed(of_objects(labels, labels * 0))
    assert collapsed(of_objects(labels, labels * 0 + 1))
    assert not collapsed(of_objects(labels, labels))


# -- frames --------------------------------------------------------------------------


def test_a_preview_shows_the_frame_as_the_network_sees_it() -> None:
    item = Item.of(
        np.full((2, 4, 5), 6.0),
        np.zeros((4, 5), np.int16),
        None,
        np.array([2.0, 0.0]),
        np.array([2.0, 1.0]),
        "cells",
    )
    preview = preview_of(item, np.full((1, 4, 5), 0.25, np.float32))
    assert preview.name == "cells"
    np.testing.assert_array_equal(preview.image, np.full((4, 5), 2))
    np.testing.assert_array_equal(preview.probability, np.full((4, 5), 0.25))
    classes = np.zeros((3, 4, 5), np.float32)
    classes[2] = 1
    assert (preview_of(item, classes).probability == 2).all()


def test_a_frame_is_predicted_whole(threshold_model) -> None:
    from napari_unet_studio.tasks.setup import judging_runner

    labels = boxes((5, 5), (30, 30))
    item = Item.of(labels.astype(np.float32)[None], (labels > 0).astype(np.int16))
    model = threshold_model()
    with judging_runner(model, "cpu", "float32") as runner:
        probabilities = predict_item(runner, item)
    np.testing.assert_array_equal(probabilities[0] > 0.5, labels > 0)
