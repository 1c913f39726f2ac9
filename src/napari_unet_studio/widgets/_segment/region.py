"""The choice of the part of an image to work on."""

import weakref
from typing import Any

import napari.viewer
from napari.layers import Shapes
from qtpy.QtCore import QSignalBlocker

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import Region, Source, shapes_region, visible_region
from napari_unet_studio.widgets._segment.rows import combo_box

WHOLE, VIEW = "Whole image", "Field of view"


class RegionChoice:
    """A combo box: the whole image, what is on screen, or inside a Shapes layer.

    Parameters
    ----------
    viewer
        Whose Shapes layers are offered.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        self.viewer = viewer
        self.combo = combo_box(
            "The part of the image to work on: all of it, what is on screen (the plane "
            "on screen of a stack or a series; a 3D model takes all its sections), or "
            "the box around the shapes of a layer, in all planes if they were drawn in "
            "one. The result has the size of the part and lies in its place."
        )
        self._shapes: list[Shapes] = []
        self.refresh()

    def refresh(self) -> None:
        """Offer the Shapes layers there are; the choice stays."""
        chosen = self.shapes
        index = min(self.combo.currentIndex(), 2)
        self._shapes = [x for x in self.viewer.layers if isinstance(x, Shapes)]
        with QSignalBlocker(self.combo):
            self.combo.clear()
            self.combo.addItems([WHOLE, VIEW])
            self.combo.addItems([f"Inside {layer.name}" for layer in self._shapes])
            if chosen is not None:
                known = chosen in self._shapes
                index = 2 + self._shapes.index(chosen) if known else 0
            self.combo.setCurrentIndex(max(0, index))

    @property
    def shapes(self) -> Shapes | None:
        """The chosen Shapes layer, if one is."""
        index = self.combo.currentIndex() - 2
        return self._shapes[index] if 0 <= index < len(self._shapes) else None

    @property
    def key(self) -> Any:
        """What tells choices apart, whatever layers are called."""
        shapes = self.shapes
        return self.combo.currentIndex() if shapes is None else weakref.ref(shapes)

    @property
    def where(self) -> str:
        """The part in words, for the names of results."""
        if self.shapes is not None:
            return f"in {self.shapes.name}"
        return "in view" if self.combo.currentText() == VIEW else ""

    def choose(self, what: str | Shapes) -> None:
        """Choose the whole image, the field of view, or a Shapes layer."""
        self.refresh()
        if isinstance(what, str):
            self.combo.setCurrentIndex(self.combo.findText(what))
        else:
            self.combo.setCurrentIndex(2 + self._shapes.index(what))

    def read(self, source: Source, ndim: int) -> Region | None:
        """Return the part in pixels of an image; None is all of it.

        Parameters
        ----------
        source
            The image.
        ndim
            Spatial axes of the network.

        Raises
        ------
        InputError
            If the part is empty or outside the image.
        """
        if self.shapes is not None:
            return shapes_region(source, self.shapes)
        if self.combo.currentText() != VIEW:
            return None
        region = visible_region(self.viewer, source, ndim)
        if region is None:
            raise InputError(
                f"Nothing of the image {source.name!r} is on screen; move the view "
                "onto it, or choose another region."
            )
        return region

    def on_screen(self, source: Source, ndim: int) -> Region | None:
        """Return what of an image is on screen, if that is a part to begin with."""
        try:
            return visible_region(self.viewer, source, ndim)
        except InputError:
            return None
