"""The axes of a layer that does not name them itself: from its file or its model."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.layers.results import METADATA_KEY

if TYPE_CHECKING:
    from napari.layers import Layer

# napari's own reader hands on pixels as they lie in a file; others turn and split them.
_PLAIN_READERS = ("napari", "builtins")

# A docked form asks at every change, and a file need not be near.
_stated: WeakKeyDictionary["Layer", tuple[str, Shape]] = WeakKeyDictionary()


def has_names(layer: "Layer") -> bool:
    """Return whether the axes of a layer are called anything but "-2" and "-1"."""
    unnamed = tuple(str(axis - layer.ndim) for axis in range(layer.ndim))
    return tuple(map(str, layer.axis_labels)) != unnamed


def axes_besides(layer: "Layer") -> str:
    """Return one letter for each axis of a layer, "?" where nothing tells its name.

    Told are the axes of a result by what made it, others by the header of the file that
    napari's own reader took the layer from, if the layer still has its shape.
    """
    made = str(layer.metadata.get(METADATA_KEY, {}).get("axes", ""))
    if len(made) == layer.ndim:
        return made
    axes, shape = _in_file(layer)
    finest = layer.data[0] if layer.multiscale else layer.data
    if shape and tuple(int(n) for n in finest.shape) == shape:
        if getattr(layer, "rgb", False):
            axes = axes[:-1]
        known = axes.replace("?", "")
        one_each = len(set(known)) == len(known)
        colours = "C" in axes and layer.__class__.__name__ == "Labels"
        if len(axes) == layer.ndim and one_each and not colours:
            return axes
    return "?" * int(layer.ndim)


def _in_file(layer: "Layer") -> tuple[str, Shape]:
    """Return what the file of a layer states; nothing if there is none to be read."""
    path, reader = layer.source.path, layer.source.reader_plugin
    if not path or reader not in _PLAIN_READERS:
        return "", ()
    if layer not in _stated:
        from napari_unet_studio.io.stated_axes import stated_axes

        try:
            _stated[layer] = stated_axes(path)
        except StudioError:  # moved, damaged or behind an address: nothing is known
            _stated[layer] = "", ()
    return _stated[layer]
