"""The settings of the Inspect widget below its diagram."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.widgets._form import Form
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._segment.rows import combo_box, remark, small_label
from napari_unet_studio.widgets._settings import begun_with, follow_start

NODE, LEVEL, HEADS = "The chosen node", "All nodes of its level", "All heads"


class InspectPanel(QWidget):
    """Numbers of the network, what is shown of it, and where."""

    measure = Signal()
    """When the speed is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = WrappedLabel()
        self.facts.setToolTip(
            "What follows from the network's graph. Halo: pixels around a tile that it "
            "has to see. Divisor: the grid of its poolings. Memory: weights and "
            "activations in float32, of the tile alone or of the image in one piece."
        )
        self.speed_button = QPushButton("Measure speed")
        self.speed_button.setToolTip(
            "Time one small tile on the device, and estimate the whole image."
        )
        self.speed_button.clicked.connect(self.measure)
        self.speed = small_label()
        self.field = QCheckBox("Receptive field under the cursor")
        self.field.setToolTip(
            "Draw a box around all pixels that can influence the answer at the pixel "
            "under the cursor. At its border the image ends."
        )
        self.click = QCheckBox("Saliency of a clicked pixel")
        self.click.setToolTip(
            "Click on the image: a layer shows how much the network's answer at that "
            "pixel changes with each pixel around it (the absolute gradient)."
        )
        self.what = combo_box(
            "What the feature maps are of: the node chosen in the diagram, it and the "
            "others with pixels as large side by side, or the probabilities of all "
            "heads."
        )
        self.what.addItems([NODE, LEVEL, HEADS])
        self.form = Form(begun_with(InspectConfig()))
        follow_start(self, self.form)
        self.form.add_row("Maps of", self.what)
        self.map = small_label()
        self.map.setToolTip("The feature map on display.")
        measured = QHBoxLayout()
        measured.addWidget(self.speed_button)
        measured.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for part in (self.form, self.map, self.field, self.click, self.facts):
            column.addWidget(part)
        column.addLayout(measured)
        column.addWidget(self.speed)

    def say_speed(self, text: str) -> None:
        """Show how fast the network is."""
        remark(self.speed, text)

    def say_map(self, text: str) -> None:
        """Show which feature map is on display."""
        remark(self.map, text)
