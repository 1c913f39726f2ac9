"""What the two live widgets share: their layers follow form, viewer and layers."""

from collections.abc import Callable
from typing import Any

import napari.viewer
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

from napari_unet_studio.widgets._base import StudioWidget
from napari_unet_studio.widgets._controls import Edits, copy_button, follow, timer
from napari_unet_studio.widgets._worker import Job, Task


class LiveWidget(StudioWidget):
    """A widget whose layers follow its form at once.

    Subclasses make their form, hand it to :meth:`begin`, and say what happens in
    :meth:`on_moved` and :meth:`on_removed`.

    Parameters
    ----------
    viewer, run_text
        See :class:`StudioWidget`.
    compiled
        Whether what the first picture needs is compiled.
    warm_up
        Compiles it.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        run_text: str,
        compiled: Callable[[], bool],
        warm_up: Task[None],
    ) -> None:
        super().__init__(viewer, run_text)
        self._compiled = compiled
        self._warm_up = warm_up
        self._warm: Job[None] | None = None
        self._clocks: list[QTimer] = []
        self._closed = False
        self.info = QLabel("")
        self.info.setWordWrap(True)

    def begin(self, form: QWidget, edits: Edits, copy_tooltip: str) -> None:
        """Show the form, and follow viewer and layers from now on."""
        self._edits = edits
        self.copy = copy_button(self.as_python, copy_tooltip, self.as_shell)
        self.body.addWidget(form)
        self.body.addWidget(self.info)
        self.buttons.addWidget(self.copy, 1)
        follow(self, self.viewer.layers.events.removed, self.on_removed)
        dims = self.viewer.dims.events
        for event in (dims.current_step, dims.ndisplay, dims.order):
            follow(self, event, self.on_moved)

    def clock(self, milliseconds: int, callback: Callable[[], None]) -> QTimer:
        """Return a timer that is stopped with the widget."""
        made = timer(self, milliseconds, callback)
        self._clocks.append(made)
        return made

    def layers_of(self, kind: type[Layer]) -> list[Any]:
        """Return the layers of a kind to choose from.

        They are those of this viewer; magicgui, before the widget has a window, takes
        those of any.
        """
        return [layer for layer in self.viewer.layers if isinstance(layer, kind)]

    def in_front(self) -> None:
        """Bring the dock of this widget to the front, if it is behind a tab."""
        dock = self.parent()
        if dock is not None and hasattr(dock, "raise_"):
            dock.raise_()

    def as_python(self) -> str:
        """Return code that does the same."""
        raise NotImplementedError

    def as_shell(self) -> str:
        """Return shell commands that do the same on files."""
        raise NotImplementedError

    def on_moved(self, event: Any = None) -> None:
        """Redraw: the viewer shows another part of the data."""
        raise NotImplementedError

    def on_removed(self, event: Any) -> None:
        """Notice that a layer was removed."""
        raise NotImplementedError

    def showEvent(self, event: Any) -> None:
        """Compile in a thread what the first picture needs."""
        super().showEvent(event)
        if self._warm is None and not self._compiled():
            self._warm = Job(self._warm_up, "Preparing", self)
            self._warm.failed.connect(self.on_failure)
            self._warm.finished.connect(self.on_moved)
            self._warm.start()

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer combo boxes; napari asks for it after closing too."""
        if not self._closed:
            super().reset_choices(event)

    def on_closed(self) -> None:
        """Stop what runs and let go of the layers."""
        self._closed = True
        super().on_closed()
        for clock in self._clocks:
            clock.stop()
        self._edits.of([])
