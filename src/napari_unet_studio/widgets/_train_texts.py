"""What the Train widget says and copies: names, times, results, scripts."""

import re
from collections.abc import Mapping, Sequence
from pprint import pformat

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._training import Outcome

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_LONGEST_NAME = 100
_SCORES = {"iou": "IoU", "f1": "F1", "dice": "Dice"}
_WITHOUT_MODEL = {
    "discarded": "Discarded: nothing was saved.",
    "interrupted": "Interrupted; it can be resumed.",
    "nothing": "Stopped before the first update: there is nothing to keep.",
}


def checked_name(name: str) -> str:
    """Return a model name that can be a file name everywhere, or raise an InputError.

    Examples
    --------
    >>> checked_name(" my cells ")
    'my cells'
    """
    name = name.strip().rstrip(".")
    if not name:
        raise InputError("The model has no name; type one.")
    found = _FORBIDDEN.search(name)
    if found or name.startswith("."):
        raise InputError(
            f"The model name {name!r} cannot be a file name because of "
            f"{found.group() if found else '.'!r}; use letters, digits, spaces and "
            "hyphens."
        )
    if len(name) > _LONGEST_NAME:
        raise InputError(
            f"The model name has {len(name)} letters; use at most {_LONGEST_NAME}."
        )
    return name


def script(
    pairs: Sequence[tuple[str, str, str]], config: TrainConfig, name: str
) -> str:
    """Return Python code that repeats a training on layers of these names.

    Parameters
    ----------
    pairs
        Image layer, labels layer and role; rows that are off are left out.
    config, name
        Of the training.
    """
    rows = [pair for pair in pairs if pair[2] != "off"]
    settings = pformat(config.to_dict(), sort_dicts=False, width=80)
    return (
        "import napari\n"
        "import napari_unet_studio as us\n\n"
        "viewer = napari.current_viewer()\n"
        f"layers = {pformat(rows, width=80)}\n"
        f"config = {settings}\n"
        f"model = us.train_layers(viewer, layers, config, name={name!r})\n"
        f"model.save({f'{name}{SUFFIX}'!r})\n"
    )


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(7.2), duration(192), duration(7260)
    ('7 s', '3 min 12 s', '2 h 1 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(seconds: float) -> str:
    """Return a rough time for people.

    Examples
    --------
    >>> time_left(8), time_left(170), time_left(9000)
    ('a few seconds left', 'about 3 min left', 'about 2.5 h left')
    """
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} s left"
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min left"
    return f"about {seconds / 3600:.1f} h left"


def summary(outcome: Outcome) -> str:
    """Return how a training ended, its scores, and where the model is."""
    if outcome.model is None:
        return _WITHOUT_MODEL[outcome.how]
    card = outcome.model.card
    training = card.training
    end = (
        "Trained"
        if outcome.how == "finished"
        else f"Stopped after {training['updates']} of {training['config']['updates']} "
        "updates"
    )
    lines = [
        f"{end} in {duration(training['seconds'])} on {training['device']}.",
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
    return "\n".join([*lines, *(f"⚠ {note}" for note in training["notes"])])


def quality(scores: Mapping[str, float], training: Mapping[str, object]) -> str:
    """Return the scores in words, or that there are none."""
    found = [f"{_SCORES[key]} {scores[key]:.3f}" for key in _SCORES if key in scores]
    if not found:
        return "Its quality was not measured."
    return (
        f"{', '.join(found)} on data held out from training (best after update "
        f"{training['best_update']})."
    )
