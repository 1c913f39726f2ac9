"""What is known of a result while it is computed: one layer, filled tile by tile."""

import time
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING, Any

import napari.viewer
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_studio.layers import (
    METADATA_KEY,
    PROBABILITY,
    Source,
    image_tuple,
    part_of,
)
from napari_unet_studio.widgets._controls import timer
from napari_unet_studio.widgets._viewing import same_selection

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_unet_studio.io.model import ModelCard

_INTERVAL = 0.2  # seconds between two refreshes, at least
_DELAY = 0.05  # seconds in which Qt has begun to draw
_SHARE = 0.2  # of the window's time may go into them
_PLANE = 2**24  # pixels of a plane that are shown; of a larger one only every nth
_VOLUME = 2**24  # voxels that are shown in 3D; more are shown when all is done


class ProvisionalLayer(QObject):
    """Shows the probabilities of a run while its tiles come in.

    The layer shares its pixels with the task, so that nothing is copied; it is drawn
    anew at most five times a second, and less often where drawing takes long.

    Parameters
    ----------
    viewer
        Where the layer goes.
    image
        The layer that is predicted.
    source
        What is predicted of it, with its region.
    card
        Of the model.
    parent
        The widget.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        image: "Layer",
        source: Source,
        card: "ModelCard",
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image = image
        self._source = source
        self._title = f"{source.title} – so far{_of_classes(card)}"
        self._dropped = self._alone = False
        self._pause = _INTERVAL
        self._last = 0.0
        self._timer = timer(self, 50, self._refresh)
        self._clock = timer(self, round(1000 * _DELAY), self._on_drawn)
        self.layer: Any = None
        viewer.layers.events.removed.connect(self._on_removed)

    def show(self, probabilities: NDArray[np.float32]) -> None:
        """Show what there is; a layer that the user deleted stays away.

        Parameters
        ----------
        probabilities
            Shape (C, *image axes), filled by the task; 0 where nothing is known yet.
            Of several classes the largest one but that of the first is shown.
        """
        if self._dropped or self._alone:
            return
        if self.layer is None:
            if not self._too_large(probabilities[0].size):
                self._add(probabilities)
        elif self.layer not in self._viewer.layers:
            self.layer, self._dropped = None, True
            self._timer.stop()
        elif not (self._timer.isActive() or self._clock.isActive()):
            wait = self._pause - (time.monotonic() - self._last)
            self._timer.start(max(0, round(1000 * wait)))

    def remove(self) -> None:
        """Remove the layer, if it is still there; nothing is shown any more."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._timer.stop()
        self._clock.stop()
        self._dropped = True
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _on_removed(self, event: Any) -> None:
        """Draw no more once the image is gone.

        A layer that is drawn anew after one beneath it was removed can end the process
        (napari 0.9 with vispy 0.17 on software OpenGL).
        """
        if event.value is self._image:
            self._alone = True
            self._timer.stop()

    def _add(self, probabilities: NDArray[np.float32]) -> None:
        step = ceil(sqrt(max(1.0, prod(probabilities.shape[-2:]) / _PLANE)))
        pixels = probabilities[..., ::step, ::step]
        shown = pixels[-1] if len(pixels) < 3 else Largest(pixels[1:])
        looks = {**PROBABILITY, "metadata": {METADATA_KEY: {"model": ""}}}
        _, options, _ = image_tuple(shown, self._source, self._title, {}, **looks)
        steps = (1,) * (shown.ndim - 2) + (step, step)
        place = self._source.of(self._source.region)
        options |= part_of(place, np.subtract(steps, 1) / 2, steps)
        with same_selection(self._viewer):
            self.layer = self._viewer.add_image(shown, **options)
        self._measure()

    def _refresh(self) -> None:
        layer = self.layer
        if layer is None or layer not in self._viewer.layers:
            return
        if self._too_large(layer.data.size):
            return
        self._measure()
        layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _too_large(self, voxels: int) -> bool:
        return bool(self._viewer.dims.ndisplay == 3 and voxels > _VOLUME)

    def _measure(self) -> None:
        """Measure how long drawing keeps the window busy: so late a timer comes."""
        self._last = time.monotonic()
        self._clock.start()

    def _on_drawn(self) -> None:
        busy = time.monotonic() - self._last - _DELAY
        self._last += busy
        self._pause = max(_INTERVAL, busy / _SHARE)


class Largest:
    """The largest of several probabilities, found where napari looks at it.

    Parameters
    ----------
    probabilities
        Shape (C, *image axes).
    """

    def __init__(self, probabilities: NDArray[np.float32]) -> None:
        self._probabilities = probabilities
        self.shape = probabilities.shape[1:]
        self.ndim, self.dtype = len(self.shape), probabilities.dtype
        self.size = prod(self.shape)

    def __getitem__(self, key: Any) -> Any:
        places = key if isinstance(key, tuple) else (key,)
        return self._probabilities[(slice(None), *places)].max(axis=0)


def _of_classes(card: "ModelCard") -> str:
    """Say which classes are shown, if the model has classes."""
    if card.target == "objects":
        return ""
    first, *others = card.class_values
    return f", class {others[0]}" if len(others) == 1 else f", all classes but {first}"
