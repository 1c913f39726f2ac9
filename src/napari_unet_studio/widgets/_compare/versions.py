"""How often layers were edited: what was scored before does not hold any more."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from napari_unet_studio.widgets._controls import Edits


class Versions:
    """Counts the edits of layers.

    Parameters
    ----------
    on_edited
        Called after each.
    """

    def __init__(self, on_edited: Callable[[], None]) -> None:
        self._tell = on_edited
        self._counts: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._known: list[Any] = []
        self._edits = Edits(self._on_edited, self._on_edited, _nothing)

    def follow(self, layers: Sequence[Any]) -> None:
        """Notice edits of these layers from now on."""
        if [id(x) for x in layers] != [id(x) for x in self._known]:
            self._known = list(layers)
            self._edits.of(layers)

    def of(self, layer: Any) -> int:
        """Return a number that is another one after each edit."""
        return self._counts.get(layer, 0)

    def _on_edited(self, event: Any) -> None:
        layer = event.source
        self._counts[layer] = self.of(layer) + 1
        self._tell()


def _nothing(event: Any = None) -> None:
    """Scores do not depend on where a layer lies."""
