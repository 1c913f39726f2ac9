"""What napari's status bar tells of objects that have a row for each time point."""

from typing import Any

from qtpy.QtWidgets import QWidget

from napari_unet_studio.layers.tables import with_time_last
from napari_unet_studio.widgets._controls import FRAME, position_in, soon, timer


class StatusBar:
    """Keeps the features of a layer in the order in which napari tells those of now.

    Of an id with several rows napari tells the last one, so the rows of the time point
    on screen come last.

    Parameters
    ----------
    viewer
        The viewer.
    owner
        The widget.
    """

    def __init__(self, viewer: Any, owner: QWidget) -> None:
        self._steps = viewer.dims.events.current_step
        self._viewer = viewer
        self._layer: Any = None
        self._axis = 0
        self._shown: int | None = None
        self._clock = timer(owner, FRAME, self._renew)

    def follow(self, layer: Any, axes: str) -> None:
        """Follow the time on screen, if a layer with a table has a time axis."""
        self.release()
        if "T" not in axes:
            return
        self._layer, self._axis = layer, axes.index("T")
        self._steps.connect(self._on_step)
        self._renew()

    def release(self) -> None:
        """Follow nothing."""
        if self._layer is not None:
            self._steps.disconnect(self._on_step)
            self._clock.stop()
        self._layer = self._shown = None

    def _on_step(self, event: Any = None) -> None:
        soon(self._clock)

    def _renew(self) -> None:
        layer = self._layer
        if layer is None:
            return
        now = position_in(self._viewer, layer)[self._axis]
        features = layer.features
        if now != self._shown and {"index", "t"} <= {*features.columns}:
            self._shown = now
            layer.features = with_time_last(features, now)
