"""Intensity normalisation, kept with the model so that prediction repeats training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError

# Statistics of larger images are taken from a regular subset of about this many pixels.
_SAMPLE = 4_000_000
# Every n-th pixel of an image with more pixels than these would be in too many parts of
# a file: small blocks of it are read instead, in all as many pixels.
_EVERY_NTH = 2**28
_BLOCKS, _SIDE = 1024, 64


@dataclass(frozen=True)
class Normalisation:
    """How grey values become network input, per image and channel.

    Parameters
    ----------
    method
        "percentile" maps the two percentiles to 0 and 1 without clipping; "zscore"
        subtracts the mean and divides by the standard deviation; "fixed" maps `low` and
        `high` as grey values to 0 and 1, the same for every image.
    low, high
        The percentiles (0 to 100), or the grey values for "fixed".
    eps
        Added to the scale, as models of other programs were trained with.
    joint
        Whether all channels share the statistics of their pixels together.
    offsets, scales
        For "fixed": grey values of each channel that become 0, and by what they are
        divided then, instead of `low` and `high`.

    Examples
    --------
    >>> image = np.arange(5.0)[np.newaxis]
    >>> rule = Normalisation(low=0, high=100)
    >>> offset, scale = rule.fit(image)
    >>> rule.apply(image, offset, scale)
    array([[0.  , 0.25, 0.5 , 0.75, 1.  ]], dtype=float32)
    """

    method: Literal["percentile", "zscore", "fixed"] = "percentile"
    low: float = 1.0
    high: float = 99.8
    eps: float = 0.0
    joint: bool = False
    offsets: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._check_method()
        if not (math.isfinite(self.eps) and self.eps >= 0):
            raise InputError(f"eps is {self.eps}; it must be 0 or more.")
        if not isinstance(self.joint, bool):
            raise InputError(f"joint is {self.joint!r:.80}; choose True or False.")
        for name in ("offsets", "scales"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple):
                raise InputError(f"{name} is {value!r:.80}; give a number per channel.")
            object.__setattr__(self, name, tuple(map(float, value)))
        values = (*self.offsets, *self.scales)
        fits = len(self.offsets) == len(self.scales) and 0 not in self.scales
        if not (fits and all(map(math.isfinite, values))):
            raise InputError(
                f"The offsets {self.offsets!s:.80} and scales {self.scales!s:.80} are "
                "not one of each per channel, all finite and no scale 0."
            )
        if values and self.method != "fixed":
            raise InputError(
                f"The normalisation {self.method!r} has no fixed offsets and scales; "
                "use fixed."
            )

    def _check_method(self) -> None:
        if self.method not in ("percentile", "zscore", "fixed"):
            raise InputError(
                f"The normalisation {self.method!r} is unknown; use percentile, zscore "
                "or fixed."
            )
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not (finite and self.low < self.high):
            raise InputError(
                f"Normalisation from {self.low} to {self.high} is empty; low must be "
                "smaller than high."
            )
        if self.method == "percentile" and not 0 <= self.low < self.high <= 100:
            raise InputError(
                f"The percentiles are {self.low} and {self.high}; choose from 0 to 100."
            )

    def fit(self, image: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return offset and scale of each channel of an image (C, ...).

        Images of more than four million pixels a channel are measured on every n-th
        pixel along their longest axes. Those of more than 2**28 are measured on at most
        1024 blocks of 64 x 64 pixels, on a regular lattice over all axes, so that only
        so many chunks of a lazy array are read, whatever its size. A constant channel
        gets scale 1 and becomes 0 everywhere.

        Raises
        ------
        InputError
            If the pixels measured contain NaN or infinity, or there are fixed values
            for another number of channels.
        """
        channels = image.shape[0]
        if self.offsets:
            if len(self.offsets) != channels:
                raise InputError(
                    f"The image has {channels} channels, and the normalisation values "
                    f"for {len(self.offsets)}; choose another image."
                )
            return np.array(self.offsets), np.array(self.scales)
        if self.method == "fixed":
            low = np.full(channels, self.low, dtype=np.float64)
            return low, np.full(channels, self.high - self.low, dtype=np.float64)
        flat = _sample(image).astype(np.float64)
        check_finite(flat)
        if self.joint:
            flat = flat.reshape(1, -1)
        least, most = flat.min(axis=1), flat.max(axis=1)
        if self.method == "percentile":
            low, high = np.percentile(flat, (self.low, self.high), axis=1)
            # A few bright pixels on a flat ground: fall back to the whole range.
            full = high <= low
            offset = np.where(full, least, low)
            scale = np.where(full, most, high) - offset
        else:
            offset, scale = flat.mean(axis=1), flat.std(axis=1)
        # The mean of equal values may be off by a rounding, their deviation above 0.
        constant = least == most
        offset = np.where(constant, least, offset)
        scale = np.where(constant, 1.0, scale + self.eps)
        return (
            np.broadcast_to(offset, channels).copy(),
            np.broadcast_to(scale, channels).copy(),
        )

    @staticmethod
    def apply(
        image: NDArray[Any], offset: NDArray[np.floating], scale: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Return ``(image - offset) / scale`` per channel as float32 (C, ...)."""
        shape = (-1,) + (1,) * (image.ndim - 1)
        # float32 holds 24 bits: large offsets must go before the conversion.
        working = np.float64 if image.dtype.itemsize > 2 else np.float32
        result: NDArray[Any] = image.astype(working)
        result -= offset.reshape(shape).astype(working)
        result /= scale.reshape(shape).astype(working)
        return result.astype(np.float32, copy=False)


def check_finite(
    values: NDArray[Any],
    name: str | None = None,
    reason: str = "which a network cannot use",
) -> None:
    """Raise an :class:`InputError` that counts the NaN and infinite values, if any.

    Parameters
    ----------
    values
        Pixels of an image.
    name
        Which image it is, if there are several.
    reason
        What is wrong with them.
    """
    if values.dtype.kind not in "fc":
        return
    bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise InputError(
            f"The image{'' if name is None else f' {name!r}'} contains {bad} NaN or "
            f"infinite values, {reason}. Replace them first, for example with "
            "numpy.nan_to_num(image)."
        )


def _sample(image: Any) -> NDArray[Any]:
    """Return pixels (C, N) from all over an image (C, ...)."""
    shape = tuple(int(size) for size in image.shape[1:])
    if math.prod(shape) <= _EVERY_NTH:
        steps = [slice(None, None, step) for step in _steps(shape, _SAMPLE)]
        sample = np.asarray(image[(slice(None), *steps)])
    else:
        blocks = [image[(slice(None), *part)] for part in _lattice(shape)]
        # A stack of dask arrays is lazy: a chunk that several need is read once.
        sample = np.moveaxis(np.asarray(np.stack(blocks)), 1, 0)
    return sample.reshape(image.shape[0], -1)


def _lattice(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield blocks of one size, at most `_BLOCKS`, evenly over all axes.

    They are planes, and start at multiples of their sides, so that the chunks of most
    files hold them whole.
    """
    sides = [1] * len(shape[:-2]) + [min(_SIDE, size) for size in shape[-2:]]
    counts = [size // side for size, side in zip(shape, sides, strict=True)]
    places = [
        range(step // 2, count, step)
        for count, step in zip(counts, _steps(counts, _BLOCKS), strict=True)
    ]
    for place in product(*places):
        yield tuple(
            slice(p * side, (p + 1) * side)
            for p, side in zip(place, sides, strict=True)
        )


def _steps(shape: Sequence[int], most: int) -> list[int]:
    """Return steps that leave at most so many, halving the longest axis each time."""
    steps = [1] * len(shape)
    kept = list(shape)
    while math.prod(kept) > most:
        axis = kept.index(max(kept))
        steps[axis] *= 2
        kept[axis] = -(-shape[axis] // steps[axis])
    return steps
