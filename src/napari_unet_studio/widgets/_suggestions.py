"""A combo box that offers some texts and takes any other one."""

from collections.abc import Sequence

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QComboBox


class SuggestionBox(ComboBox):
    """Its value is the text in it, whether it was chosen or typed.

    Parameters
    ----------
    value
        The text to start with.
    suggestions
        What the list offers.
    """

    def __init__(self, value: str, suggestions: Sequence[str]) -> None:
        super().__init__(choices=tuple(suggestions))
        self.native.setEditable(True)
        self.native.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.native.setMinimumWidth(80)
        self.value = value
        self.native.editTextChanged.connect(self.changed.emit)

    @property
    def value(self) -> str:
        """The text as it stands, complete or not."""
        return str(self.native.currentText())

    @value.setter
    def value(self, value: str) -> None:
        self.native.setCurrentText(value)
