"""Layers that are written again, but only while they are as this plugin left them.

One that the user painted in, or filled with other data, is the user's from then on, and
what comes next goes into a new layer.
"""

import zlib
from typing import Any

import napari.viewer
import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_unet_studio.layers import LayerTuple, add_tuples
from napari_unet_studio.widgets._step import plain

_WHOLE = 2**24  # bytes that are looked at; the window stands still meanwhile
_WORDS = 509  # sums of a checksum
_RUN = 4096  # bytes of a larger array that are looked at in one place


class Written:
    """A layer, and how this plugin left it.

    Of an array of more than 16 MB not every byte is looked at, but what napari tells of
    is noticed everywhere: strokes of the brush and arrays put in its place.

    Parameters
    ----------
    layer
        As this plugin has just written it.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        for name in ("data", "labels_update", "paint"):
            if hasattr(layer.events, name):
                # napari holds the method weakly: it goes with this object.
                getattr(layer.events, name).connect(self._on_change)
        self.renew()

    def renew(self) -> None:
        """Remember the layer as it is now."""
        self._checksum = _checksum(self.layer.data)
        self._changed = False

    @property
    def intact(self) -> bool:
        """Whether nobody else has changed the data since."""
        data = self.layer.data
        if self._changed and getattr(data, "nbytes", 0) > _WHOLE:
            return False
        return _checksum(data) == self._checksum

    def _on_change(self, event: Any = None) -> None:
        self._changed = True


def write(
    viewer: "napari.viewer.Viewer",
    new: LayerTuple,
    before: Written | None,
    any_shape: bool = False,
    in_place: bool = False,
) -> tuple[Written, str]:
    """Write data into the layer they were in before, or into a new one.

    Parameters
    ----------
    viewer
        Where the layers are.
    new
        The data, and the keyword arguments of a layer for them.
    before
        The layer of the data before these, if there is one. It is used again, with its
        name and its looks, if it is still there, untouched and of the same shape.
    any_shape
        Use it again also with another shape of as many axes.
    in_place
        The data lie where those before lay: the place of the layer need not be set,
        for each part of which napari would draw it again.

    Returns
    -------
    written
        The layer.
    note
        A sentence for the user, or "".
    """
    data, options, _ = new
    if (
        before is None
        or before.layer not in viewer.layers
        or before.layer.ndim != data.ndim
        or not (any_shape or before.layer.data.shape == data.shape)
    ):
        return Written(add_tuples(viewer, [new])[0]), ""
    layer = before.layer
    if not before.intact:
        added = add_tuples(viewer, [new])[0]
        note = (
            f"You edited {layer.name!r}: it stays as it is, and the new result is in "
            f"{added.name!r}."
        )
        return Written(added), note
    # Redone on the new pixels and undone again, a stroke would leave old ones.
    for name in ("_undo_history", "_redo_history"):
        getattr(plain(layer), name, []).clear()
    layer.data = data
    if not in_place:
        for name in ("scale", "translate", "rotate", "shear", "affine", "units"):
            if name in options:
                setattr(layer, name, options[name])
        layer.axis_labels = options["axis_labels"]
    layer.metadata = {**layer.metadata, **options["metadata"]}
    before.renew()
    return before, ""


def _sums(pixels: NDArray[np.uint8]) -> int:
    """Return a checksum of sums of every 509th word: faster than one of all bytes.

    509 is no multiple of a usual row, so that pixels count where they are.
    """
    words = pixels[: pixels.size // (8 * _WORDS) * 8 * _WORDS].view(np.uint64)
    sums = words.reshape(-1, _WORDS).sum(axis=0)
    return zlib.crc32(sums.data, zlib.crc32(pixels[words.nbytes :].data))


def _checksum(data: Any) -> int:
    """Return a number that tells arrays apart; -1 for data that is no numpy array."""
    if not isinstance(data, np.ndarray):
        return -1
    if data.nbytes <= _WHOLE:
        return _sums(np.ascontiguousarray(data).reshape(-1).view(np.uint8))
    if not data.flags.c_contiguous:  # not one of ours
        return -1
    pixels = data.reshape(-1).view(np.uint8)
    runs = pixels[: pixels.size // _RUN * _RUN].reshape(-1, _RUN)
    step = -(-data.nbytes // _WHOLE)
    return zlib.crc32(np.ascontiguousarray(runs[::step]).data)
