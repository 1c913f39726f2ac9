"""Tiles along one axis: their windows, and the cores for which they answer."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blending import blend
from napari_unet_studio.core.networks.arithmetic import AxisGeometry


class Span(NamedTuple):
    """One axis of a tile; all numbers are pixels of the image, `crop` of the output."""

    core: slice
    read: slice
    crop: slice
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TileAxis:
    """One axis of an image with the part of it that is wanted, and the network's grid.

    Of padded networks `low` and `high` bound the windows: the image extended to the
    grid, or less where the wanted part and its context end before.
    """

    size: int
    start: int
    stop: int
    halo: int
    network: AxisGeometry
    local: bool

    @property
    def step(self) -> int:
        """Step of the network's grid."""
        return self.network.divisor

    @property
    def trim(self) -> int:
        """Pixels that the output loses on each side."""
        return self.network.trim

    @property
    def padded(self) -> int:
        """The image extended to the grid, as far as windows reach at most."""
        return self._grid(self.size)

    @property
    def low(self) -> int:
        """The first pixel that is needed."""
        return max(0, self.start // self.step * self.step - self.halo)

    @property
    def high(self) -> int:
        """The end of what is needed, as many steps before or after `padded`."""
        rest = self.network.smallest % self.step
        needed = _up(self.stop, self.step) + self.halo
        return min(self.padded, _up(needed - rest, self.step) + rest)

    def candidates(self, most: int) -> list[tuple[int, int]]:
        """(window length, number of tiles) worth trying, longest window first."""
        extent = self.stop - self.start
        counts = np.unique(
            np.geomspace(1, max(1, -(-extent // self.step)), most).astype(int)
        )
        largest = self.network.largest or math.inf
        found: dict[int, int] = {}
        for count in counts.tolist():
            length = self.length(count)
            if length is None:
                break
            if length not in found and length <= largest:
                found[length] = self.count(length)
        if not found and self.network.largest:
            found[self.network.largest] = self.count(self.network.largest)
        return list(found.items())

    def length(self, count: int) -> int | None:
        """Window length with which `count` tiles do; None if no core would be left."""
        if not self.local:
            # Windows share at least a quarter with the next one.
            total = _up(self.size, self.step)
            return self._input(_up(-(-4 * total // (3 * count + 1)), self.step))
        if self.trim:
            first = self.start // self.step * self.step
            return self._input(_up(-(-(self.stop - first) // count), self.step))
        # Inner tiles spend two halos, end tiles one: their lengths sum to this.
        total = self.high - self.low + 2 * (count - 1) * self.halo
        length = self._grid(-(-total // count))
        # Cores begin on the grid or up to a step behind it, and must end further on.
        return None if count > 1 and length < 2 * self.halo + self.step else length

    def _input(self, core: int) -> int:
        """Return the smallest window on the network's grid that answers for `core`."""
        return self._grid(core + 2 * self.trim)

    def _grid(self, size: int) -> int:
        """Return the smallest window on the network's grid with so many pixels."""
        least = self.network.smallest
        return least + _up(max(0, size - least), self.step)

    def _core(self, length: int) -> int:
        """Return how far the places of windows of a length are apart at most."""
        return (length - 2 * self.trim) // self.step * self.step

    def count(self, length: int) -> int:
        """Return how many tiles with windows of a length there are."""
        if self.local:
            return len(self.spans(length))
        core = self._core(length)
        return len(self._wanted(self._places(core), core))

    def spans(self, length: int) -> list[Span]:
        """Return the tiles with windows of a length."""
        if not self.local:
            return self._blended(length)
        return self._valid(length) if self.trim else self._same(length)

    def _valid(self, length: int) -> list[Span]:
        core, found = self._core(length), []
        first = self.start // self.step * self.step
        for place in range(first, self.stop, core):
            begin, end = max(place, self.start), min(place + core, self.stop)
            read = slice(place - self.trim, place - self.trim + length)
            crop = slice(begin - place, end - place)
            found.append(Span(slice(begin, end), read, crop))
        return found

    def _same(self, length: int) -> list[Span]:
        found, begin = [], self.start
        # A window longer than what is needed begins before it, or ends after the image.
        high = max(self.high, min(self.low + length, self.padded))
        low = max(0, min(self.low, high - length))
        high = max(high, low + length)
        while begin < self.stop:
            # From the grid on: the first pixel wanted need not lie on it.
            place = begin // self.step * self.step - self.halo
            place = min(max(low, place), high - length)
            last = place + length == high
            end = self.stop if last else min(place + length - self.halo, self.stop)
            crop = slice(begin - place, end - place)
            found.append(Span(slice(begin, end), slice(place, place + length), crop))
            begin = end
        return found

    def _blended(self, length: int) -> list[Span]:
        core = self._core(length)
        places = self._places(core)
        wanted = self._wanted(places, core)
        # How much they count depends on those that they overlap, and on no others.
        reach = (places + core > wanted[0]) & (places < wanted[-1] + core)
        near = places[reach].tolist()
        found = []
        for place, weights in zip(near, blend(near, core), strict=True):
            begin = max(place, self.start)
            end = min(place + core, self.stop, self.size)
            if begin < end:
                read = slice(place - self.trim, place - self.trim + length)
                crop = slice(begin - place, end - place)
                found.append(Span(slice(begin, end), read, crop, weights[crop]))
        return found

    def _places(self, core: int) -> NDArray[np.int64]:
        """Return where blended tiles of a core begin, over all of the axis."""
        # A last output of a valid network may end beyond the image.
        room = max(0, _up(self.size, self.step) - core)
        numbers = np.arange(1 + -(-4 * room // (3 * core)), dtype=np.int64)
        steps = room * numbers // max(1, len(numbers) - 1) // self.step
        return np.minimum(steps * self.step, room)

    def _wanted(self, places: NDArray[np.int64], core: int) -> NDArray[np.int64]:
        """Return the places of the tiles that answer for a wanted pixel."""
        stop = min(self.stop, self.size)
        return places[(places + core > self.start) & (places < stop)]


def _up(size: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-size // step) * step
