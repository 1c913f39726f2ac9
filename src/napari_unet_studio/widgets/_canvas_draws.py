"""Waits for napari's window: for what its canvas draws, and for its event loop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtCore import QEventLoop, QTimer
from vispy.gloo import gl  # type: ignore[import-untyped]

PATIENCE = 5.0  # seconds until a drawing is given up
TICK = 5  # milliseconds of the timer that notices stalls
SETTLE = 120.0  # seconds within which all has to be computed


def at_rest(widget: Any) -> bool:
    """Return whether a live widget has nothing left to compute."""
    return not widget.running and not any(c.isActive() for c in widget._clocks)


class Window:
    """Knows when the canvas was drawn with the newest data of its layers.

    Parameters
    ----------
    viewer
        A viewer with a window on screen.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.renderer = ""
        self._changed = False  # a layer has data that are not drawn yet
        self._drawn: float | None = None
        # napari offers its canvas nowhere else.
        self._canvas = viewer.window._qt_viewer.canvas._scene_canvas
        self._canvas.events.draw.connect(self._on_draw, position="last")
        viewer.layers.events.inserted.connect(self._on_inserted)
        for layer in viewer.layers:
            layer.events.set_data.connect(self._on_data)

    def wait(self, milliseconds: float) -> None:
        """Let the window work."""
        loop = QEventLoop()
        QTimer.singleShot(max(0, round(milliseconds)), loop.quit)
        loop.exec_()

    def until(self, done: Callable[[], bool]) -> None:
        """Let the window work until something is done."""
        end = time.monotonic() + SETTLE
        while not done():
            if time.monotonic() > end:
                raise TimeoutError("The widget did not finish its work in time.")
            self.wait(TICK)

    def settle(self, widget: Any) -> None:
        """Let the window work until nothing is left to compute."""
        self.until(lambda: at_rest(widget))

    @contextmanager
    def ticking(self) -> Iterator[list[float]]:
        """Note how long the event loop was busy, in milliseconds."""
        busy = [0.0]
        last = time.perf_counter()

        def tick() -> None:
            nonlocal last
            now = time.perf_counter()
            busy[0] = max(busy[0], 1000 * (now - last) - TICK)
            last = now

        clock = QTimer()
        clock.setInterval(TICK)
        clock.timeout.connect(tick)
        clock.start()
        yield busy
        clock.stop()
        tick()

    def drawn(self, change: Callable[[], None]) -> float | None:
        """Change something and wait until it is drawn.

        Returns
        -------
        float or None
            Milliseconds from the change to the end of the drawing; None if nothing was
            drawn for seconds.
        """
        self._changed, self._drawn = False, None
        begin = time.perf_counter()
        change()
        while self._drawn is None and time.perf_counter() < begin + PATIENCE:
            self.wait(1)
        return None if self._drawn is None else 1000 * (self._drawn - begin)

    def _on_inserted(self, event: Any) -> None:
        event.value.events.set_data.connect(self._on_data)

    def _on_data(self, event: Any = None) -> None:
        self._changed = True

    def _on_draw(self, event: Any = None) -> None:
        if not self.renderer:
            self.renderer = str(gl.glGetParameter(gl.GL_RENDERER))
        if self._changed and self._drawn is None:
            gl.glFinish()
            self._drawn = time.perf_counter()
