"""Layers that come and go without taking anything out of the user's hands."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from napari_unet_studio.layers import LayerTuple, add_tuples


@contextmanager
def same_selection(viewer: Any) -> Iterator[None]:
    """Keep the selected layers: whoever is painting goes on in the same layer."""
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    yield
    selected &= set(viewer.layers)
    active = active if active in viewer.layers else None
    selection.active = active  # one change where a single layer was selected
    if selected != set(selection):
        selection.update(selected)
        selection.intersection_update(selected)
        selection.active = active


@contextmanager
def same_view(viewer: Any) -> Iterator[None]:
    """Keep the field of view: napari shows all if there is an axis more."""
    # napari 0.9 moved the camera; the old place warns.
    camera = getattr(viewer, "scene", viewer).camera
    before = camera.center, camera.zoom
    yield
    camera.center, camera.zoom = before


def add_quietly(viewer: Any, made: Sequence[LayerTuple]) -> list[Any]:
    """Add layers and leave the selection alone."""
    with same_selection(viewer):
        return add_tuples(viewer, made)


def put(viewer: Any, made: LayerTuple, old: Any = None) -> Any:
    """Add a layer in the place of an old one, if that is still there."""
    with same_selection(viewer), same_view(viewer):
        (layer,) = add_tuples(viewer, [made])
        drop(viewer, old)
    return layer


def drop(viewer: Any, layer: Any) -> None:
    """Remove a layer if it is still there."""
    if layer is not None and layer in viewer.layers:
        with same_selection(viewer):
            viewer.layers.remove(layer)


def remove_layers(viewer: Any, layers: Iterable[Any]) -> None:
    """Remove the layers that are still there, all at once.

    napari searches its memory for garbage after each removal, which takes some tenths
    of a second. Removed as its selection they come off in one go; and where OpenGL is
    software (Mesa), napari 0.9 does not survive the next drawing if two go otherwise.
    Layers that somebody locked stay, and napari says so.
    """
    there = {layer for layer in layers if layer in viewer.layers}
    if not there:
        return
    # If one of them was worked with, napari chooses what comes after.
    own = viewer.layers.selection.active in there
    with nullcontext() if own else same_selection(viewer):
        viewer.layers.selection = there
        viewer.layers.remove_selected()
