"""The live preview of a training: one layer, in its place, changed in place."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import napari.layers
import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.widgets._train.place import Place, locate
from napari_unet_studio.widgets._viewing import same_selection

if TYPE_CHECKING:
    from napari_unet_studio.tasks.training.judging import Preview

NAME = "training preview"
# Longest side of what is shown: the window would stall on more.
_LONGEST, _DEEPEST = 1024, 64


class PreviewLayer:
    """Shows previews in one Image layer of a viewer.

    Those of a file lie on a layer with its image, to the right of all others.

    Parameters
    ----------
    viewer
        The napari viewer.
    places
        The training images.
    classes
        Whether previews hold class indices instead of probabilities.

    Attributes
    ----------
    title
        The image and the slice that are shown, such as "stack, z 16".
    place
        Of that image if it is a layer.
    """

    def __init__(self, viewer: Any, places: Iterable[Place], classes: bool) -> None:
        self._viewer = viewer
        self._places = tuple(places)
        self._classes = classes
        self.held_out: tuple[HeldOut, ...] = ()
        self.layer: napari.layers.Image | None = None
        self.title = ""
        self.place: Place | None = None
        self._backdrop: napari.layers.Image | None = None

    def show(self, preview: "Preview") -> None:
        """Add the layer, or change its pixels; one that the user deleted stays away."""
        pixels, _ = middle(preview.probability)
        if self.layer is None:
            self._add(preview)
        elif self.layer in self._viewer.layers:
            self.layer.data = pixels.reshape(self.layer.data.shape)
        if self._classes and self.layer is not None:
            highest = max(1.0, float(pixels.max()))
            if highest > self.layer.contrast_limits[1]:
                self.layer.contrast_limits = (0, highest)

    @property
    def layers(self) -> list[napari.layers.Image]:
        """All layers that were added."""
        return [layer for layer in (self.layer, self._backdrop) if layer is not None]

    @property
    def there(self) -> bool:
        """Whether the user has not deleted the layer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def reveal(self) -> None:
        """Go to the slice of the preview, and show its image beneath it.

        What lies over the image and would hide it is made invisible.
        """
        if self.layer is None or self.place is None or not self.there:
            return
        shape = self.layer.data.shape
        point = self.layer.data_to_world([(n - 1) // 2 for n in shape])
        dims = self._viewer.dims
        for axis, at in enumerate(point, start=dims.ndim - len(point)):
            if axis not in dims.displayed:
                dims.set_point(axis, at)
        self.layer.visible = True
        below = False
        for layer in self._viewer.layers:
            if layer.name == self.place.source.name:
                below = layer.visible = True
            elif below and _hides(layer) and layer not in self.layers:
                layer.visible = False

    def _add(self, preview: "Preview") -> None:
        shape, first, place = locate(preview, self._places, self.held_out)
        name = preview.name if place is None else place.source.name
        self.place = place
        self.title = name if place is None else _title(place, first, preview)
        pixels, inset = middle(preview.probability)
        leading = len(shape) - pixels.ndim
        start = np.add(first, (*(0,) * leading, *inset)).tolist()
        common: dict[str, Any] = {
            "metadata": {METADATA_KEY: {"preview of": preview.name}}
        }
        if place is None:
            common["translate"] = (*(0,) * (pixels.ndim - 1), _beside(self._viewer))
        else:
            common |= place.options(start)
        with same_selection(self._viewer):
            if place is None:  # a file, which is seen nowhere else
                self._backdrop = self._viewer.add_image(
                    middle(preview.image)[0],
                    name=f"{NAME} of {name}, image",
                    **common,
                )
            self.layer = self._viewer.add_image(
                pixels.reshape((1,) * leading + pixels.shape),
                name=f"{NAME} of {name}",
                colormap="magma",
                blending="additive",
                opacity=0.6,  # of labels below it something is still seen
                contrast_limits=(0, 1),
                **common,
            )


def _title(place: Place, first: Sequence[int], preview: "Preview") -> str:
    """Return the image of a frame and where in it the frame is."""
    leading = len(first) - preview.probability.ndim
    axes = place.source.axes.lower()
    at = [f"{axis} {n}" for axis, n in zip(axes, first[:leading], strict=False)]
    return ", ".join([place.source.name, *at])


def _hides(layer: Any) -> bool:
    """Return whether nothing is seen of what lies beneath an image."""
    seen_through = layer.blending in ("additive", "minimum", "multiplicative")
    return isinstance(layer, napari.layers.Image) and not seen_through


def _beside(viewer: Any) -> float:
    """Return where there is room to the right of all layers."""
    if not len(viewer.layers):
        return 0.0
    left, right = viewer.layers.extent.world[:, -1]
    return float(right + 0.05 * (right - left))


def middle(
    pixels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], Sequence[int]]:
    """Return what is shown of a frame, and where it begins: all but of a large one.

    Examples
    --------
    >>> shown, start = middle(np.zeros((3000, 80), np.float32))
    >>> shown.shape, start
    ((1024, 80), [988, 0])
    """
    limits = [_DEEPEST] * (pixels.ndim - 2) + [_LONGEST] * 2
    sizes = [min(n, most) for n, most in zip(pixels.shape, limits, strict=True)]
    start = [(n - size) // 2 for n, size in zip(pixels.shape, sizes, strict=True)]
    box = tuple(slice(a, a + n) for a, n in zip(start, sizes, strict=True))
    return pixels[box], start
