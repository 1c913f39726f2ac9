"""What a dock says in a viewer without a layer that it can use: how to begin."""

from collections.abc import Sequence

import napari.layers
import napari.viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFrame, QPushButton, QVBoxLayout

from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.widgets._labels import WrappedLabel

_PLUGIN = "napari-unet-studio"
TITLES = {
    "nuclei_2d": "Fluorescent nuclei (2D)",
    "phase_cells": "Cells in phase contrast (2D)",
    "membranes": "Membranes in electron microscopy (2D)",
    "nuclei_3d": "Nuclei in a volume (3D)",
    "timelapse": "Dividing nuclei (2D + time)",
    "tissue": "Stained tissue (RGB)",
}
"""Names of the samples in napari's menu, by their keys in the manifest."""


class Welcome(QFrame):
    """A sentence, and buttons that open samples.

    Parameters
    ----------
    viewer
        Where the samples go.
    text
        The sentence.
    samples
        Keys of :data:`TITLES`.
    needed
        Type of the layers that make it go away; images that a model made do not count.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        text: str,
        samples: Sequence[str],
        needed: type[napari.layers.Layer],
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self._needed = needed
        self.text = WrappedLabel()
        self.text.setText(text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        self.buttons: dict[str, QPushButton] = {}
        for key in samples:
            button = QPushButton(f"Open sample: {TITLES[key]}")
            button.setToolTip(
                "Open a synthetic image with its labels; it is made in a second or "
                "two. All samples are in File ▸ Open Sample ▸ U-Net Studio."
            )
            button.clicked.connect(lambda _=False, key=key: self.open(key))
            layout.addWidget(button)
            self.buttons[key] = button
        self.refresh()

    def open(self, key: str) -> None:
        """Open a sample."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.viewer.open_sample(_PLUGIN, key)
        finally:
            QApplication.restoreOverrideCursor()

    def refresh(self) -> None:
        """Show the sentence as long as there is no layer to use."""
        self.setVisible(not any(map(self._fits, self.viewer.layers)))

    def _fits(self, layer: napari.layers.Layer) -> bool:
        made = "model" in layer.metadata.get(METADATA_KEY, {})
        image = isinstance(layer, napari.layers.Image)
        return isinstance(layer, self._needed) and not (image and made)
