"""What the course of a training says about it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.diagnosis import diagnose
from napari_unet_studio.tasks.training.findings import changed

CONFIG = TrainConfig(updates=1000)
GOOD = {"iou": 0.9, "f1": 0.9}


def course(losses, scores=(), config=CONFIG, notes=(), updates=1000, **more):
    """Return what a card says of a training, evenly read and validated."""
    history = [
        {"step": int(step), "loss": float(loss), "learning_rate": 1e-3}
        for step, loss in zip(np.linspace(1, updates, len(losses)), losses, strict=True)
    ]
    for number, score in enumerate(scores, start=1):
        step = updates * number // len(scores)
        history.append({"step": step, "iou": score, "f1": score, "dice": score})
    return {
        "config": config.to_dict(),
        "updates": updates,
        "history": sorted(history, key=lambda entry: entry["step"]),
        "notes": list(notes),
        "finished": True,
        **more,
    }


FALLING = np.geomspace(1.0, 0.1, 100)
RISING_SCORES = 0.9 * (1 - np.exp(-np.arange(1, 21) / 3))


def one(findings, word, kind="doubt"):
    (finding,) = findings
    assert finding.kind == kind
    assert word in str(finding)
    return changed(CONFIG, finding.changes)


def test_a_good_training_has_no_findings():
    assert diagnose(course(FALLING, RISING_SCORES), GOOD) == ()


@pytest.mark.parametrize("training", [{}, {"history": []}, {"config": {"old": 1}}])
def test_a_card_that_says_nothing_is_no_harm(training):
    assert diagnose(training, {}) == ()


def test_a_config_of_another_version_is_no_harm():
    training = course(FALLING, RISING_SCORES)
    training["config"] = {"batch": -5, "vanished": 3}
    assert diagnose(training, GOOD) == ()


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        ({"iou": 0.0, "f1": 0.0}, "background everywhere"),
        (
            {"iou": 0.3, "iou 0": 0.0, "iou 2": 0.9, "iou 4": 0.0},
            "one class everywhere",
        ),
    ],
)
def test_one_answer_everywhere_is_told(scores, word):
    later = one(diagnose(course(FALLING, [0.0] * 10), scores), word)
    assert later.updates == 2000
    assert later.weights.balance == "global"


def test_one_class_is_told_from_the_note_and_balance_is_not_asked_for_twice():
    config = replace(CONFIG, weights=WeightConfig(balance="image"), minutes=3.0)
    note = "The network predicts one class everywhere on the validation images: ..."
    training = course(FALLING, [0.4] * 5, config, [note])
    (finding,) = diagnose(training, {"iou": 0.4})
    assert "one class everywhere" in finding.text
    assert finding.changes == {"updates": 2000, "minutes": 6.0}


def test_numbers_that_ran_away_are_told():
    note = (
        "The loss was no longer a number after 40 updates, again: stopped. Try a lower "
        "learning rate, or a network with batch normalisation."
    )
    later = one(
        diagnose(course(FALLING, RISING_SCORES, notes=[note]), GOOD), "after 40"
    )
    assert later.learning_rate == pytest.approx(1e-4)


def test_a_loss_that_rises_asks_for_a_lower_rate():
    later = one(diagnose(course(FALLING[::-1]), {}), "has risen: 0.1")
    assert later.learning_rate == pytest.approx(1e-4)


def test_a_loss_that_stays_is_told():
    flat = np.full(100, 0.7)
    assert one(diagnose(course(flat), {}), "hardly fallen: 0.7") == CONFIG
    slow = replace(CONFIG, learning_rate=1e-6)
    (finding,) = diagnose(course(flat, config=slow), {})
    assert finding.changes == {"learning_rate": 1e-3}


def test_a_good_model_that_goes_on_need_not_improve():
    config = replace(CONFIG, start="nuclei")
    assert diagnose(course(np.full(100, 0.1), [0.9] * 10, config), GOOD) == ()


def test_a_low_loss_with_a_poor_score_is_told():
    one(diagnose(course(FALLING, [0.1] * 10), {"iou": 0.15, "f1": 0.05}), "0.10")


def test_right_pixels_but_wrong_objects_ask_for_a_wider_gap():
    config = replace(CONFIG, weights=WeightConfig(preset="none", gap=2))
    training = course(FALLING, RISING_SCORES, config)
    later = one(diagnose(training, {"iou": 0.9, "f1": 0.4}), "F1 0.40")
    assert later.weights.gap == 3
    assert later.weights.preset == "2015"


def test_over_fitting_is_told():
    scores = [0.5, 0.7, 0.8, 0.85, 0.82, 0.8, 0.78, 0.76, 0.75, 0.74]
    findings = diagnose(course(FALLING, scores), {"iou": 0.85, "f1": 0.85})
    assert "400 of 1000 updates, 0.85, and fell to 0.75" in findings[0].text
    assert one(findings, "Over-fitting").patience == 5


def test_a_score_that_falls_with_a_loss_that_rises_is_no_over_fitting():
    scores = [0.5, 0.7, 0.8, 0.85, 0.82, 0.8, 0.78, 0.76, 0.75, 0.74]
    losses = np.concatenate([np.geomspace(1, 0.1, 40), np.geomspace(0.1, 0.3, 60)])
    assert diagnose(course(losses, scores), {"iou": 0.85, "f1": 0.85}) == ()


@pytest.mark.parametrize(
    ("finished", "word"), [(True, "ended"), (False, "was stopped")]
)
def test_a_score_that_still_rises_asks_for_more(finished, word):
    training = course(FALLING, np.linspace(0.1, 0.7, 20), finished=finished)
    later = one(diagnose(training, {"iou": 0.7, "f1": 0.7}), word, "note")
    assert later.updates == 2000


def test_budgets_are_doubled_as_they_were_given():
    config = TrainConfig(updates=0, epochs=3.0, minutes=5.0)
    training = course(FALLING, np.linspace(0.1, 0.7, 20), config)
    (finding,) = diagnose(training, {"iou": 0.7})
    assert finding.changes == {"epochs": 6.0, "minutes": 10.0}
