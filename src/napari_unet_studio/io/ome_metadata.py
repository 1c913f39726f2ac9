"""The metadata of OME-Zarr images and label images, versions 0.4 and 0.5."""

from collections.abc import Mapping, Sequence
from typing import Any

_COLOURS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def multiscale(
    version: str,
    name: str,
    axes: str,
    levels: int,
    spacing: Mapping[str, float],
    translate: Mapping[str, float],
    unit: str,
    mean: bool,
) -> dict[str, Any]:
    """Return the description of an image whose levels halve Y and X.

    Parameters
    ----------
    axes
        As stored: time, channels, space.
    spacing, translate
        Pixel size and place of the first pixel's centre, for the axes that have one.
    unit
        "um", or anything else for none.
    mean
        Whether a pixel of a level is the mean of 2 x 2 finer ones, so that its centre
        lies between theirs; else it is the first of them.

    Examples
    --------
    >>> image = multiscale(
    ...     "0.5", "cells", "YX", 2, {"Y": 0.5, "X": 0.5}, {}, "um", True
    ... )
    >>> image["datasets"][1]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [1.0, 1.0]},
     {'type': 'translation', 'translation': [0.25, 0.25]}]
    """
    datasets = []
    for level in range(levels):
        scale, shift = [], []
        for axis in axes:
            factor = 2**level if axis in "YX" else 1
            size = float(spacing.get(axis, 1.0))
            centre = (factor - 1) / 2 * size if mean else 0.0
            scale.append(size * factor)
            shift.append(float(translate.get(axis, 0.0)) + centre)
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(shift):
            steps.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    return {
        **({"version": "0.4"} if version == "0.4" else {}),
        "name": name,
        "axes": [_axis(axis, unit) for axis in axes],
        "datasets": datasets,
        "type": "mean" if mean else "nearest",
    }


def _axis(letter: str, unit: str) -> dict[str, str]:
    name = letter.lower()
    if letter == "T":
        return {"name": name, "type": "time"}
    if letter == "C":
        return {"name": name, "type": "channel"}
    axis = {"name": name, "type": "space"}
    return {**axis, "unit": "micrometer"} if unit == "um" else axis


def channels(names: Sequence[str]) -> dict[str, Any]:
    """Return how viewers show probabilities: from 0 to 1."""
    window = {"start": 0.0, "end": 1.0, "min": 0.0, "max": 1.0}
    return {
        "channels": [
            {
                "label": name,
                "color": _COLOURS[number % len(_COLOURS)],
                "active": True,
                "window": window,
            }
            for number, name in enumerate(names)
        ]
    }


def attributes(version: str, **content: Any) -> dict[str, Any]:
    """Return attributes of a group: under the key "ome" since version 0.5.

    Examples
    --------
    >>> attributes("0.5", labels=["nuclei"])
    {'ome': {'version': '0.5', 'labels': ['nuclei']}}
    """
    return content if version == "0.4" else {"ome": {"version": version, **content}}


def image_label(version: str) -> dict[str, Any]:
    """Return what makes an image that of labels, of the image two groups above."""
    label: dict[str, Any] = {"source": {"image": "../../"}}
    return {"version": "0.4", **label} if version == "0.4" else label
