"""A field for an id that may be absent."""

from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox

NONE = "none"
LARGEST = 2.0**53  # whole numbers up to here are exact


class IdBox(QDoubleSpinBox):
    """A whole number of any sign, or none.

    Parameters
    ----------
    tooltip
        Shown over the field.
    """

    id_changed = Signal()

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.setDecimals(0)
        self.setRange(-LARGEST, LARGEST)
        self.setValue(-LARGEST)  # the smallest number stands for none
        self.setToolTip(tooltip)
        self.setKeyboardTracking(False)  # half a number is no id
        self.valueChanged.connect(self.id_changed)

    @property
    def id(self) -> int | None:
        """The id, None if there is none."""
        return None if self.value() == self.minimum() else round(self.value())

    def set_id(self, value: int | None) -> None:
        """Show an id."""
        self.setValue(self.minimum() if value is None else value)

    def textFromValue(self, value: float) -> str:
        """Say "none", or the plain digits."""
        return NONE if value == self.minimum() else str(round(value))

    def valueFromText(self, text: str) -> float:
        """Read digits; anything else is none."""
        try:
            return float(int(text))
        except ValueError:
            return float(self.minimum())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept digits with a sign, nothing, and "none"."""
        plain = text.strip()
        digits = plain.removeprefix("-")
        number = digits.isascii() and digits.isdigit() and len(digits) < 16
        if number or plain in ("", NONE):
            state = QValidator.State.Acceptable
        elif digits == "" or NONE.startswith(plain):
            state = QValidator.State.Intermediate
        else:
            state = QValidator.State.Invalid
        return state, text, position

    def stepBy(self, steps: int) -> None:
        """Begin at 255 upwards and at -1 downwards where there is no id yet."""
        if self.id is None:
            self.set_id(255 if steps > 0 else -1)
            self.selectAll()
        else:
            super().stepBy(steps)

    def stepEnabled(self) -> QDoubleSpinBox.StepEnabledFlag:
        """Allow both directions, also from none."""
        both = QDoubleSpinBox.StepEnabledFlag
        return both.StepUpEnabled | both.StepDownEnabled
