"""What the Models widget says about a model."""

from collections.abc import Mapping
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.amounts import memory, sides
from napari_unet_studio.io.model_list import ListedModel
from napari_unet_studio.widgets._model_choice import (
    judged_on,
    kind_of,
    merit_of,
    trained_pixels,
)
from napari_unet_studio.widgets._models.entries import Entry

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

_SOURCES = {"bundled": "bundled", "yours": "yours", "file": "file", "list": "download"}
_MEASURES = {"iou": "IoU", "dice": "Dice", "f1": "F1", "ap": "AP"}
_ORIGINS = {"bioimageio": "bioimage.io package"}


def source_word(entry: Entry) -> str:
    """Say where a model is, in a word."""
    return _SOURCES[entry.source]


def kind_line(entry: Entry) -> str:
    """Say what a model is and how good, in a line."""
    if entry.card is not None:
        kind = kind_of(entry.card, age=False)
        return f"{kind} · {merit_of(entry.card, brief=True)}"
    if entry.offer is not None:
        return " · ".join(filter(None, (size_of(entry.offer), entry.offer.purpose)))
    return "cannot be read"


def size_of(offer: ListedModel) -> str:
    """Say how large a download is; "" if that is not known."""
    return memory(offer.size) if offer.size else ""


def tip(entry: Entry) -> str:
    """Say what a row of the list is, as HTML that wraps."""
    text = f"{entry.name}. {kind_line(entry)}."
    place = entry.path or (entry.offer.url if entry.offer is not None else "")
    return f"<p>{escape(text)}</p><p>{escape(str(place))}</p>"


def facts(entry: Entry) -> dict[str, str]:
    """Return what there is to know about a model, by title; all in sentences."""
    if entry.offer is not None:
        offer = entry.offer
        return _told(
            {
                "Purpose": offer.description,
                "Size": size_of(offer),
                "Licence": offer.licence,
                "List": offer.list_name,
                "Address": offer.url,
            }
        )
    if entry.card is None:
        return {"Trouble": entry.trouble}
    card = entry.card
    return _told(
        {
            "Purpose": card.description,
            "Limits": card.limits,
            "Network": kind_of(card),
            "Input": _input(card),
            "Scores": _scores(card),
            "Tests": "\n".join(map(_test, card.tests)),
            "Data": _data(card),
            "Training": _training(card),
            "Licence": card.licence,
            "Authors": ", ".join(card.authors),
            "Cite": "\n".join(card.cite),
            "Origin": _origin(card),
            "File": str(entry.path),
        }
    )


def _told(texts: Mapping[str, str]) -> dict[str, str]:
    return {title: text for title, text in texts.items() if text}


def _input(card: "ModelCard") -> str:
    text = f"Judges each pixel by the {sides(card.spec.receptive_field)} around it."
    return f"{trained_pixels(card)} {text}".strip()


def _scores(card: "ModelCard") -> str:
    if card.target == "classes":
        classes = ", ".join(map(str, card.class_values))
        return f"Classes {classes}; {_measures(card.scores) or 'not scored'}"
    scores = _measures(card.scores)
    return f"{scores} {judged_on(card)}" if scores else "Not scored."


def _measures(scores: Mapping[str, Any]) -> str:
    """Return scores in words, the known ones first.

    Examples
    --------
    >>> _measures({"f1": 0.907, "iou": 0.85, "other": 3})
    'IoU 0.85, F1 0.91'
    """
    known = [(n, scores[k]) for k, n in _MEASURES.items() if k in scores]
    return ", ".join(f"{name} {value:.2f}" for name, value in known if _real(value))


def _real(value: Any) -> bool:
    return isinstance(value, int | float)


def _test(test: Mapping[str, Any]) -> str:
    scores = test.get("scores", {})
    told = _measures(scores) if isinstance(scores, Mapping) else ""
    if not told and isinstance(scores, Mapping):
        told = ", ".join(f"{k} {v:.2f}" for k, v in scores.items() if _real(v))
    images = test.get("images")
    number = f" ({images} image{'s' * (images != 1)})" if images else ""
    return f"{test.get('name', 'test')}{number}: {told or 'no scores'}"


def _data(card: "ModelCard") -> str:
    count = card.learnt_from
    text = f"{count} image{'s' * (count != 1)} with labels"
    judges = len(card.data) - count
    if judges:
        text += f", {judges} more to judge by"
    return text if card.data else ""


def _training(card: "ModelCard") -> str:
    training = card.training
    parts = []
    if training.get("updates"):
        parts.append(f"{training['updates']:,} updates")
    with suppress(TypeError, ValueError, KeyError):
        parts.append(f"{float(training['seconds']) / 60:.0f} minutes")
    if training.get("device"):
        parts.append(f"on {training['device']}")
    return ", ".join(parts)


def _origin(card: "ModelCard") -> str:
    origin = card.origin
    kind = origin.get("format", "")
    parts = [_ORIGINS.get(kind, kind), origin.get("file", ""), origin.get("url", "")]
    return ", ".join(part for part in parts if part)


def taken_text(found: Any) -> str:
    """Say what became of a file that was taken in.

    Parameters
    ----------
    found
        An :class:`.ImportedModel`.
    """
    lines = []
    if found.difference is not None:
        lines.append(
            "Its own test agrees: the answer differs by at most "
            f"{found.difference:.1g}."
        )
    lines += found.notes
    if found.report is not None and str(found.report) not in found.notes:
        lines.append(str(found.report))
    return "\n".join(lines)


def sent_text(done: Any) -> str:
    """Say how an export went.

    Parameters
    ----------
    done
        An :class:`.Exported`.
    """
    lines = [f"Exported to {done.path}."]
    if done.difference is not None:
        lines.append(
            f"The same tiles differ by at most {done.difference:.1g} from this network."
        )
    return " ".join([*lines, *done.notes])
