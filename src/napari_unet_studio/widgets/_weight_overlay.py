"""The layers that show a weight map: the weights, and the carved target."""

from typing import Any

import numpy as np

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.layers import (
    METADATA_KEY,
    LayerTuple,
    add_tuples,
    image_tuple,
    labels_tuple,
)
from napari_unet_studio.widgets._controls import (
    coarsened,
    displayed_axes,
    enlarged,
    position_in,
)
from napari_unet_studio.widgets._weight_frame import Region
from napari_unet_studio.widgets._weight_maps import FrameDone, Index, WeightMaps

VISIBLE = 1 << 24  # pixels that are redrawn at once at most


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
    """

    def __init__(self, viewer: Any, labels: Any, maps: WeightMaps) -> None:
        self.viewer = viewer
        self.labels = labels
        self.maps = maps
        self.layer: Any = None
        self.target: Any = None
        self.written: dict[Index, WeightConfig] = {}
        self._top = 1.0

    @property
    def alive(self) -> bool:
        """Whether the weight map is in the viewer."""
        return self.layer is not None and self.layer in self.viewer.layers

    @property
    def gone(self) -> bool:
        """Whether the weight map was in the viewer and was removed."""
        return self.layer is not None and not self.alive

    def take(self, maps: WeightMaps) -> None:
        """Show other frames from now on, such as those of changed labels."""
        if maps is self.maps:
            return
        self.maps = maps
        self.written.clear()
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
        self.written[record.index] = config
        if record.target is not None:
            self.write_target(record.index, record.target)

    def write(
        self, index: Index, region: Region, weights: Any, config: WeightConfig
    ) -> None:
        """Write weights into a part of a frame and redraw."""
        self.layer.data[(*index, *region)] = weights
        self.layer.metadata[METADATA_KEY]["weights"] = config.to_dict()
        if config.preset != "none" and config.w0 > self._top:
            self._set_limits(float(np.ceil(config.w0)))
        _redraw(self.layer)

    def write_target(self, index: Index, target: Any) -> None:
        """Write the carved labels of a frame and redraw."""
        if self.target is None or self.target not in self.viewer.layers:
            self.target = self._add_target(target.dtype)
        if np.max(target, initial=0) > np.iinfo(self.target.data.dtype).max:
            self.target.data = self.target.data.astype(target.dtype)
        self.target.data[index] = target
        _redraw(self.target)

    def preview(self, index: Index, region: Region, config: WeightConfig) -> None:
        """Write what is in view of a large frame, coarsely where it is much."""
        frame = self.maps.kept(index)
        if frame is None or not frame.reach or frame.gap != config.gap:
            return
        sizes = self.maps.shape[len(self.maps.leading) :]
        shown = [n for n, k in zip(sizes, region, strict=True) if isinstance(k, slice)]
        pixels = int(np.prod(shown))
        if pixels <= VISIBLE:
            step = coarsened(pixels)
            coarse = tuple(
                slice(None, None, step) if isinstance(k, slice) else k for k in region
            )
            weights = enlarged(frame.weights(config, coarse), step, shown)
            self.written.pop(index, None)
            self.write(index, region, weights, config)

    def complete(self, config: WeightConfig) -> bool:
        """Whether all frames show these settings."""
        if len(self.written) < self.maps.count:
            return False
        return all(written == config for written in self.written.values())

    def finish(self) -> None:
        """Bring thumbnails up to date."""
        for layer in (self.layer, self.target):
            if layer is not None:
                layer.refresh()

    def forget_rest(self, config: WeightConfig) -> str:
        """Empty the frames that were not computed, and say so."""
        rest = [
            i for i in np.ndindex(*self.maps.leading) if self.written.get(i) != config
        ]
        for index in rest:
            self.layer.data[index] = np.nan
            self.written.pop(index, None)
        self.layer.refresh()
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

    def summary(self) -> str:
        """Return what there is to know about the frame in view."""
        index, region = self.in_view()
        lines = []
        if index:
            number = int(np.ravel_multi_index(index, self.maps.leading)) + 1
            kind = "Slice" if self.maps.source.axes[0] == "Z" else "Frame"
            lines.append(f"{kind} {number} of {self.maps.count}")
        frame = self.maps.kept(index)
        if frame is not None:
            counts = _many(frame.objects, "object")
            if frame.pairs is not None:
                counts += f", {_many(frame.pairs, 'touching pair')}"
            lines.append(counts)
            if frame.vanished:
                lines.append(
                    f"The gap of {frame.gap} px removes "
                    f"{_many(frame.vanished, 'object')} entirely."
                )
        part = self.layer.data[(*index, *region)]
        low, high = (float(f(part)) if part.size else np.nan for f in (np.min, np.max))
        if np.isnan(low):
            lines.append("These weights were not computed. Press Refresh.")
        else:
            lines.append(f"Weights in view: {low:.2f} to {high:.2f}")
        return "\n".join(lines)

    def advice(self) -> str:
        """Return what to do next."""
        frame = self.maps.kept(self.in_view()[0])
        if frame is not None and frame.mask_of and not self.maps.pieces:
            return (
                f"This is a mask of one value with {frame.mask_of} connected pieces. "
                "Tick “Each connected piece is an object” to weigh their gaps."
            )
        return "Move the sliders: the weights follow."

    # -- layers -----------------------------------------------------------------------

    def fit_contrast(self, config: WeightConfig) -> None:
        """Let the colours span the range of the formula."""
        frame = self.maps.kept(self.in_view()[0])
        if frame is not None:
            self._set_limits(float(np.ceil(frame.highest(config))))

    def _set_limits(self, top: float) -> None:
        """Change the contrast, unless the user chose another."""
        if np.allclose(self.layer.contrast_limits, (0, self._top)):
            self._top = top
            self.layer.contrast_limits_range = (0, top)
            self.layer.contrast_limits = (0, top)

    def _add_weights(self, record: FrameDone, config: WeightConfig) -> Any:
        """Add the weight map, coloured from 0 to the most that the formula gives."""
        frame = self.maps.kept(record.index)
        highest = record.weights.max() if frame is None else frame.highest(config)
        self._top = float(np.ceil(highest))
        layer = self._add(
            image_tuple(
                np.zeros(self.maps.shape, np.float32),
                self.maps.source,
                f"{self.maps.source.name} weights",
                {
                    "weights": config.to_dict(),
                    "spatial_axes": self.maps.ndim,
                    "connected_pieces": self.maps.pieces,
                },
                colormap="inferno",
                contrast_limits=(0, self._top),
                blending="additive",
                opacity=0.7,
            )
        )
        if hasattr(layer, "colorbar"):
            layer.colorbar.visible = True
        return layer

    def _add_target(self, dtype: Any) -> Any:
        """Add the carved labels to the viewer; they are for looking at."""
        layer = self._add(
            labels_tuple(
                np.zeros(self.maps.shape, dtype),
                self.maps.source,
                f"{self.maps.source.name} target",
                {"connected_pieces": self.maps.pieces},
                opacity=0.6,
            )
        )
        layer.editable = False
        return layer

    def _add(self, layer_tuple: LayerTuple) -> Any:
        """Add a layer and leave the selection alone: the user may be painting."""
        selected = list(self.viewer.layers.selection)
        active = self.viewer.layers.selection.active
        (layer,) = add_tuples(self.viewer, [layer_tuple])
        self.viewer.layers.selection.clear()
        self.viewer.layers.selection.update(selected)
        self.viewer.layers.selection.active = active
        return layer


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else f"no {what}s"


def _redraw(layer: Any) -> None:
    layer.refresh(thumbnail=False, highlight=False, extent=False)
