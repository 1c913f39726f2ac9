"""The model that a training goes on from: none, one at hand, or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.model_file import SUFFIX, read_card
from napari_unet_studio.io.recent import remember_file
from napari_unet_studio.io.registry import available_models
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._model_choice import OPEN, kind_of, merit_of

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

ANEW = "none: begin anew"


class StartChoice(QComboBox):
    """Offers the models at hand; its value is a name, a path, or "" for none."""

    changed = Signal()

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setMinimumWidth(80)
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        Calm.down(self)
        self._value = ""
        self._fill()
        self.activated.connect(self._on_activated)

    @property
    def value(self) -> str:
        """What :class:`.TrainConfig` takes as `start`."""
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        before, self._value = self._value, value
        self._fill()
        if value != before:
            self.changed.emit()

    def card(self) -> "ModelCard | None":
        """Return the card of the model; None if there is none or it cannot be read."""
        path = available_models().get(self._value, Path(self._value))
        if not self._value:
            return None
        try:
            return read_card(path)
        except StudioError:
            return None

    def describe(self) -> str:
        """Say what the model is; "" if there is none."""
        if not self._value:
            return ""
        card = self.card()
        if card is None:
            return f"The model {self._value!r} cannot be read; choose another one."
        return f"Goes on from {card.name}: {kind_of(card)}; {merit_of(card)}."

    def showPopup(self) -> None:
        """Open the list, with the models that there are by now."""
        self._fill()
        super().showPopup()

    def _fill(self) -> None:
        known = available_models()
        with QSignalBlocker(self):
            self.clear()
            self.addItem(ANEW, "")
            for name, path in known.items():
                if str(path) != self._value:  # that is added below
                    self._add(name, name, path)
            if self._value and self._value not in known:
                self._add(Path(self._value).stem, self._value, self._value)
            self.insertSeparator(self.count())
            self.addItem(OPEN)
            self.setCurrentIndex(max(0, self.findData(self._value)))

    def _add(self, text: str, value: str, tooltip: Any) -> None:
        self.addItem(text, value)
        role = Qt.ItemDataRole.ToolTipRole
        self.setItemData(self.count() - 1, str(tooltip), role)

    def _on_activated(self, index: int) -> None:
        if self.itemText(index) != OPEN:
            self.value = str(self.itemData(index))
            return
        file, _ = QFileDialog.getOpenFileName(
            self, "Open a model", str(Path.home()), f"Models (*{SUFFIX})"
        )
        if file:
            remember_file(file)
        self.value = file or self._value
