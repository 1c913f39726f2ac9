"""Layers that are written again, but only while they are as this plugin left them.

One that the user painted in, or filled with other data, is the user's from then on, and
what comes next goes into a new layer. So it is with labels whose objects the user wrote
something about: other pixels have other objects by the same ids.
"""

import zlib
from typing import Any

import napari.viewer
import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_unet_studio.core.measure_columns import is_measured
from napari_unet_studio.layers import LayerTuple, add_tuples
from napari_unet_studio.layers.reading import ID_COLUMNS
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

    @property
    def columns(self) -> list[str]:
        """Names of the columns about its objects."""
        table = getattr(self.layer, "features", None)
        return [] if table is None else [str(name) for name in table.columns]

    @property
    def noted(self) -> list[str]:
        """Those that are no measures: the user may have made them.

        A column "class" may come from the object table as well.
        """
        names = self.columns
        return [x for x in names if x not in ID_COLUMNS and not is_measured(x)]

    def forget_table(self) -> None:
        """Drop the measures of its objects, for other ones that get their ids.

        napari's status bar would tell those of the objects before.
        """
        if self.columns:
            self.layer.features = {}

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
    reason, other = "", bool(before.columns) and _differ(layer.data, data)
    if not before.intact:
        reason = f"You edited {layer.name!r}"
    elif other and before.noted:
        # Of new objects what the user wrote is not true, and it cannot be made again.
        reason = f"The table of {layer.name!r} has the column {before.noted[0]!r}"
    if reason:
        added = add_tuples(viewer, [new])[0]
        note = f"{reason}: it stays as it is, and the new result is in {added.name!r}."
        return Written(added), note
    if other:
        before.forget_table()
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


def _differ(old: Any, new: Any) -> bool:
    """Return whether pixels are others, or may be, where they are not in memory."""
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return not np.array_equal(old, new)
    return old is not new


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
