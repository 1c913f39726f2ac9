"""Paints the diagram of a network."""

from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from napari_unet_studio.core.networks.layout import (
    FILLS,
    LEFT,
    LINES,
    ROW,
    Layout,
    PlacedBox,
    PlacedLink,
    Rectangle,
)
from napari_unet_studio.widgets._colours import mixed

_TIP = 5.0  # length of an arrow's head, in pixels
_LETTERS = 10, 7  # pixels: height of a text that has room, and of one that has not


class DiagramDrawing:
    """One picture of a network.

    Parameters
    ----------
    painter
        Begun.
    layout
        What is drawn.
    across, down
        Scale of the layout's pixels.
    ink, paper
        Colours of the text and of the background.
    """

    def __init__(
        self,
        painter: QPainter,
        layout: Layout,
        across: float,
        down: float,
        ink: QColor,
        paper: QColor,
    ) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._painter, self._layout = painter, layout
        self._across, self._down = across, down
        self._ink, self._paper = ink, paper
        self._faint = mixed(ink, paper, 0.6)
        self._dark = paper.lightnessF() < 0.5

    def paint(self, chosen: int, hovered: int) -> None:
        """Draw everything; the numbers of boxes, -1 for none."""
        self._paint_rows()
        for link in self._layout.links:
            self._paint_link(link)
        for number, box in enumerate(self._layout.boxes):
            self._paint_box(box, number == chosen, number == hovered)

    def rectangle(self, place: Rectangle) -> QRectF:
        """Return a place in pixels of the window."""
        return QRectF(
            place.x * self._across,
            place.y * self._down,
            place.width * self._across,
            place.height * self._down,
        )

    def _paint_rows(self) -> None:
        painter, layout = self._painter, self._layout
        font = _sized(painter.font(), _LETTERS[0])
        painter.setFont(font)
        room = LEFT * self._across - 5
        for row, name in enumerate(layout.rows):
            y = (layout.top + ROW * row) * self._down
            if row:
                painter.setPen(
                    QPen(mixed(self._ink, self._paper, 0.2), 1, Qt.PenStyle.DotLine)
                )
                painter.drawLine(QPointF(4, y), QPointF(layout.width * self._across, y))
            painter.setPen(self._faint)
            where = QRectF(4, y, room, ROW * self._down)
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            wide = QFontMetricsF(font).horizontalAdvance(name) > room
            painter.drawText(where, flags, name.replace("·", "·\n") if wide else name)

    def _paint_link(self, placed: PlacedLink) -> None:
        painter = self._painter
        colour = QColor(LINES[placed.link.kind][0])
        if self._dark:
            colour = mixed(self._ink, colour, 0.35)
        painter.setPen(QPen(colour, 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        points = [QPointF(x * self._across, y * self._down) for x, y in placed.corners]
        painter.drawPolyline(QPolygonF(points))
        self._paint_tip(points, colour)

    def _paint_tip(self, points: Sequence[QPointF], colour: QColor) -> None:
        before, tip = points[-2], points[-1]
        right = (tip.x() > before.x()) - (tip.x() < before.x())
        down = (tip.y() > before.y()) - (tip.y() < before.y())
        base = QPointF(tip.x() - _TIP * right, tip.y() - _TIP * down)
        side = QPointF(_TIP / 2 * down, _TIP / 2 * right)
        self._painter.setPen(Qt.PenStyle.NoPen)
        self._painter.setBrush(colour)
        self._painter.drawPolygon(QPolygonF([tip, base + side, base - side]))

    def _paint_box(self, placed: PlacedBox, chosen: bool, hovered: bool) -> None:
        painter, place = self._painter, self.rectangle(placed.place)
        edge = QColor(FILLS[placed.box.role][1])
        share = 0.5 if hovered or chosen else 0.28
        painter.setBrush(mixed(edge, self._paper, share))
        painter.setPen(QPen(self._ink if chosen else edge, 2.4 if chosen else 1.2))
        corner = min(place.width(), place.height()) / 2
        corner = corner if placed.box.role == "sum" else min(3.0, corner)
        painter.drawRoundedRect(place, corner, corner)
        painter.setPen(self._ink)
        short = placed.widths.split(", ")[-1].split(" ")
        for text in (placed.widths, short[0 if placed.box.role == "image" else -1]):
            for size in _LETTERS if text != placed.widths else _LETTERS[:1]:
                font = _sized(painter.font(), size)
                room = place.width() - (3 if size == _LETTERS[0] else 1)
                if QFontMetricsF(font).horizontalAdvance(text) <= room:
                    painter.setFont(font)
                    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
                    return


def _sized(font: QFont, pixels: int) -> QFont:
    made = QFont(font)
    made.setPixelSize(pixels)
    return made
