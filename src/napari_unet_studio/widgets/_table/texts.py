"""What the table of objects says: numbers, units, and what a column means."""

from typing import Any

import numpy as np

from napari_unet_studio.tasks.measure import ObjectTable

_MEANINGS = {
    "label": "The id of the object.",
    "t": "The time point, from 0.",
    "class": "The class that most of the object's pixels have.",
    "area": "Area, in the unit of the layer.",
    "volume": "Volume, in the unit of the layer.",
    "pixels": "Number of pixels.",
    "border": "Whether the object reaches the border of the image.",
    "equivalent diameter": "Diameter of the circle or ball of the same size.",
    "major axis": "Longest axis of the ellipse with the same second moments.",
    "middle axis": "Middle axis of the ellipsoid with the same second moments.",
    "minor axis": "Shortest axis of the ellipse with the same second moments.",
    "eccentricity": "Of that ellipse: 0 for a circle, close to 1 for a line.",
    "orientation": "Angle from the y axis to the longest axis, counter-clockwise.",
    "elongation": "1 - minor axis / major axis: 0 for what is round, 1 for a line.",
    "perimeter": "Length of the border, after Cauchy and Crofton.",
    "surface": "Area of the surface, after Cauchy and Crofton.",
    "circularity": "4 π area / perimeter²: 1 for a circle, less for others.",
    "sphericity": "Surface of the ball of the same volume over the surface.",
    "solidity": "Share of its convex hull that the object fills.",
    "neighbours": "Number of objects that touch this one, corners included.",
    "nearest": "Distance between the object's centre and the nearest other one.",
}
_STATISTICS = {
    "mean": "Mean intensity of {}.",
    "min": "Least intensity of {}.",
    "max": "Largest intensity of {}.",
    "sum": "Sum of the intensities of {}.",
    "std": "Standard deviation of the intensities of {}.",
}
_LONG, _SHORT = 1e5, 1e-3  # between these, numbers need no powers of ten

_FIRST = "Measure fills the table."
_STALE = "The layers have changed since: Measure again brings the table up to date."


def number(value: Any) -> str:
    """Return the text of a cell, with four digits that count.

    Examples
    --------
    >>> [number(v) for v in (7, 0.123456, 12345.6, 2e-7, float("nan"), True)]
    ['7', '0.1235', '12346', '2e-07', '', 'yes']
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    value = float(value)
    if value != value:
        return ""
    if value == 0 or _SHORT <= abs(value) < _LONG:
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:.4g}"


def pretty(unit: str) -> str:
    """Return a unit as it is written by hand.

    Examples
    --------
    >>> pretty("um^2"), pretty("px"), pretty("deg")
    ('µm²', 'px', '°')
    """
    if unit == "deg":
        return "°"
    return unit.replace("um", "µm").replace("^2", "²").replace("^3", "³")


def meaning(column: str) -> str:
    """Return what a column holds, in a sentence."""
    if column in _MEANINGS:
        return _MEANINGS[column]
    if column in ("z", "y", "x"):
        return f"Centre along {column}, from the centre of the first pixel."
    axis, _, end = column.partition(" ")
    if end == "start":
        return f"First pixel of the object along {axis}."
    if end == "stop":
        return f"The pixel after the last one along {axis}."
    return _STATISTICS[axis].format(end) if axis in _STATISTICS else column


def state_text(table: ObjectTable | None, stale: bool) -> str:
    """Say what the table holds, and whether it is out of date.

    Examples
    --------
    >>> state_text(None, False)
    'Measure fills the table.'
    """
    text = _FIRST if table is None else summary(table)
    return f"{text}\n{_STALE}" if stale else text


def summary(table: ObjectTable) -> str:
    """Return how many objects there are, and how large.

    Examples
    --------
    >>> columns = {"label": np.array([1, 2]), "area": np.array([3.0, 5.0])}
    >>> summary(ObjectTable(columns, "um"))
    '2 objects, area 4 ± 1.414 µm²'
    """
    found = table.summary()
    count = found["objects"]
    what = "object" if "t" not in table else "row"
    text = f"{count:,} {what}{'s' * (count != 1)}"
    if "t" in table:
        each = len(np.unique(table["label"]))
        text += f" of {each:,} id{'s' * (each != 1)}"
    if not count:
        return text
    size = table.size
    mean, spread = number(found[f"mean {size}"]), number(found[f"std {size}"])
    return f"{text}, {size} {mean} ± {spread} {pretty(found['unit'])}".rstrip()
