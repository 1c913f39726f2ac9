"""Where pixels lie in the world: parts and levels of an image in their exact place."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari.layers import Layer

Region = tuple[slice, ...]

SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_NOISE = 1e-4  # pixels: what transforms there and back lose


def spatial_of(layer: "Layer", channel_axis: int | None) -> dict[str, Any]:
    """Return the keyword arguments that put other pixels in a layer's place.

    Parameters
    ----------
    layer
        The layer.
    channel_axis
        Axis of the layer that those pixels do not have, if any.
    """
    if channel_axis is None:
        return {name: getattr(layer, name) for name in SPATIAL}
    # Without the channels: the map from the other axes to the world, scale kept apart.
    keep = [axis for axis in range(layer.ndim) if axis != channel_axis]
    origin = np.asarray(layer.data_to_world((0,) * layer.ndim))
    scale = np.asarray(layer.scale)[keep]
    matrix = np.eye(len(keep) + 1)
    matrix[:-1, -1] = origin[keep]
    for column, axis in enumerate(keep):
        unit = np.eye(layer.ndim)[axis]
        step = np.asarray(layer.data_to_world(tuple(unit))) - origin
        matrix[:-1, column] = step[keep] / scale[column]
    return {
        "scale": scale,
        "affine": matrix,
        "units": tuple(layer.units[axis] for axis in keep),
        "axis_labels": tuple(layer.axis_labels[axis] for axis in keep),
    }


def part_of(
    spatial: Mapping[str, Any], start: ArrayLike, step: ArrayLike = 1.0
) -> dict[str, Any]:
    """Return the place of pixels that are a part, or larger ones, of placed pixels.

    Parameters
    ----------
    spatial
        Keyword arguments of a layer for the whole.
    start
        Where the centre of the part's first pixel lies, in pixels of the whole.
    step
        Size of the part's pixels, in pixels of the whole.

    Notes
    -----
    Pixels become lengths before they are sheared, turned and moved, so only scale and
    translation change: the transform of the layer stays legible.

    Examples
    --------
    >>> place = part_of({"scale": (2.0, 2.0), "translate": (1.0, 0.0)}, (3, 5))
    >>> place["scale"].tolist(), place["translate"].tolist()
    ([2.0, 2.0], [7.0, 10.0])
    """
    start = np.asarray(start, float)
    steps = np.broadcast_to(np.asarray(step, float), start.shape)
    if not start.any() and (steps == 1).all():
        return {"translate": np.zeros(len(start)), **spatial}
    before = {key: value for key, value in spatial.items() if key != "affine"}
    guide = _guide(before, len(start))
    return {
        **spatial,
        "scale": np.asarray(guide.scale) * steps,
        "translate": np.asarray(guide.data_to_world(tuple(start))),
    }


def level_place(
    spatial: Mapping[str, Any], whole: Sequence[int], level: Sequence[int]
) -> dict[str, Any]:
    """Return the place of a coarser level of an image.

    Both cover the same area, edge to edge: so the pixel of a level is as large as the
    shapes say, even where rounding made them no exact multiples, and napari shows
    levels the same way.

    Parameters
    ----------
    spatial
        Of the full resolution.
    whole, level
        Shapes.
    """
    step = np.asarray(whole, float) / np.asarray(level, float)
    return part_of(spatial, (step - 1) / 2, step)


def pixels_of(spatial: Mapping[str, Any], points: ArrayLike) -> NDArray[np.float64]:
    """Return points of the world, (n, axes), in pixels of what is placed so."""
    points = np.asarray(points, float)
    guide = _guide(spatial, points.shape[1])
    return np.array([guide.world_to_data(tuple(point)) for point in points])


def box_of(points: NDArray[np.float64], shape: Sequence[int]) -> Region | None:
    """Return the pixels that points reach, within an image; None if there are none.

    Parameters
    ----------
    points
        Shape (n, axes), in pixels: the pixel 0 reaches from -0.5 to 0.5.
    shape
        Of the image.

    Examples
    --------
    >>> box_of(np.array([[2.5, 0.0], [4.5, 9.0]]), (10, 6))
    (slice(3, 5, None), slice(0, 6, None))
    """
    low = np.floor(points.min(axis=0) + 0.5 + _NOISE).astype(int)
    high = np.ceil(points.max(axis=0) + 0.5 - _NOISE).astype(int)
    high = np.maximum(high, low + 1)  # a line or a point, and the pixel it lies in
    starts, stops = np.maximum(low, 0), np.minimum(high, shape)
    if (starts >= stops).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _guide(spatial: Mapping[str, Any], ndim: int) -> Any:
    """Return a layer of one pixel, which knows the way from pixels to the world."""
    from napari.layers import Image

    return Image(np.zeros((1,) * ndim, np.uint8), **spatial)
