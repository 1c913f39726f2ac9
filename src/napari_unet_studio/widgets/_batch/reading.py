"""The section "Reading": axes, channel and pixel size, where images do not say them."""

from typing import Any, NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.widgets._form import aligned_form
from napari_unet_studio.widgets._segment.axes import USUAL
from napari_unet_studio.widgets._segment.rows import combo_box

AS_STATED = "as the image says"
ALL = "all that there are"
GREY = "grey of colours"
_CHANNELS = 16  # that are offered
_UNITS = {"µm": "um", "px": "pixel"}


class Stated(NamedTuple):
    """How all images of a batch are read.

    Parameters
    ----------
    axes
        Names of their axes; None for what each image says.
    channel
        The one to take; None for all.
    spacing, unit
        Pixel size of the spatial axes; None for what each image says.
    """

    axes: str | None = None
    channel: Channel | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None


class ReadingForm(QWidget):
    """Edits a :class:`Stated`; it begins with what the images say."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.axes = combo_box(
            "What each axis of the images is: T time, C channels, Z, Y, X; the same "
            "for all images. Choose or type."
        )
        self.axes.setEditable(True)
        self.axes.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.axes.setCompleter(None)  # napari's style hides what it would complete
        self.axes.addItem(AS_STATED)
        self.axes.addItems([axes for group in USUAL.values() for axes in group])
        self.channel = combo_box(
            "The channel that the model is given, of images with several: a number "
            "from 0, or the grey of colours."
        )
        self.channel.addItems([ALL, GREY, *map(str, range(_CHANNELS))])
        self.spacing = QLineEdit()
        self.spacing.setPlaceholderText(AS_STATED)
        self.spacing.setToolTip(
            "Size of a pixel along each spatial axis, such as 0.5, 0.5; the same for "
            "all images. It counts for stacks, for sizes in tables, and where the "
            "pixel size is that of the model."
        )
        self.unit = combo_box("Unit of the pixel size.")
        self.unit.addItems(list(_UNITS))
        size = QWidget()
        size.setToolTip(self.spacing.toolTip())
        row = QHBoxLayout(size)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.spacing, 3)
        row.addWidget(self.unit, 1)
        rows = aligned_form()
        self.setLayout(rows)
        self._labels: list[QLabel] = []
        for title, editor in (
            ("Axes", self.axes),
            ("Channel", self.channel),
            ("Pixel size", size),
        ):
            label = QLabel(title)
            label.setToolTip(editor.toolTip())
            self._labels.append(label)
            rows.addRow(label, editor)
        self._size = size
        self.axes.editTextChanged.connect(lambda _: self.changed.emit())
        self.channel.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.spacing.textChanged.connect(lambda _: self.changed.emit())
        self.unit.currentIndexChanged.connect(lambda _: self.changed.emit())

    def suit(self, layers: bool) -> None:
        """Show what there is to say of layers, or of files: layers know their size."""
        self._labels[-1].setVisible(not layers)
        self._size.setVisible(not layers)

    def value(self) -> Stated:
        """Return what was said.

        Raises
        ------
        InputError
            If the pixel size is none.
        """
        text = self.axes.currentText().strip()
        axes = None if text in ("", AS_STATED) else "".join(text.upper().split())
        chosen = self.channel.currentText()
        channel: Channel | None = None
        if chosen != ALL:
            channel = "grey" if chosen == GREY else int(chosen)
        spacing = None if self._size.isHidden() else _numbers(self.spacing.text())
        unit = None if spacing is None else _UNITS[self.unit.currentText()]
        return Stated(axes, channel, spacing, unit)

    def set(self, stated: Stated) -> None:
        """Show something else."""
        self.axes.setEditText(stated.axes or AS_STATED)
        texts: dict[Any, str] = {None: ALL, "grey": GREY}
        channel = texts.get(stated.channel, str(stated.channel))
        if self.channel.findText(channel) < 0:  # of an image with more of them
            self.channel.addItem(channel)
        self.channel.setCurrentText(channel)
        sizes = "" if stated.spacing is None else ", ".join(map(str, stated.spacing))
        self.spacing.setText(sizes)
        units = {unit: text for text, unit in _UNITS.items()}
        self.unit.setCurrentText(units.get(stated.unit or "um", "px"))


def _numbers(text: str) -> tuple[float, ...] | None:
    """Read a pixel size; None for nothing.

    Examples
    --------
    >>> _numbers("2, 0.5 0.5"), _numbers(" ")
    ((2.0, 0.5, 0.5), None)
    """
    words = text.replace(",", " ").replace("×", " ").split()
    try:
        sizes = tuple(map(float, words))
    except ValueError:
        sizes = (-1.0,)
    if not all(0 < size < float("inf") for size in sizes):
        raise InputError(
            f"The pixel size {text!r} is none; type a number for each spatial axis, "
            "such as 0.5, 0.5."
        )
    return sizes or None
