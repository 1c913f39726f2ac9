"""The layers that show a weight map: the weights, and the carved target."""

from collections.abc import Iterable
from math import ceil, sqrt
from typing import Any

import numpy as np

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.layers.weighted import weight_facts
from napari_unet_studio.widgets._controls import (
    displayed_axes,
    enlarged,
    position_in,
)
from napari_unet_studio.widgets._weights.frame import Region
from napari_unet_studio.widgets._weights.layers import add_target, add_weights, zeros
from napari_unet_studio.widgets._weights.maps import WeightMaps
from napari_unet_studio.widgets._weights.record import FrameDone, Index, Shown

VISIBLE = 1 << 24  # pixels that are redrawn at once at most
EXACT = 1 << 22  # pixels that are drawn exactly while a slider moves
CARVED = 1 << 20  # pixels that are carved anew while a slider moves
ALL = 1 << 28  # pixels of all frames, above which only those in view are computed


class Overlay:
    """The weight map of one labels layer in the viewer.

    Parameters
    ----------
    viewer
        The viewer.
    labels
        The labels layer, which is only read.
    maps
        Its frames.
    target
        A layer for the carved target, if there is one already.
    """

    def __init__(
        self, viewer: Any, labels: Any, maps: WeightMaps, target: Any = None
    ) -> None:
        self.viewer = viewer
        self.labels = labels
        self.maps = maps
        self.layer: Any = None
        same = target is not None and tuple(target.data.shape) == maps.shape
        self.target: Any = target if same else None
        self.written: dict[Index, Shown] = {}
        self._gaps: dict[Index, int] = {}  # of the carved frames
        self._top = 1.0
        self._range: tuple[Any, tuple[float, float]] | None = None

    @property
    def alive(self) -> bool:
        """Whether the weight map is in the viewer, and has the shape of the labels."""
        if self.layer is None or self.layer not in self.viewer.layers:
            return False
        return tuple(self.layer.data.shape) == self.maps.shape

    @property
    def gone(self) -> bool:
        """Whether the weight map was in the viewer and was removed or cropped."""
        return self.layer is not None and not self.alive

    @property
    def in_view_only(self) -> bool:
        """Whether all frames together would fill the memory."""
        return self.maps.count > 1 and self.maps.pixels > ALL

    def take(self, maps: WeightMaps) -> None:
        """Show other frames from now on, such as those of changed labels."""
        if maps is self.maps:
            return
        self.maps = maps
        self._range = None
        self.written.clear()
        self._gaps.clear()
        for layer in (self.layer, self.target):
            if layer is None or layer not in self.viewer.layers:
                continue
            if tuple(layer.data.shape) != maps.shape:
                self.viewer.layers.remove(layer)
                continue
            for name, value in maps.source.spatial.items():
                setattr(layer, name, value)
        if not self.alive:
            self.layer = None

    # -- writing ----------------------------------------------------------------------

    def show(self, record: FrameDone, config: WeightConfig) -> None:
        """Write a frame; the first one brings the layers into the viewer."""
        if not self.alive:
            self.layer = self._add_weights(record, config)
            self.written.clear()
        self.write(record.index, (), record.weights, config)
        self.written[record.index] = self._now(config)
        if record.target is not None:
            self.write_target(record.index, record.target, config.gap)

    def write(
        self, index: Index, region: Region, weights: Any, config: WeightConfig
    ) -> None:
        """Write weights into a part of a frame, and redraw if it is in view."""
        new = self.layer.data is weights  # of a single first frame
        if not new:
            self.layer.data[(*index, *region)] = weights
        facts = self.layer.metadata.setdefault(METADATA_KEY, {})
        # The labels may have another name by now.
        facts.update(self._facts(config), source=self.labels.name)
        self._range = None
        frame = self.maps.kept(index)
        if frame is not None and frame.gap == config.gap:
            highest = np.ceil(frame.highest(config, self.maps.numbers(config)))
            if highest > self._top:
                self._set_limits(float(highest))
        if not new:
            self._redraw(self.layer, index)

    def write_target(self, index: Index, target: Any, gap: int) -> None:
        """Write the carved labels of a frame, and redraw if it is in view."""
        if self.target is None or self.target not in self.viewer.layers:
            self.target = add_target(
                self.viewer,
                zeros(self.maps.source, target.dtype),
                self.maps.source,
                {"connected_pieces": self.maps.reading.pieces},
            )
            self._gaps.clear()
        if not np.can_cast(target.dtype, self.target.data.dtype):
            self.target.data = self.target.data.astype(target.dtype)
        self.target.data[index] = target
        self._gaps[index] = gap
        self.target.metadata.setdefault(METADATA_KEY, {})["source"] = self.labels.name
        self._redraw(self.target, index)

    def preview(self, index: Index, region: Region, config: WeightConfig) -> None:
        """Write what is in view of a measured frame, coarsely where it is much."""
        frame = self.maps.kept(index)
        if frame is None or not self.maps.ready(config):
            return
        if frame.gap != config.gap and frame.ids.size > CARVED:
            return
        if config.preset != "none" and not frame.reach:
            return
        sizes = self.maps.shape[len(self.maps.leading) :]
        shown = [n for n, k in zip(sizes, region, strict=True) if isinstance(k, slice)]
        pixels = int(np.prod(shown))
        if pixels > VISIBLE:
            return
        step = ceil(sqrt(max(1.0, pixels / EXACT)))
        part = tuple(
            slice(None, None, step) if isinstance(k, slice) else k for k in region
        )
        weights = frame.weights(config, self.maps.numbers(config), part)
        if step > 1:
            weights = enlarged(weights, step, shown)
        self.written.pop(index, None)
        self.write(index, region, weights, config)
        whole = step == 1 and pixels == self.maps.frame_pixels
        if whole and frame.suffices(config):
            self.written[index] = self._now(config)
        shows_target = index in self._gaps and self._gaps[index] != config.gap
        if shows_target and pixels == self.maps.frame_pixels:
            self.write_target(index, frame.target(config.gap), config.gap)

    def complete(self, config: WeightConfig, with_target: bool = False) -> bool:
        """Whether all frames that are to be computed show these settings."""
        if not self.in_view_only and len(self.written) < self.maps.count:
            return False
        frames, now = self.order(), self._now(config)
        return (
            self.maps.ready(config)
            and all(self.written.get(index) == now for index in frames)
            and not (with_target and self.lacks_target(config, frames))
        )

    def lacks_target(self, config: WeightConfig, frames: Iterable[Index]) -> bool:
        """Whether carved labels of some frames are not those of this gap."""
        return any(self._gaps.get(index) != config.gap for index in frames)

    def order(self) -> list[Index]:
        """Return the frames to compute: the one in view first, then the others.

        Of what would fill the memory only the one in view.
        """
        first = self.in_view()[0]
        if self.in_view_only:
            return [first]
        every = np.ndindex(*self.maps.leading)
        return sorted(every, key=lambda index: index != first)

    def finish(self) -> None:
        """Bring thumbnails up to date."""
        for layer in (self.layer, self.target):
            if layer is not None and layer in self.viewer.layers:
                layer.refresh(data_displayed=False, highlight=False, extent=False)

    def empty(self, config: WeightConfig, index: Index) -> None:
        """Empty a frame that does not show these settings; in any thread."""
        if self.alive and self.written.get(index) != self._now(config):
            self.layer.data[index] = np.nan

    def forget_rest(self, config: WeightConfig) -> str:
        """Empty the frames that were not computed, and say so."""
        now = self._now(config)
        rest = [i for i in self.order() if self.written.get(i) != now]
        for index in rest:
            self.written.pop(index, None)
            if not np.isnan(self.layer.data[index].flat[0]):
                self.layer.data[index] = np.nan
        self._range = None
        self.layer.refresh()
        if not rest:
            return "Stopped; the weights are complete."
        if not self.maps.leading:
            return "Stopped, the weight map is empty. Refresh computes it."
        done = self.maps.count - len(rest)
        return (
            f"Stopped: {done} of {self.maps.count} frames have weights, the others are "
            "empty. Refresh computes them."
        )

    def show_target(self, visible: bool) -> None:
        """Show or hide the carved target, if it is there."""
        if self.target is not None and self.target in self.viewer.layers:
            self.target.visible = visible

    def _now(self, config: WeightConfig) -> Shown:
        return config, self.maps.numbers(config)

    def _facts(self, config: WeightConfig) -> dict[str, Any]:
        """Return what made the weights, as plain types for ``layer.metadata``."""
        return weight_facts(config, self.maps.reading, self.maps.numbers(config))

    # -- reading ----------------------------------------------------------------------

    def in_view(self) -> tuple[Index, Region]:
        """Return the frame at the viewer's position and its part on the canvas."""
        layer = self.layer if self.alive else self.labels
        place = position_in(self.viewer, layer)
        lead = len(self.maps.leading)
        shown = displayed_axes(self.viewer, layer.ndim)
        region = tuple(
            slice(None) if axis in shown else place[axis]
            for axis in range(lead, layer.ndim)
        )
        return place[:lead], region

    def range_in_view(self) -> tuple[float, float]:
        """Return the smallest and the largest weight in view; NaN if it is empty.

        Measured once until something is written: a slider does not wait for it.
        """
        index, region = self.in_view()
        key = (index, region)
        if self._range is None or self._range[0] != key:
            part = self.layer.data[(*index, *region)]
            low, high = (
                float(f(part)) if part.size else np.nan for f in (np.min, np.max)
            )
            self._range = (key, (low, high))
        return self._range[1]

    # -- layers -----------------------------------------------------------------------

    def fit_contrast(self, config: WeightConfig) -> None:
        """Let the colours span the range of the formula."""
        frame = self.maps.kept(self.in_view()[0])
        if frame is not None:
            highest = frame.highest(config, self.maps.numbers(config))
            self._set_limits(float(np.ceil(highest)))

    def _set_limits(self, top: float) -> None:
        """Change the contrast, unless the user chose another."""
        if np.allclose(self.layer.contrast_limits, (0, self._top)):
            self._top = top
            self.layer.contrast_limits_range = (0, top)
            self.layer.contrast_limits = (0, top)

    def _add_weights(self, record: FrameDone, config: WeightConfig) -> Any:
        """Add the weight map, coloured from 0 to the most that the formula gives."""
        frame = self.maps.kept(record.index)
        numbers = self.maps.numbers(config)
        highest = (
            record.weights.max() if frame is None else frame.highest(config, numbers)
        )
        self._top = float(np.ceil(highest))
        data = record.weights  # of a single frame, as it is: copies of volumes stall
        if self.maps.count > 1 or data.shape != self.maps.shape:
            data = zeros(self.maps.source, np.float32)
        return add_weights(
            self.viewer, data, self.maps.source, self._facts(config), self._top
        )

    def _redraw(self, layer: Any, index: Index) -> None:
        """Draw a layer anew, if this frame of it is in view."""
        if self.maps.count == 1 or index == self.in_view()[0]:
            layer.refresh(thumbnail=False, highlight=False, extent=False)
