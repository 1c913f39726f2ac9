"""What losses are called, and weighted sums of them as text; knows no torch."""

import math
import re
from collections.abc import Mapping
from typing import Literal

from napari_unet_studio.core.errors import ConfigError

# The keys of core.losses.LOSSES, which only loads together with torch.
LOSS_NAMES = (
    "cross-entropy",
    "dice",
    "cross-entropy + dice",
    "unet++",
    "focal",
    "ssim",
    "ms-ssim",
    "iou",
    "unet3+",
)

# How the heads of a deeply supervised network share the loss.
HeadWeights = Literal["equal", "halved"]

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"


def _any_of(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_TERM = re.compile(
    rf"(?:(?P<weight>{_NUMBER})\s*\*?\s*"
    rf"(?P<weighted>{_any_of([name for name in LOSS_NAMES if ' + ' not in name])})"
    rf"|(?P<name>{_any_of(list(LOSS_NAMES))}))\s*(?P<more>\+\s*|$)"
)


def parse_loss(text: str) -> dict[str, float]:
    """Return the weight of each loss in a name or in a sum such as "0.5 focal + dice".

    Raises
    ------
    ConfigError
        If a part is no loss, or a weight is not a positive number.

    Notes
    -----
    A number weighs the one name behind it, as in arithmetic. A name that contains a
    plus is meant wherever it stands without a number: "cross-entropy + dice" and
    "focal + cross-entropy + dice" hold the loss of that name, while
    "0.5 cross-entropy + dice" is a sum of two. What occurs twice counts twice.

    Examples
    --------
    >>> parse_loss("0.5 focal + dice")
    {'focal': 0.5, 'dice': 1.0}
    >>> parse_loss("cross-entropy + dice")
    {'cross-entropy + dice': 1.0}
    """
    weights: dict[str, float] = {}
    rest, more = text.strip(), True
    while more:
        term = _TERM.match(rest)
        if term is None:
            raise ConfigError(unknown_loss(rest.split(" + ")[0] or text))
        name = term["name"] or term["weighted"]
        weights[name] = weights.get(name, 0.0) + float(term["weight"] or 1)
        rest, more = rest[term.end() :], bool(term["more"])
    check_terms(weights)
    return weights


def check_terms(weights: Mapping[str, float]) -> None:
    """Raise a ConfigError unless these are positive weights of known losses."""
    if not weights:
        raise ConfigError("A sum of losses needs at least one.")
    for name, weight in weights.items():
        if name not in LOSS_NAMES:
            raise ConfigError(unknown_loss(name))
        if not 0 < weight < math.inf:
            raise ConfigError(
                f"The weight of the loss {name!r} is {weight}; choose a positive "
                "number."
            )


def unknown_loss(part: str) -> str:
    """Say that something is no loss, and what would be."""
    return (
        f"There is no loss {part!r:.80}; choose one of {', '.join(LOSS_NAMES)}, or a "
        "sum such as '0.5 focal + dice'."
    )
