"""Docks of this plugin, found and opened from one another."""

from typing import TypeVar

import napari.viewer
from qtpy.QtWidgets import QDockWidget

from napari_unet_studio.widgets._base import StudioWidget

PLUGIN = "napari-unet-studio"

Kind = TypeVar("Kind", bound=StudioWidget)


def docked(viewer: "napari.viewer.Viewer", kind: type[Kind]) -> Kind | None:
    """Return the widget of a kind that is open in a viewer, if one is.

    It has another name if it was opened from a menu than from a script, and napari
    would open a second one.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, kind) and isinstance(widget.parent(), QDockWidget):
            return widget
    return None


def in_front(viewer: "napari.viewer.Viewer", kind: type[Kind], title: str) -> Kind:
    """Return the widget of a kind, brought to the front, or opened if there is none.

    Parameters
    ----------
    viewer
        The viewer.
    kind
        Class of the widget.
    title
        Its name in the manifest.
    """
    found = docked(viewer, kind)
    if found is None:
        _, made = viewer.window.add_plugin_dock_widget(PLUGIN, title)
        assert isinstance(made, kind)
        return made
    dock = found.parent()
    assert isinstance(dock, QDockWidget)
    dock.show()
    dock.raise_()
    return found
