"""The settings of a deformation, and what to show of it."""

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_unet_studio.core.config import help_texts
from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.widgets._controls import NumberSlider
from napari_unet_studio.widgets._deform.compare import CompareButton
from napari_unet_studio.widgets._form import Calm, aligned_form

DRAWS = 100_000  # numbers that "New draw" chooses from


class DeformForm(QWidget):
    """Edits a `DeformConfig` with sliders, and says what to show.

    Parameters
    ----------
    image, labels, weights
        Choosers of the layers, for the first rows.
    """

    changed = Signal()

    def __init__(self, image: QWidget, labels: QWidget, weights: QWidget) -> None:
        super().__init__()
        texts = help_texts(DeformConfig)
        start = DeformConfig()
        self.frames = QComboBox()
        self.frames.addItem("2D, every slice alike", 2)
        self.frames.addItem("3D, as one volume", 3)
        self.frames.setToolTip(
            "2D: all slices and time points get the same deformation within the plane. "
            "3D: volumes are deformed along Z too; all time points alike."
        )
        self.grid = NumberSlider(start.grid, (2, 15), 100, 1, "", texts["grid"])
        self.sigma = NumberSlider(start.sigma, (0, 60), 1000, 0.5, "px", texts["sigma"])
        self.interpolation = QComboBox()
        self.interpolation.addItem("Cubic", "cubic")
        self.interpolation.addItem("Linear", "linear")
        self.interpolation.setToolTip(
            f"{texts['interpolation']} Labels take the nearest pixel, weights are "
            "sampled linearly."
        )
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip(texts["seed"])
        self.draw = QPushButton("New draw")
        self.draw.setToolTip("Another random deformation of the same strength.")
        draw = beside(self.seed, self.draw)
        self.compare = CompareButton()
        self.preview = QCheckBox("Preview of what is in view")
        self.preview.setToolTip(
            "Layers that follow the settings and the dimension sliders; Apply makes "
            "lasting ones."
        )
        self.bent = QCheckBox("Deformed grid")
        self.bent.setToolTip(
            "Lines that were straight and evenly spaced before the deformation."
        )
        self.arrows = QCheckBox("Arrows")
        self.arrows.setToolTip(
            "To where pixels are taken from: the displacement u in "
            "result(x) = image(x + u(x))."
        )
        rows = aligned_form()
        rows.addRow("Image", image)
        rows.addRow("Labels", labels)
        rows.addRow("Weights", weights)
        rows.addRow("Stack", self.frames)
        rows.addRow("Grid points", self.grid)
        rows.addRow("Strength σ", self.sigma)
        rows.addRow("Sampling", self.interpolation)
        rows.addRow("Draw", draw)
        rows.addRow(beside(self.preview, self.compare))
        rows.addRow(beside(self.bent, self.arrows))
        self.rows = rows
        self.setLayout(rows)
        for chooser in (self.frames, self.interpolation, self.seed):
            Calm.down(chooser)
        self.interpolation.currentIndexChanged.connect(self.changed)
        for number in (self.grid, self.sigma):
            number.changed.connect(self.changed)
        self.seed.valueChanged.connect(self.changed)
        self.draw.clicked.connect(self._on_draw)
        self.bent.toggled.connect(self.changed)
        self.arrows.toggled.connect(self.changed)

    def value(self) -> DeformConfig:
        """Return the settings."""
        return DeformConfig(
            int(self.grid.value()),
            self.sigma.value(),
            self.seed.value(),
            self.interpolation.currentData(),
        )

    def _on_draw(self) -> None:
        self.seed.setValue(int(np.random.default_rng().integers(DRAWS)))


def beside(*parts: QWidget) -> QWidget:
    """Return a row of widgets of equal width."""
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(6)
    for part in parts:
        row.addWidget(part, 1)
    return made
