"""Exact distances of every pixel to its two nearest objects.

They are what the border weights of the U-Net paper are made of.
"""

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._search import Found, search
from napari_unet_studio.core.errors import ConfigError, InputError

Labels = NDArray[Any]  # of any integer type

CUTOFF = 30.0  # pixels of the finest axis, six times the paper's sigma
FEW = 1 << 20  # ids below this are codes as they are


class TwoNearest(NamedTuple):
    """Distances to the two nearest objects, infinite where none is near.

    Parameters
    ----------
    d1
        Distance to the nearest object, 0 inside it, float32, the shape of the labels.
    d2
        Distance to the nearest other object.
    """

    d1: NDArray[np.float32]
    d2: NDArray[np.float32]


def nearest_two(
    labels: ArrayLike,
    spacing: Sequence[float] | None = None,
    cutoff: float | None = None,
    threads: int | None = None,
) -> TwoNearest:
    """Measure the distances of every pixel to its two nearest objects, exactly.

    The cost is linear in the pixels and independent of the number of objects.

    Parameters
    ----------
    labels
        Instance ids of any integer type, 0 is background, shape ``(Y, X)`` or
        ``(Z, Y, X)``; a boolean mask is one object.
    spacing
        Distance of neighbouring pixels per axis; None is 1 everywhere.
    cutoff
        Largest distance that is reported, in the unit of `spacing`; the search takes
        longer with it. None is 30 pixels of the finest axis, which serves a `sigma` up
        to 5 in `separation_term`; ``math.inf`` reports every distance.
    threads
        Number of threads; None is one per core, up to eight, and a single one for
        arrays below four million pixels.

    Notes
    -----
    Distances go from pixel centre to the nearest pixel centre of the object, as a
    Euclidean distance transform of each single object would give them. A pixel inside
    an object has ``d1 = 0`` and as `d2` the distance to the nearest *other* object. A
    pixel with several objects at the same distance has ``d1 = d2``. Objects beyond the
    edge of the image are unknown. Pixels with one id are one object, connected or not.

    Examples
    --------
    >>> d1, d2 = nearest_two([[1, 1, 0, 0, 2]])
    >>> d1
    array([[0., 0., 1., 1., 0.]], dtype=float32)
    >>> d2
    array([[4., 3., 2., 2., 3.]], dtype=float32)
    """
    array = as_labels(labels)
    steps = as_spacing(spacing, array.ndim)
    cutoff = checked_cutoff(cutoff, steps)
    return nearest_two_codes(object_codes(array), steps, cutoff, threads)


def as_labels(labels: ArrayLike) -> Labels:
    """Return labels as an array of integer ids, or raise an InputError."""
    array = np.asarray(labels)
    check_labels(array.dtype, array.shape)
    return array


