"""Clicks on the canvas that choose a place, and drags that do not."""

from collections.abc import Generator, Sequence
from typing import Any

from qtpy.QtCore import QObject, Signal

_STILL = 4  # pixels that the mouse may move during a click
_LOOKING = ("pan_zoom",)
_LEFT = 1


def clicked(
    viewer: Any, event: Any, modes: Sequence[str] = _LOOKING
) -> Generator[None, None, bool]:
    """Return whether what begins with an event is a click, and of no other tool.

    To be used with ``yield from`` in a callback of ``viewer.mouse_drag_callbacks``; at
    the end the event is that of the release.

    Parameters
    ----------
    viewer
        The viewer.
    event
        The press of a button.
    modes
        Those of the active layer in which clicks are free.
    """
    mode = str(getattr(viewer.layers.selection.active, "mode", _LOOKING[0]))
    # With a modifier it is a gesture of napari's own.
    if event.button != _LEFT or event.modifiers or mode not in modes:
        return False
    pressed, still = tuple(event.pos), True
    yield
    while event.type == "mouse_move":
        still = still and _near(pressed, event.pos)
        yield
    return still and _near(pressed, event.pos)


def _near(pressed: Sequence[float], place: Sequence[float]) -> bool:
    return max(abs(a - b) for a, b in zip(pressed, place, strict=True)) <= _STILL


class Clicks(QObject):
    """Notices clicks on the canvas while it is on; layers notice them all the same.

    Parameters
    ----------
    viewer
        The viewer.
    parent
        The widget.
    """

    clicked = Signal(object)
    """With the position in the world."""

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.on = False

    def start(self) -> None:
        """Notice clicks from now on."""
        if not self.on:
            self.on = True
            self._viewer.mouse_drag_callbacks.append(self._on_press)

    def stop(self) -> None:
        """Notice no more clicks."""
        if self.on:
            self.on = False
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        if (yield from clicked(viewer, event)) and self.on:
            self.clicked.emit(tuple(event.position))
