"""A model that could not be saved when its training ended, until it is."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QFileDialog, QMainWindow

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import available_models
from napari_unet_studio.widgets._asking import agreed
from napari_unet_studio.widgets._base import show_warning
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

    def keep(self, model: "Model") -> None:
        """Keep a model, also when napari is closed; the dock may be closed already."""
        self.model = model
        window = self._widget.parent()
        while window is not None and not isinstance(window, QMainWindow):
            window = window.parent()
        if window is not None:
            window.installEventFilter(self)  # of many times, one counts
        elif not self._widget.isVisible():
            self.rescue()

    def eventFilter(self, watched: QObject, event: Any) -> bool:
        """Ask before napari is closed by its user, and rescue the model if it is.

        napari cannot be kept from closing by a program or by its menu.
        """
        if event.type() != QEvent.Type.Close or self.model is None:
            return False
        name = self.model.name
        question = (
            f"Close napari? The model {name!r} is not saved yet: it will be left in "
            "the folder of temporary files. “Save as…” in Train puts it where you want."
        )
        if event.spontaneous() and not agreed(self._widget, "Close napari", question):
            event.ignore()
            return True
        self.rescue()
        return False

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

    def ask_forget(self) -> None:
        """Ask, and give up the model."""
        model = self.model
        if model is None:
            return
        question = (
            f"Discard the model {model.name!r}? It is in no file: what the training "
            "has learnt is lost. “Save as…” keeps it."
        )
        if agreed(self._widget, "Discard the model", question) and self.model is model:
            self.forget()

    def rescue(self) -> None:
        """Save the model where there is room, if there is one, and say where.

        There is nobody to ask any more: the dock is closed, or napari is.
        """
        model = self.model
        if model is None:
            return
        for folder in (tempfile.gettempdir(), str(Path.home())):
            try:
                # A folder of its own: nothing there is replaced.
                own = tempfile.mkdtemp(prefix="unet-studio-", dir=folder)
                path = model.save(Path(own) / f"{model.name}{SUFFIX}")
            except (OSError, StudioError):
                continue
            told = (
                f"The model {model.name!r} was not saved yet when it was closed. "
                f"It lies in {path}: move it to a place of yours."
            )
            break
        else:
            told = (
                f"The model {model.name!r} is lost: it was closed before it was saved, "
                "and no folder had room for it."
            )
        self._end(told)  # napari may ask, too, and stay
        show_warning(told)

    def forget(self) -> None:
        """Give up the model."""
        self._end("The model was discarded.")

    def _end(self, text: str) -> None:
        self.model = None
        self._widget.actions.show_state(running=False, unsaved=False)
        self._widget.say(text)
