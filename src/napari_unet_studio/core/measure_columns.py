"""Columns of a table of objects: from sums to measures, and the unit of each."""

from collections.abc import Sequence
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_unet_studio.core.measure import MeasureConfig
    from napari_unet_studio.core.measure_sums import Sums

Columns = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

AXES = ("z", "y", "x")
STATISTICS = ("mean", "min", "max", "sum", "std")
_LENGTHS = (
    *AXES,
    "equivalent diameter",
    "major axis",
    "middle axis",
    "minor axis",
    "perimeter",
    "nearest",
)
_PIXELS = ("pixels", *(f"{axis} {end}" for axis in AXES for end in ("start", "stop")))
_PLAIN = (
    "border",
    "t",
    "eccentricity",
    "elongation",
    "circularity",
    "sphericity",
    "neighbours",
    "solidity",
)


def columns_of(
    sums: "Sums",
    spacing: Sequence[float],
    shape: Sequence[int],
    config: "MeasureConfig",
) -> Columns:
    """Return the measures of objects, one value for each object in each column.

    Parameters
    ----------
    sums
        Of all pixels of a plane or a volume.
    spacing
        Size of a pixel along (Y, X) or (Z, Y, X); lengths, areas and volumes are in
        its unit.
    shape
        Of the image in pixels.
    config
        What is measured.

    Notes
    -----
    - ``label``, the id. ``class``, the class that most of the object's pixels have,
      of several the smallest.
    - ``area`` or ``volume``.
    - ``z``, ``y``, ``x``: the centre of mass, in lengths from the centre of the first
      pixel.
    - ``mean``, ``min``, ``max``, ``sum`` and ``std`` of the intensities of each image.
    - ``equivalent diameter`` of the circle or ball of the same size; ``major axis`` and
      ``minor axis`` (in volumes also ``middle axis``) of the ellipse with the same
      second moments; ``eccentricity`` of that ellipse, and its ``orientation``, the
      angle from the Y axis to its major axis in degrees, -90 to 90, counter-clockwise
      on screen (planes only); ``elongation``, 1 - minor / major, 0 for what is round
      and 1 for a line.
    - ``perimeter`` or ``surface`` after Cauchy and Crofton, see :mod:`.crofton`;
      ``circularity``, 4 pi area / perimeter squared, or ``sphericity``, the surface of
      the ball of the same volume over the surface: 1 for the round, less for others.
      What a few pixels have above 1 is cut off.
    - ``neighbours``: how many objects touch it, corners included; ``nearest``, the
      distance between its centre and the nearest other one, NaN if there is none.
    - ``border``: whether the object reaches the first or the last pixel along an axis;
      one of a single pixel has none.
    - ``pixels``, their number; ``z start``, ``z stop`` and so on: the box, as slices.

    Names and formulas are scikit-image's where it has them: `perimeter` is its
    ``perimeter_crofton``, for pixels of any shape.
    """
    ndim = len(spacing)
    scale = np.array([1.0] * (3 - ndim) + list(spacing))
    names = AXES[-ndim:]
    pixel = float(np.prod(scale))
    found: Columns = {"label": sums.ids}
    if sums.classes is not None:
        found["class"] = majority(sums.ids, sums.classes)
    size: Floats = np.multiply(sums.pixels, pixel, dtype=np.float64)
    found["area" if ndim == 2 else "volume"] = size
    centres = (sums.centre * scale)[:, -ndim:]
    found |= dict(zip(names, centres.T, strict=True))
    found |= _intensities(sums)
    if config.shape:
        found |= _shapes(sums, size, scale, ndim)
    if config.neighbours:
        found["neighbours"] = _partners(sums.ids, sums.pairs)
        found["nearest"] = nearest(centres)
    found["border"] = _borders(sums.boxes, shape)
    found["pixels"] = sums.pixels
    return found | _boxes(sums.boxes, names)


def _boxes(boxes: Ints, names: Sequence[str]) -> Columns:
    found = {}
    for axis in names:
        number = AXES.index(axis)
        found[f"{axis} start"], found[f"{axis} stop"] = boxes[:, [number, number + 3]].T
    return found


def _borders(boxes: Ints, shape: Sequence[int]) -> NDArray[np.bool_]:
    ndim = len(shape)
    low, high = boxes[:, 3 - ndim : 3], boxes[:, 6 - ndim :]
    sides = np.asarray(shape)
    reached = (low == 0) | (high == sides)
    # A stack of one plane is a plane.
    found: NDArray[np.bool_] = np.any(reached & (sides > 1), axis=1)
    return found


def _intensities(sums: "Sums") -> Columns:
    found = {}
    for name, (total, low, high, squares) in (
        (name, values.T) for name, values in sums.values.items()
    ):
        each = (total / sums.pixels, low, high, total, np.sqrt(squares / sums.pixels))
        for statistic, values in zip(STATISTICS, each, strict=True):
            found[f"{statistic} {name}"] = values
    return found


