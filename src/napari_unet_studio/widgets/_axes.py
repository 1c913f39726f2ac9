"""What is plotted, and the arithmetic of axes: round numbers, thinned lines."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF

BLUE, RED, GREEN, PINK = "#217ef7", "#e3410c", "#209450", "#c23e8e"
"""Of curves: legible on dark and on light, told apart with any kind of sight."""
COLOURS = (BLUE, RED, GREEN, PINK)
STROKES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "solid": (),
        "dashed": (3, 2),
        "dotted": (1, 1.6),
        "dash-dotted": (4, 1.6, 1, 1.6),
    }
)
"""Lengths of lines and gaps, in widths of the pen, by the name of the stroke."""
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Parameters
    ----------
    key
        Name of its values in :meth:`.LivePlot.add`.
    label
        In the legend.
    colour
        One of `COLOURS`.
    stroke
        One of `STROKES`: tells two lines apart without their colours.
    """

    key: str
    label: str
    colour: str
    stroke: str = "solid"


@dataclass(frozen=True)
class Panel:
    """A pair of axes with some curves.

    Parameters
    ----------
    curves
        The lines.
    top
        Upper end of the axis, or None to fit it to the values; the lower end is 0.
    waiting
        Shown until there are values.
    family
        Every value whose name begins so is a line too, from when it first comes. A
        panel of nothing else is not there before.
    member
        What such a line is called, with the rest of its name in place of {}.
    """

    curves: tuple[Curve, ...]
    top: float | None = None
    waiting: str = ""
    family: str = ""
    member: str = "{}"


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels inside a rectangle."""

    box: QRectF
    right: float
    top: float

    def x(self, value: float) -> float:
        return float(self.box.left() + self.box.width() * value / self.right)

    def y(self, value: float) -> float:
        share = min(max(value / self.top, -0.02), 1.02)
        return float(self.box.bottom() - self.box.height() * share)


def family_curves(panel: Panel, names: Iterable[str]) -> tuple[Curve, ...]:
    """Return a curve for each name that begins like a family, by numbers in order.

    Sixteen look different: the colours come again with the next stroke.

    Examples
    --------
    >>> classes = Panel((), family="iou ", member="class {}")
    >>> [curve.label for curve in family_curves(classes, ["iou 10", "iou", "iou 9"])]
    ['class 9', 'class 10']
    """
    family = panel.family
    found = [name for name in names if family and name.startswith(family)]
    strokes = list(STROKES)
    found.sort(key=lambda n: [int(t) if t.isdigit() else t for t in _DIGITS.split(n)])
    return tuple(
        Curve(
            name,
            panel.member.format(name.removeprefix(family)),
            COLOURS[number % len(COLOURS)],
            strokes[number // len(COLOURS) % len(strokes)],
        )
        for number, name in enumerate(found)
    )


def ticks(top: float, count: int) -> list[float]:
    """Return round numbers from 0 to `top`, about `count` steps of them.

    Examples
    --------
    >>> ticks(1.0, 4), ticks(340, 3)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 100.0, 200.0, 300.0])
    """
    rough = top / max(1, count)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough * 0.8)
    return [round(n * step, 12) for n in range(int(top / step + 1e-9) + 1)]


def runs(values: NDArray[np.float64]) -> list[slice]:
    """Return the stretches of numbers between infinite ones and NaN.

    Examples
    --------
    >>> runs(np.array([1, 2, np.nan, 3]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    good = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(good[1:] != good[:-1])
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def thinned(
    xs: NDArray[np.float64], ys: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep the extremes of each pixel column where there are many points to one."""
    size = len(xs) // max(1, width)
    if size < 4:
        return xs, ys
    whole = len(xs) // size * size
    blocks = ys[:whole].reshape(-1, size)
    starts = np.arange(0, whole, size)
    picks = np.stack([starts + blocks.argmin(axis=1), starts + blocks.argmax(axis=1)])
    keep = np.unique([0, *picks.ravel(), len(xs) - 1])
    return xs[keep], ys[keep]
