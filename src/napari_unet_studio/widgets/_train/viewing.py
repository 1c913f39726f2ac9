"""Adding layers without taking anything out of the user's hands."""

from collections.abc import Iterator
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
