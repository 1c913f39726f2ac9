"""Before or after: one button that swaps the preview with what it was made of."""

import time
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

HOLD = 0.4  # seconds from which pressing the button counts as holding it

Swap = tuple[Any, Any]  # a layer of the preview, the user's layer or None


class Comparison:
    """The undeformed layers in the place of the preview, for as long as it lasts.

    Only the eye of a layer is touched. :meth:`end` gives each back what it had, unless
    somebody has opened or closed it meanwhile.

    Parameters
    ----------
    viewer
        The viewer.
    swaps
        Each layer of the preview, with the layer that it was made of.
    """

    def __init__(self, viewer: Any, swaps: Sequence[Swap]) -> None:
        self._viewer = viewer
        self._changed: list[tuple[Any, bool]] = []  # layers, and what they got
        for made, original in swaps:
            if original is not None:
                self._set(original, made.visible)
        for made, _ in swaps:
            self._set(made, False)

    def end(self) -> None:
        """Show the preview again."""
        for layer, visible in self._changed:
            if layer in self._viewer.layers and layer.visible == visible:
                layer.visible = not visible
        self._changed.clear()

    def _set(self, layer: Any, visible: bool) -> None:
        if layer in self._viewer.layers and layer.visible != visible:
            layer.visible = visible
            self._changed.append((layer, visible))


class CompareButton(QPushButton):
    """Shows the state before: after a click until the next one, or while held down."""

    flipped = Signal(bool)
    """With whether the state before is wanted; emitted only when that changes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Show before", parent)
        self.setCheckable(True)
        self.setToolTip(
            "The layers as they are, in the place of the preview. Click to switch, "
            "click again to switch back; or hold the button down to have a short look."
        )
        self.setEnabled(False)
        self._before = False
        self._since = 0.0
        self._was = False
        self.pressed.connect(self._on_pressed)
        self.released.connect(self._on_released)
        self.toggled.connect(self._flip)

    @property
    def before(self) -> bool:
        """Whether the state before is shown."""
        return self._before

    def end(self) -> None:
        """Show the state after."""
        self.setDown(False)
        self.setChecked(False)
        self._flip(False)

    def _on_pressed(self) -> None:
        self._since, self._was = time.monotonic(), self.isChecked()
        self._flip(not self._was)

    def _on_released(self) -> None:
        # Qt has switched by now, unless the mouse was released somewhere else.
        held = time.monotonic() - self._since >= HOLD
        if held and self.isChecked() != self._was:
            self.setChecked(self._was)
        self._flip(self.isChecked())

    def _flip(self, before: bool) -> None:
        if before != self._before:
            self._before = before
            self.setText("Show after" if before else "Show before")
            self.flipped.emit(before)
