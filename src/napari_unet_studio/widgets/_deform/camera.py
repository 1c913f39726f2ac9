"""The view moved to some layers, and back."""

from typing import Any

import numpy as np


class Camera:
    """Moves the view to some layers, and back if nobody moved it since.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before = self._now()
        self._after: tuple[Any, ...] | None = None

    @property
    def moved(self) -> bool:
        """Whether the view was moved to the layers."""
        return self._after is not None

    def fit(self, layers: list[Any]) -> None:
        """Show all of these layers that are in the viewer."""
        viewer = self._viewer
        viewer.reset_view()
        if (
            viewer.dims.ndisplay == 2
            and viewer.dims.displayed[0] == viewer.dims.ndim - 2
        ):
            # From all layers to these; napari cannot do it for layers of unlike axes.
            boxes = [y.extent.world[:, -2:] for y in layers if y in viewer.layers]
            low, high = np.min(boxes, axis=(0, 1)), np.max(boxes, axis=(0, 1))
            whole = np.ptp(viewer.layers.extent.world[:, -2:], axis=0)
            camera = self._camera
            camera.zoom *= float(np.min(whole / np.maximum(high - low, 1e-9)))
            camera.center = (*camera.center[:-2], *((low + high) / 2).tolist())
        self._after = self._now()

    def back(self) -> None:
        """Show what was shown before."""
        if self._after is not None and self._after == self._now():
            camera = self._camera
            camera.center, camera.zoom = self._before

    @property
    def _camera(self) -> Any:
        # napari 0.9 moved it; the old place warns.
        return getattr(self._viewer, "scene", self._viewer).camera

    def _now(self) -> tuple[Any, ...]:
        return tuple(self._camera.center), self._camera.zoom
