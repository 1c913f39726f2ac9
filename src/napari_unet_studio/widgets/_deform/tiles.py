"""How patches are laid out beside an image: columns, gaps, place."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import napari.layers
import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.networks.spec import Shape

NEAR = 3  # patches along an image, from which on it is too large to be seen with them
_GAP, _MARGIN = 0.02, 0.06  # between patches and to the image, as shares of a patch


class Layout(NamedTuple):
    """Where patches of one size lie.

    Parameters
    ----------
    columns
        Patches in a row.
    gap
        Pixels between two patches.
    offset
        Of the first patch from the first pixel of the image, (Y, X).
    """

    columns: int
    gap: int
    offset: tuple[int, int]


def layout(count: int, patch: Shape, image: Shape) -> Layout:
    """Lay patches out below or right of an image so that they fill a square best.

    Together with the image, or without it where they are small beside it.

    Parameters
    ----------
    count
        Number of patches.
    patch, image
        Their shapes (Y, X).

    Examples
    --------
    >>> layout(8, (256, 256), (512, 512))
    Layout(columns=4, gap=5, offset=(527, 0))
    >>> layout(8, (64, 64), (512, 512))
    Layout(columns=3, gap=2, offset=(516, 0))
    """
    gap = max(2, round(_GAP * max(patch)))
    margin = max(4, round(_MARGIN * max(patch)))
    context = beside(patch, image)
    found = []
    for columns in range(1, count + 1):
        high, wide = extent(count, columns, patch, gap)
        empty = columns * ceil(count / columns) - count
        for below in (True, False):
            shape = (high, wide)
            if context and below:
                shape = (high + margin + image[0], max(wide, image[1]))
            elif context:
                shape = (max(high, image[0]), wide + margin + image[1])
            offset = (image[0] + margin, 0) if below else (0, image[1] + margin)
            found.append((max(shape), empty, not below, Layout(columns, gap, offset)))
    return min(found, key=lambda entry: entry[:3])[-1]


def beside(patch: Shape, image: Shape) -> bool:
    """Whether patches are large enough to be looked at together with the image."""
    return max(patch) * NEAR >= max(image)


def extent(count: int, columns: int, patch: Shape, gap: int) -> tuple[int, int]:
    """Return the shape of all patches together."""
    rows = ceil(count / columns)
    return (
        rows * patch[0] + (rows - 1) * gap,
        columns * patch[1] + (columns - 1) * gap,
    )


def tiled(
    patches: Sequence[NDArray[Any]], columns: int, gap: int, line: float = 0
) -> NDArray[Any]:
    """Put patches (*L, Y, X) beside each other, row by row, with lines in between.

    Examples
    --------
    >>> tiled([np.array([[1]]), np.array([[2]]), np.array([[3]])], 2, 1, line=9)
    array([[1, 9, 2],
           [9, 9, 9],
           [3, 9, 0]])
    """
    first = patches[0]
    high, wide = first.shape[-2:]
    whole = extent(len(patches), columns, (high, wide), gap)
    out = np.zeros((*first.shape[:-2], *whole), first.dtype)
    for number, patch in enumerate(patches):
        y = number // columns * (high + gap)
        x = number % columns * (wide + gap)
        out[..., y : y + high + gap, x : x + wide + gap] = line
        out[..., y : y + high, x : x + wide] = patch
    return out


def plane_options(
    spatial: Mapping[str, Any], ndim: int, offset: tuple[int, int]
) -> dict[str, Any]:
    """Return what puts a plane at a pixel of an image, whatever the other axes show.

    Parameters
    ----------
    spatial
        Where a layer of the image's axes lies, as keyword arguments.
    ndim
        Number of these axes; the plane has the last two.
    offset
        First pixel of the plane in those of the image; it may lie outside.
    """
    # A layer of one pixel knows the way from pixels to the world.
    guide = napari.layers.Image(np.zeros((1,) * ndim, np.uint8), **spatial)
    start = np.zeros(ndim)
    start[-2:] = offset
    origin = np.asarray(guide.data_to_world(tuple(start)))
    scale = np.asarray(guide.scale)[-2:]
    matrix = np.eye(3)
    matrix[:-1, -1] = origin[-2:]
    for column, axis in enumerate((ndim - 2, ndim - 1)):
        there = np.asarray(guide.data_to_world(tuple(start + np.eye(ndim)[axis])))
        matrix[:-1, column] = (there - origin)[-2:] / scale[column]
    return {
        "scale": scale,
        "affine": matrix,
        "units": tuple(guide.units[-2:]),
        "axis_labels": tuple(guide.axis_labels[-2:]),
    }
