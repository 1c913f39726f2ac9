"""Checks of the values in a network's spec, which may come from a file."""

from numbers import Integral
from typing import Any

from napari_unet_studio.core.errors import ConfigError

# No usable network exceeds these; a spec in a broken or hostile file may.
MOST_LEVELS = 10
MOST_PER_LEVEL = 16
WIDEST = 2**16


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """Return a whole number within limits as a plain int, or raise."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise ConfigError(
            f"{name} is {value!r:.80}; it must be a whole number from {low} to {high}."
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise unless a value is one of the choices, of the same type."""
    if not isinstance(value, type(choices[0])) or value not in choices:
        raise ConfigError(
            f"{name} is {value!r:.80}; choose one of {', '.join(map(str, choices))}."
        )


def check_widths(channels: Any) -> tuple[tuple[int, ...], ...]:
    """Return the widths of each level, checked.

    Lists, as JSON gives them, become tuples, and a plain width two of it.

    Examples
    --------
    >>> check_widths([16, [32, 64]])
    ((16, 16), (32, 64))
    """
    fits = isinstance(channels, list | tuple) and 2 <= len(channels) <= MOST_LEVELS
    levels = [
        level if isinstance(level, list | tuple) else (level, level)
        for level in (channels if fits else ())
    ]
    if not fits or not all(1 <= len(level) <= MOST_PER_LEVEL for level in levels):
        raise ConfigError(
            f"channels is {channels!r:.80}; give 2 to {MOST_LEVELS} levels, each one "
            f"width or a tuple of up to {MOST_PER_LEVEL}."
        )
    return tuple(
        tuple(check_whole("A width in channels", w, 1, WIDEST) for w in level)
        for level in levels
    )
