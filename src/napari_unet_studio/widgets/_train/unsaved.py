"""A model that could not be saved when its training ended, until it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import available_models
from napari_unet_studio.widgets._train.checkpoints import whole_name

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model


class Unsaved(QObject):
    """Keeps the model, asks where to save it, or gives it up.

    Parameters
    ----------
    widget
        The Train widget, which shows the buttons and says how it went.

    Attributes
    ----------
    model
        The model, if there is one.
    """

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        self._widget = widget
        self.model: Model | None = None

    def refuse(self) -> None:
        """Raise an InputError if there is a model that another one would replace."""
        if self.model is not None:
            raise InputError(
                f"The model {self.model.name!r} is not saved yet; save or discard it "
                "first."
            )

    def ask(self) -> None:
        """Ask for a file, and save the model there."""
        if self.model is None:
            return
        start = str(Path.home() / f"{self.model.name}{SUFFIX}")
        path, _ = QFileDialog.getSaveFileName(
            self._widget, "Save the model", start, f"U-Net models (*{SUFFIX})"
        )
        if path:
            self.save_as(Path(path))

    def save_as(self, path: Path) -> None:
        """Save the model in a file."""
        if self.model is None:
            return
        try:
            file = whole_name(path)
            model = self.model.renamed(file.name.removesuffix(SUFFIX))
            saved = model.save(file)
        except StudioError as error:
            self._widget.complain(error)
            return
        self._end(f"Saved: {saved}")
        if available_models().get(model.name) == saved:
            self._widget.trained.emit(model.name)

    def forget(self) -> None:
        """Give up the model."""
        self._end("The model was discarded.")

    def _end(self, text: str) -> None:
        self.model = None
        self._widget.actions.show_state(running=False, unsaved=False)
        self._widget.say(text)
