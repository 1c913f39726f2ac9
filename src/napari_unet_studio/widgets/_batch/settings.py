"""Which files are written, and what becomes of a model's answer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.widgets._controls import NumberSlider
from napari_unet_studio.widgets._form import Form, collapsible

if TYPE_CHECKING:  # at run time this loads scikit-image: not for opening
    from napari_unet_studio.core.object_config import ObjectConfig
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.widgets._segment.object_form import ObjectForm

_SLIDER = 36  # narrowest slider, in pixels


class FilesForm(QWidget):
    """Edits the part of a :class:`.BatchConfig` that says which files are written."""

    def __init__(self) -> None:
        super().__init__()
        self.form = Form(BatchConfig(), hidden=("prediction",))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)


class ObjectsSection(QWidget):
    """The settings of objects, those of the model at first; made when it is opened."""

    changed = Signal()

    def __init__(self, card: "Callable[[], tuple[Path, ModelCard] | None]") -> None:
        super().__init__()
        self._card = card
        self._form: ObjectForm | None = None
        self._edited: dict[tuple[Path, str], ObjectConfig] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.section = collapsible(
            "Objects", self, "How the model's probabilities become objects."
        )
        self.section.toggleButton().pressed.connect(self.form)

    def form(self) -> "ObjectForm":
        """Return the form, made when first needed."""
        if self._form is None:
            from napari_unet_studio.widgets._segment.object_form import ObjectForm

            self._form = ObjectForm()
            for editor in self._form.editors.values():
                if isinstance(editor, NumberSlider):  # a section has less room
                    editor.slider.setMinimumWidth(_SLIDER)
            self._form.changed.connect(self._on_changed)
            self._form.auto_button.clicked.connect(self._on_auto)
            self.reset_button = QPushButton("Reset")
            self.reset_button.setToolTip("Put all settings back to those of the model.")
            self.reset_button.clicked.connect(self._on_reset)
            self._layout.addWidget(self._form)
            self._layout.addWidget(self.reset_button)
            self.refresh()
        return self._form

    def refresh(self) -> None:
        """Show the settings that go with the chosen model."""
        found = self._card()
        objects = found is None or found[1].target == "objects"
        self.section.setVisible(objects)  # there is nothing to set of classes
        if found is None or self._form is None or not objects:
            return
        card = found[1]
        spacing = card.spacing or ()
        auto = _start(card).threshold
        self._form.suit("TZYX", spacing, card.unit if spacing else "pixel", auto)
        self._form.blockSignals(True)
        self._form.set(self.value(*found))
        self._form.blockSignals(False)

    def value(self, path: Path, card: "ModelCard") -> "ObjectConfig":
        """Return the settings for a model."""
        known = self._edited.get((path, card.created))
        return _start(card) if known is None else known

    def set(self, objects: "ObjectConfig") -> None:
        """Show other settings for the chosen model."""
        found = self._card()
        if found is not None:
            self._edited[found[0], found[1].created] = objects
            self.refresh()
            self.changed.emit()

    def _on_changed(self) -> None:
        found = self._card()
        if found is not None and self._form is not None:
            self._edited[found[0], found[1].created] = self._form.value()
            self.changed.emit()

    def _on_auto(self) -> None:
        found = self._card()
        if found is not None and self._form is not None:
            self._form.set_number("threshold", _start(found[1]).threshold)

    def _on_reset(self) -> None:
        found = self._card()
        if found is not None:
            self._edited.pop((found[0], found[1].created), None)
            self.refresh()
            self.changed.emit()


def _start(card: "ModelCard") -> "ObjectConfig":
    from napari_unet_studio.widgets._objects import starting_objects

    return starting_objects(card)
