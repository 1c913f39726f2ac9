"""One frame of labels and what its weights need, measured once."""

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.balance import Classified, balanced
from napari_unet_studio.core.carve import contacts
from napari_unet_studio.core.distances import (
    TwoNearest,
    as_labels,
    nearest_two_codes,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.core.weights import WeightConfig, reach, weigh
from napari_unet_studio.layers.reading import Reading, connected_pieces

Region = tuple[int | slice, ...]
Numbers = tuple[float, ...]

FIRST_REACH = 30.0  # of the first search, in pixels of the finest axis
SLAB = 1 << 23  # pixels between two questions whether to stop
STEP = 1 << 20  # pixels whose touching pairs are counted in one go
BLOCK = 1 << 16  # pixels whose intermediate numbers stay in a processor's cache


class Carved(NamedTuple):
    """What a gap leaves of the objects.

    Parameters
    ----------
    gap
        The gap.
    found
        The labels with this gap.
    occupied
        Where objects are left.
    vanished
        How many objects it removes entirely.
    """

    gap: int
    found: Classified
    occupied: NDArray[np.bool_]
    vanished: int


class Frame:
    """One frame, two- or three-dimensional, and all that is measured only once.

    A thread measures while the window reads: what belongs together is replaced at once.

    Parameters
    ----------
    raw
        The labels as the layer has them; copied.
    reading
        What counts as an object.
    spacing
        Pixel size per axis in pixels of the finest axis.

    Raises
    ------
    InputError
        If there are objects without a class.
    """

    def __init__(
        self, raw: NDArray[Any], reading: Reading, spacing: tuple[float, ...]
    ) -> None:
        self.raw = raw.copy()
        self.spacing = spacing
        self.reading = reading
        self.ids, self.ignore = reading.objects(as_labels(self.raw))
        found = Classified.of(self.ids, 0, self.ignore, None)
        sizes = np.bincount(found.codes.ravel(), minlength=1)
        sizes[0] = 0
        self.objects = int(np.count_nonzero(sizes))
        self.ignored = 0
        if self.ignore is not None:
            self.ignored = int(np.count_nonzero(self.ids == self.ignore))
        if reading.classes is not None:
            self._check_classes(np.unique(self.ids[found.codes != 0]).tolist())
            found = Classified.of(self.ids, 0, self.ignore, reading.numbers)
        self._found = found
        self.pairs: int | None = None if self.objects > 1 else 0
        self.mask_of = 0  # pieces, if a single id has several
        if self.objects == 1:
            pieces = int(connected_pieces(found.codes != 0).max())
            self.mask_of = pieces if pieces > 1 else 0
        self.reach = 0.0
        self.nearest = TwoNearest(*(np.empty(0, np.float32),) * 2)
        self._carved = Carved(0, found, found.occupied(), 0)
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._balanced: tuple[Any, NDArray[np.float32]] | None = None

    def suffices(self, config: WeightConfig) -> bool:
        """Whether the kept distances give the very numbers of `separation_weights`."""
        wanted = reach(config.preset, config.sigma)
        if wanted == 0:
            return True
        return self.reach == wanted or (self.reach > wanted and self._whole)

    def measure(self, config: WeightConfig) -> Iterator[float]:
        """Search the two nearest objects as far as needed; yield the share done."""
        if self.suffices(config):
            return
        distance = reach(config.preset, config.sigma)
        if self._whole:  # a longer search costs little and serves later values too
            longer = FIRST_REACH
            while longer < distance:
                longer *= 2
            distance = longer
        codes = self._found.codes
        rows, margin = len(codes), ceil(distance / self.spacing[0])
        step = max(4 * margin, SLAB // max(1, codes[0].size))
        if step >= rows:
            found = nearest_two_codes(codes, self.spacing, distance)
        else:
            found = TwoNearest(*(np.empty(codes.shape, np.float32) for _ in range(2)))
            for start in range(0, rows, step):
                yield start / rows
                end = min(start + step, rows)
                first = max(0, start - margin)
                part = codes[first : end + margin]
                for distances, near in zip(
                    found, nearest_two_codes(part, self.spacing, distance), strict=True
                ):
                    distances[start:end] = near[start - first : end - first]
        self.nearest, self.reach = found, distance

    def count_pairs(self) -> Iterator[None]:
        """Count the pairs of objects that touch, step by step."""
        if self.pairs is None:
            codes, keys = self._found.codes, np.empty(0, np.int64)
            rows = max(1, STEP // max(1, codes[:1].size))
            for start in range(0, len(codes), rows):
                # With the first row of the next step.
                low, high = touching_pairs(codes[start : start + rows + 1]).T
                keys = np.union1d(keys, low.astype(np.int64) << 32 | high)
                yield
            self.pairs = len(keys)

    def counts(self, gap: int) -> NDArray[np.int64]:
        """Return the pixels of each class, as `class_counts` finds them."""
        if gap not in self._counts:
            self._counts[gap] = self.carve(gap).found.counts()
        return self._counts[gap]

    def carve(self, gap: int) -> Carved:
        """Carve a gap, unless it is the one that is kept."""
        kept = self._carved
        if kept.gap != gap:
            removed = contacts(self._found.codes, gap)
            found = self._found._replace(removed=removed)
            occupied = found.occupied()
            vanished = 0
            if removed is not None:
                left = np.bincount(self._found.codes[occupied], minlength=1)
                vanished = self.objects - int(np.count_nonzero(left[1:]))
            self._carved = kept = Carved(gap, found, occupied, vanished)
        return kept

    def target(self, gap: int) -> NDArray[Any]:
        """Return the labels with the gap carved, as `carve_gap` does."""
        removed = self.carve(gap).found.removed
        if removed is None:
            return self.ids
        return np.where(removed, self.ids.dtype.type(0), self.ids)

    @property
    def gap(self) -> int:
        """The gap that is kept."""
        return self._carved.gap

    @property
    def vanished(self) -> int:
        """Number of objects that this gap removes entirely."""
        return self._carved.vanished

    def weights(
        self,
        config: WeightConfig,
        numbers: Numbers | None = None,
        region: Region = (),
    ) -> NDArray[np.float32]:
        """Evaluate `separation_weights` from the kept distances.

        Parameters
        ----------
        config
            The settings.
        numbers
            Weight of each class, for a balance over all frames.
        region
            Part of the frame, as an index of ints and slices; empty is all of it.
        """
        carved = self.carve(config.gap)
        balance = self._balance(carved, config, numbers)[region]
        if config.preset == "none":
            return balance.copy()
        near, second = (distance[region] for distance in self.nearest)
        occupied, ids = carved.occupied[region], self.ids[region]
        wanted = reach(config.preset, config.sigma)
        beyond = self.reach > wanted
        weights = np.empty(balance.shape, np.float32)
        # Block by block, or every step of the formula would go through memory.
        rows = max(1, BLOCK // max(1, balance[:1].size))
        for start in range(0, len(balance), rows):
            part = slice(start, start + rows)
            d1, d2 = near[part], second[part]
            if beyond:
                d1, d2 = (
                    np.where(d <= wanted, d, np.float32(np.inf)) for d in (d1, d2)
                )
            weights[part] = weigh(
                TwoNearest(d1, d2),
                occupied[part],
                balance[part],
                config.preset,
                config.w0,
                config.sigma,
                config.inside,
                None if self.ignore is None else ids[part] != self.ignore,
            )
        return weights

    def table(self, config: WeightConfig, numbers: Numbers | None) -> list[float]:
        """Return the weight of each class, the background first."""
        if config.balance == "global":
            if numbers is not None:
                return list(numbers)
        elif config.balance == "image":
            return list(balanced(self.counts(config.gap)))
        return [float(number) for number in self._found.table("none")]

    def highest(self, config: WeightConfig, numbers: Numbers | None) -> float:
        """Return the largest weight that the formula can give."""
        if config.preset == "2019":
            return 1 + config.w0
        top = max(self.table(config, numbers))
        return top + config.w0 * (config.preset == "2015")

    @property
    def _whole(self) -> bool:
        """Whether a longer search gives the same distances, to the last bit."""
        units = np.square(self.spacing)
        return bool(np.all(np.abs(units - np.rint(units)) <= 1e-9 * units))

    def _balance(
        self, carved: Carved, config: WeightConfig, numbers: Numbers | None
    ) -> NDArray[np.float32]:
        key = (config.gap, config.balance, numbers)
        kept = self._balanced
        if kept is None or kept[0] != key:
            table = carved.found.table(self.table(config, numbers))
            kept = self._balanced = (key, carved.found.weights(table))
        return kept[1]

    def _check_classes(self, present: list[int]) -> None:
        classes = self.reading.classes
        without = [i for i in present if classes and i not in classes.numbers]
        if classes and without:
            others = len(without) - 1
            raise InputError(
                f"Object {without[0]}"
                + (f" and {others} more have" if others else " has")
                + f" no class in the column {classes.column!r} of the layer's features;"
                " fill it in, or choose no classes."
            )
