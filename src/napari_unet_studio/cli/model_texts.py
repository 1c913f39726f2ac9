"""What ``unet-studio models`` says about a model: lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.io.model import ModelCard

_SHOWN = 3  # names of images before "and more"
# What is said of a test; the card has all of it.
_TOLD = ("iou", "f1", "seg", "average_precision_mean", "pixel_error", "mean_iou")
_FROM = {"bundled": "the package", "yours": "you", "file": "a file"}


def card_lines(card: ModelCard, path: Path | None = None) -> dict[str, Any]:
    """Return the lines about a model by their titles; empty ones are left out."""
    spec, training = card.spec, card.training
    lines: dict[str, Any] = {
        "name": card.name,
        "file": "" if path is None else str(path),
        "description": card.description,
        "limits": card.limits,
        "finds": _finds(card),
        "network": f"{spec.family}, {card.axes}, {_channels(spec.in_channels)}, "
        f"{spec.parameters:,} parameters",
        "sees": f"{_sides(spec.receptive_field)} pixels around each pixel",
        "pixel size": _pixel_size(card),
        "normalisation": card.normalisation.method,
        "trained on": data_sentence(card.data),
        "training": _training(training),
        "training command": str(training.get("command", "")),
        "scores": _scores(card.scores) and f"{_scores(card.scores)} (held out)",
    }
    for number, test in enumerate(card.tests, 1):
        title = "test" if len(card.tests) == 1 else f"test {number}"
        lines[title] = _test(test)
    lines |= {
        "licence": card.licence,
        "authors": ", ".join(card.authors),
        "cite": "; ".join(card.cite),
        "from": _origin(card.origin),
        "made": card.created,
        "versions": ", ".join(f"{k} {v}" for k, v in card.versions.items()),
        "notes": card.notes,
    }
    notes = [str(note) for note in training.get("notes", ())]
    if notes:
        lines["notes of the training"] = " ".join(notes)
    return {title: text for title, text in lines.items() if text}


def data_sentence(data: Sequence[Mapping[str, str]]) -> str:
    """Return what a model was trained on, however many images, in a sentence.

    Examples
    --------
    >>> data_sentence([{"name": "a.tif", "sha256": "12"}, {"name": "b.tif"}])
    '2 images: a.tif, b.tif'
    >>> many = [{"name": f"{n}.tif"} for n in range(300)]
    >>> data_sentence([*many, {"name": "v.tif", "role": "validate"}])
    '300 images: 0.tif, 1.tif, 2.tif and 297 more; judged on the way by 1 image: v.tif'
    """
    judges = [each for each in data if each.get("role") == "validate"]
    learnt = _named([each for each in data if each.get("role") != "validate"])
    judged = _named(judges) and f"judged on the way by {_named(judges)}"
    return "; ".join(filter(None, (learnt, judged)))


def _named(data: Sequence[Mapping[str, str]]) -> str:
    """Return how many images there are, and the first of their names."""
    names = [str(each.get("name", "")) for each in data]
    if not names:
        return ""
    text = f"{len(names)} image{'s' * (len(names) > 1)}"
    shown = [name for name in names[:_SHOWN] if name]
    if shown:
        text += f": {', '.join(shown)}"
        if len(names) > len(shown):
            text += f" and {len(names) - len(shown)} more"
    return text


def short_scores(scores: Mapping[str, float]) -> str:
    """Return scores for a column of a table."""
    return ", ".join(f"{k} {v:.3f}" for k, v in scores.items())


def megabytes(size: int) -> str:
    """Return a size of a file.

    Examples
    --------
    >>> megabytes(3_929_111), megabytes(0)
    ('3.9 MB', '')
    """
    return f"{size / 1e6:.1f} MB" if size else ""


def origin_word(source: str) -> str:
    """Return where a model at hand comes from, for a column of a table."""
    return _FROM.get(source, source)


def _finds(card: ModelCard) -> str:
    if card.target == "objects":
        return f"objects, from probability {card.threshold:g} on"
    return f"classes {', '.join(map(str, card.class_values))}"


def _channels(count: int) -> str:
    return f"{count} channel{'s' * (count > 1)}"


def _sides(values: Sequence[int]) -> str:
    return " x ".join(map(str, values))


def _pixel_size(card: ModelCard) -> str:
    if card.spacing is None:
        return ""
    return f"{' x '.join(f'{size:g}' for size in card.spacing)} {card.unit}"


def _training(training: Mapping[str, Any]) -> str:
    return ", ".join(_course(training))


def _course(training: Mapping[str, Any]) -> Iterator[str]:
    if "updates" in training:
        yield f"{training['updates']} updates"
    seconds = training.get("seconds")
    if isinstance(seconds, int | float):
        yield f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"
    if training.get("device"):
        yield f"on {training['device']}"


def _scores(scores: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in scores.items()
        if isinstance(value, int | float)
    )


def _test(test: Mapping[str, Any]) -> str:
    count = test.get("images")
    head = str(test.get("name", ""))
    if isinstance(count, int):
        head += f" ({count} image{'s' * (count != 1)})"
    scores = test.get("scores")
    text = head
    if isinstance(scores, Mapping):
        told = {name: scores[name] for name in _TOLD if name in scores}
        text = f"{head}: {_scores(told or scores)}"
    return f"{text}, by {test['command']}" if test.get("command") else text


def _origin(origin: Mapping[str, str]) -> str:
    parts = [origin.get("format", ""), origin.get("url") or origin.get("file", "")]
    digest = origin.get("sha256", "")
    parts.append(f"SHA-256 {digest[:12]}..." if digest else "")
    return ", ".join(filter(None, parts))
