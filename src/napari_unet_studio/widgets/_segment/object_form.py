"""The sliders of how probabilities become objects."""

from collections.abc import Sequence
from math import prod
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.config import field_types, help_texts
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.widgets._colours import REMARK, tinted
from napari_unet_studio.widgets._controls import NumberSlider
from napari_unet_studio.widgets._form import aligned_form, collapsible
from napari_unet_studio.widgets._segment.rows import combo_box

# Of each number: its label, the range of its slider, and its unit. Fields have the
# whole range.
_SLIDERS = {
    "threshold": ("Threshold", (0.01, 0.99), ""),
    "min_size": ("Min size", (0, 500), "px"),
    "fill_holes": ("Fill holes", (0, 500), "px"),
    "close_gaps": ("Close gaps", (0, 10), "px"),
    "split": ("Split at necks", (0, 10), "px"),
    "low": ("Low threshold", (0.0, 0.99), ""),
    "max_size": ("Max size", (0, 5000), "px"),
    "smooth": ("Smooth", (0, 5), "px"),
    "link": ("Link in time", (0.0, 1.0), "IoU"),
}
_CHOICES: dict[str, tuple[str, dict[str, str]]] = {
    "seeds": (
        "Split by",
        {"distance": "distance to the border", "probability": "probability"},
    ),
    "border": (
        "At the border",
        {
            "keep": "keep all",
            "sides": "remove at the sides",
            "all": "remove, first and last plane too",
        },
    ),
}
_USUAL = ("threshold", "min_size", "fill_holes", "close_gaps", "split")
_SIZES = ("min_size", "max_size")
_SPLIT_UNITS = {"distance": " px", "probability": " %"}


class Choice(QWidget):
    """One of several words."""

    changed = Signal()

    def __init__(self, value: str, texts: dict[str, str], tooltip: str) -> None:
        super().__init__()
        self._values = list(texts)
        self.combo = combo_box(tooltip)
        self.combo.addItems(list(texts.values()))
        self.set_value(value)
        self.combo.currentIndexChanged.connect(self.changed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        self.setToolTip(tooltip)

    def value(self) -> str:
        """Return the word."""
        index: int = self.combo.currentIndex()
        return self._values[index]

    def set_value(self, value: str) -> None:
        """Show a word; `changed` is emitted if it differs."""
        self.combo.setCurrentIndex(self._values.index(value))


class ObjectForm(QWidget):
    """Edits an :class:`.ObjectConfig`, the usual settings in sight."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.editors: dict[str, NumberSlider | Choice] = {}
        self.sizes: dict[str, QLabel] = {}
        self._labels: dict[str, QLabel] = {}
        self._spacing: tuple[float, ...] = ()
        self._quiet = False
        self.auto_button = QPushButton("Auto")
        self.auto_button.setFixedWidth(52)
        usual, further, rest = aligned_form(), aligned_form(), QWidget()
        rest.setLayout(further)
        for name, (kind, options) in field_types(ObjectConfig).items():
            rows = usual if name in _USUAL else further
            tip = help_texts(ObjectConfig)[name]
            if name in _CHOICES:
                title, texts = _CHOICES[name]
                start = getattr(ObjectConfig(), name)
                editor: NumberSlider | Choice = Choice(start, texts, tip)
            else:
                title = _SLIDERS[name][0]
                editor = _slider(name, kind, options, tip)
            editor.changed.connect(self._on_changed)
            label = QLabel(title)
            label.setToolTip(tip)
            self.editors[name], self._labels[name] = editor, label
            rows.addRow(label, self._with_extras(name, editor))
        self.more = collapsible(
            "More", rest, "Low threshold, largest size, smoothing, borders, time."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(usual)
        layout.addWidget(self.more)
        self._fit()

    def value(self) -> ObjectConfig:
        """Return the settings as edited."""
        values: dict[str, Any] = {}
        for name, (kind, _) in field_types(ObjectConfig).items():
            value = self.editors[name].value()
            values[name] = kind(value) if kind in (int, float) else value
        return ObjectConfig.from_dict(values)

    def set_number(self, name: str, value: float) -> None:
        """Show another number for one setting."""
        editor = self.editors[name]
        assert isinstance(editor, NumberSlider)
        editor.set_value(value)

    def set(self, objects: ObjectConfig) -> None:
        """Show other settings; `changed` is emitted once if any differs."""
        before = self.value()
        self._quiet = True
        try:
            for name, value in objects.to_dict().items():
                self.editors[name].set_value(value)
        finally:
            self._quiet = False
        self._fit()
        if self.value() != before:
            self.changed.emit()

    def suit(self, axes: str, spacing: Sequence[float], unit: str, auto: float) -> None:
        """Show what an image and a model have to do with the settings.

        Parameters
        ----------
        axes
            Of the image: without time nothing is linked, without Z no plane is a face.
        spacing, unit
            Pixel size of the spatial axes; sizes are told in µm² or µm³ if it is known.
        auto
            The threshold of the model.
        """
        timed = "T" in axes
        self._labels["link"].setVisible(timed)
        self.editors["link"].setVisible(timed)
        self._spacing = tuple(spacing) if unit == "um" else ()
        self.auto_button.setToolTip(
            f"Auto threshold: {auto:.2f}, at which the model was best on the images "
            "that its training held out."
        )
        self._fit()

    def _with_extras(self, name: str, editor: QWidget) -> QWidget:
        """Add the button of the threshold, or the line that tells a size."""
        if name == "threshold":
            holder = QWidget()
            row = QHBoxLayout(holder)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(4)
            row.addWidget(editor, 1)
            row.addWidget(self.auto_button)
            return holder
        if name not in _SIZES:
            return editor
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(editor)
        told = QLabel()
        told.setAlignment(Qt.AlignmentFlag.AlignRight)
        tinted(told, REMARK)
        column.addWidget(told)
        self.sizes[name] = told
        return holder

    def _on_changed(self) -> None:
        if not self._quiet:
            self._fit()
            self.changed.emit()

    def _fit(self) -> None:
        """Show units and sizes that go with the other settings."""
        split = self.editors["split"]
        assert isinstance(split, NumberSlider)
        suffix = _SPLIT_UNITS[str(self.editors["seeds"].value())]
        if split.field.suffix() != suffix:  # it rewrites what is being typed
            split.field.setSuffix(suffix)
        for name, told in self.sizes.items():
            text = size_text(float(self.editors[name].value()), self._spacing)
            told.setText(text)
            told.setVisible(bool(text))


def size_text(pixels: float, spacing: Sequence[float]) -> str:
    """Return a number of pixels as an area or a volume.

    Parameters
    ----------
    pixels
        How many; none give "".
    spacing
        Their size along two or three axes, in micrometres; empty gives "".

    Examples
    --------
    >>> size_text(16, (0.5, 0.5)), size_text(5000, (2, 0.5, 0.5))
    ('= 4 µm²', '= 2,500 µm³')
    """
    if not spacing or not pixels:
        return ""
    size = pixels * prod(spacing)
    number = f"{size:,.0f}" if size >= 1000 else f"{size:.3g}"
    return f"= {number} µm{'²' if len(spacing) == 2 else '³'}"


def _slider(name: str, kind: Any, options: dict[str, Any], tip: str) -> NumberSlider:
    _, usual, unit = _SLIDERS[name]
    step = 1 if kind is int else options["step"]
    start = getattr(ObjectConfig(), name)
    editor = NumberSlider(start, usual, options["max"], step, unit, tip)
    # The slider has the steps: without buttons "10.00 px" has room.
    editor.field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    editor.field.fit()
    return editor
