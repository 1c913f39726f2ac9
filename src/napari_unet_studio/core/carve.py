"""The background between objects that a training target needs."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import compiled
from napari_unet_studio.core.distances import Labels, as_labels, object_codes
from napari_unet_studio.core.errors import ConfigError


def carve_gap(labels: ArrayLike, gap: int = 1, ignore: int | None = None) -> Labels:
    """Put background between touching objects, as a training target needs it.

    Parameters
    ----------
    labels
        Instance ids, shape ``(Y, X)`` or ``(Z, Y, X)``.
    gap
        Pixels of background where two objects touch; 0 changes nothing.
    ignore
        Id of the pixels without annotation: no object, left as it is.

    Returns
    -------
    ndarray
        A copy of the same type.

    Notes
    -----
    ``gap=1`` is the rule of the Fiji plugin [1]_: a pixel becomes background if a
    neighbour before it in scan order (full connectivity: 4 of 8 in a plane, 13 of 26 in
    a volume) belongs to another object. Across a horizontal contact this leaves one
    pixel, across a vertical one two.

    A wider gap takes ``gap // 2`` pixels from either object of a contact, by chessboard
    distance along the object, and where it is odd one more from the object that is
    further down or right. Objects that touch no other keep all pixels.

    A pixel further than ``ceil(gap / 2)`` from all other objects always stays. So only
    an object that is nowhere further from its neighbours can vanish: one that lies
    between others and is at most `gap` pixels wide (``gap + 1`` if `gap` is odd).
    Compare the ids before and after where that matters.

    References
    ----------
    .. [1] Falk et al. Nature Methods 16, 2019; source of its plugin.

    Examples
    --------
    >>> carve_gap([[1, 1, 1, 2, 2, 2]])
    array([[1, 1, 1, 0, 2, 2]])
    >>> carve_gap([[1, 1, 1, 2, 2, 2]], gap=2)
    array([[1, 1, 0, 0, 2, 2]])
    """
    array = as_labels(labels)
    carved = array.copy()
    removed = contacts(object_codes(array, ignore), gap)
    if removed is not None:
        carved[removed] = 0
    return carved


def widen_gaps(labels: ArrayLike, gap: int = 2, ignore: int | None = None) -> Labels:
    """Widen the background between near objects, so that a network can learn it.

    The line between two pieces of a mask is often one pixel wide: too thin to outlive
    rotation, zoom and deformation.

    Parameters
    ----------
    labels
        Instance ids, shape ``(Y, X)`` or ``(Z, Y, X)``.
    gap
        Pixels of background that part two objects at least; 0 changes nothing.
    ignore
        Id of the pixels without annotation: no object, left as it is.

    Returns
    -------
    ndarray
        A copy of the same type.

    Notes
    -----
    Objects grow by ``gap // 2`` pixels, by chessboard distance, until they meet; where
    they do, a gap is carved as by :func:`carve_gap`, and what they grew is taken back.
    Of a pixel that several reach at once, the one whose pixel comes first in scan order
    takes it. Gaps that are as wide already stay, and so do objects that have no other
    near.

    Examples
    --------
    >>> widen_gaps([[1, 1, 1, 0, 2, 2, 2]], gap=3)
    array([[1, 1, 1, 0, 0, 0, 2]])
    >>> widen_gaps([[1, 1, 1, 0, 0, 0, 2]], gap=3)
    array([[1, 1, 1, 0, 0, 0, 2]])
    """
    array = as_labels(labels)
    widened = array.copy()
    codes = object_codes(array, ignore)
    grown = codes.reshape((1,) * (3 - codes.ndim) + codes.shape)
    for _ in range(gap // 2):
        grown = _grown(grown)
    removed = contacts(grown.reshape(codes.shape), gap)
    if removed is not None:
        widened[removed & (codes > 0)] = 0
    return widened


def contacts(codes: NDArray[np.int32], gap: int) -> NDArray[np.bool_] | None:
    """Return what `carve_gap` takes from objects, None for a gap of 0.

    Parameters
    ----------
    codes
        Numbers of the objects, see `numbered`, shape ``(Y, X)`` or ``(Z, Y, X)``.
    gap
        Pixels of background where two objects touch.
    """
    if gap < 0 or gap != int(gap):
        raise ConfigError(f"The gap is {gap} px; give a whole number, 0 or more.")
    if not gap:
        return None
    volume = codes.reshape((1,) * (3 - codes.ndim) + codes.shape)
    removed = np.zeros(volume.shape, np.bool_)
    _mark_contacts(volume, removed, gap)
    return removed.reshape(codes.shape)


@compiled
def _mark_contacts(
    codes: NDArray[np.int32], removed: NDArray[np.bool_], gap: int
) -> None:
    """Mark what a gap takes from each object around its contacts."""
    depth, height, width = codes.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                code = codes[z, y, x]
                if code == 0:
                    continue
                touches = follows = False
                side = 0  # below 0: the other object lies before this one
                for dz in range(max(-1, -z), min(2, depth - z)):
                    for dy in range(max(-1, -y), min(2, height - y)):
                        for dx in range(max(-1, -x), min(2, width - x)):
                            other = codes[z + dz, y + dy, x + dx]
                            if other != 0 and other != code:
                                order = 9 * dz + 3 * dy + dx
                                touches = True
                                follows |= order < 0
                                if abs(dz) + abs(dy) + abs(dx) == 1:
                                    side += order
                if gap == 1:
                    removed[z, y, x] = follows
                elif touches:
                    r = ((gap - 1) if side < 0 else (gap - 2)) // 2
                    for k in range(max(0, z - r), min(depth, z + r + 1)):
                        for j in range(max(0, y - r), min(height, y + r + 1)):
                            for i in range(max(0, x - r), min(width, x + r + 1)):
                                if codes[k, j, i] == code:
                                    removed[k, j, i] = True


@compiled
def _grown(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return objects grown by one pixel into the background, in all directions."""
    depth, height, width = codes.shape
    grown = codes.copy()
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                for dz in range(max(-1, -z), min(2, depth - z)):
                    for dy in range(max(-1, -y), min(2, height - y)):
                        for dx in range(max(-1, -x), min(2, width - x)):
                            if grown[z, y, x] == 0:
                                grown[z, y, x] = codes[z + dz, y + dy, x + dx]
    return grown
