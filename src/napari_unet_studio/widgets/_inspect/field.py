"""The receptive field of the pixel under the cursor, as a box on the image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_unet_studio.core.networks.places import field_of
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.layers import METADATA_KEY, Source
from napari_unet_studio.widgets._controls import FRAME, displayed_axes, soon, timer
from napari_unet_studio.widgets._viewing import drop, same_selection

NAME = "receptive field"
_COLOUR = "#f0e442"
_WIDTH = 2.0  # of the lines, in pixels of the canvas

Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network sees of which image.

    Parameters
    ----------
    source
        The image.
    spec
        The network.
    factors
        Size of a pixel of the model in pixels of the image, per spatial axis.
    """

    source: Source
    spec: NetworkSpec
    factors: tuple[float, ...]

    def box(self, pixel: Sequence[int]) -> list[Interval]:
        """Return the box around all that can influence a pixel, cut to the image.

        Parameters
        ----------
        pixel
            An index for each axis of the image.

        Returns
        -------
        list
            For each axis where it begins and ends, in pixels: the pixel 0 reaches from
            -0.5 to 0.5. Along axes that the network knows nothing of, that pixel.
        """
        lead = len(pixel) - self.spec.ndim
        found = [(p - 0.5, p + 0.5) for p in pixel[:lead]]
        seen = [
            round((p - (f - 1) / 2) / f)
            for p, f in zip(pixel[lead:], self.factors, strict=True)
        ]
        for (low, high), factor in zip(
            field_of(self.spec, seen), self.factors, strict=True
        ):
            found.append((low * factor - 0.5, high * factor - 0.5))
        return [
            (max(a, -0.5), min(b, n - 0.5))
            for (a, b), n in zip(found, self.source.shape, strict=True)
        ]


class FieldBox(QObject):
    """A layer of four lines that follows the cursor while it is on.

    It is made of vectors, which are quicker to move than shapes and are offered by no
    other dock as a region.

    Parameters
    ----------
    viewer
        The viewer.
    owner
        The widget.
    seen
        Returns the image and the network, or None if there is nothing to show.
    """

    gone = Signal()
    """When the user has removed the layer."""

    def __init__(
        self, viewer: Any, owner: QWidget, seen: Callable[[], Seen | None]
    ) -> None:
        super().__init__(owner)
        self._viewer, self._seen = viewer, seen
        self._now: Seen | None = None
        self._last: tuple[int, ...] = ()
        self._known = False  # where the cursor is: napari knows once it has moved
        self._clock = timer(owner, FRAME, self._follow)
        self._busy = False
        self._hidden = False  # in 3D, where there is no plane for it
        self.layer: Any = None
        self.on = False

    def start(self) -> None:
        """Show the box from now on."""
        if self.on:
            return
        self.on, self._known = True, False
        self._viewer.cursor.events.position.connect(self._on_moved)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self.renew()

    def stop(self) -> None:
        """Take the box away."""
        if not self.on:
            return
        self.on = False
        self._clock.stop()
        self._viewer.cursor.events.position.disconnect(self._on_moved)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._remove()

    def renew(self) -> None:
        """Follow another image or network."""
        if not self.on:
            return
        self._remove()
        self._now, self._last = self._seen(), ()
        if self._now is not None:
            self._follow()

    def _remove(self) -> None:
        self._busy = True
        try:
            drop(self._viewer, self.layer)
        finally:
            self._busy = False
        self.layer = None

    def look(self, event: Any = None) -> None:
        """Draw the box anew: the viewer shows another part of the data."""
        if self.on:
            soon(self._clock)

    def _on_moved(self, event: Any = None) -> None:
        self._known = True
        soon(self._clock)

    def _on_removed(self, event: Any) -> None:
        if self._busy or self.layer is None:
            return
        if event.value == self.layer:
            self.layer = None
            self.stop()
            self.gone.emit()

    def _follow(self) -> None:
        """Move the box to the cursor."""
        if not self.on or self._now is None:
            return
        if self._viewer.dims.ndisplay != 2:
            # Not emptied: napari 0.9 with vispy 0.17 then fails to draw it in 2D.
            if self.layer is not None and self.layer.visible:
                self.layer.visible, self._hidden = False, True
            return
        over = self._known and self._viewer.mouse_over_canvas
        pixel = self._pixel(self._now.source, over)
        lines = self._lines(self._now.box(pixel), pixel)
        if self.layer is None:
            self._add(lines)
        else:
            self.layer.data = lines
            if self._hidden:
                self.layer.visible = True
        self._hidden = False

    def _pixel(self, source: Source, over: bool) -> tuple[int, ...]:
        """Return the pixel of the image under the cursor.

        Beside the image, and where the cursor is not `over` the canvas, it is the last
        one there was, in the plane on display; at first that in the middle.
        """
        viewer, shape = self._viewer, source.shape
        position = viewer.cursor.position if over else viewer.dims.point
        world = [
            position[axis] if -axis <= len(position) else 0.0
            for axis in source.world_axes
        ]
        guide = self.layer
        if guide is None:
            guide = Vectors(np.zeros((1, 2, len(world))), **source.spatial)
        place = np.rint(np.atleast_1d(guide.world_to_data(world))).astype(int).tolist()
        shown = displayed_axes(viewer, len(shape))
        if not over or any(not 0 <= place[axis] < shape[axis] for axis in shown):
            for axis in shown:
                place[axis] = self._last[axis] if self._last else shape[axis] // 2
        self._last = tuple(
            min(max(int(p), 0), n - 1) for p, n in zip(place, shape, strict=True)
        )
        return self._last

    def _lines(
        self, box: Sequence[Interval], pixel: Sequence[int]
    ) -> NDArray[np.float64]:
        """Return the sides of the box in the plane on display, (4, 2, axes)."""
        ndim = len(pixel)
        shown = displayed_axes(self._viewer, ndim)[-2:]
        middle = np.asarray(pixel, float)
        (down, across) = shown if len(shown) == 2 else (ndim - 2, ndim - 1)
        corners = np.tile(middle, (4, 1))
        corners[:, down] = np.array(box[down])[[0, 0, 1, 1]]
        corners[:, across] = np.array(box[across])[[0, 1, 1, 0]]
        return np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)

    def _add(self, lines: NDArray[np.float64]) -> None:
        assert self._now is not None
        source = self._now.source
        scale = float(np.asarray(source.spatial["scale"], float)[-1])
        zoom = getattr(self._viewer, "scene", self._viewer).camera.zoom
        with same_selection(self._viewer):
            self.layer = self._viewer.add_vectors(
                lines,
                name=NAME,
                vector_style="line",
                edge_color=_COLOUR,
                edge_width=_WIDTH / max(1e-9, zoom * abs(scale)),
                metadata={METADATA_KEY: {"source": source.name}},
                **source.spatial,
            )
