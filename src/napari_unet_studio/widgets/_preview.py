"""The live preview of a training: one layer, in its place, changed in place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import napari.layers
import numpy as np

from napari_unet_studio.layers import METADATA_KEY, Source

if TYPE_CHECKING:
    from napari_unet_studio.tasks.validate import Preview

NAME = "training preview"
_FRAME = re.compile(r"(.*) \[([0-9, ]+)\]")


@dataclass(frozen=True, eq=False)
class Place:
    """Where a training image was when the training began.

    Parameters
    ----------
    source
        The image.
    """

    source: Source

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of the image without channels."""
        shape = list(self.source.data.shape)
        if self.source.channel_axis is not None:
            del shape[self.source.channel_axis]
        return tuple(shape)

    def options(self, offset: tuple[int, ...]) -> dict[str, Any]:
        """Return the keyword arguments of a layer that starts at a pixel of the image.

        Examples
        --------
        >>> source = Source(
        ...     "a", np.zeros((8, 9)), "YX", None, (2.0, 2.0), {"scale": (2, 2)}
        ... )
        >>> Place(source).options((0, 3))["affine"][:, -1]
        array([0., 6., 1.])
        """
        spatial = dict(self.source.spatial)
        if not any(offset):
            return spatial
        # A layer of one pixel knows the way from pixels to the world.
        guide = napari.layers.Image(np.zeros((1,) * len(offset), np.uint8), **spatial)
        scale = np.asarray(guide.scale)
        matrix = np.eye(len(offset) + 1)
        origin = np.asarray(guide.data_to_world(offset))
        matrix[:-1, -1] = origin
        for axis, step in enumerate(np.eye(len(offset))):
            there = guide.data_to_world(tuple(np.asarray(offset) + step))
            matrix[:-1, axis] = (np.asarray(there) - origin) / scale[axis]
        placed = {"scale": scale, "affine": matrix}
        kept = {k: spatial[k] for k in ("units", "axis_labels") if k in spatial}
        return placed | kept


def locate(
    preview: "Preview", places: Iterable[Place]
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return the shape and the keyword arguments of the layer that shows a frame.

    A frame of a stack gets the stack's axes, so that it is seen where it belongs. A
    part of a frame is the end that was held out. Without its image, it is plain pixels.
    """
    known = {place.source.name: place for place in places}
    size = preview.probability.shape
    place = known.get(preview.name)
    index: tuple[int, ...] = ()
    found = _FRAME.fullmatch(preview.name)
    if (place is None or len(place.shape) != len(size)) and found:
        place = known.get(found.group(1))
        index = tuple(int(n) for n in found.group(2).replace(" ", "").split(",") if n)
    if place is None or len(index) + len(size) != len(place.shape):
        return size, {}
    rest = place.shape[len(index) :]
    if any(small > large for small, large in zip(size, rest, strict=True)):
        return size, {}
    ends = [large - small for small, large in zip(size, rest, strict=True)]
    return (1,) * len(index) + size, place.options((*index, *ends))


class PreviewLayer:
    """Shows previews in one Image layer of a viewer.

    Parameters
    ----------
    viewer
        The napari viewer.
    places
        The training images.
    classes
        Whether previews hold class indices instead of probabilities.
    """

    def __init__(self, viewer: Any, places: Iterable[Place], classes: bool) -> None:
        self._viewer = viewer
        self._places = tuple(places)
        self._classes = classes
        self.layer: napari.layers.Image | None = None

    def show(self, preview: "Preview") -> None:
        """Add the layer, or change its pixels; one that the user deleted stays away."""
        if self.layer is None:
            self._add(preview)
        elif self.layer in self._viewer.layers:
            self.layer.data = preview.probability.reshape(self.layer.data.shape)
        if self._classes and self.layer is not None:
            highest = max(1.0, float(preview.probability.max()))
            if highest > self.layer.contrast_limits[1]:
                self.layer.contrast_limits = (0, highest)

    def remove(self) -> None:
        """Remove the layer, if it is still there."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _add(self, preview: "Preview") -> None:
        shape, options = locate(preview, self._places)
        selection = self._viewer.layers.selection
        selected, active = set(selection), selection.active
        self.layer = self._viewer.add_image(
            preview.probability.reshape(shape),
            name=NAME,
            colormap="magma",
            blending="additive",
            contrast_limits=(0, 1),
            metadata={METADATA_KEY: {"preview of": preview.name}},
            **options,
        )
        # Whoever is painting goes on in the same layer.
        selection.clear()
        selection.update(selected)
        selection.active = active
