"""Numbers in the words of the docks."""

from collections.abc import Iterable
from typing import Any


def sides(shape: Iterable[Any], form: str = "") -> str:
    """Return the lengths of sides for people.

    Parameters
    ----------
    shape
        The lengths.
    form
        How each is written, as after the colon in an f-string.

    Examples
    --------
    >>> sides((204, 204)), sides((0.5, 0.25, 0.25), "g")
    ('204 × 204', '0.5 × 0.25 × 0.25')
    """
    return " × ".join(f"{n:{form}}" for n in shape)
