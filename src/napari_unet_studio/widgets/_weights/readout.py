"""The weight under the cursor, in napari's status bar and in the dock."""

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtWidgets import QLabel, QWidget

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.widgets._controls import FRAME, soon, timer
from napari_unet_studio.widgets._weights.cursor import sentence, terms_at
from napari_unet_studio.widgets._weights.overlay import Overlay


class Readout:
    """Follows the cursor for as long as its widget is there.

    napari writes the status of the active layer, which may be any; what the pixel
    weighs is put behind it.

    Parameters
    ----------
    viewer
        The viewer.
    owner
        The widget; nothing is written once it is gone.
    line
        Returns the text for the pixel under the cursor, "" for none.
    """

    def __init__(self, viewer: Any, owner: QWidget, line: Callable[[], str]) -> None:
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self._viewer = viewer
        self._line = line
        self._clock = timer(owner, FRAME, self.refresh)
        viewer.cursor.events.position.connect(self._on_moved)
        viewer.events.status.connect(self._on_status, position="last")
        owner.destroyed.connect(self.close)

    def refresh(self) -> None:
        """Write the line into the dock."""
        line = self._line()
        self.label.setText(f"Under the cursor: {line}" if line else "")

    def close(self, *_: object) -> None:
        """Let go of the viewer."""
        self._line = _nothing
        self._viewer.cursor.events.position.disconnect(self._on_moved)
        self._viewer.events.status.disconnect(self._on_status)

    def _on_moved(self, event: Any = None) -> None:
        soon(self._clock)

    def _on_status(self, event: Any = None) -> None:
        """Put the line behind what napari says, once."""
        viewer = self._viewer
        line = self._line() if viewer.mouse_over_canvas else ""
        status = viewer.status
        text = status if isinstance(status, str) else status["coordinates"]
        # It may be there already, also with the line of another dock behind it.
        if not line or line in text:
            return
        text = f"{text}; {line}"
        new = text if isinstance(status, str) else {**status, "coordinates": text}
        viewer.status = new


def pixel_line(overlay: Overlay, config: WeightConfig) -> str:
    """Say what the pixel under the cursor weighs and why; "" beside the labels.

    Parameters
    ----------
    overlay
        The weight map.
    config
        The settings of the form, where the frame on display has none of its own yet.
    """
    viewer, maps, layer = overlay.viewer, overlay.maps, overlay.layer
    if viewer.dims.ndisplay != 2 or not layer.visible:
        return ""
    place = np.rint(np.atleast_1d(layer.world_to_data(viewer.cursor.position)))
    pixel = tuple(int(p) for p in place[-layer.ndim :])
    within = zip(pixel, maps.shape, strict=True)
    if not all(0 <= p < n for p, n in within):
        return ""
    lead = len(maps.leading)
    index, inner = pixel[:lead], pixel[lead:]
    weight = float(layer.data[pixel])
    if np.isnan(weight):
        return "not computed"
    shown = overlay.written.get(index, (config, maps.numbers(config)))
    frame = maps.kept(index)
    if frame is None or frame.gap != shown[0].gap or not frame.suffices(shown[0]):
        return f"weight {weight:.2f}"
    return sentence(terms_at(frame, *shown, inner), shown[0], maps.reading.pieces)


def _nothing() -> str:
    return ""