def check_labels(dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Raise an InputError for what are no labels of a plane or a volume."""
    if dtype.kind not in "biu":
        raise InputError(
            f"Labels are integer instance ids, but this array holds {dtype}. Convert "
            "it with labels.astype(int) if its values are whole numbers."
        )
    if len(shape) not in (2, 3):
        raise InputError(
            f"Labels of shape {shape} have {len(shape)} axes; expected (Y, X) or "
            "(Z, Y, X). Take one time point or channel at a time."
        )


def check_sign(labels: Labels, ignore: int | None) -> None:
    """Raise an InputError for a negative id other than the ignored one."""
    try:
        ignore = None if ignore is None else index(ignore)
    except TypeError as error:
        raise InputError(
            f"The ignored id is {ignore!r}; give a whole number or None."
        ) from error
    if labels.dtype.kind != "i" or labels.min(initial=0) >= 0:
        return
    lowest = labels.min(initial=0, where=labels != (0 if ignore is None else ignore))
    if lowest < 0:
        raise InputError(
            f"Labels hold the negative id {lowest}; ids start at 1 and 0 is background."
            " Name the id of pixels without annotation as the ignored one."
        )


class Numbered(NamedTuple):
    """Labels with ids that fit 32 bits.

    Parameters
    ----------
    codes
        Shape of the labels, contiguous, 0 for background and ignored pixels.
    ids
        The id that each code stands for.
    """

    codes: NDArray[np.int32]
    ids: Labels


def numbered(labels: Labels, ignore: int | None = None) -> Numbered:
    """Number objects; small ids stay, larger ones are counted in their order."""
    check_sign(labels, ignore)
    if ignore is not None:
        labels = np.where(labels == ignore, labels.dtype.type(0), labels)
    highest = int(labels.max(initial=0))
    if highest < FEW:
        ids = np.arange(highest + 1).astype(labels.dtype)
        return Numbered(np.ascontiguousarray(labels, np.int32), ids)
    flat = labels.ravel()  # by runs of equal pixels: there are few
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ids, order = np.unique(flat[starts], return_inverse=True)
    if ids[0] != 0:
        ids, order = np.concatenate((np.zeros(1, ids.dtype), ids)), order + 1
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    codes = np.repeat(order.astype(np.int32), lengths)
    return Numbered(codes.reshape(labels.shape), ids)


def object_codes(labels: Labels, ignore: int | None = None) -> NDArray[np.int32]:
    """Return the codes of `numbered` alone."""
    return numbered(labels, ignore).codes


def as_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return one step per axis, or raise an InputError."""
    steps = (1.0,) * ndim if spacing is None else tuple(float(s) for s in spacing)
    if len(steps) != ndim or not all(0 < s < np.inf for s in steps):
        raise InputError(
            f"The spacing {steps} does not fit labels with {ndim} axes; give one finite"
            " distance above 0 per axis."
        )
    return steps


def nearest_two_codes(
    codes: NDArray[np.int32],
    spacing: tuple[float, ...],
    cutoff: float,
    threads: int | None = None,
) -> TwoNearest:
    """Do the work of `nearest_two` for checked arguments."""
    result = TwoNearest(*(np.empty(codes.shape, np.float32) for _ in range(2)))

    def store(found: Found) -> None:
        for whole, part in zip(result, (found.d1, found.d2), strict=True):
            whole[found.rows] = part

    search(codes, spacing, cutoff, store, threads)
    return result


class NearestObjects(NamedTuple):
    """The two nearest objects of every pixel, and how far they are.

    Parameters
    ----------
    d1, d2
        As in `TwoNearest`.
    first, second
        Ids of the nearest and the second nearest object, 0 where none is near; of the
        type and shape of the labels.
    """

    d1: NDArray[np.float32]
    d2: NDArray[np.float32]
    first: Labels
    second: Labels


def nearest_objects(
    labels: ArrayLike,
    spacing: Sequence[float] | None = None,
    cutoff: float | None = None,
    ignore: int | None = None,
    threads: int | None = None,
) -> NearestObjects:
    """Find the two nearest objects of every pixel, and their distances.

    Parameters
    ----------
    labels, spacing, cutoff, threads
        As in `nearest_two`.
    ignore
        Id of the pixels without annotation, which are no object.

    Notes
    -----
    Within an object it is the nearest itself. Of objects at the same distance the one
    with the smaller id comes first.

    Examples
    --------
    >>> found = nearest_objects([[7, 0, 0, 0, 3]])
    >>> found.first
    array([[7, 7, 3, 3, 3]])
    >>> found.second
    array([[3, 3, 7, 7, 7]])
    """
    array = as_labels(labels)
    steps = as_spacing(spacing, array.ndim)
    codes, ids = numbered(array, ignore)
    kinds = np.float32, np.float32, array.dtype, array.dtype
    result = NearestObjects(*(np.empty(array.shape, kind) for kind in kinds))

    def store(found: Found) -> None:
        rows = found.rows
        result.d1[rows], result.d2[rows] = found.d1, found.d2
        first, second = found.codes()
        result.first[rows], result.second[rows] = ids[first], ids[second]

    search(codes, steps, checked_cutoff(cutoff, steps), store, threads)
    return result


def checked_cutoff(cutoff: float | None, steps: tuple[float, ...]) -> float:
    """Return the cutoff, by default 30 pixels of the finest axis."""
    if cutoff is None:
        return CUTOFF * min(steps)
    if not cutoff > 0:
        raise ConfigError(f"The cutoff is {cutoff}; give a distance above 0.")
    return cutoff
