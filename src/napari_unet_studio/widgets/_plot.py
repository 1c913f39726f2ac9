"""Live curves in a dock: painted here, so that they are quick and follow the theme."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QRectF, QSize
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet_studio.widgets._axes import Panel, family_curves
from napari_unet_studio.widgets._plot_drawing import NAMED, Drawing, Mark

_ENLARGED = 3  # pixels of a saved picture for one on screen


class LivePlot(QWidget):
    """Panels above each other that share the horizontal axis.

    Parameters
    ----------
    panels
        From top to bottom.
    x_label
        What the horizontal axis counts.
    """

    def __init__(self, panels: Sequence[Panel], x_label: str) -> None:
        super().__init__()
        self.x_label = x_label
        self._given = tuple(panels)
        self._values: dict[str, tuple[array[float], array[float]]] = {}
        self._mark: Mark | None = None
        self._hover: float | None = None
        self.panels: tuple[Panel, ...] = ()
        self.clear()
        self.setMouseTracking(True)
        self.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding
        )
        self.setAccessibleName(f"Curves over {x_label}")

    def sizeHint(self) -> QSize:
        """Return a size at which every axis has room for some ticks."""
        return QSize(300, self._high(100))

    def minimumSizeHint(self) -> QSize:
        """Return the least size at which the curves can be read."""
        return QSize(180, self._high(76))

    def _high(self, panel: int) -> int:
        """Return the height of panels of some height, and of long legends."""
        more = sum((min(len(p.curves), NAMED) - 1) // 3 for p in self.panels)
        return panel * len(self.panels) + int(self.fontMetrics().height()) * more

    # -- values -----------------------------------------------------------------------

    def set_panels(self, panels: Sequence[Panel]) -> None:
        """Show other panels, and forget all values."""
        self._given = tuple(panels)
        self.clear()

    def clear(self) -> None:
        """Forget all values."""
        self._values = {}
        self._mark = None
        self._waiting = tuple(panel.waiting for panel in self._given)
        self._arrange()

    def add(self, step: float, values: Mapping[str, Any]) -> None:
        """Append the values of the curves that are given; unknown keys are ignored.

        A value that is no number interrupts its curve.
        """
        known = {curve.key for panel in self._given for curve in panel.curves}
        families = tuple(panel.family for panel in self._given if panel.family)
        for key in values:
            if key not in known and not key.startswith(families or ("\0",)):
                continue
            xs, ys = self._values.setdefault(key, (array("d"), array("d")))
            xs.append(float(step))
            ys.append(float(values[key]))
            if len(xs) == 1:
                self._arrange()
        self.update()

    def extend(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records such as ``{"step": 10, "loss": 0.3}``."""
        for record in records:
            self.add(record["step"], record)

    def values(self, key: str) -> tuple[list[float], list[float]]:
        """Return the steps and the values of a curve."""
        xs, ys = self._values.get(key, ((), ()))
        return list(xs), list(ys)

    def mark(self, step: float, label: str) -> None:
        """Draw a vertical line with a word beside it."""
        self._mark = Mark(step, label)
        self.update()

    def wait_for(self, *texts: str) -> None:
        """Change what the panels say until they have values."""
        self._waiting = texts
        self._arrange()

    def _arrange(self) -> None:
        """Find the curves of families; a panel without any curve is not shown."""
        waiting = (*self._waiting, *("" for _ in self._given))
        before = len(self.panels)
        arranged = [
            replace(
                panel,
                curves=(*panel.curves, *family_curves(panel, self._values)),
                waiting=text,
            )
            for panel, text in zip(self._given, waiting, strict=False)
        ]
        self.panels = tuple(panel for panel in arranged if panel.curves)
        if len(self.panels) != before:
            self.updateGeometry()
        self.update()

    # -- mouse ------------------------------------------------------------------------

    def mouseMoveEvent(self, event: Any) -> None:
        """Show the values under the mouse."""
        self._hover = float(event.pos().x())
        self.update()

    def leaveEvent(self, event: Any) -> None:
        """Show the last values again."""
        self._hover = None
        self.update()

    # -- painting ---------------------------------------------------------------------

    def paintEvent(self, event: Any) -> None:
        """Draw everything."""
        painter = QPainter(self)
        ink = self.palette().color(self.foregroundRole())
        paper = self.palette().color(self.backgroundRole())
        self._draw(painter, ink, paper, self._hover)
        painter.end()

    def picture(self) -> QImage:
        """Return the curves in black on white, larger than on screen."""
        size = self.size().expandedTo(self.minimumSizeHint())
        image = QImage(size * _ENLARGED, QImage.Format.Format_RGB32)
        image.fill(QColor("white"))
        image.setDevicePixelRatio(_ENLARGED)
        painter = QPainter(image)
        painter.setFont(self.font())
        self._draw(painter, QColor("black"), QColor("white"), None, size)
        painter.end()
        return image

    def _draw(
        self,
        painter: QPainter,
        ink: QColor,
        paper: QColor,
        hover: float | None,
        size: QSize | None = None,
    ) -> None:
        size = size or self.size()
        values = {
            key: (np.array(xs), np.array(ys)) for key, (xs, ys) in self._values.items()
        }
        drawing = Drawing(painter, values, ink, paper, self._mark, hover)
        whole = QRectF(0, 0, size.width(), size.height())
        drawing.paint(self.panels, whole, self.x_label)
