"""Layers that are written again, but only while they are as this plugin left them.

One that the user painted in, or filled with other data, is the user's from then on, and
what comes next goes into a new layer.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import napari.viewer
import numpy as np
from napari.layers import Layer

from napari_unet_studio.layers import LayerTuple, add_tuples


@dataclass(frozen=True)
class Written:
    """A layer, with a checksum of what this plugin wrote into it."""

    layer: Layer
    checksum: int

    @classmethod
    def of(cls, layer: Layer) -> "Written":
        """Remember a layer as it is now."""
        return cls(layer, _checksum(layer.data))

    @property
    def intact(self) -> bool:
        """Whether nobody else has changed the data since."""
        return _checksum(self.layer.data) == self.checksum


def write(
    viewer: "napari.viewer.Viewer", new: LayerTuple, before: Written | None
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
        or before.layer.data.shape != data.shape
    ):
        return Written.of(add_tuples(viewer, [new])[0]), ""
    layer = before.layer
    if not before.intact:
        added = add_tuples(viewer, [new])[0]
        note = (
            f"You edited {layer.name!r}: it stays as it is, and the new result is in "
            f"{added.name!r}."
        )
        return Written.of(added), note
    layer.data = data
    for name in ("scale", "translate", "rotate", "shear", "affine", "units"):
        if name in options:
            setattr(layer, name, options[name])
    layer.axis_labels = options["axis_labels"]
    layer.metadata = {**layer.metadata, **options["metadata"]}
    return Written.of(layer), ""


def _checksum(data: Any) -> int:
    """Return a number that tells arrays apart; -1 for data that is no numpy array."""
    if not isinstance(data, np.ndarray):
        return -1
    return zlib.crc32(np.ascontiguousarray(data).data)
