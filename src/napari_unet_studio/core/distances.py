"""Exact distances of every pixel to its two nearest objects.

They are what the border weights of the U-Net paper are made of.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import core_count, for_each
from napari_unet_studio.core._two_nearest import (
    along_rows,
    down_columns,
    scan,
    to_distance,
)
from napari_unet_studio.core.errors import ConfigError, InputError

Labels = NDArray[Any]  # of any integer type

CUTOFF = 30.0  # pixels of the finest axis, six times the paper's sigma
FEW = 1 << 20  # ids below this are codes as they are
LARGE = 1 << 22  # pixels from which several threads pay
BLOCK = 1 << 18  # pixels per block, where the window along the first axis is short
LARGEST_BLOCK = 1 << 22  # and where it is long


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
    if cutoff is None:
        cutoff = CUTOFF * min(steps)
    if not cutoff > 0:
        raise ConfigError(f"The cutoff is {cutoff}; give a distance above 0.")
    return nearest_two_codes(object_codes(array), steps, cutoff, threads)


def as_labels(labels: ArrayLike) -> Labels:
    """Return labels as an array of integer ids, or raise an InputError."""
    array = np.asarray(labels)
    if array.dtype.kind not in "biu":
        raise InputError(
            f"Labels are integer instance ids, but this array holds {array.dtype}. "
            "Convert it with labels.astype(int) if its values are whole numbers."
        )
    if array.ndim not in (2, 3):
        raise InputError(
            f"Labels of shape {array.shape} have {array.ndim} axes; expected (Y, X) or "
            "(Z, Y, X). Take one time point or channel at a time."
        )
    return array


def check_sign(labels: Labels, ignore: int | None) -> None:
    """Raise an InputError for a negative id other than the ignored one."""
    if labels.dtype.kind != "i" or labels.min(initial=0) >= 0:
        return
    lowest = labels.min(initial=0, where=labels != (0 if ignore is None else ignore))
    if lowest < 0:
        raise InputError(
            f"Labels hold the negative id {lowest}; ids start at 1 and 0 is background."
            " Name the id of pixels without annotation as the ignored one."
        )


def object_codes(labels: Labels, ignore: int | None = None) -> NDArray[np.int32]:
    """Return ids that fit 32 bits, contiguous, ignored pixels as background.

    Small ids stay. Larger ones are numbered anew, from the runs of equal pixels.
    """
    check_sign(labels, ignore)
    if ignore is not None:
        labels = np.where(labels == ignore, labels.dtype.type(0), labels)
    if int(labels.max(initial=0)) < FEW:
        return np.ascontiguousarray(labels, np.int32)
    flat = labels.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ids, order = np.unique(flat[starts], return_inverse=True)
    codes = (order + int(ids[0] != 0)).astype(np.int32)
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    return np.repeat(codes, lengths).reshape(labels.shape)


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
    if threads is None:
        threads = core_count() if codes.size >= LARGE else 1
    plan = plan_search(codes.shape, spacing, cutoff, int(codes.max(initial=0)))
    return search(codes, plan, threads)


class Plan(NamedTuple):
    """The integers of one search."""

    units: tuple[int, ...]  # squared distance of two neighbours, per axis
    limit: int  # largest squared distance that counts
    area: float  # squared length that one unit stands for
    shift: int  # bits of a code
    dtype: type[np.int32] | type[np.int64]

    @property
    def far(self) -> int:
        """Squared distance that stands for "none"."""
        return self.limit + 1


def plan_search(
    shape: tuple[int, ...], spacing: tuple[float, ...], cutoff: float, codes: int
) -> Plan:
    """Choose how squared distances become integers.

    Where the squared spacings are whole multiples of the smallest one, the integers are
    exact and mostly fit 32 bits with the code. Otherwise they are fixed-point numbers
    that fill 60 bits with the code, finer than the float32 result. A whole number of
    units per squared pixel keeps the finest axis exact.

    Parameters
    ----------
    shape
        Shape of the labels.
    spacing
        Distance of neighbouring pixels, per axis.
    cutoff
        Largest distance that counts, in the unit of `spacing`; may be infinite.
    codes
        Largest object code.
    """
    finest = min(spacing)
    units = [(s / finest) ** 2 for s in spacing]
    extent = sum(u * (n - 1) ** 2 for u, n in zip(units, shape, strict=True))
    pixels = cutoff / finest
    reach = min(pixels * pixels, 1.01 * extent)
    shift = codes.bit_length()
    scale = 1.0
    if any(abs(u - round(u)) > 1e-9 * u for u in units):
        scale = max(1.0, 2.0 ** (60 - shift) // max(1.0, reach))
    limit = int(reach * scale * (1 + 1e-9))
    narrow = (2 * limit + 2).bit_length() + shift <= 31
    return Plan(
        # A step beyond the limit is never taken; its square may exceed 64 bits.
        units=tuple(min(round(u * scale), limit + 1) for u in units),
        limit=limit,
        area=finest**2 / scale,
        shift=shift,
        dtype=np.int32 if narrow else np.int64,
    )


def search(codes: NDArray[np.int32], plan: Plan, threads: int) -> TwoNearest:
    """Run the passes over all blocks.

    Parameters
    ----------
    codes
        Object codes, 0 for background, shape ``(Y, X)`` or ``(Z, Y, X)``, contiguous.
    plan
        From `plan_search` for this shape.
    threads
        Number of threads that share the blocks.
    """
    shape = codes.shape
    result = TwoNearest(np.empty(shape, np.float32), np.empty(shape, np.float32))
    if not codes.size:
        return result
    radii = [
        min(isqrt(plan.limit // u), n - 1)
        for u, n in zip(plan.units, shape, strict=True)
    ]
    pixels = codes[0].size
    rows = max(1, BLOCK // pixels, min(radii[0], LARGEST_BLOCK // pixels))

    def fill(start: int) -> None:
        block = slice(start, min(start + rows, len(codes)))
        near = np.empty(codes[block].shape, plan.dtype)
        second = np.empty_like(near)
        scan(
            codes.reshape(len(codes), pixels),
            start,
            near.reshape(-1, pixels),
            second.reshape(-1, pixels),
            radii[0],
            plan.units[0],
            plan.shift,
            plan.far,
        )
        if codes.ndim == 3:
            down_columns(near, second, radii[1], plan.units[1], plan.shift)
        along_rows(
            near.reshape(-1, shape[-1]),
            second.reshape(-1, shape[-1]),
            radii[-1],
            plan.units[-1],
            plan.shift,
            plan.far,
        )
        for keys, distance in zip((near, second), result, strict=True):
            flat = distance[block].reshape(-1)
            to_distance(keys.reshape(-1), flat, plan.shift, plan.limit, plan.area)

    for_each(fill, range(0, len(codes), rows), threads)
    return result
