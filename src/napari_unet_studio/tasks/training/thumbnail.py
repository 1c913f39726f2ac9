"""The small picture of a model: what it learned from, outlined as it was labelled."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.picture import outlined
from napari_unet_studio.tasks.training.items import Item

SIDE = 128
"""Longest side of the picture in pixels."""


def thumbnail_of(items: Sequence[Item]) -> NDArray[np.uint8] | None:
    """Return the labelled middle of one of the frames as RGB (Y, X, 3).

    Parameters
    ----------
    items
        Labelled frames; the first of those with most labelled pixels is taken, and of a
        volume one plane.

    Returns
    -------
    array or None
        At most :data:`SIDE` pixels long; None where nothing is labelled.

    Examples
    --------
    >>> target = np.zeros((200, 300), np.int16)
    >>> target[90:110, 140:160] = 1
    >>> thumbnail_of([Item.of(np.ones((1, 200, 300)), target)]).shape
    (128, 128, 3)
    """
    chosen = max(items, key=lambda item: len(item.foreground), default=None)
    if chosen is None or not len(chosen.foreground):
        return None
    box = _around_middle(chosen)
    picture = chosen.grey(box).reshape(chosen.image.shape[0], *_plane(box))
    labels = chosen.truth.ids(box).reshape(_plane(box))
    # Three channels are colours; of others the first one stands for all.
    plane = np.moveaxis(picture, 0, -1) if len(picture) == 3 else picture[0]
    return outlined(plane, labels)


def _around_middle(item: Item) -> Region:
    """Return a plane in the frame, around the labelled pixel that is nearest to all."""
    places = item.foreground
    apart = np.abs(places - np.median(places, axis=0)).sum(axis=1)
    centre = places[int(np.argmin(apart))]
    sides = [1] * (len(item.shape) - 2) + [SIDE, SIDE]
    box = []
    for middle, side, size in zip(centre.tolist(), sides, item.shape, strict=True):
        start = min(max(0, middle - side // 2), max(0, size - side))
        box.append(slice(start, min(start + side, size)))
    return tuple(box)


def _plane(box: Region) -> tuple[int, int]:
    rows, columns = (part.stop - part.start for part in box[-2:])
    return rows, columns
