"""Which pixels of a layer are on screen."""

from math import prod

import napari.viewer
from napari.layers import Layer

from napari_unet_studio.widgets._controls import displayed_axes, position_in
from napari_unet_studio.widgets._redraw import Index


def visible_index(viewer: "napari.viewer.Viewer", layer: Layer) -> Index:
    """Return the index of the plane of a layer on screen, () if none is.

    In three dimensions, or with other axes on screen than the last two, there is none.
    If less than half of the plane is on screen, slices of that field follow.
    """
    if displayed_axes(viewer, layer.ndim) != (layer.ndim - 2, layer.ndim - 1):
        return ()
    place = position_in(viewer, layer)[:-2]
    sides = layer.data.shape[-2:]
    low, high = layer.corner_pixels[:, -2:].tolist()
    field = tuple(
        slice(max(int(a), 0), min(int(b) + 1, n))
        for a, b, n in zip(low, high, sides, strict=True)
    )
    pixels = prod(max(at.stop - at.start, 0) for at in field)
    return (*place, *field) if 0 < 2 * pixels < prod(sides) else place
