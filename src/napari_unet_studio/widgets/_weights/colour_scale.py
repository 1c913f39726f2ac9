"""The colours of an image layer with their values, for a dock.

napari has a colour bar of its own, on the canvas. With napari 0.9.2, vispy 0.17 and
Mesa's software OpenGL, removing a layer that shows one ends the process at the next
drawing, so it is not switched on here.
"""

from typing import Any

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet_studio.widgets._axes import ticks

BAR = 10  # pixels of height
STOPS = 16  # colours between which Qt mixes


class ColourScale(QWidget):
    """A strip of colours above its values."""

    def __init__(self) -> None:
        super().__init__()
        self._colours: list[QColor] = []
        self._limits = (0.0, 1.0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Colours of the weights; the layer's controls change them.")
        self.setVisible(False)

    def show_layer(self, layer: Any) -> None:
        """Show the colours of a layer; None hides the strip."""
        self.setVisible(layer is not None)
        if layer is not None:
            mapped = layer.colormap.map(np.linspace(0, 1, STOPS))
            self._colours = [QColor.fromRgbF(*map(float, rgba)) for rgba in mapped]
            low, high = layer.contrast_limits
            self._limits = (float(low), float(high))
            self.update()

    def sizeHint(self) -> QSize:
        """Return room for the strip and one line of numbers."""
        return QSize(100, BAR + self.fontMetrics().height() + 4)

    def paintEvent(self, event: Any) -> None:
        """Draw the strip and round numbers."""
        painter = QPainter(self)
        metrics = self.fontMetrics()
        low, high = self._limits
        margin = metrics.horizontalAdvance(f"{high:g}") // 2 + 2
        box = QRectF(margin, 0, self.width() - 2 * margin, BAR)
        gradient = QLinearGradient(box.left(), 0, box.right(), 0)
        for number, colour in enumerate(self._colours):
            gradient.setColorAt(number / (STOPS - 1), colour)
        painter.fillRect(box, gradient)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        for value in ticks(max(high - low, 1e-9), 5):
            x = box.left() + box.width() * value / max(high - low, 1e-9)
            painter.drawLine(int(x), BAR, int(x), BAR + 3)
            text = QRectF(x - 40, BAR + 2, 80, metrics.height())
            painter.drawText(text, Qt.AlignmentFlag.AlignCenter, f"{low + value:g}")
        painter.end()
