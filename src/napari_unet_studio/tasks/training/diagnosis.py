"""What a finished training has to say about itself: how it went, and what would help.

Everything is read from the card of the model, so that old models can be asked as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.tasks.training.judging import selection_score

# A class that is found at all has more than this IoU.
_FOUND = 0.01
# Loss at the end, as a share of that at the beginning, from which nothing was learned,
# and from which the training went wrong.
_FALLEN, _RISEN = 0.9, 1.1
# Fewest readings and rounds from which something can be told, and a part of the course
# whose mean is taken.
_READINGS, _ROUNDS, _PART = 8, 4, 0.25
# Scores that are apart, what is little and what is much of one, and a low loss, as a
# share of the first.
_APART, _POOR, _GOOD, _LOW = 0.03, 0.2, 0.8, 0.4
# Share of the course before which the best network lies if the rest was too much.
_EARLY = 0.7
_NUMBER, _ONE_CLASS = "no longer a number", "one class everywhere"


class _Course(NamedTuple):
    """What the card says about the course.

    Parameters
    ----------
    config
        Of the training.
    losses, scores
        Value at each reading and round.
    rounds
        Updates at each round.
    training
        All of it.
    """

    config: TrainConfig
    losses: Sequence[float]
    scores: Sequence[float]
    rounds: Sequence[int]
    training: Mapping[str, Any]

    @property
    def notes(self) -> Sequence[str]:
        """What the training noted."""
        return tuple(self.training.get("notes", ()))

    @property
    def ends(self) -> tuple[float, float] | None:
        """Mean loss at the beginning and at the end, if there are enough readings."""
        if len(self.losses) < _READINGS:
            return None
        count = max(2, int(_PART * len(self.losses) / 2))
        return float(np.mean(self.losses[:count])), float(np.mean(self.losses[-count:]))


def diagnose(
    training: Mapping[str, Any], scores: Mapping[str, float]
) -> tuple[Finding, ...]:
    """Return what went wrong in a training or could be better.

    Parameters
    ----------
    training, scores
        Those of the model's card. Unknown or missing entries are no harm.

    Returns
    -------
    tuple
        Nothing for a training that went well. The changes of the findings are for the
        next one.
    """
    course = _course(training)
    broken = list(_numbers(course))
    stuck = list(_one_class(course, scores)) or list(_no_progress(course))
    findings = [*broken, *stuck]
    if not stuck:
        findings += _poor(course, scores)
        findings += _merged(course, scores)
        findings += list(_overfitting(course)) or list(_unfinished(course))
    return tuple(findings)


def _course(training: Mapping[str, Any]) -> _Course:
    try:
        known = TrainConfig().to_dict()
        stored = training.get("config", {})
        config = TrainConfig.from_dict({k: v for k, v in stored.items() if k in known})
    except ConfigError:  # of a version with other settings
        config = TrainConfig()
    history = training.get("history", ())
    judged = [entry for entry in history if "loss" not in entry]
    return _Course(
        config,
        [entry["loss"] for entry in history if "loss" in entry],
        [_score(entry) for entry in judged],
        [entry["step"] for entry in judged],
        training,
    )


def _score(entry: Mapping[str, float]) -> float:
    return max(0.0, selection_score({k: entry[k] for k in ("iou", "f1") if k in entry}))


def _numbers(course: _Course) -> Iterator[Finding]:
    notes = [note for note in course.notes if _NUMBER in note]
    if notes:
        yield Finding(
            "doubt",
            notes[-1].split(". ")[0].rstrip(".") + ".",
            "Train with a lower learning rate, or a network with batch normalisation.",
            {"learning_rate": _lower(course.config)},
        )


def _one_class(course: _Course, scores: Mapping[str, float]) -> Iterator[Finding]:
    """Yield whether the network answers the same everywhere."""
    classes = [value for name, value in scores.items() if name.startswith("iou ")]
    nothing = bool(scores) and not classes and scores.get("iou", 1.0) < _FOUND
    single = len(classes) > 1 and sum(value >= _FOUND for value in classes) <= 1
    noted = any(_ONE_CLASS in note for note in course.notes)
    if not (nothing or single or noted):
        return
    what = "background" if nothing and not noted else "one class"
    balanced = course.config.weights.balance != "none"
    yield Finding(
        "doubt",
        f"The network answers {what} everywhere on the validation images, after "
        f"{course.training.get('updates', 0)} updates.",
        "Check that the labels lie on the right images, and train longer."
        if balanced
        else "Check that the labels lie on the right images, train longer, and balance "
        "the classes if there is little of one.",
        {**_longer(course), **({} if balanced else {"weights": {"balance": "global"}})},
    )


def _no_progress(course: _Course) -> Iterator[Finding]:
    """Yield whether the loss has not fallen."""
    if course.ends is None:
        return
    first, last = course.ends
    if last < _FALLEN * first:
        return
    values = f"{first:.3g} at the beginning, {last:.3g} at the end"
    # What begins with a trained network may have nothing left to learn.
    if course.config.start and last < _RISEN * first and _best(course) >= _GOOD:
        return
    if last >= _RISEN * first:
        yield Finding(
            "doubt",
            f"The loss has risen: {values}.",
            "Train with a lower learning rate.",
            {"learning_rate": _lower(course.config)},
        )
    else:
        higher = course.config.learning_rate < 1e-4
        yield Finding(
            "doubt",
            f"The loss has hardly fallen: {values}.",
            "Train with a higher learning rate."
            if higher
            else "Check that the labels lie on the right images, and that the network "
            "can see what distinguishes the objects.",
            {"learning_rate": 1e-3} if higher else {},
        )


def _poor(course: _Course, scores: Mapping[str, float]) -> Iterator[Finding]:
    """Yield whether what was learned does not hold for the validation images."""
    if not scores or course.ends is None:
        return
    first, last = course.ends
    score = _score(scores)
    if score < _POOR and last < _LOW * first:
        yield Finding(
            "doubt",
            f"The loss is low, {last:.3g}, but hardly anything is right on the "
            f"validation images: the score is {score:.2f}.",
            "Check that these are of the same kind as those to train on, and labelled "
            "in the same way.",
        )


def _merged(course: _Course, scores: Mapping[str, float]) -> Iterator[Finding]:
    """Yield whether pixels are right but objects are not."""
    iou, f1 = scores.get("iou", 0.0), scores.get("f1")
    if f1 is None or iou < _GOOD or f1 > 0.75 * iou:
        return
    weights = course.config.weights
    changes: dict[str, Any] = {"gap": min(20, weights.gap + 1)}
    if weights.preset == "none":
        changes["preset"] = "2015"
    yield Finding(
        "doubt",
        f"The pixels are right (IoU {iou:.2f}) but the objects are not (F1 {f1:.2f}): "
        "touching ones are joined, or large ones broken.",
        "Widen the gap between touching objects, and weigh it more; give each object "
        "a label of its own; try other settings for splitting objects.",
        {"weights": changes},
    )


def _overfitting(course: _Course) -> Iterator[Finding]:
    """Yield whether the network has become worse while it learned."""
    scores, rounds = np.array(course.scores), course.rounds
    if len(scores) < _ROUNDS or course.ends is None:
        return
    best, end = int(scores.argmax()), float(scores[-3:].mean())
    if rounds[best] > _EARLY * rounds[-1] or scores[best] - end < _APART:
        return
    losses = course.losses
    there = int(len(losses) * rounds[best] / rounds[-1])
    late = max(1, len(losses) // 8)
    if np.mean(losses[-late:]) >= np.mean(losses[max(0, there - late) : there + late]):
        return
    yield Finding(
        "doubt",
        f"Over-fitting: the score on the validation images was best after "
        f"{rounds[best]} of {rounds[-1]} updates, {scores[best]:.2f}, and fell to "
        f"{end:.2f} while the loss went on falling.",
        "The best network was kept. More labelled images help most, stronger "
        "augmentation a little; stop early to save time.",
        {} if course.config.patience else {"patience": 5},
    )


def _unfinished(course: _Course) -> Iterator[Finding]:
    """Yield whether the score was still rising at the end."""
    scores = np.array(course.scores)
    count = max(2, int(_PART * len(scores)))
    if len(scores) < max(_ROUNDS, 2 * count):
        return
    late, before = scores[-count:], scores[-2 * count : -count]
    gain = float(late.mean() - before.mean())
    if gain < _APART or scores.argmax() < len(scores) - count:
        return
    stopped = not course.training.get("finished", True)
    yield Finding(
        "note",
        f"The score was still rising, by {gain:.2f} in the last quarter, when the "
        f"training {'was stopped' if stopped else 'ended'}.",
        "Go on with it, or train longer." if stopped else "Train longer.",
        _longer(course),
    )


def _best(course: _Course) -> float:
    return max(course.scores, default=0.0)


def _lower(config: TrainConfig) -> float:
    return max(1e-7, config.learning_rate / 10)


def _longer(course: _Course) -> dict[str, Any]:
    """Return twice the budget."""
    config, found = course.config, dict[str, Any]()
    if config.updates:
        found["updates"] = min(10_000_000, 2 * config.updates)
    if config.epochs:
        found["epochs"] = min(1e6, 2 * config.epochs)
    if config.minutes:
        found["minutes"] = min(1e5, 2 * config.minutes)
    return found
