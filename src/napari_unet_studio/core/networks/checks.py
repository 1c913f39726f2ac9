"""Checks of the values in a network's spec, which may come from a file."""

from numbers import Integral
from typing import Any, TypeGuard

from napari_unet_studio.core.errors import ConfigError

# No usable network exceeds these; a spec in a broken or hostile file may.
MOST_LEVELS = 10
MOST_PER_LEVEL = 16
WIDEST = 2**16
MOST_SCALED = 10


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """Return a whole number within limits as a plain int, or raise."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise ConfigError(
            f"{name} is {value!r:.80}; it must be a whole number from {low} to {high}."
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise unless a value is one of the choices, of the same type."""
    if not isinstance(value, type(choices[0])) or value not in choices:
        raise ConfigError(
            f"{name} is {value!r:.80}; choose one of {', '.join(map(str, choices))}."
        )


def check_widths(
    channels: Any, name: str = "channels", fewest: int = 2, most: int = MOST_LEVELS
) -> tuple[tuple[int, ...], ...]:
    """Return the widths of each level, checked.

    Lists, as JSON gives them, become tuples, and a plain width two of it.

    Examples
    --------
    >>> check_widths([16, [32, 64]])
    ((16, 16), (32, 64))
    """
    fits = isinstance(channels, list | tuple) and fewest <= len(channels) <= most
    levels = [
        level if isinstance(level, list | tuple) else (level, level)
        for level in (channels if fits else ())
    ]
    if not fits or not all(1 <= len(level) <= MOST_PER_LEVEL for level in levels):
        number = str(most) if fewest == most else f"{fewest} to {most}"
        raise ConfigError(
            f"{name} is {channels!r:.80}; give {number} levels, each one width or a "
            f"tuple of up to {MOST_PER_LEVEL}."
        )
    return tuple(
        tuple(check_whole(f"A width in {name}", w, 1, WIDEST) for w in level)
        for level in levels
    )


def check_factor(name: str, value: object) -> float:
    """Return a factor on widths or depths as a float, or raise."""
    if not _is_number(value) or not 0 < value <= MOST_SCALED:
        raise ConfigError(
            f"{name} is {value!r:.80}; it must be a number above 0, up to "
            f"{MOST_SCALED}."
        )
    return float(value)


def check_fraction(name: str, value: object) -> None:
    """Raise unless a value is a number from 0 to below 1."""
    if not _is_number(value) or not 0 <= value < 1:
        raise ConfigError(
            f"{name} is {value!r:.80}; it must be a number from 0 to below 1."
        )


def check_pooling(pooling: Any, steps: int, ndim: int) -> tuple[tuple[int, ...], ...]:
    """Return the factors between levels, checked; lists become tuples.

    Examples
    --------
    >>> check_pooling([[1, 2, 2], [2, 2, 2]], steps=2, ndim=3)
    ((1, 2, 2), (2, 2, 2))
    """
    fits = isinstance(pooling, list | tuple) and all(
        isinstance(step, list | tuple) and len(step) == ndim for step in pooling
    )
    if not fits or len(pooling) not in (0, steps):
        raise ConfigError(
            f"pooling is {pooling!r:.80}; give one factor for each of the {ndim} axes, "
            f"for each of the {steps} steps between levels, or nothing."
        )
    checked = tuple(
        tuple(check_whole("A factor in pooling", f, 1, 4) for f in step)
        for step in pooling
    )
    if any(max(step) == 1 for step in checked):
        raise ConfigError(
            f"pooling is {pooling!r:.80}; each step must shrink at least one axis."
        )
    return checked
