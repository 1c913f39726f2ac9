"""Search for the two nearest objects of every pixel, block by block."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import core_count, for_each
from napari_unet_studio.core._two_nearest import (
    Keys,
    along_rows,
    down_columns,
    scan,
    to_distance,
)
from napari_unet_studio.core.errors import ConfigError

LARGE = 1 << 22  # pixels from which several threads pay
BLOCK = 1 << 18  # pixels per block, where the window along the first axis is short
LARGEST_BLOCK = 1 << 22  # and where it is long
# Largest denominator of a ratio of squared spacings that is taken as exact, and how far
# rounding may have moved it.
_SIMPLE, _ROUNDING = 1 << 14, 1e-13


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

    Where whole numbers that fit are to each other as the squared spacings are, they are
    exact, so that equal distances are found equal, and mostly fit 32 bits
    with the code. Otherwise they are fixed-point numbers that fill 60 bits with the
    code, mostly finer than the float32 result. A whole number of units per squared
    pixel keeps the finest axis exact.

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

    Raises
    ------
    ConfigError
        If the integers would not fit 63 bits with the code.
    """
    finest = min(spacing)
    units = [(s / finest) ** 2 for s in spacing]
    extent = sum(u * (n - 1) ** 2 for u, n in zip(units, shape, strict=True))
    pixels = cutoff / finest
    reach = min(pixels * pixels, 1.01 * extent)
    shift = codes.bit_length()
    most = max(1, int(2.0 ** (60 - shift) // max(1.0, reach)))
    scale = _common_denominator(units)
    if scale is None or scale > most:
        scale = most
    limit = int(reach * scale * (1 + 1e-9))
    bits = (2 * limit + 2).bit_length() + shift
    if bits > 63:
        raise ConfigError(
            f"Distances up to {cutoff:g} in an array of shape {shape} with the spacing "
            f"{spacing} are too many to tell apart; give a smaller cutoff."
        )
    return Plan(
        # A step beyond the limit is never taken; its square may exceed 64 bits.
        units=tuple(min(round(u * scale), limit + 1) for u in units),
        limit=limit,
        area=finest**2 / scale,
        shift=shift,
        dtype=np.int32 if bits <= 31 else np.int64,
    )


def _common_denominator(numbers: Sequence[float]) -> int | None:
    """Return the smallest factor that makes all numbers whole, if there is one."""
    found = 1
    for number in numbers:
        simple = Fraction(number).limit_denominator(_SIMPLE)
        if abs(float(simple) - number) > _ROUNDING * number:
            return None
        found = lcm(found, simple.denominator)
    return found


class Found(NamedTuple):
    """What was found for some rows.

    Parameters
    ----------
    rows
        Of the first axis.
    d1, d2
        Distances to the two nearest objects, infinite where none is near.
    keys
        Of the two objects, see `_two_nearest`.
    plan
        Of the search.
    """

    rows: slice
    d1: NDArray[np.float32]
    d2: NDArray[np.float32]
    keys: tuple[Keys, Keys]
    plan: Plan

    def codes(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the codes of the two objects, 0 where none is near."""
        mask = (1 << self.plan.shift) - 1
        first, second = (
            np.where(keys >> self.plan.shift <= self.plan.limit, keys & mask, 0)
            for keys in self.keys
        )
        return first.astype(np.int32), second.astype(np.int32)


def search(
    codes: NDArray[np.int32],
    spacing: tuple[float, ...],
    cutoff: float,
    take: Callable[[Found], None],
    threads: int | None = None,
) -> None:
    """Search the two nearest objects block by block, so that little has to be kept.

    Parameters
    ----------
    codes
        Object codes, 0 for background, shape ``(Y, X)`` or ``(Z, Y, X)``, contiguous.
    spacing
        Distance of neighbouring pixels, per axis.
    cutoff
        Largest distance that counts, in the unit of `spacing`; may be infinite.
    take
        Called with every block, by one thread or several.
    threads
        Number of threads that share the blocks; None is one per core for large arrays.
    """
    shape = codes.shape
    if not codes.size:
        return
    if threads is None:
        threads = core_count() if codes.size >= LARGE else 1
    plan = plan_search(shape, spacing, cutoff, int(codes.max()))
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
        d1, d2 = np.empty(near.shape, np.float32), np.empty(near.shape, np.float32)
        for keys, distance in ((near, d1), (second, d2)):
            flat = distance.reshape(-1)
            to_distance(keys.reshape(-1), flat, plan.shift, plan.limit, plan.area)
        take(Found(block, d1, d2, (near, second), plan))

    for_each(fill, range(0, len(codes), rows), threads)
