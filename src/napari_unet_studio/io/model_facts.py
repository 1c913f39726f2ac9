"""What goes along with an exported network: facts for programs and for people."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.papers import SECTIONS
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.markdown import markdown_table, wrapped
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.plain_json import dumps

# Under this name a file of any format holds the card.
KEY = "napari_unet_studio"
# Old DOIs hold pairs of parentheses; a single one belongs to the text around.
_REST = r"(?:\([^\s()]*\)|[^\s()\[\]<>;,])+"
_DOI = re.compile(rf"10\.\d{{4,9}}/{_REST}")
_ADDRESS = re.compile(rf"https?://{_REST}")
_PLACE = re.compile(r"(doi:\s*)?(https?://\S+|10\.\d{4,9}/\S+)", re.IGNORECASE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class Reference(NamedTuple):
    """Something to cite.

    Parameters
    ----------
    text
        For people.
    doi, url
        Where it is, if the text says so.
    """

    text: str
    doi: str | None
    url: str | None

    @classmethod
    def of(cls, text: str) -> "Reference":
        """Find the DOI or the address in a text.

        Examples
        --------
        >>> Reference.of("Long et al., CVPR 2015, doi:10.1109/CVPR.2015.7298965.")
        Reference(text='Long et al., CVPR 2015', doi='10.1109/CVPR.2015.7298965', ...)
        """
        doi, url = _DOI.search(text), _ADDRESS.search(text)
        plain = _LINK.sub("", text).replace("*", "")
        plain = _PLACE.sub("", plain)
        return cls(
            " ".join(plain.split()).strip(" .,;") or text,
            None if doi is None else doi.group().rstrip("."),
            None if url is None else url.group().rstrip("."),
        )


def paper_of(spec: NetworkSpec) -> Reference | None:
    """Return the paper that a network is from, if it is one of the catalog's."""
    for section in SECTIONS:
        if section.holds(spec):
            return Reference.of(section.papers[0])
    return None


def card_json(card: ModelCard, answer: str) -> str:
    """Return what this package needs to take the file in again."""
    return dumps({"card": card.to_dict(), "answer": answer})


def about(card: ModelCard, answer: str) -> dict[str, str]:
    """Return the metadata of a file that holds a network alone."""
    texts = {
        KEY: card_json(card, answer),
        "description": card.description,
        "normalisation": say_normalisation(card.normalisation),
        "sizes": say_sizes(card.spec),
        "answer": say_answer(card, answer),
        "licence": card.licence,
        "authors": "; ".join(card.authors),
        "cite": "; ".join(card.cite),
    }
    return {name: text for name, text in texts.items() if text}


def say_normalisation(rule: Normalisation) -> str:
    """Say how grey values become what the network takes."""
    each = "of each image" + (
        ", all channels together," if rule.joint else " and channel"
    )
    if rule.method == "percentile":
        how = (
            f"{each} the percentiles {_number(rule.low)} and {_number(rule.high)} "
            f"become 0 and 1, without clipping{_eps(rule, 'their distance')}"
        )
    elif rule.method == "zscore":
        how = (
            f"{each} the mean is subtracted, and the rest divided by the standard "
            f"deviation{_eps(rule, 'it')}"
        )
    elif rule.offsets:
        parts = (
            f"{_number(offset)} and {_number(scale)}"
            for offset, scale in zip(rule.offsets, rule.scales, strict=True)
        )
        how = (
            "(grey value - offset) / scale, where offset and scale of the channels are "
            f"{', '.join(parts)}"
        )
    else:
        how = (
            f"the grey values {_number(rule.low)} and {_number(rule.high)} "
            "become 0 and 1"
        )
    if rule.method == "fixed":
        return f"Normalise first: {how}."
    constant = "image" if rule.joint else "channel"
    return f"Normalise first: {how}. A constant {constant} becomes 0."


def _eps(rule: Normalisation, what: str) -> str:
    return f" ({_number(rule.eps)} is added to {what})" if rule.eps else ""


def _number(value: float) -> str:
    """Return a number in full: six digits would change the grey values of 32 bits."""
    return f"{value:.15g}"


def say_sizes(spec: NetworkSpec) -> str:
    """Say which images the network takes, and what it returns."""
    parts = [
        f"{axis.smallest} + {axis.divisor} k"
        for axis in (spec.axes[:1] if len(set(spec.axes)) == 1 else spec.axes)
    ]
    names = ", ".join("ZYX"[-spec.ndim :])
    text = (
        f"Images (N, {spec.in_channels}, {names}) of {', '.join(parts)} pixels along "
        f"{'each axis' if len(parts) == 1 else names}, with k = 0, 1, 2 and so on"
    )
    if any(spec.trim):
        lost = " and ".join(sorted({str(side) for side in spec.trim}, key=int))
        return f"{text}; the answer has {lost} pixels less on each side."
    return f"{text}; the answer is as large."


