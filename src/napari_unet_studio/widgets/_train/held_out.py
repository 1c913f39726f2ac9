"""What is held out of the training, as layers and in words."""

from collections.abc import Iterable, Sequence
from math import gcd
from typing import Any

import napari.layers
import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.widgets._train.place import Place, bounds
from napari_unet_studio.widgets._viewing import same_selection

NAME = "held out"
_MOST = 8  # layers; more images are only named
_OPACITY = 0.25
# Nothing, held out (blue), not used (grey). A map by label would be compiled by napari
# first, for seconds.
_COLOURS = [[0, 0, 0, 0], [0.29, 0.62, 0.91, 1], [0.5, 0.5, 0.5, 1]]


class HeldOutLayers:
    """Marks the parts that a network is measured on, and the gaps beside them.

    Parameters
    ----------
    viewer
        The napari viewer.
    places
        The training images that are layers.
    """

    def __init__(self, viewer: Any, places: Iterable[Place]) -> None:
        self._viewer = viewer
        self._places = {place.source.name: place for place in places}
        self.layers: list[napari.layers.Labels] = []

    def show(self, parts: Sequence[HeldOut]) -> None:
        """Add a layer for each part whose image is in the viewer."""
        for part in parts[:_MOST]:
            place = self._places.get(part.name)
            if place is not None and len(place.shape) == len(part.region):
                self._add(part, place)

    def _add(self, part: HeldOut, place: Place) -> None:
        pixels, start, step = coarse(part, place.shape)
        with same_selection(self._viewer):
            layer = self._viewer.add_labels(
                pixels,
                name=f"{NAME} of {part.name}",
                opacity=_OPACITY,
                colormap=CyclicLabelColormap(colors=_COLOURS),
                metadata={METADATA_KEY: {"held out of": part.name}},
                **place.options(start, step),
            )
        layer.editable = False
        self.layers.append(layer)


def coarse(
    part: HeldOut, shape: Sequence[int]
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], list[float], list[float]]:
    """Return a part and its gap as few large pixels: 1 is held out, 2 is the gap.

    Returns
    -------
    tuple
        The pixels; the centre of the first one, in pixels of the image; their size.

    Examples
    --------
    >>> part = HeldOut(
    ...     0, "a", (slice(24, 32), slice(0, 9)), (slice(18, 24), slice(0, 9))
    ... )
    >>> pixels, start, step = coarse(part, (32, 9))
    >>> pixels.ravel().tolist(), start, step
    ([2, 2, 2, 1, 1, 1, 1], [18.5, 4.0], [2.0, 9.0])
    """
    region = bounds(part.region, shape)
    gap = region if part.gap is None else bounds(part.gap, shape)
    pixels = np.ones((1,) * len(region), np.uint8)
    start, step = [], []
    for axis, ((a, b), (c, d)) in enumerate(zip(region, gap, strict=True)):
        first, size = min(a, c), max(1, b - a)
        if (a, b) != (c, d):  # the axis of the cut
            size = max(1, gcd(b - a, d - c))
            line = np.repeat([1, 2], [(b - a) // size, (d - c) // size])
            line = line if a < c else np.roll(line, (d - c) // size)
            pixels = np.expand_dims(
                line.astype(np.uint8),
                tuple(n for n in range(len(region)) if n != axis),
            )
        start.append(first + (size - 1) / 2)
        step.append(float(size))
    return pixels, start, step


def in_words(parts: Sequence[HeldOut]) -> str:
    """Say what was held out.

    Examples
    --------
    >>> part = HeldOut(
    ...     0, "cells", (slice(24, 32), slice(0, 9)), (slice(18, 24), slice(0, 9))
    ... )
    >>> in_words([part])
    'Measured on what is held out: y 24 to 31 of cells.'
    >>> film = HeldOut(0, "film", (slice(4, 5),) + (slice(0, 9),) * 2, None, axes="TYX")
    >>> in_words([film])
    'Measured on what is held out: t 4 of film.'
    >>> in_words([HeldOut(1, "b", (slice(0, 32), slice(0, 9)))])
    'Measured on what is held out: all of b.'
    >>> in_words([])
    ''
    """
    if not parts:
        return ""
    told = [f"{_sides(part)} of {part.name}" for part in parts[:4]]
    more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
    return f"Measured on what is held out: {', '.join(told)}{more}."


def _sides(part: HeldOut) -> str:
    names = (part.axes or "TZYX"[-len(part.region) :]).lower()
    gap = part.gap or (slice(0),) * len(part.region)
    told = []
    for name, side, beside in zip(names, part.region, gap, strict=True):
        start, stop = side.start or 0, side.stop
        cut = start > 0 if part.gap is None else side != beside
        if cut and stop is not None and stop - start == 1:
            told.append(f"{name} {start}")
        elif cut:
            last = "the end" if stop is None else stop - 1
            told.append(f"{name} {start} to {last}")
    return ", ".join(told) or "all"
