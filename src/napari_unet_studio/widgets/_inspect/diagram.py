"""The diagram of a network in the dock: its boxes tell what they are and are chosen."""

from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolTip, QWidget

from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.layout import Layout, PlacedBox, layout
from napari_unet_studio.core.networks.points import box_names
from napari_unet_studio.widgets._inspect.drawing import DiagramDrawing

# Scale of the layout: down; across at least, and at most.
_DOWN, _LEAST, _MOST = 0.42, 0.25, 0.8


class DiagramView(QWidget):
    """Draws a network as wide as there is room; a click or the arrow keys choose a box.

    Parameters
    ----------
    about
        Returns what there is to know of a box, for its tooltip.
    """

    chosen = Signal(str)
    """With the name of a box."""

    def __init__(self, about: Any) -> None:
        super().__init__()
        self._about = about
        self._layout: Layout | None = None
        self.names: list[str] = []
        self._chosen = self._hovered = -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Diagram of the network")

    def show_graph(self, graph: Graph | None) -> None:
        """Draw another network, or none; its deepest box is chosen."""
        self._layout = None if graph is None else layout(graph)
        boxes = () if self._layout is None else self._layout.boxes
        self.names = box_names(placed.box for placed in boxes)
        self._hovered, self._chosen = -1, -1
        inner = [i for i, b in enumerate(boxes) if b.box.role in ("encoder", "decoder")]
        if inner:
            self._chosen = max(inner, key=lambda i: (boxes[i].box.pace, i))
        self.updateGeometry()
        self.setFixedHeight(self.sizeHint().height())
        self.update()
        if self._chosen >= 0:
            self.chosen.emit(self.names[self._chosen])

    @property
    def boxes(self) -> tuple[PlacedBox, ...]:
        """What is drawn."""
        return () if self._layout is None else self._layout.boxes

    @property
    def name(self) -> str:
        """The chosen box, "" if there is none."""
        return self.names[self._chosen] if self._chosen >= 0 else ""

    def choose(self, name: str) -> None:
        """Choose a box by its name."""
        if name in self.names and name != self.name:
            self._chosen = self.names.index(name)
            self.update()
            self.chosen.emit(name)

    # -- sizes ------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """Return the size of a narrow dock."""
        return QSize(340, self._high())

    def minimumSizeHint(self) -> QSize:
        """Return the size below which the numbers could not be read."""
        if self._layout is None:
            return QSize(100, self._high())
        return QSize(int(self._layout.width * _LEAST), self._high())

    def _high(self) -> int:
        return 40 if self._layout is None else int(self._layout.end * _DOWN) + 4

    @property
    def _across(self) -> float:
        assert self._layout is not None
        return min(_MOST, max(_LEAST, float(self.width()) / self._layout.width))

    def box_at(self, x: float, y: float) -> int:
        """Return the number of the box at a place in the widget, -1 for none."""
        for number, placed in enumerate(self.boxes):
            if placed.place.holds(x / self._across, y / _DOWN):
                return number
        return -1

    def middle(self, name: str) -> tuple[float, float]:
        """Return where a box lies in the widget."""
        x, y, width, height = self.boxes[self.names.index(name)].place
        return (x + width / 2) * self._across, (y + height / 2) * _DOWN

    # -- events -----------------------------------------------------------------------

    def mousePressEvent(self, event: Any) -> None:
        """Choose the box under the mouse."""
        number = self.box_at(event.pos().x(), event.pos().y())
        if number >= 0:
            self.choose(self.names[number])

    def mouseMoveEvent(self, event: Any) -> None:
        """Mark the box under the mouse."""
        number = self.box_at(event.pos().x(), event.pos().y())
        if number != self._hovered:
            self._hovered = number
            pointing = Qt.CursorShape.PointingHandCursor
            self.setCursor(pointing if number >= 0 else Qt.CursorShape.ArrowCursor)
            self.update()

    def leaveEvent(self, event: Any) -> None:
        """Mark no box."""
        self._hovered = -1
        self.update()

    def keyPressEvent(self, event: Any) -> None:
        """Go to the box before or after in the order of computation."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        step = steps.get(event.key(), 0)
        if not step or not self.names:
            super().keyPressEvent(event)
            return
        number = min(max(self._chosen + step, 0), len(self.names) - 1)
        self.choose(self.names[number])

    def event(self, event: Any) -> bool:
        """Tell about the box under the mouse."""
        if event.type() != QEvent.Type.ToolTip:
            return bool(super().event(event))
        number = self.box_at(event.pos().x(), event.pos().y())
        if number < 0:
            QToolTip.hideText()
        else:
            text = self._about(self.names[number])
            QToolTip.showText(event.globalPos(), text, self)
        return True

    def paintEvent(self, event: Any) -> None:
        """Draw the network."""
        if self._layout is None:
            return
        painter = QPainter(self)
        ink = self.palette().color(self.foregroundRole())
        paper = self.palette().color(self.backgroundRole())
        drawing = DiagramDrawing(painter, self._layout, self._across, _DOWN, ink, paper)
        drawing.paint(self._chosen, self._hovered)
        painter.end()


class DiagramPane(QScrollArea):
    """A diagram that scrolls from left to right where it is too wide for the dock."""

    def __init__(self, view: DiagramView) -> None:
        super().__init__()
        self.setWidget(view)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._view = view

    def fit(self) -> None:
        """Become as high as the diagram."""
        wide = self._view.minimumSizeHint().width() > self.viewport().width()
        bar = self.horizontalScrollBar().sizeHint().height() if wide else 0
        self.setFixedHeight(self._view.sizeHint().height() + bar + 2)

    def resizeEvent(self, event: Any) -> None:
        """Make room for the scroll bar where there is one."""
        super().resizeEvent(event)
        self.fit()