def _shapes(sums: "Sums", size: Floats, scale: Floats, ndim: int) -> Columns:
    # Slow to import: not for a widget that asks for the units of columns.
    from napari_unet_studio.core.measure_sums import FIRST, SECOND

    spread = sums.spread / sums.pixels[:, None]
    spread = spread * scale[list(FIRST)] * scale[list(SECOND)]
    matrix = np.empty((len(size), 3, 3))
    for number, (a, b) in enumerate(zip(FIRST, SECOND, strict=True)):
        matrix[:, a, b] = matrix[:, b, a] = spread[:, number]
    matrix = matrix[:, 3 - ndim :, 3 - ndim :]
    moments = np.clip(np.linalg.eigvalsh(matrix), 0, None)[:, ::-1]  # largest first
    axes = np.sqrt((16.0 if ndim == 2 else 20.0) * moments)
    major, minor = axes[:, 0], axes[:, -1]
    with np.errstate(invalid="ignore"):
        ratio = np.where(major > 0, minor / major, 1.0)
    found = {"equivalent diameter": (2 * ndim * size / pi) ** (1 / ndim)}
    found["major axis"] = major
    if ndim == 3:
        found["middle axis"] = axes[:, 1]
    found["minor axis"] = minor
    if ndim == 2:
        with np.errstate(invalid="ignore"):
            squeezed = np.where(moments[:, 0] > 0, moments[:, 1] / moments[:, 0], 1.0)
        found["eccentricity"] = np.sqrt(np.maximum(1 - squeezed, 0))
        found["orientation"] = np.degrees(_orientations(matrix))
    found["elongation"] = 1 - ratio
    assert sums.surface is not None  # asked for with the shape
    if ndim == 2:
        found["perimeter"] = sums.surface
        round_ = 4 * pi * size / sums.surface**2
        found["circularity"] = np.minimum(round_, 1)
    else:
        found["surface"] = sums.surface
        ball = pi ** (1 / 3) * (6 * size) ** (2 / 3)
        found["sphericity"] = np.minimum(ball / sums.surface, 1)
    return found


def _orientations(matrix: Floats) -> Floats:
    """Return the angle from Y to the major axis, as scikit-image defines it."""
    yy, xx, yx = matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, 0, 1]
    tied = np.where(yx > 0, pi / 4, -pi / 4)
    return np.where(xx == yy, tied, 0.5 * np.arctan2(2 * yx, yy - xx))


def _partners(ids: Ints, pairs: Ints) -> Ints:
    places = np.searchsorted(ids, pairs.reshape(-1))
    return np.bincount(places, minlength=len(ids)).astype(np.int64)


def nearest(centres: Floats) -> Floats:
    """Return the distance of each point to the nearest other one; NaN if alone.

    Examples
    --------
    >>> nearest(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])).tolist()
    [5.0, 1.0, 1.0]
    """
    if len(centres) < 2:
        return np.full(len(centres), np.nan)
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(centres).query(centres, k=2)
    found: Floats = distances[:, 1]
    return found


def majority(ids: Ints, counts: Ints) -> Ints:
    """Return the class with the most pixels of each object, of several the smallest.

    Parameters
    ----------
    ids
        Sorted.
    counts
        Rows of id, class and pixels.
    """
    order = np.lexsort((counts[:, 1], -counts[:, 2], counts[:, 0]))
    ranked = counts[order]
    first = np.searchsorted(ranked[:, 0], ids)
    found: Ints = ranked[first, 1] if len(ids) else ids
    return found


def unit_of(column: str, unit: str) -> str:
    """Return the unit of a column: "um^2", "px", "deg"; empty if it has none.

    Parameters
    ----------
    column
        Its name.
    unit
        Of the spacing: "um", "pixel", or nothing if it is not known.

    Examples
    --------
    >>> unit_of("area", "um"), unit_of("y start", "um"), unit_of("mean dapi", "um")
    ('um^2', 'px', '')
    """
    length = "px" if unit == "pixel" else unit
    if column in _PIXELS:
        return "px"
    if column == "orientation":
        return "deg"
    if column in _LENGTHS:
        return length
    power = {"area": 2, "surface": 2, "volume": 3}.get(column)
    return f"{length}^{power}" if length and power else ""


def is_measured(column: str) -> bool:
    """Return whether a column of this name can be a measure of :func:`columns_of`.

    A column "class" may be one that the user has made, and so may any other.

    Examples
    --------
    >>> is_measured("area"), is_measured("mean dapi"), is_measured("treatment")
    (True, True, False)
    """
    known = (*_LENGTHS, *_PIXELS, *_PLAIN, "label", "area", "surface", "volume")
    if column in (*known, "orientation"):
        return True
    return column.split(" ")[0] in STATISTICS and " " in column
