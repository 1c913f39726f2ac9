"""Axes and sizes of the tensors that a bioimage.io package describes, 0.4 and 0.5."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Refused = Callable[[str], Exception]

_LETTERS_5 = {"batch": "b", "channel": "c"}
_LARGEST = 2**16
_UNITS = {"micrometer": "um", "nanometer": "nm", "millimeter": "mm"}


@dataclass(frozen=True)
class Side:
    """One spatial axis of a tensor.

    Parameters
    ----------
    least
        The smallest size; 0 where it follows from the input's.
    step
        Larger ones are larger by multiples of it; 0 means that there are none.
    scale
        Size of a pixel, 1 if it is not stated.
    unit
        Of it, or None.
    offset
        Of an output: pixels more than the input has, a negative number for less.
    halo
        Of an output: pixels on each side that are not to be relied on.
    """

    least: int = 0
    step: int = 0
    scale: float = 1.0
    unit: str | None = None
    offset: int = 0
    halo: int = 0


@dataclass(frozen=True)
class Tensor:
    """The axes of a tensor.

    Parameters
    ----------
    name
        By which others refer to it.
    axes
        A letter each: b, c, z, y, x.
    sides
        Of the spatial axes, by letter.
    channels
        Their names, or as many empty ones.
    """

    name: str
    axes: str
    sides: Mapping[str, Side]
    channels: tuple[str, ...]

    @property
    def space(self) -> str:
        """The letters of the spatial axes, in the order z, y, x."""
        return "".join(letter for letter in "zyx" if letter in self.sides)


def input_tensor(values: Mapping[str, Any], refused: Refused) -> Tensor:
    """Return the axes of an input.

    Raises
    ------
    ModelFileError
        By `refused`, if there is an axis or a size that is not understood.
    """
    axes = values.get("axes")
    if isinstance(axes, str):
        return _old_input(values, axes, refused)
    name, letters, found = _listed(values, refused)
    sizes: dict[str, tuple[int, int]] = {}
    for letter, axis in found.items():
        size = axis.get("size")
        if isinstance(size, Mapping) and "axis_id" in size:
            # As large as another axis of the same tensor.
            other = str(size["axis_id"])
            size = found.get(other, {}).get("size")
        sizes[letter] = _size(size, letter, refused)
    sides = {
        letter: Side(*sizes[letter], _scale(axis, refused), _unit(axis))
        for letter, axis in found.items()
    }
    return Tensor(name, letters, sides, _channels(values["axes"], refused))


def output_tensor(values: Mapping[str, Any], given: Tensor, refused: Refused) -> Tensor:
    """Return the axes of an output, and how its sizes follow from those of the input.

    Raises
    ------
    ModelFileError
        By `refused`, if that is not understood or the output is on another grid.
    """
    axes = values.get("axes")
    if isinstance(axes, str):
        return _old_output(values, axes, given, refused)
    name, letters, found = _listed(values, refused)
    sides = {}
    for letter, axis in found.items():
        before = given.sides.get(letter)
        if before is None:
            raise refused(f"its output has an axis {letter}, and its input has none")
        size, halo = axis.get("size"), _whole(axis.get("halo", 0), "a halo", refused)
        if isinstance(size, Mapping) and "axis_id" in size:
            offset = _whole(size.get("offset", 0), "an offset", refused, -_LARGEST)
            other = given.sides.get(str(size["axis_id"]))
            if other is None or other.least != before.least:
                raise refused(f"the size of its output along {letter} is not followed")
            if abs(_scale(axis, refused) / other.scale - 1) > 1e-6:
                raise refused("its output has pixels of another size than its input")
        elif isinstance(size, int) and not before.step:
            offset = size - before.least
        else:
            raise refused(f"the size of its output along {letter} is not known before")
        sides[letter] = Side(offset=offset, halo=halo)
    return Tensor(name, letters, sides, _channels(values["axes"], refused))


def _listed(
    values: Mapping[str, Any], refused: Refused
) -> tuple[str, str, dict[str, Mapping[str, Any]]]:
    """Return name, letters and the spatial axes of a tensor of format 0.5."""
    axes = values.get("axes")
    if not isinstance(axes, list) or not all(isinstance(a, Mapping) for a in axes):
        raise refused("its axes are not listed")
    letters, space = "", {}
    for axis in axes:
        kind = axis.get("type")
        if kind == "space":
            letter = str(axis.get("id", "x"))
            if letter not in ("z", "y", "x") or letter in space:
                raise refused(f"an axis is called {letter!r:.40}")
            space[letter] = axis
        else:
            letter = _LETTERS_5.get(str(kind), "")
            if not letter or letter in letters:
                raise refused(f"it has an axis of the kind {kind!r:.40}")
        letters += letter
    return str(values.get("id", "")), letters, _checked(space, refused)


def _checked(space: dict[str, Any], refused: Refused) -> dict[str, Any]:
    if set(space) not in ({"y", "x"}, {"z", "y", "x"}):
        found = ", ".join(sorted(space)) or "none"
        raise refused(f"its images have the axes {found}; y and x are needed, or z too")
    return space


def _channels(axes: list[Mapping[str, Any]], refused: Refused) -> tuple[str, ...]:
    for axis in axes:
        if axis.get("type") == "channel":
            names = axis.get("channel_names")
            if isinstance(names, list) and names:
                return tuple(map(str, names))
            size = _whole(axis.get("size", 1), "a number of channels", refused, 1)
            return ("",) * min(size, 2**12)
    return ("",)


def _size(size: Any, letter: str, refused: Refused) -> tuple[int, int]:
    """Return the smallest size and the step."""
    if isinstance(size, Mapping) and {"min", "step"} <= set(size):
        least = _whole(size["min"], "a smallest size", refused, 1)
        return least, _whole(size["step"], "a step", refused)
    if isinstance(size, int):
        return _whole(size, "a size", refused, 1), 0
    raise refused(f"the size of its input along {letter} is {size!r:.60}")


def _whole(value: Any, what: str, refused: Refused, low: int = 0) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not low <= value <= _LARGEST:
        raise refused(f"{what} is {value!r:.40}")
    return int(value)


def _scale(axis: Mapping[str, Any], refused: Refused) -> float:
    value = axis.get("scale", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"the size of a pixel is {value!r:.40}")
    if not 1e-9 < value < 1e9:
        raise refused(f"the size of a pixel is {value!r:.40}")
    return float(value)


def _unit(axis: Mapping[str, Any]) -> str | None:
    unit = axis.get("unit")
    return _UNITS.get(unit, unit) if isinstance(unit, str) else None


# --- format 0.4: a letter per axis, and lists


def _old_letters(axes: str, refused: Refused) -> str:
    if set(axes) - set("bczyx") or len(set(axes)) < len(axes):
        raise refused(f"it has the axes {axes!r:.40}")
    _checked({letter: None for letter in axes if letter in "zyx"}, refused)
    return axes


def _old_list(
    values: Any, axes: str, what: str, refused: Refused, low: int = 0
) -> list[int]:
    if not isinstance(values, list) or len(values) != len(axes):
        raise refused(f"{what} is {values!r:.60}, not a number for each of {axes}")
    return [_whole(value, what, refused, low) for value in values]


def _old_input(values: Mapping[str, Any], axes: str, refused: Refused) -> Tensor:
    axes, shape = _old_letters(axes, refused), values.get("shape")
    if isinstance(shape, Mapping):
        least = _old_list(shape.get("min"), axes, "a smallest size", refused, 1)
        step = _old_list(shape.get("step"), axes, "a step", refused)
    else:
        least = _old_list(shape, axes, "a size", refused, 1)
        step = [0] * len(axes)
    sides = {
        letter: Side(smallest, more)
        for letter, smallest, more in zip(axes, least, step, strict=True)
        if letter in "zyx"
    }
    count = least[axes.index("c")] if "c" in axes else 1
    return Tensor(str(values.get("name", "")), axes, sides, ("",) * min(count, 2**12))


def _old_output(
    values: Mapping[str, Any], axes: str, given: Tensor, refused: Refused
) -> Tensor:
    axes, shape = _old_letters(axes, refused), values.get("shape")
    halo = _old_list(values.get("halo") or [0] * len(axes), axes, "a halo", refused)
    if set(axes) - set("bc") != set(given.sides):
        raise refused("its output has other axes than its input")
    sides, count = {}, 1
    for number, letter in enumerate(axes):
        if isinstance(shape, Mapping):
            scale = _part(shape.get("scale"), number, refused)
            offset = 2 * _part(shape.get("offset"), number, refused)
            same = scale == 1 and offset.denominator == 1
            if letter == "c":  # scale 0 means that the offset says all
                count = int(len(given.channels) * scale + offset)
        else:
            size = _old_list(shape, axes, "a size", refused, 1)[number]
            before = given.sides.get(letter)
            same = before is None or not before.step
            offset = Fraction(size - before.least if before else 0)
            count = size if letter == "c" else count
        if letter in "zyx":
            if not same or abs(offset) > _LARGEST:
                raise refused("its output has pixels of another size than its input")
            sides[letter] = Side(offset=int(offset), halo=halo[number])
    if not 1 <= count <= 2**12:
        raise refused(f"its output has {count} channels")
    return Tensor(str(values.get("name", "")), axes, sides, ("",) * count)


def _part(values: Any, number: int, refused: Refused) -> Fraction:
    value = (
        values[number] if isinstance(values, list) and number < len(values) else None
    )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"a size of its output is {values!r:.60}")
    if not -_LARGEST <= value <= _LARGEST:
        raise refused(f"a size of its output is {values!r:.60}")
    return Fraction(value).limit_denominator(1000)
