"""Paints the panels of a plot: axes, curves, legends."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from napari_unet_studio.widgets._axes import (
    STROKES,
    Curve,
    Panel,
    Scale,
    runs,
    thinned,
    ticks,
)
from napari_unet_studio.widgets._colours import mixed

Series = tuple[NDArray[np.float64], NDArray[np.float64]]

_GAP = 6.0
_TICK_DISTANCE = 22.0  # least distance of two ticks along y, in pixels
NAMED = 12  # curves in a legend; more are drawn all the same
_SAMPLE, _SPACE = 18.0, 14.0  # of a legend's entry: the line before and room after it


class Mark(NamedTuple):
    """A vertical line with a word beside it."""

    step: float
    label: str


class Drawing:
    """One picture of some curves.

    Parameters
    ----------
    painter
        Begun.
    values
        Steps and values of each curve.
    ink, paper
        Colours of the text and of the background.
    mark
        Drawn in all panels.
    hover
        Where the mouse is, from the left; the values there are told, else the last.
    """

    def __init__(
        self,
        painter: QPainter,
        values: Mapping[str, Series],
        ink: QColor,
        paper: QColor,
        mark: Mark | None = None,
        hover: float | None = None,
    ) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._painter, self._values = painter, values
        self._mark, self._hover = mark, hover
        self._ink, self._faint = ink, mixed(ink, paper, 0.55)
        self._grid = mixed(ink, paper, 0.18)
        self._metrics = QFontMetricsF(painter.font())
        self._line = self._metrics.height()

    def paint(self, panels: Sequence[Panel], whole: QRectF, x_label: str) -> None:
        """Draw panels that share the horizontal axis into a rectangle."""
        below = 2 * self._line + _GAP
        left = self._metrics.horizontalAdvance("0.000") + _GAP
        width = whole.width() - left - 2 * _GAP
        legends = [self._legend(panel, width) for panel in panels]
        heads = [self._line * max(1, len(rows)) + 2 for rows in legends]
        room = whole.height() - below - sum(heads)
        height = room / max(1, len(panels)) - _GAP
        right = max([*(xs[-1] for xs, _ in self._values.values() if len(xs)), 1.0])
        y, scale = 0.0, None
        for panel, rows, head in zip(panels, legends, heads, strict=True):
            box = QRectF(left, y + head, width, height)
            scale = Scale(box, right, self._top(panel))
            self._paint_panel(panel, scale, rows)
            y += head + height + _GAP
        if scale is not None:
            self._paint_x_axis(scale, whole.width(), x_label)

    # -- panels -----------------------------------------------------------------------

    def _paint_panel(
        self, panel: Panel, scale: Scale, legend: Sequence[Sequence[Curve]]
    ) -> None:
        painter, box = self._painter, scale.box
        count = max(2, int(box.height() / _TICK_DISTANCE))
        for value in ticks(scale.top, count):
            y = scale.y(value)
            painter.setPen(QPen(self._grid, 1))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            painter.setPen(self._faint)
            room = QRectF(0, y - 10, box.left() - 4, 20)
            painter.drawText(room, _END, f"{value:.3g}")
        if not any(len(self._series(curve)[0]) for curve in panel.curves):
            painter.setPen(self._faint)
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box, wrapped, panel.waiting)
        if self._mark is not None and self._mark.step <= scale.right:
            self._paint_mark(self._mark, scale)
        for curve in panel.curves:
            self._paint_curve(curve, scale)
        self._paint_legend(legend, scale)

    def _paint_mark(self, mark: Mark, scale: Scale) -> None:
        painter, x, box = self._painter, scale.x(mark.step), scale.box
        painter.setPen(QPen(self._faint, 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
        width = self._metrics.horizontalAdvance(mark.label)
        start = x + 4 if x + 4 + width < box.right() else x - 4 - width
        painter.setPen(self._faint)
        painter.drawText(QPointF(start, box.bottom() - 4), mark.label)

    def _paint_curve(self, curve: Curve, scale: Scale) -> None:
        painter, (xs, ys) = self._painter, self._series(curve)
        pen = _pen(curve, 1.6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for run in runs(ys):
            x, y = thinned(xs[run], ys[run], int(scale.box.width()))
            points = [
                QPointF(scale.x(a), scale.y(b)) for a, b in zip(x, y, strict=True)
            ]
            painter.setPen(pen)
            if len(points) == 1:
                self._dot(points[0], curve)
            else:
                painter.drawPolyline(QPolygonF(points))
        index = self._chosen(xs, scale)
        if index is not None and math.isfinite(ys[index]):
            at = QPointF(scale.x(xs[index]), scale.y(ys[index]))
            if self._hover is not None:
                painter.setPen(QPen(self._faint, 1))
                painter.drawLine(
                    QPointF(at.x(), scale.box.top()),
                    QPointF(at.x(), scale.box.bottom()),
                )
            self._dot(at, curve)

    def _dot(self, at: QPointF, curve: Curve) -> None:
        self._painter.setPen(Qt.PenStyle.NoPen)
        self._painter.setBrush(QColor(curve.colour))
        self._painter.drawEllipse(at, 2.8, 2.8)
        self._painter.setBrush(Qt.BrushStyle.NoBrush)

    # -- legends ----------------------------------------------------------------------

    def _legend(self, panel: Panel, width: float) -> list[list[Curve]]:
        """Return the curves of each line of a legend, whatever their values are."""
        rows: list[list[Curve]] = []
        x = math.inf
        for curve in panel.curves[:NAMED]:
            needed = self._entry(curve)
            if x + needed - _SPACE > width:
                rows.append([])
                x = 0.0
            rows[-1].append(curve)
            x += needed
        return rows

    def _entry(self, curve: Curve) -> float:
        text = f"{curve.label} 0.000"
        return float(_SAMPLE + self._metrics.horizontalAdvance(text) + _SPACE)

    def _paint_legend(self, legend: Sequence[Sequence[Curve]], scale: Scale) -> None:
        """Name the curves with their values: under the mouse, else the last ones."""
        painter = self._painter
        for number, row in enumerate(legend):
            x = scale.box.left()
            base = scale.box.top() - 5 - (len(legend) - 1 - number) * self._line
            for curve in row:
                xs, ys = self._series(curve)
                index = self._chosen(xs, scale)
                value = "" if index is None else f" {ys[index]:.3f}"
                painter.setPen(_pen(curve, 2))
                middle = base - self._metrics.ascent() / 3
                painter.drawLine(QPointF(x, middle), QPointF(x + 14, middle))
                painter.setPen(self._ink)
                painter.drawText(QPointF(x + _SAMPLE, base), f"{curve.label}{value}")
                x += self._entry(curve)

    # -- axes -------------------------------------------------------------------------

    def _paint_x_axis(self, scale: Scale, width: float, label: str) -> None:
        painter, box, line = self._painter, scale.box, self._line
        painter.setPen(QPen(self._faint, 1))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        room = self._metrics.horizontalAdvance("100000") + 2 * _GAP
        for value in ticks(scale.right, max(1, int(box.width() / room))):
            if value != int(value):
                continue
            x = scale.x(value)
            painter.drawLine(QPointF(x, box.bottom()), QPointF(x, box.bottom() + 3))
            text = f"{value:.0f}"
            wide = self._metrics.horizontalAdvance(text)
            start = min(x - wide / 2, width - wide)
            painter.drawText(QPointF(start, box.bottom() + line), text)
        if self._hover is not None:
            steps = [
                xs[index]
                for xs, _ in self._values.values()
                if (index := self._chosen(xs, scale)) is not None
            ]
            if steps:
                label = f"{label}: {max(steps):.0f}"
        below = QRectF(box.left(), box.bottom() + line, box.width(), line + _GAP)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, label)

    def _series(self, curve: Curve) -> Series:
        return self._values.get(curve.key, (_NOTHING, _NOTHING))

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
        values = np.concatenate([self._series(curve)[1] for curve in panel.curves])
        values = values[np.isfinite(values)]
        return float(values.max()) * 1.05 if values.size and values.max() > 0 else 1.0


_NOTHING = np.zeros(0)
_END = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def _pen(curve: Curve, width: float) -> QPen:
    pen = QPen(QColor(curve.colour), width)
    if pattern := STROKES[curve.stroke]:
        pen.setDashPattern(pattern)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)  # others fill the gaps
    return pen
