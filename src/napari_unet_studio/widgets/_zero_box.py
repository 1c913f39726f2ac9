"""A spin box for whole numbers of which 0 means something in words."""

from magicgui.widgets import FloatSpinBox


class ZeroBox(FloatSpinBox):
    """Shows a text such as "automatic" in place of 0.

    The spin box of magicgui for integers cannot do that, the one for other numbers can.

    Parameters
    ----------
    value
        To start with.
    zero
        What stands for 0.
    largest
        Largest number.
    step
        Of the arrows.
    """

    def __init__(self, value: int, zero: str, largest: int, step: int = 1) -> None:
        super().__init__(value=value, min=0, max=largest, step=step)
        self.native.setDecimals(0)
        self.native.setSpecialValueText(zero)

    @property  # type: ignore[override]  # whole numbers, as the fields are
    def value(self) -> int:
        """The number; 0 where the text is shown."""
        return round(float(self.native.value()))

    @value.setter
    def value(self, value: int) -> None:
        self.native.setValue(value)
