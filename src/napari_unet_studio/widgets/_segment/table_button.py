"""The way from labels to the table of their objects."""

import napari.viewer
from napari.layers import Layer

from napari_unet_studio.widgets._docks import in_front


def open_table(viewer: "napari.viewer.Viewer", labels: Layer) -> str:
    """Open the object table with a layer chosen.

    Returns
    -------
    str
        What there is to say to the user, or "".
    """
    if labels not in viewer.layers:
        return "There are no labels to measure: their layer was removed."
    from napari_unet_studio.widgets.table import TableWidget

    in_front(viewer, TableWidget, "Object table").choose(labels)
    return ""
