"""What the weight of the pixel under the cursor is made of."""

from dataclasses import replace
from functools import reduce
from math import ceil, inf, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.weights import WeightConfig, reach
from napari_unet_studio.widgets._weights.frame import Frame, Numbers

Pixel = tuple[int, ...]

NEARBY = 1 << 21  # pixels around the cursor that are searched while the window waits


class Near(NamedTuple):
    """An object near a pixel; the distance is in pixels of the finest axis."""

    distance: float
    id: int


class PixelTerms(NamedTuple):
    """The weight of a pixel.

    Parameters
    ----------
    weight
        The weight.
    balance
        Its first term: w_c, or the balance term of 2019.
    border
        Its second term.
    near
        The nearest objects within reach, at most two; None if they are too far away to
        be searched for.
    ignored
        Whether the pixel has no annotation.
    """

    weight: float
    balance: float
    border: float
    near: tuple[Near, ...] | None
    ignored: bool


def terms_at(
    frame: Frame, config: WeightConfig, numbers: Numbers | None, pixel: Pixel
) -> PixelTerms:
    """Take the weight of a pixel apart, from the distances that are kept.

    Parameters
    ----------
    frame
        The frame, measured before.
    config
        The settings.
    numbers
        Weight of each class, for a balance over all frames.
    pixel
        Its place in the frame.
    """
    region = tuple(slice(p, p + 1) for p in pixel)
    ignored = frame.ignore is not None and bool(frame.ids[pixel] == frame.ignore)
    near: tuple[Near, ...] | None = ()
    if frame.reach:
        known = [float(d[pixel]) for d in frame.nearest]
        found = nearest_at(frame, pixel, max([d for d in known if d < inf] or [0.0]))
        near = (
            None
            if found is None
            else tuple(n for n in found if n.distance <= frame.reach)
        )
    weight = float(frame.weights(config, numbers, region).item())
    if ignored:
        return PixelTerms(0.0, 0.0, 0.0, near, True)
    flat = replace(config, w0=0.0)
    balance = float(frame.weights(flat, numbers, region).item())
    return PixelTerms(weight, balance, weight - balance, near, False)


def nearest_at(frame: Frame, pixel: Pixel, distance: float) -> list[Near] | None:
    """Find the two nearest objects of one pixel, at most as far as a distance.

    Of objects at the same distance the one with the smaller id comes first, as in
    `nearest_objects`, whose search would take in all pixels. None if even these pixels
    are too many.
    """
    part, lines = [], []
    for axis, (place, step) in enumerate(zip(pixel, frame.spacing, strict=True)):
        radius = ceil(distance / step + 1e-6)
        low = max(0, place - radius)
        high = min(frame.ids.shape[axis], place + radius + 1)
        part.append(slice(low, high))
        lines.append(np.square(step * (np.arange(low, high) - place)))
    if prod(map(len, lines)) > NEARBY:
        return None
    squares = reduce(np.add, np.ix_(*lines))
    ids: NDArray[Any] = frame.ids[tuple(part)]
    objects = ids != 0
    if frame.ignore is not None:
        objects &= ids != frame.ignore
    found, away = ids[objects], squares[objects]
    near: list[Near] = []
    while len(near) < 2 and len(found):
        closest = away.min()
        first = found[away <= closest * (1 + 1e-9)].min()
        near.append(Near(float(np.sqrt(closest)), int(first)))
        others = found != first
        found, away = found[others], away[others]
    return near


def sentence(terms: PixelTerms, config: WeightConfig, pieces: bool) -> str:
    """Say what a pixel weighs and why.

    Examples
    --------
    >>> near = (Near(2.0, 5), Near(3.6, 9))
    >>> sentence(PixelTerms(7.31, 1.02, 6.29, near, False), WeightConfig(), False)
    'weight 7.31 = 1.02 + 6.29; 2.0 px to object 5, 3.6 px to object 9'
    """
    if terms.ignored:
        return "weight 0.00: not annotated"
    text = f"weight {terms.weight:.2f}"
    if config.preset != "none":
        text += f" = {terms.balance:.2f} + {terms.border:.2f}"
    what = "piece" if pieces else "object"
    if terms.near is None:
        return text
    near = []
    for number, (distance, i) in enumerate(terms.near):
        inside = number == 0 and distance == 0
        near.append(f"in {what} {i}" if inside else f"{distance:.1f} px to {what} {i}")
    if len(near) == 1:
        near.append("no other near")
    if near:
        return f"{text}; {', '.join(near)}"
    if config.preset == "none":
        return text
    return f"{text}; no {what} within {reach(config.preset, config.sigma):.0f} px"