def say_answer(card: ModelCard, answer: str) -> str:
    """Say what the channels of the answer are."""
    channels = " and ".join(channel_names(card)).replace("_", " ")
    return f"{answer.capitalize()}: {channels}."


def channel_names(card: ModelCard) -> list[str]:
    """Return what the channels of the answer are called.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import get_spec
    >>> channel_names(ModelCard(name="a", spec=get_spec("unet-16")))
    ['foreground']
    """
    if card.target == "objects":
        return ["background", "foreground"][-card.spec.num_classes :]
    values = card.class_values[-card.spec.num_classes :]
    return [f"class_{value}".replace("-", "minus_") for value in values]


def readme(
    card: ModelCard,
    references: Sequence[Reference],
    answer: str,
    first: str = "",
    architecture: str | None = None,
) -> str:
    """Return the documentation of a package, as Markdown.

    Parameters
    ----------
    card
        Of the model.
    references
        What to cite.
    answer
        "probabilities" or "logits", what the package ends with.
    first
        What the user wrote, for the beginning.
    architecture
        Name of the file with the network, if there is one.
    """
    lines = [f"# {card.name}", ""]
    for text in (first, card.description if card.description != first else ""):
        if text:
            lines += [text, ""]
    lines += ["## Use", "", *_use(card, answer, architecture), ""]
    lines += ["## Training", "", *_training(card), ""]
    lines += ["## Validation", "", *_validation(card)]
    if card.limits:
        lines += ["## Limits", "", wrapped(card.limits), ""]
    lines += ["## Licence and citation", ""]
    lines += [f"Licence: {card.licence}. By {', '.join(card.authors)}.", ""]
    for reference in references:
        where = f"https://doi.org/{reference.doi}" if reference.doi else reference.url
        lines.append(f"- {reference.text}. <{where}>")
    lines += ["", wrapped(_MADE), ""]
    return "\n".join(lines)


_MADE = (
    "This package was written by napari-unet-studio, which takes it in again with all "
    "that the model knows about itself."
)


def _use(card: ModelCard, answer: str, architecture: str | None) -> Iterator[str]:
    spec = card.spec
    but = ""
    if card.normalisation.method != "fixed":
        but = (
            ", but for channels that are constant up to a few pixels, which it makes "
            "larger"
        )
    points = [
        say_sizes(spec),
        say_normalisation(card.normalisation)
        + f" The preprocessing of the package does it{but}.",
        say_answer(card, answer),
    ]
    if card.spacing is not None:
        size = " x ".join(f"{value:g}" for value in card.spacing)
        points.append(f"It was trained on pixels of {size} {card.unit}.")
    if card.target == "objects":
        points.append(
            f"Pixels with a probability of at least {card.threshold:g} are foreground; "
            f"connected ones are an object, if there are at least {card.min_size}."
        )
        if card.gap:
            points.append(
                "The network was taught a gap between touching objects: grow them into "
                f"it, by up to {card.gap + 2} pixels, once they are told apart."
            )
    if not spec.local:
        points.append(
            "The network looks at all it is given, so tiles of an image come out a "
            "little different from the whole."
        )
    elif not any(spec.trim):
        halo = max(spec.halo)
        points.append(f"Tiles need {halo} pixels around them to come out as the whole.")
    if architecture is not None:
        points.append(f"`{architecture}` is the network in PyTorch alone.")
    for point in points:
        yield wrapped(f"- {point}", "  ")


def _training(card: ModelCard) -> Iterator[str]:
    spec = card.spec
    weights = f"{spec.parameters:,}".replace(",", " ")
    sentence = f"Network: {spec.family}, {spec.ndim}D, {weights} weights."
    config = card.training.get("config")
    if card.data:
        sentence += f" Trained on {card.learnt_from} images."
    yield wrapped(sentence)
    command = card.training.get("command")
    if isinstance(command, str) and command:
        yield from ("", "```console", command, "```")
    if isinstance(config, Mapping):
        rows = [(n, v) for n, v in config.items() if isinstance(v, str | int | float)]
        yield ""
        yield from markdown_table(("Setting", "Value"), "ll", rows)


def _validation(card: ModelCard) -> Iterator[str]:
    if card.scores:
        yield wrapped("On images that were kept from the training:")
        yield ""
        yield from _scores(card.scores)
    for test in card.tests:
        images = test.get("images")
        of = f", {images} images" if images else ""
        yield wrapped(f"On {test.get('name', 'other images')}{of}:")
        yield ""
        scores = test.get("scores")
        if isinstance(scores, Mapping):
            yield from _scores(scores)
    if not card.scores and not card.tests:
        yield "The model states no scores: check it on images of your own."
        yield ""


def _scores(scores: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (name, f"{value:.4f}" if isinstance(value, float) else value)
        for name, value in scores.items()
        if not isinstance(value, Mapping | list | tuple)
    ]
    yield from markdown_table(("Score", "Value"), "lr", rows)
