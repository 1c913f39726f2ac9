"""One frame of labels and what its weights need, measured once."""

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.distances import TwoNearest, nearest_two, object_codes
from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.core.weights import (
    BACKGROUND_WEIGHT,
    BALANCE_CUTOFF,
    BALANCE_SIGMA,
    CUTOFF,
    WeightConfig,
    class_weights,
    separation_term,
)

Region = tuple[int | slice, ...]

FIRST_REACH = 30.0  # of the first search, in pixels of the finest axis
SLAB = 1 << 23  # pixels between two questions whether to stop


class Carved(NamedTuple):
    """A target, its gap, and how many objects the gap removed entirely."""

    gap: int
    target: NDArray[Any]
    vanished: int


class Frame:
    """One frame, two- or three-dimensional, and all that is measured only once.

    Parameters
    ----------
    raw
        The labels as the layer has them; copied.
    pieces
        Whether connected pieces are the objects instead of ids.
    spacing
        Pixel size per axis in pixels of the finest axis.
    """

    def __init__(
        self, raw: NDArray[Any], pieces: bool, spacing: tuple[float, ...]
    ) -> None:
        self.raw = raw.copy()
        self.spacing = spacing
        self.ids: NDArray[Any] = self.raw
        if pieces:
            self.ids = connected_components(self.raw, connectivity=1).astype(np.int32)
        self.objects = _count(self.ids)
        self.pairs: int | None = None if self.objects > 1 else 0
        self.mask_of = 0  # pieces, if a single id has several
        if self.objects == 1:
            found = int(connected_components(self.raw != 0, connectivity=1).max())
            self.mask_of = found if found > 1 else 0
        self.reach = 0.0
        self._nearest = TwoNearest(*(np.empty(0, np.float32),) * 2)
        self._carved = Carved(0, self.ids, 0)
        self._balanced: tuple[Any, NDArray[np.float32]] | None = None

    def suffices(self, config: WeightConfig) -> bool:
        """Whether the kept distances give the very numbers of `separation_weights`."""
        wanted = reach_of(config)
        if wanted == 0:
            return True
        return self.reach == wanted or (self.reach > wanted and self._whole)

    def measure(self, config: WeightConfig) -> Iterator[float]:
        """Search the two nearest objects as far as needed; yield the share done."""
        if self.suffices(config):
            return
        reach = reach_of(config)
        if self._whole:  # a longer search costs little and serves later values too
            longer = FIRST_REACH
            while longer < reach:
                longer *= 2
            reach = longer
        rows, margin = len(self.ids), ceil(reach / self.spacing[0])
        step = max(4 * margin, SLAB // max(1, self.ids[0].size))
        if step >= rows:
            self._nearest = nearest_two(self.ids, self.spacing, reach)
        else:
            shape = self.ids.shape
            whole = TwoNearest(np.empty(shape, np.float32), np.empty(shape, np.float32))
            for start in range(0, rows, step):
                yield start / rows
                end = min(start + step, rows)
                first = max(0, start - margin)
                part = self.ids[first : end + margin]
                for distances, found in zip(
                    whole, nearest_two(part, self.spacing, reach), strict=True
                ):
                    distances[start:end] = found[start - first : end - first]
            self._nearest = whole
        self.reach = reach

    def count_pairs(self) -> int:
        """Return the number of pairs of objects that touch."""
        if self.pairs is None:
            self.pairs = len(touching_pairs(self.ids))
        return self.pairs

    def target(self, gap: int) -> NDArray[Any]:
        """Return the labels with the gap carved."""
        kept = self._carved
        if kept.gap != gap:
            target = carve_gap(self.ids, gap) if gap else self.ids
            kept = Carved(gap, target, self.objects - _count(target))
            self._carved = kept  # at once: the window may read it from its own thread
        return kept.target

    @property
    def gap(self) -> int:
        """Gap of the target that is kept."""
        return self._carved.gap

    @property
    def vanished(self) -> int:
        """Number of objects that this gap removes entirely."""
        return self._carved.vanished

    def weights(self, config: WeightConfig, region: Region = ()) -> NDArray[np.float32]:
        """Evaluate `separation_weights` from the kept distances.

        Parameters
        ----------
        config
            The settings.
        region
            Part of the frame, as an index of ints and slices; empty is all of it.
        """
        target = self.target(config.gap)
        if config.preset == "none":
            return self._balance(target, config)[region].copy()
        reach = reach_of(config)
        near, second = (
            np.where(d[region] <= reach, d[region], np.float32(np.inf))
            for d in self._nearest
        )
        weights = separation_term(TwoNearest(near, second), config.w0, config.sigma)
        if config.preset == "2015":
            if not config.inside:
                weights[target[region] != 0] = 0
            weights += self._balance(target, config)[region]
            return weights
        alone = TwoNearest(near, np.zeros_like(near))
        weights += separation_term(alone, 1 - BACKGROUND_WEIGHT, BALANCE_SIGMA)
        weights += np.float32(BACKGROUND_WEIGHT)
        weights[target[region] != 0] = 1
        return weights

    def highest(self, config: WeightConfig) -> float:
        """Return the largest weight that the formula can give."""
        if config.preset == "2019":
            return 1 + config.w0
        top = float(self._balance(self.target(config.gap), config).max(initial=0))
        return top + config.w0 * (config.preset == "2015")

    @property
    def _whole(self) -> bool:
        """Whether a longer search gives the same distances, to the last bit."""
        units = np.square(self.spacing)
        return bool(np.all(np.abs(units - np.rint(units)) <= 1e-9 * units))

    def _balance(
        self, target: NDArray[Any], config: WeightConfig
    ) -> NDArray[np.float32]:
        key = (config.gap, config.balance)
        if self._balanced is None or self._balanced[0] != key:
            self._balanced = (key, class_weights(target, config.balance))
        return self._balanced[1]


def reach_of(config: WeightConfig) -> float:
    """Return how far `separation_weights` looks, in pixels of the finest axis."""
    if config.preset == "none":
        return 0.0
    reach = CUTOFF * config.sigma
    if config.preset == "2019":
        reach = max(reach, BALANCE_CUTOFF * BALANCE_SIGMA)
    return reach


def _count(ids: NDArray[Any]) -> int:
    codes = object_codes(ids)
    return int(np.count_nonzero(np.bincount(codes.ravel(), minlength=1)[1:]))
