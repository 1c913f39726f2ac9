"""Times, amounts of memory and sides of images, as people read them."""

from collections.abc import Iterable
from typing import Any


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


def rough(seconds: float) -> str:
    """Return a time that was estimated.

    Examples
    --------
    >>> rough(2), rough(75), rough(740), rough(5000), rough(99000)
    ('10 s', '1 min', '12 min', '1.4 h', '28 h')
    """
    if seconds < 55:
        return f"{max(1, round(seconds / 10)) * 10} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    return f"{hours:.{1 if hours < 10 else 0}f} h"


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


def memory(size: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> memory(350e6), memory(1.26e9), memory(25e9)
    ('350 MB', '1.3 GB', '25 GB')
    """
    if size < 0.95e9:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:.0f} GB"


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
