"""Pixel sizes as image files state them, in micrometres per axis."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    import tifffile

# One of each unit in micrometres, under the names that writers use.
_MICROMETRES = {
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(
        ("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre"),
        1.0,
    ),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
}


def spacing_of(axes: str, sizes: Mapping[str, float]) -> tuple[float, ...] | None:
    """Return the sizes of the spatial axes in their order, or None if X is unknown.

    A size that is missing is that of the next finer axis.

    Examples
    --------
    >>> spacing_of("TZYX", {"Z": 2.0, "X": 0.5})
    (2.0, 0.5, 0.5)
    """
    if "X" not in sizes:
        return None
    y = sizes.get("Y", sizes["X"])
    known = {"Z": y, "Y": y, **sizes}
    return tuple(known[axis] for axis in axes if axis in "ZYX")


def tiff_sizes(tiff: "tifffile.TiffFile") -> dict[str, float]:
    """Return the size of each axis that the OME or ImageJ header of a TIFF states."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_sizes(tiff.ome_metadata)
    header = tiff.imagej_metadata or {}
    unit = str(header.get("unit", "")).replace("\\u00B5", "µ")
    found: dict[str, float] = {}
    for axis in "YX":
        tag = tiff.pages.first.tags.get(f"{axis}Resolution")
        if tag is not None:
            pixels, units = tag.value
            _add(found, axis, units / pixels if pixels else None, unit)
    _add(found, "Z", header.get("spacing"), unit)
    return found


def _ome_sizes(metadata: str) -> dict[str, float]:
    try:
        root = ET.fromstring(metadata)
    except ET.ParseError:
        return {}
    found: dict[str, float] = {}
    for pixels in (e for e in root.iter() if e.tag.endswith("}Pixels")):
        for axis in "ZYX":
            unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
            _add(found, axis, pixels.get(f"PhysicalSize{axis}"), unit)
        break  # the first image is the one that is read
    return found


def ome_zarr_sizes(
    axes: Sequence[Any], *transformations: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the size of each axis with a unit, from the scales of an OME-Zarr image.

    Examples
    --------
    >>> axes = [{"name": "y", "unit": "nanometer"}, {"name": "x", "unit": "nanometer"}]
    >>> ome_zarr_sizes(axes, [{"type": "scale", "scale": [500, 250]}])
    {'Y': 0.5, 'X': 0.25}
    """
    scales = [
        step["scale"]
        for steps in transformations
        for step in steps
        if step.get("type") == "scale" and len(step.get("scale", ())) == len(axes)
    ]
    found: dict[str, float] = {}
    for number, axis in enumerate(axes):
        if scales and isinstance(axis, Mapping):
            size = math.prod(float(scale[number]) for scale in scales)
            _add(found, str(axis.get("name")).upper(), size, str(axis.get("unit")))
    return found


def ome_zarr_offsets(
    axes: Sequence[Any], *transformations: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return where the first pixel of an OME-Zarr image lies, in pixels by axis.

    Examples
    --------
    >>> scale = {"type": "scale", "scale": [0.5, 0.5]}
    >>> shift = {"type": "translation", "translation": [10, 0]}
    >>> ome_zarr_offsets([{"name": "y"}, {"name": "x"}], [scale, shift])
    {'Y': 20.0, 'X': 0.0}
    """
    scales, shifts = [1.0] * len(axes), [0.0] * len(axes)
    for step in (step for steps in transformations for step in steps):
        kind = str(step.get("type"))
        values = step.get(kind, ())
        if kind not in ("scale", "translation") or len(values) != len(axes):
            continue
        for number, value in enumerate(map(float, values)):
            if kind == "scale":
                scales[number] *= value
                shifts[number] *= value
            else:
                shifts[number] += value
    names = (str(a.get("name") if isinstance(a, Mapping) else a).upper() for a in axes)
    found = zip(names, scales, shifts, strict=True)
    placed = {name: shift / scale for name, scale, shift in found if scale}
    return {name: offset for name, offset in placed.items() if math.isfinite(offset)}


def _add(found: dict[str, float], axis: str, size: Any, unit: str) -> None:
    """Note a size in micrometres if it is one: finite, above 0, of a known unit."""
    try:
        length = float(size) * _MICROMETRES[unit]
    except (KeyError, TypeError, ValueError):
        return
    if 0 < length < math.inf:
        found[axis] = length
