"""What the Train widget says: times, networks, results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.amounts import duration, memory, rough, sides, time_left
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.progress import Progress, TrainProgress
from napari_unet_studio.tasks.training.findings import Finding, finding_of
from napari_unet_studio.widgets._train.outcome import Outcome

if TYPE_CHECKING:
    from napari_unet_studio.widgets._train.training import Training

_SCORES = {"iou": "IoU", "f1": "F1", "dice": "Dice"}
# What a training notes and a diagnosis says better.
_DIAGNOSED = ("one class everywhere", "no longer a number")
_UNKEPT = "The training cannot be resumed"
_WITHOUT_MODEL = {
    "discarded": "Discarded: nothing was saved.",
    "interrupted": "Interrupted; it can be resumed.",
    "nothing": "Stopped before the first update: there is nothing to keep.",
    "refused": "Not started: first mend what is marked as wrong above.",
}


def figures(record: TrainProgress) -> str:
    """Return rate, speed, memory and time left in a line, as far as they are known.

    Examples
    --------
    >>> figures(TrainProgress(5, 9, "", 0.5, None, None, 170.0, 8.13e-4, 12.34, 2**30))
    'rate 0.00081 · 12 patches/s · 1.1 GB in all · about 3 min left'
    """
    parts = []
    if record.learning_rate is not None:
        parts.append(f"rate {record.learning_rate:.2g}")
    if record.patches_per_second is not None:
        speed = record.patches_per_second
        parts.append(f"{speed:.{0 if speed >= 10 else 1}f} patches/s")
    if record.memory is not None:
        parts.append(f"{memory(record.memory)} in all")
    if record.seconds_left is not None:
        parts.append(time_left(record.seconds_left))
    return " · ".join(parts)


def expectation(expected: Any) -> str:
    """Say how long a training will take, and how much memory beyond what is taken.

    Parameters
    ----------
    expected
        An :class:`.Expected`.

    Examples
    --------
    >>> from types import SimpleNamespace as Expected
    >>> guess = Expected(minutes=12.4, memory=1.3e9, device="CPU, 2 threads")
    >>> expectation(guess)
    'About 12 min on CPU, 2 threads; needs about 1.3 GB more'
    """
    needed = f"needs about {memory(expected.memory)} more"
    if expected.minutes is None:
        return f"On {expected.device}; {needed}"
    return f"About {rough(60 * expected.minutes)} on {expected.device}; {needed}"


def updates_done(training: Mapping[str, Any]) -> str:
    """Return how many updates were done, of how many if that was the limit.

    Examples
    --------
    >>> updates_done({"updates": 8, "config": {"updates": 20, "minutes": 0.0}})
    '8 of 20 updates'
    >>> updates_done({"updates": 1, "config": {"updates": 0, "minutes": 2.0}})
    '1 update'
    """
    done, planned = training["updates"], training["config"]["updates"]
    if planned:
        return f"{done} of {planned} update{'s' * (planned != 1)}"
    return f"{done} update{'s' * (done != 1)}"


def describe_network(spec: NetworkSpec) -> str:
    """Return the key figures of a network.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import NETWORKS
    >>> print(describe_network(NETWORKS["unet-3d"]))
    For volumes; judges a voxel by the 100 × 100 × 100 px around it; 1.4 million
    parameters.
    >>> print(describe_network(NETWORKS["eff-unet-b0"]))
    For images, or a stack plane by plane; judges a pixel by the whole tile; 6.0 million
    parameters.
    """
    volumes = spec.ndim == 3
    around = (
        f"the {sides(spec.receptive_field)} px around it"
        if spec.local
        else "the whole tile"
    )
    kind = "For volumes" if volumes else "For images, or a stack plane by plane"
    pixel = "voxel" if volumes else "pixel"
    millions = spec.parameters / 1e6
    return f"{kind}; judges a {pixel} by {around}; {millions:.1f} million parameters."


def progress_text(progress: Progress, training: "Training | None") -> str:
    """Say how far a training is, in the form that Qt's progress bar takes.

    Parameters
    ----------
    progress
        The record.
    training
        What is under way; None for a check.
    """
    text = progress.message
    config = None if training is None else training.config
    if not isinstance(progress, TrainProgress):
        return text if progress.total < 2 else f"{text} %v of %m"
    counted = config is not None and (config.updates or config.epochs)
    return f"{text} %v of %m" if counted else f"{text}, update %v"


def verdict(card: ModelCard) -> tuple[Finding, ...]:
    """Return what is to be said about a trained model."""
    from napari_unet_studio.tasks.training.diagnosis import diagnose

    found = diagnose(card.training, card.scores)
    said = " ".join(finding.text for finding in found)
    notes = [
        unkept(note) if _UNKEPT in note else finding_of(InputError(note), kind="note")
        for note in card.training["notes"]
        if not any(words in note and words in said.lower() for words in _DIAGNOSED)
    ]
    return (*found, *notes)


def unkept(
    note: str, remedy: str = "Make room there before the next training."
) -> Finding:
    """Return why a training has no checkpoint, with what can be done about it.

    Examples
    --------
    >>> print(unkept("The training cannot be resumed: the disk is full. Take another."))
    The training cannot be resumed: the disk is full. Make room there before the next
    training.
    """
    # A folder cannot be chosen for it, as for results.
    return replace(finding_of(InputError(note), kind="doubt"), remedy=remedy)


def summary(outcome: Outcome) -> str:
    """Return how a training ended, its scores, and where the model is."""
    if outcome.model is None:
        return _WITHOUT_MODEL[outcome.how]
    from napari_unet_studio.tasks.device import describe_device

    card = outcome.model.card
    training = card.training
    end = "Trained"
    if outcome.how != "finished":
        end = f"Stopped after {updates_done(training)}"
    lines = [
        f"{end} in {duration(training['seconds'])} on "
        f"{describe_device(training['device'])}.",
        quality(card.scores, training),
    ]
    if outcome.path is not None:
        lines.append(f"Saved as {card.name!r}: {outcome.path}")
    else:
        lines.append(
            f'NOT SAVED: {outcome.error} The model is kept in memory: press "Save as…".'
        )
    if outcome.how == "kept" and outcome.path is not None:
        lines.append('"Resume…" goes on where it stopped.')
    return "\n".join(lines)


def closed_text(training: "Training", begun: bool) -> str:
    """Say that a training stops with its dock, and what is kept.

    Parameters
    ----------
    training
        It runs, and is not stopping yet.
    begun
        Whether there was an update: there is a checkpoint only then.
    """
    kept = training.resume is not None or (begun and training.checkpoint is not None)
    rest = (
        "“Resume…” in Train goes on from what is kept." if kept else "Nothing is kept."
    )
    return f"The training {training.name!r} stops, for its dock was closed. {rest}"


def discard_question(training: "Training", updates: int) -> str:
    """Ask whether a training is to be stopped without keeping anything.

    Parameters
    ----------
    training
        It runs.
    updates
        Done so far.

    Examples
    --------
    >>> from types import SimpleNamespace as Training
    >>> print(discard_question(Training(name="cells", resume=None), 12))
    Discard the training 'cells'? After 12 updates, all that it has learnt is lost: no
    model is saved, and it cannot be resumed.
    """
    done = f"{updates} update{'s' * (updates != 1)}"
    lost = f"After {done}, all that it has learnt is lost: no model is saved, and "
    rest = "it cannot be resumed."
    if training.resume is not None:
        lost = f"After {done}, what it has learnt since it was resumed is lost: "
        rest = "no model is saved, and “Resume…” begins where it did."
    return f"Discard the training {training.name!r}? {lost}{rest}"


def quality(scores: Mapping[str, float], training: Mapping[str, object]) -> str:
    """Return the scores in words, or that there are none."""
    found = [f"{_SCORES[key]} {scores[key]:.3f}" for key in _SCORES if key in scores]
    if not found:
        return "Its quality was not measured."
    return (
        f"{', '.join(found)} on data held out from training (best after update "
        f"{training['best_update']})."
    )
