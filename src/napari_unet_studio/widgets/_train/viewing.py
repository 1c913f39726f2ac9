"""Adding and removing layers without taking anything out of the user's hands."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def same_selection(viewer: Any) -> Iterator[None]:
    """Keep the selected layers: whoever is painting goes on in the same layer."""
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    yield
    selection.clear()
    selection.update(selected)
    selection.active = active


def remove_layers(viewer: Any, layers: Iterable[Any]) -> None:
    """Remove the layers that are still there, all at once.

    napari searches its memory for garbage after each removal, which takes some tenths
    of a second.
    """
    there = [layer for layer in layers if layer in viewer.layers]
    if not there:
        return
    with viewer.layers.batched_update():
        for layer in there:
            viewer.layers.remove(layer)
