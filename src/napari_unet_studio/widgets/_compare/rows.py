"""The rows of scores on display, by the keys of their candidates."""

from collections.abc import Hashable
from typing import Any

from napari_unet_studio.tasks.comparison import Comparison
from napari_unet_studio.widgets._compare.shown import Shown
from napari_unet_studio.widgets._compare.stamps import Asked, Known
from napari_unet_studio.widgets._compare.texts import edited_since
from napari_unet_studio.widgets._compare.versions import Versions


class Rows(dict[Hashable, Shown]):
    """All rows, in the order they were made."""

    @property
    def layers(self) -> list[Any]:
        """The layers they are of, those that are gone left out."""
        return [layer for shown in self.values() for layer in shown.layers]

    @property
    def known(self) -> dict[Hashable, Known]:
        """What models predicted, to be scored again."""
        each = self.items()
        return {key: s.known for key, s in each if s.known is not None}

    @property
    def comparison(self) -> Comparison:
        """The same for tables and files."""
        kinds = [shown.asked.kind for shown in self.values()]
        rows = tuple(shown.row for shown in self.values())
        return Comparison(kinds[0] if kinds else "objects", rows)

    def outdated(
        self, versions: Versions, layers: Any, now: Asked
    ) -> dict[Hashable, str]:
        """Return why rows do not hold any more, for those that do not.

        Parameters
        ----------
        versions
            Of the layers.
        layers
            Those of the viewer.
        now
            What is chosen.
        """
        layers = list(layers)
        found = {k: s.outdated(versions, layers, now) for k, s in self.items()}
        return {key: why for key, why in found.items() if why}

    def news(self, versions: Versions, now: Asked) -> str:
        """Say in a line why the table does not hold any more, or nothing."""
        for shown in self.values():
            elsewhere = shown.elsewhere(now)
            if elsewhere:
                return elsewhere
        edited = [name for s in self.values() for name in s.stamp.edited(versions)]
        return edited_since(list(dict.fromkeys(edited)))
