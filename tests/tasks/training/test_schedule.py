import math

import pytest

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.schedule import WARM_UP, Plan, parts, rate


def plan(pixels=10_000, seen=1_000, **limits):
    return Plan.of(TrainConfig(**{"updates": 0, **limits}), pixels, seen)


def test_the_first_limit_ends_the_training() -> None:
    assert plan(updates=50, epochs=2.0).updates == 20
    assert plan(updates=15, epochs=2.0).updates == 15
    both = plan(updates=100, minutes=1.0)
    assert both.share(100, 1.0) == 1
    assert both.share(1, 60.0) == 1
    assert both.share(50, 15.0) == 0.5
    assert both.share(10, 45.0) == 0.75


def test_an_epoch_sees_as_many_pixels_as_there_are() -> None:
    assert plan(10_001, 1_000, epochs=1.0).epoch == 11
    assert plan(10, 1_000, epochs=1.0).epoch == 1


def test_a_training_without_any_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="would never end; set one of them"):
        TrainConfig(updates=0)


@pytest.mark.parametrize("updates", [1, 2, 3, 7, 20, 33, 1000])
@pytest.mark.parametrize("rounds", [1, 3, 20])
def test_rounds_are_spread_evenly_and_the_last_one_is_at_the_end(
    updates, rounds
) -> None:
    found = plan(updates=updates, validations=rounds)
    due = [found.round(step, 0.0) for step in range(updates + 1)]
    assert due[0] == 0
    assert due[-1] == rounds
    assert due == sorted(due)
    assert due == [step * rounds // updates for step in range(updates + 1)]


def test_time_tells_how_many_updates_there_will_be() -> None:
    found = plan(minutes=1.0)
    assert found.left(0, 0.0) == 60
    assert found.total(10, 6.0) == 100
    assert found.total(100, 60.0) == 100
    assert plan(updates=50, minutes=1.0).total(10, 6.0) == 50
    assert plan(updates=200, minutes=1.0).total(10, 6.0) == 100


def test_the_rate_rises_then_falls_as_a_cosine() -> None:
    shares = [n / 1000 for n in range(1001)]
    rates = [rate(share, "cosine") for share in shares]
    assert 0 < rates[0] <= 0.05
    top = rates.index(1.0)
    assert shares[top] <= WARM_UP
    assert rates[:top] == sorted(rates[:top])
    falling = rates[round(WARM_UP * 1000) :]
    assert falling == sorted(falling, reverse=True)
    assert rates[-1] == pytest.approx(0)
    middle = WARM_UP + (1 - WARM_UP) / 2
    assert rate(middle, "cosine") == pytest.approx(0.5)
    assert {rate(share, "constant") for share in shares} == {1.0}


@pytest.mark.parametrize("total", [1, 5, 8])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_parts_cover_all_patches_once(total, size) -> None:
    numbers = [list(range(total))[part] for part in parts(total, size)]
    assert [n for part in numbers for n in part] == list(range(total))
    assert len(numbers) == math.ceil(total / size)
