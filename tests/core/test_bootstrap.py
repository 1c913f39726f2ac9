"""Intervals: of known width, the same each time, and only where they mean something."""

import numpy as np
import pytest

from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import ObjectSums, Overlap, intervals


def objects(there, found):
    """Objects of one pixel, of which some are found exactly."""
    truth = np.arange(1, there + 1)[None]
    return ObjectSums.of_objects(Overlap.of(np.where(truth <= found, truth, 0), truth))


def test_an_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    low, high = intervals(objects(400, 300), resamples=4000)["recall"]
    sigma = np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - 1.96 * sigma, abs=0.005)
    assert high == pytest.approx(0.75 + 1.96 * sigma, abs=0.005)


def test_a_higher_level_is_wider_and_more_units_are_narrower() -> None:
    def width(units, level=0.95):
        low, high = intervals(units, level)["recall"]
        return high - low

    assert width(objects(100, 60), 0.5) < width(objects(100, 60), 0.99)
    assert width(objects(2000, 1200)) < width(objects(100, 60)) / 3


def test_intervals_hold_the_score_and_repeat_themselves() -> None:
    labels = blobs((200, 200), 80)
    units = ObjectSums.of_objects(Overlap.of(np.roll(labels, 2), labels))
    found = intervals(units)
    scores = units.total().scores()
    assert {"iou", "dice", "f1", "seg", "average_precision_mean"} <= set(found)
    # Of a single image nobody can draw background or touching pairs.
    assert {"pixel_error", "pairs_kept_apart"}.isdisjoint(found)
    for name, (low, high) in found.items():
        assert low <= scores[name][0] <= high
    assert intervals(units) == found
    assert intervals(units, seed=1) != found


def test_what_is_perfect_has_no_width() -> None:
    assert intervals(objects(50, 50))["f1"] == (1, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_units_have_no_intervals(count) -> None:
    assert intervals(objects(count, count)) == {}


def test_many_units_are_drawn_in_parts() -> None:
    low, high = intervals(objects(5000, 2500), resamples=2000)["recall"]
    assert (low, high) == pytest.approx((0.486, 0.514), abs=0.003)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_no_share_is_refused(level) -> None:
    with pytest.raises(InputError, match="share such as"):
        intervals(objects(5, 3), level)


def test_no_resamples_are_refused() -> None:
    with pytest.raises(InputError, match="1 or more"):
        intervals(objects(5, 3), resamples=0)
