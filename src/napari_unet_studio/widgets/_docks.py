"""Docks of this plugin, found and opened from one another."""

from collections.abc import Callable
from typing import TypeVar, cast

import napari.viewer
from qtpy.QtWidgets import QDockWidget

from napari_unet_studio.widgets._base import StudioWidget

PLUGIN = "napari-unet-studio"
_SHOWN = "U-Net Studio"  # what the menu calls it; see the manifest

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


def in_front(
    viewer: "napari.viewer.Viewer",
    kind: type[Kind],
    title: str,
    tabify: bool = False,
) -> Kind:
    """Return the widget of a kind, brought to the front, or opened if there is none.

    It is opened under the name that napari's menu gives it, so that the menu finds it.

    Parameters
    ----------
    viewer
        The viewer.
    kind
        Class of the widget.
    title
        Its name in the manifest.
    tabify
        Open it as a tab on the docks that are there, not below them.
    """
    found = docked(viewer, kind)
    if found is None:
        make = cast("Callable[[napari.viewer.Viewer], Kind]", kind)
        made = make(viewer)
        name = f"{title} ({_SHOWN})"
        viewer.window.add_dock_widget(made, name=name, tabify=tabify)
        return made
    dock = found.parent()
    assert isinstance(dock, QDockWidget)
    dock.show()
    dock.raise_()
    return found
