"""A hint at the model for colours, where an image in colours meets a model for grey."""

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFrame, QPushButton, QVBoxLayout

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._model_choice import ModelChoice

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

MODEL = "stained-nuclei"
"""The bundled model for nuclei in stained tissue."""


class StainedHint(QFrame):
    """Says that there is a model for colours, and chooses it.

    Parameters
    ----------
    models
        The choice of the model.
    """

    def __init__(self, models: ModelChoice) -> None:
        super().__init__()
        self._models = models
        self.text = WrappedLabel()
        self.text.setText(
            "The image is in colours, and the model does not see them. For nuclei in "
            f"stained tissue there is the model {MODEL!r}."
        )
        self.button = QPushButton(f"Choose {MODEL}")
        self.button.setToolTip("Take the model for stained tissue in place of this.")
        self.button.clicked.connect(self.choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(self.button)
        self.setVisible(False)

    def show_for(self, layer: Any, card: "ModelCard | None") -> None:
        """Show or hide the hint.

        Parameters
        ----------
        layer
            The image, or None.
        card
            Of the model, if there is one.
        """
        colours = layer is not None and bool(getattr(layer, "rgb", False))
        grey = card is not None and card.spec.in_channels == 1
        offered = self._models.combo.findText(MODEL) >= 0
        self.setVisible(colours and grey and offered)

    def choose(self) -> None:
        """Choose the model."""
        try:
            self._models.choose(MODEL)
        except StudioError as error:  # its file was removed meanwhile
            self._models.failed.emit(error)
