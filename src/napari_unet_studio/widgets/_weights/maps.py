"""Weight maps of a layer, frame by frame, with the distances kept for the sliders."""

from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.weights import WeightConfig, balanced
from napari_unet_studio.layers import Source, source_of
from napari_unet_studio.layers.reading import Reading
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._weights.frame import SLAB, Frame, Numbers
from napari_unet_studio.widgets._weights.record import FrameDone, Index, Shown

KEPT = 1 << 25  # pixels whose distances are kept, about 600 MB
LARGEST = 1 << 28  # pixels of a frame, whose distances take 5 GB
SHARE = 100  # steps of the progress bar per frame


class WeightMaps:
    """The frames of a labels layer.

    Parameters
    ----------
    source
        The layer.
    reading
        What counts as an object; `ndim` axes make a frame, the others are looped over.
    layer
        The layer itself, whose `data` and `features` are kept as they are now.
    """

    def __init__(self, source: Source, reading: Reading, layer: Any) -> None:
        self.source = source
        self.data = layer.data
        self.features = layer.features
        self.reading = reading
        self.ndim = reading.ndim
        steps = source.spacing[-self.ndim :]
        self.spacing = tuple(step / min(steps) for step in steps)
        self.shape: tuple[int, ...] = tuple(source.data.shape)
        self.leading = self.shape[: len(self.shape) - self.ndim]
        self.count = prod(self.leading)
        self.pixels = prod(self.shape)
        self.frame_pixels = prod(self.shape[len(self.leading) :])
        self._frames: OrderedDict[Index, Frame] = OrderedDict()
        self._numbers: dict[int, Numbers] = {}

    def kept(self, index: Index) -> Frame | None:
        """Return a frame if it was measured and is still kept."""
        return self._frames.get(index)

    def read(self, index: Index) -> Frame:
        """Return a frame as the layer is now; it may have been painted since."""
        frame = self._frames.get(index)
        raw = np.asarray(self.source.data[index])
        if frame is None or not np.array_equal(frame.raw, raw):
            frame = Frame(raw, self.reading, self.spacing)
        self._frames[index] = frame
        self._frames.move_to_end(index)
        while len(self._frames) > max(1, KEPT // max(1, self.frame_pixels)):
            self._frames.popitem(last=False)
        return frame

    def describes(self, other: "WeightMaps") -> bool:
        """Whether the others are of the same layer, its data not replaced."""
        return (
            self.data is other.data
            and self.reading == other.reading
            and _plain(self.source.spatial) == _plain(other.source.spatial)
        )

    # -- the balance over all frames --------------------------------------------------

    def numbers(self, config: WeightConfig) -> Numbers | None:
        """Return the weight of each class over all frames, where these are counted.

        None where each frame has a balance of its own, or none.
        """
        return self._numbers.get(config.gap) if over_all(config) else None

    def ready(self, config: WeightConfig) -> bool:
        """Whether the class balance can be drawn without counting first."""
        return not over_all(config) or config.gap in self._numbers

    def forget_counts(self) -> None:
        """Count anew before the next map: pixels were painted."""
        self._numbers.clear()

    def count_all(
        self, gap: int, total: int, should_stop: ShouldStop
    ) -> Generator[Progress, None, bool]:
        """Count the classes of all frames; return whether it was done."""
        counted: list[NDArray[np.int64]] = []
        for number, index in enumerate(np.ndindex(*self.leading)):
            yield Progress(SHARE * number // 2, total, "Counting")
            if should_stop():
                return False
            counted.append(self.read(index).counts(gap))
        self._numbers[gap] = balanced(np.sum(counted, axis=0))
        return True

    # -- work -------------------------------------------------------------------------

    def now(self, config: WeightConfig, index: Index, with_target: bool) -> FrameDone:
        """Compute a frame at once: for small ones."""
        frame = self.read(index)
        for _ in frame.measure(config):
            pass
        for _ in frame.count_pairs():
            pass
        target = frame.target(config.gap) if with_target else None
        weights = frame.weights(config, self.numbers(config))
        return FrameDone(1, 1, "", index, weights, target)

    def task(
        self,
        config: WeightConfig,
        order: Sequence[Index],
        with_target: bool,
        shown: Mapping[Index, Shown],
        empty: Callable[[Index], None],
        should_stop: ShouldStop,
    ) -> Generator[Progress, None, bool]:
        """Compute frames in an order.

        Parameters
        ----------
        config
            The settings.
        order
            Of the frames.
        with_target
            Whether the carved labels are asked for too.
        shown
            What the frames on display were computed from; those that would be the same
            again are left out.
        empty
            Called in this thread for each frame that was not reached, if stopped.
        should_stop
            Asked at each step.

        Yields
        ------
        FrameDone
            For each frame.

        Returns
        -------
        bool
            Whether all of them were computed.

        Raises
        ------
        InputError
            If there is no object at all, or there are some without a class.
        """
        counting = not self.ready(config)
        begin = SHARE * self.count // 2 if counting else 0
        total = begin + SHARE * len(order)
        small = total == SHARE and self.pixels <= SLAB
        yield Progress(0, 0 if small else total, "Measuring")
        if not self._any_object(order, should_stop):
            raise InputError(
                f"The labels layer {self.source.name!r} holds no objects; paint some, "
                "or choose another layer."
            )
        if counting:
            counted = yield from self.count_all(config.gap, total, should_stop)
            done = 0
        if not counting or counted:
            places = begin, total
            done = yield from self._compute(
                config, order, with_target, shown, places, should_stop
            )
        for index in order[done:]:
            empty(index)
        return done == len(order)

    def _compute(
        self,
        config: WeightConfig,
        order: Sequence[Index],
        with_target: bool,
        shown: Mapping[Index, Shown],
        places: tuple[int, int],
        should_stop: ShouldStop,
    ) -> Generator[Progress, None, int]:
        """Compute frames and return how many were reached; see `task`.

        Parameters
        ----------
        config, order, with_target, shown, should_stop
            As in `task`.
        places
            Where the progress bar begins, and where it ends.
        """
        begin, total = places
        for number, index in enumerate(order):
            if should_stop():
                return number
            step = begin + SHARE * number
            before = self.kept(index)
            frame = self.read(index)
            if frame is before and shown.get(index) == (config, self.numbers(config)):
                yield Progress(step + SHARE, total, "Weights")
                continue
            for share in frame.measure(config):
                yield Progress(step + int(0.9 * SHARE * share), total, "Measuring")
                if should_stop():
                    return number
            target = frame.target(config.gap) if with_target else None
            weights = frame.weights(config, self.numbers(config))
            if should_stop():
                return number
            yield FrameDone(step + SHARE, total, "Weights", index, weights, target)
            for _ in frame.count_pairs():
                if should_stop():
                    return number + 1
        return len(order)

    def _any_object(self, order: Sequence[Index], should_stop: ShouldStop) -> bool:
        """Whether any frame has an object; the first ones tell in most cases."""
        first = set(order)
        rest = (i for i in np.ndindex(*self.leading) if i not in first)
        for index in chain(order, rest):
            if should_stop():
                return True
            raw = np.asarray(self.source.data[index])
            objects = raw != 0
            if self.reading.ignore is not None:
                objects &= raw != self.reading.ignore
            if objects.any():
                return True
        return False


def over_all(config: WeightConfig) -> bool:
    """Whether the class balance is that of all frames together."""
    return config.balance == "global" and config.preset != "2019"


def maps_of(layer: Any, reading: Reading) -> WeightMaps:
    """Return the frames of a labels layer.

    Parameters
    ----------
    layer
        The layer, or None where there is none to choose.
    reading
        What counts as an object.

    Raises
    ------
    InputError
        If there is no layer, its axes do not suit, or a frame is too large.
    """
    if layer is None:
        raise InputError(
            "No labels are chosen; add or choose a layer with an id for each object."
        )
    source = source_of(layer)
    if source.channel_axis is not None:
        raise InputError(
            f"The labels layer {layer.name!r} has an axis of channels; choose labels "
            "without one."
        )
    if spatial_ndim(source.axes) < 3:
        reading = replace(reading, ndim=2)
    maps = WeightMaps(source, reading, layer)
    if maps.frame_pixels > LARGEST:
        what = "slice" if maps.ndim == 2 else "volume"
        raise InputError(
            f"A {what} of {layer.name!r} has {maps.frame_pixels / 1e6:,.0f} million "
            f"pixels, and at most {LARGEST / 1e6:,.0f} are shown at a time. Crop the "
            "layer; of lazy labels, the code of Copy as Python computes any size in "
            "blocks."
        )
    return maps


def _plain(spatial: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in spatial.items()}
