"""Live curves in a dock: painted here, so that they are quick and follow the theme."""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet_studio.widgets._axes import Curve, Panel, Scale, runs, thinned, ticks

_GAP = 6.0
_TICK_DISTANCE = 22.0  # least distance of two ticks along y, in pixels


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
        self.panels = tuple(panels)
        self.x_label = x_label
        self._curves = [curve for panel in self.panels for curve in panel.curves]
        self._values: dict[str, tuple[array[float], array[float]]] = {}
        self._mark: tuple[float, str] | None = None
        self._hover: float | None = None
        self._waiting = tuple(panel.waiting for panel in self.panels)
        self.clear()
        self.setMouseTracking(True)
        self.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding
        )
        self.setAccessibleName(f"Curves over {x_label}")

    def sizeHint(self) -> QSize:
        """Return a size at which every axis has room for some ticks."""
        return QSize(300, 100 * len(self.panels))

    def minimumSizeHint(self) -> QSize:
        """Return the least size at which the curves can be read."""
        return QSize(180, 76 * len(self.panels))

    # -- values -----------------------------------------------------------------------

    def clear(self) -> None:
        """Forget all values."""
        self._values = {curve.key: (array("d"), array("d")) for curve in self._curves}
        self._mark = None
        self._waiting = tuple(panel.waiting for panel in self.panels)
        self.update()

    def add(self, step: float, values: Mapping[str, Any]) -> None:
        """Append the values of the curves that are given; unknown keys are ignored.

        A value that is no number interrupts its curve.
        """
        for key in values.keys() & self._values.keys():
            xs, ys = self._values[key]
            xs.append(float(step))
            ys.append(float(values[key]))
        self.update()

    def extend(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records such as ``{"step": 10, "loss": 0.3}``."""
        for record in records:
            self.add(record["step"], record)

    def values(self, key: str) -> tuple[list[float], list[float]]:
        """Return the steps and the values of a curve."""
        xs, ys = self._values[key]
        return list(xs), list(ys)

    def mark(self, step: float, label: str) -> None:
        """Draw a vertical line with a word beside it."""
        self._mark = (step, label)
        self.update()

    def wait_for(self, *texts: str) -> None:
        """Change what the panels say until they have values."""
        self._waiting = texts
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
        """Draw everything; lines are thinned to what the pixels can show."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(self.foregroundRole())
        paper = self.palette().color(self.backgroundRole())
        self._ink, self._faint = ink, _mixed(ink, paper, 0.55)
        self._grid = _mixed(ink, paper, 0.18)
        self._metrics = QFontMetricsF(painter.font())
        line = self._metrics.height()
        below = 2 * line + _GAP
        height = (self.height() - below) / len(self.panels)
        steps = [x for xs, _ in self._values.values() for x in xs[-1:]]
        right = max([*steps, 1.0])
        left = self._metrics.horizontalAdvance("0.000") + _GAP
        width = self.width() - left - 2 * _GAP
        scale = None
        for number, panel in enumerate(self.panels):
            box = QRectF(
                left, number * height + line + 2, width, height - line - _GAP - 2
            )
            scale = Scale(box, right, self._top(panel))
            self._paint_panel(painter, panel, scale, self._waiting[number])
        if scale is not None:
            self._paint_x_axis(painter, scale, line)
        painter.end()

    def _paint_panel(
        self, painter: QPainter, panel: Panel, scale: Scale, waiting: str
    ) -> None:
        box = scale.box
        count = max(2, int(box.height() / _TICK_DISTANCE))
        for value in ticks(scale.top, count):
            y = scale.y(value)
            painter.setPen(QPen(self._grid, 1))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(self._faint)
            room = QRectF(0, y - 10, box.left() - 4, 20)
            painter.drawText(room, _END, f"{value:.3g}")
        if not any(self._values[curve.key][0] for curve in panel.curves):
            painter.setPen(self._faint)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | _WRAP, waiting)
        if self._mark is not None and self._mark[0] <= scale.right:
            step, label = self._mark
            top = panel is self.panels[0]
            self._paint_mark(painter, scale, step, label if top else "")
        for curve in panel.curves:
            self._paint_curve(painter, curve, scale)
        self._paint_legend(painter, panel, scale)

    def _paint_mark(
        self, painter: QPainter, scale: Scale, step: float, label: str
    ) -> None:
        x, box = scale.x(step), scale.box
        painter.setPen(QPen(self._faint, 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
        width = self._metrics.horizontalAdvance(label)
        start = x + 4 if x + 4 + width < box.right() else x - 4 - width
        painter.setPen(self._faint)
        painter.drawText(QPointF(start, box.bottom() - 4), label)

    def _paint_curve(self, painter: QPainter, curve: Curve, scale: Scale) -> None:
        xs, ys = (np.array(values) for values in self._values[curve.key])
        pen = QPen(QColor(curve.colour), 1.6)
        if curve.dashed:
            pen.setDashPattern([3, 2])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for run in runs(ys):
            x, y = thinned(xs[run], ys[run], int(scale.box.width()))
            points = [
                QPointF(scale.x(a), scale.y(b)) for a, b in zip(x, y, strict=True)
            ]
            painter.setPen(pen)
            if len(points) == 1:
                self._dot(painter, points[0], curve)
            else:
                painter.drawPolyline(QPolygonF(points))
        index = self._chosen(xs, scale)
        if index is not None and math.isfinite(ys[index]):
            if self._hover is not None:
                painter.setPen(QPen(self._faint, 1))
                across = scale.x(xs[index])
                painter.drawLine(
                    QPointF(across, scale.box.top()),
                    QPointF(across, scale.box.bottom()),
                )
            at = QPointF(scale.x(xs[index]), scale.y(ys[index]))
            self._dot(painter, at, curve)

    def _dot(self, painter: QPainter, at: QPointF, curve: Curve) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(curve.colour))
        painter.drawEllipse(at, 2.8, 2.8)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _paint_legend(self, painter: QPainter, panel: Panel, scale: Scale) -> None:
        """Name the curves with their values: under the mouse, else the last ones."""
        x, base = scale.box.left(), scale.box.top() - 5
        for curve in panel.curves:
            xs, ys = (np.array(values) for values in self._values[curve.key])
            index = self._chosen(xs, scale)
            value = "" if index is None else f" {ys[index]:.3f}"
            pen = QPen(QColor(curve.colour), 2)
            if curve.dashed:
                pen.setDashPattern([2, 1.4])
            painter.setPen(pen)
            middle = base - self._metrics.ascent() / 3
            painter.drawLine(QPointF(x, middle), QPointF(x + 14, middle))
            painter.setPen(self._ink)
            text = f"{curve.label}{value}"
            painter.drawText(QPointF(x + 18, base), text)
            x += 18 + self._metrics.horizontalAdvance(text) + 14

    def _paint_x_axis(self, painter: QPainter, scale: Scale, line: float) -> None:
        box = scale.box
        painter.setPen(QPen(self._faint, 1))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        room = self._metrics.horizontalAdvance("100000") + 2 * _GAP
        for value in ticks(scale.right, max(1, int(box.width() / room))):
            if value != int(value):
                continue
            x = scale.x(value)
            painter.drawLine(QPointF(x, box.bottom()), QPointF(x, box.bottom() + 3))
            text = f"{value:.0f}"
            width = self._metrics.horizontalAdvance(text)
            start = min(x - width / 2, self.width() - width)
            painter.drawText(QPointF(start, box.bottom() + line), text)
        label = self.x_label
        if self._hover is not None:
            steps = [
                xs[index]
                for xs, _ in self._values.values()
                if (index := self._chosen(np.array(xs), scale)) is not None
            ]
            if steps:
                label = f"{self.x_label}: {max(steps):.0f}"
        room = QRectF(box.left(), box.bottom() + line, box.width(), line + _GAP)
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, label)

    def _chosen(self, xs: NDArray[np.float64], scale: Scale) -> int | None:
        """Index of the value to tell: nearest to the mouse, else the last one."""
        if not len(xs):
            return None
        if self._hover is None:
            return len(xs) - 1
        share = (self._hover - scale.box.left()) / scale.box.width()
        return int(np.abs(xs - share * scale.right).argmin())

    def _top(self, panel: Panel) -> float:
        if panel.top is not None:
            return panel.top
        values = np.concatenate(
            [np.array(self._values[curve.key][1]) for curve in panel.curves]
        )
        values = values[np.isfinite(values)]
        return float(values.max()) * 1.05 if values.size and values.max() > 0 else 1.0


_END = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_WRAP = Qt.TextFlag.TextWordWrap


def _mixed(ink: QColor, paper: QColor, share: float) -> QColor:
    parts = (
        round(share * a + (1 - share) * b)
        for a, b in zip(ink.getRgb()[:3], paper.getRgb()[:3], strict=True)
    )
    return QColor(*parts)
