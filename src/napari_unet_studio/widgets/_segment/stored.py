"""A result that is shown from the folder it was written to."""

from typing import TYPE_CHECKING, Any

import napari.viewer
from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_unet_studio.layers import add_tuples, moved, stored_tuples
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment.shown import Shown

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig


class StoredResult(Shown):
    """Multiscale layers of a result in a folder; settings count for the next run.

    Parameters
    ----------
    viewer, run, parent
        As in :class:`.Shown`.
    stored
        What the task returned.
    """

    live = False

    def __init__(
        self, viewer: "napari.viewer.Viewer", run: Run, parent: QObject, stored: Any
    ) -> None:
        super().__init__(viewer, run, parent)
        self.path = stored.path
        self.card = stored.card
        self.config = stored.config
        self.source = moved(run.source, None)
        self._made_with: ObjectConfig = stored.objects
        self._wanted: ObjectConfig = stored.objects
        self._added = add_tuples(viewer, stored_tuples(stored, run.source))
        if self.card.target == "objects":
            count = stored.count
            self.found = (
                f"{count:,} object{'s' * (count != 1)}" if count else "no objects"
            )
        else:
            self.found = "classes mapped"

    @property
    def layers(self) -> list[Layer]:
        """Its layers, the labels last."""
        return self._added

    @property
    def objects(self) -> "ObjectConfig":
        """The settings that the next run takes."""
        return self._wanted

    def redraw(self, objects: "ObjectConfig") -> None:
        """Remember settings; the stored labels stay."""
        self._wanted = objects

    def _shown_objects(self) -> "ObjectConfig":
        return self._made_with
