"""The legend of the error map: a button for each kind, with its count."""

from collections.abc import Mapping

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_unet_studio.layers.errors import COLOURS, NAMES
from napari_unet_studio.tasks.scores import Scores
from napari_unet_studio.widgets._compare.texts import LEGEND

COUNTS = {"merged": "merges", "split": "splits"}
"""Scores that count a kind, where they have another name."""

_ACROSS = 3


class Legend(QWidget):
    """Says what the colours mean and how many there are; a click shows one alone."""

    picked = Signal(object)
    """With the value of the error map that is to be shown alone; None for all."""

    def __init__(self) -> None:
        super().__init__()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.buttons: dict[int, QPushButton] = {}
        for place, (value, name) in enumerate(NAMES.items()):
            button = QPushButton()
            button.setCheckable(True)
            button.setIcon(_swatch(COLOURS[name]))
            button.setIconSize(QSize(12, 12))
            button.setToolTip(f"{LEGEND[name]} Click to show only these, or all again.")
            button.clicked.connect(lambda on, value=value: self._on_click(value, on))
            layout.addWidget(button, place // _ACROSS, place % _ACROSS)
            self.buttons[value] = button
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.show_counts({})

    @property
    def only(self) -> int | None:
        """The value that is shown alone."""
        return next((v for v, b in self.buttons.items() if b.isChecked()), None)

    def show_counts(self, scores: Mapping[str, float]) -> None:
        """Show how many there are of each kind; one without any cannot be chosen.

        Parameters
        ----------
        scores
            Of a candidate; with its objects, so that of mergers both sides are counted.
        """
        for value, name in NAMES.items():
            count = scores.get(COUNTS.get(name, name), 0)
            button = self.buttons[value]
            text = f"{name.capitalize()} {count:.0f}"
            if name == "merged" and count and isinstance(scores, Scores):
                text = f"Merged {_joined(scores)} in {count:.0f}"
            button.setText(text)
            button.setEnabled(bool(count))
            if not count:
                button.setChecked(False)

    def _on_click(self, value: int, on: bool) -> None:
        for other, button in self.buttons.items():
            button.setChecked(on and other == value)
        self.picked.emit(value if on else None)


def _joined(scores: Scores) -> int:
    """Return how many objects of the reference belong to mergers."""
    objects = scores.objects
    merged = (objects["of"] == "reference") & (objects["verdict"] == "merged")
    return int(merged.sum())


def _swatch(colour: str) -> QIcon:
    """Return a square of a colour #rrggbbaa."""
    ink = QColor(colour[:7])
    ink.setAlpha(int(colour[7:], 16))
    picture = QPixmap(24, 24)
    picture.fill(ink)
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Disabled)
    return icon
