"""The one layer with the errors of the candidate that is chosen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari_unet_studio.layers import METADATA_KEY, Source
from napari_unet_studio.layers.errors import ERRORS, colours_of
from napari_unet_studio.widgets._compare.shown import Shown
from napari_unet_studio.widgets._viewing import add_quietly


class ErrorOverlay:
    """Puts error maps into a viewer, each in place of the one before.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any = None
        """The layer; None if there is none."""
        self._source: Source | None = None
        self.busy = False
        """Whether it changes the layers of the viewer right now."""

    @property
    def alive(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(
        self, shown: Shown, only: int | None, below: Sequence[Any] = ()
    ) -> list[str]:
        """Show the errors of a candidate.

        Parameters
        ----------
        shown
            Its row.
        only
            Show this value alone; None shows all.
        below
            Layers that would cover the errors or show through them. They are hidden
            when the errors come, and not again: the user may want to see them.

        Returns
        -------
        list of str
            The names of the layers that were hidden.
        """
        made = shown.errors_layer(only)
        layer, hidden = self.layer, []
        with self._working():
            if not self.alive:
                hidden = [each for each in below if each.visible]
                for each in hidden:
                    each.visible = False
            if self.alive and shown.source is self._source:
                options = made[1]
                layer.data = made[0]
                layer.name = options["name"]
                layer.metadata = options["metadata"]
                layer.colormap = options["colormap"]
                layer.visible = True
            else:
                self.remove()
                (layer,) = add_quietly(self._viewer, [made])
                self.layer = layer
        self._source = shown.source
        layer.editable = False  # it is no labels to paint on
        return [each.name for each in hidden]

    def pick(self) -> None:
        """Make it the active layer, so that the status bar tells what an error is."""
        if self.alive:
            self._viewer.layers.selection.active = self.layer

    def show_only(self, value: int | None) -> None:
        """Show one kind of error alone; None shows all."""
        if self.alive:
            self.layer.colormap = colours_of(value)

    def tidy(self) -> None:
        """Let go of the layer, and its memory, if the user removed it."""
        if not self.alive and not self.busy:
            self.layer = self._source = None

    def remove(self) -> None:
        """Take the layer out of the viewer, if it is there."""
        if self.alive:
            with self._working():
                self._viewer.layers.remove(self.layer)
        self.layer = self._source = None

    @contextmanager
    def _working(self) -> Iterator[None]:
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before


def is_error_map(layer: Any) -> bool:
    """Whether a layer is one of these."""
    return ERRORS in layer.metadata.get(METADATA_KEY, {})
