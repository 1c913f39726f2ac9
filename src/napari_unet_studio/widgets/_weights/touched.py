"""Which frames of labels an edit has changed."""

from collections.abc import Set
from itertools import product
from typing import Any

import numpy as np

from napari_unet_studio.widgets._controls import displayed_axes
from napari_unet_studio.widgets._weights.overlay import Overlay
from napari_unet_studio.widgets._weights.record import Index


def touched_by(event: Any, overlay: Overlay) -> set[Index | None]:
    """Return the frames that an edit has changed.

    Parameters
    ----------
    event
        What napari told of the edit, or None.
    overlay
        The weight map of the labels, with the frames as they are now.

    Returns
    -------
    set
        Indices of the frames along the leading axes; None among them stands for any.
    """
    kind = getattr(event, "type", "")
    lead = len(overlay.maps.leading)
    if kind == "labels_update" and _edits_one_frame(overlay, lead):
        return {overlay.in_view()[0]}
    found: set[Index | None] = set()
    if kind == "set_data":
        # An undo, which may be in a frame out of view, a redo, or the end of a stroke.
        # What was changed is the last entry of one of the two histories.
        for name in ("_undo_history", "_redo_history"):
            for entry in list(getattr(overlay.labels, name, ()))[-1:]:
                for atom in entry:
                    found |= _frames(atom[0], overlay.maps.shape[:lead])
    return found or {None}


def order_after(
    overlay: Overlay, touched: Set[Index | None], only: bool
) -> list[Index]:
    """Return the frames to compute after an edit, the one in view first.

    Parameters
    ----------
    overlay
        The weight map.
    touched
        The frames that were edited; None among them stands for any.
    only
        Leave out the others.
    """
    order = overlay.order()
    if overlay.in_view_only:
        known = sorted(index for index in touched if index is not None)
        order += [index for index in known if index not in order]
        if None in touched:  # looked at again when they come into view
            overlay.written.clear()
    if only and None not in touched:
        order = [index for index in order if index in touched]
    return order


def _edits_one_frame(overlay: Overlay, lead: int) -> bool:
    """Whether the brush stays within the frame in view."""
    labels, dims = overlay.labels, overlay.viewer.dims
    shift = dims.ndim - labels.ndim
    edited = [axis - shift for axis in dims.order[-labels.n_edit_dimensions :]]
    edited += displayed_axes(overlay.viewer, labels.ndim)
    return all(axis >= lead for axis in edited)


def _frames(key: Any, leading: tuple[int, ...]) -> set[Index]:
    """Return the frames of an index into the labels: slices, or arrays of numbers."""
    places = key[: len(leading)]
    if all(isinstance(place, slice) for place in places):
        steps = zip(places, leading, strict=True)
        return set(product(*(range(*place.indices(n)) for place, n in steps)))
    return set(zip(*(np.ravel(place).tolist() for place in places), strict=True))
