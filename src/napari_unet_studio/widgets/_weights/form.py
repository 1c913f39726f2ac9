"""The settings of a weight map: what an object is, preset, balance and gap."""

from typing import Any, cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QWidget

from napari_unet_studio.core.config import help_texts
from napari_unet_studio.core.weights import PRESETS, Balance, Preset, WeightConfig
from napari_unet_studio.layers.reading import (
    Reading,
    class_columns,
    classes_of,
)
from napari_unet_studio.widgets._controls import NumberSlider, has_depth
from napari_unet_studio.widgets._form import Calm, aligned_form
from napari_unet_studio.widgets._weights.id_box import IdBox

_TITLES = {
    "2015": "U-Net 2015",
    "2019": "Fiji plugin 2019",
    "none": "Class balance only",
}
_FORMULAS = {
    "2015": "<i>w</i> = <i>w</i><sub>c</sub> + <i>w</i><sub>0</sub> "
    "exp(−(<i>d</i><sub>1</sub> + <i>d</i><sub>2</sub>)² / 2σ²)",
    "2019": "<i>w</i> = 0.1 + 0.9 exp(−<i>d</i><sub>1</sub>² / 200) + "
    "<i>w</i><sub>0</sub> exp(−(<i>d</i><sub>1</sub> + <i>d</i><sub>2</sub>)² / 2σ²)"
    ", and 1 inside objects",
    "none": "<i>w</i> = <i>w</i><sub>c</sub>",
}


_BALANCES = {
    "none": "none, every pixel alike",
    "image": "per image or frame",
    "global": "all frames together",
}


class WeightForm(QWidget):
    """Edits a `WeightConfig` with sliders, and says what is an object.

    Parameters
    ----------
    labels
        Chooser of the labels layer, for the first row.
    """

    changed = Signal()
    preset_chosen = Signal()
    """After `changed`, when a preset brought its own numbers."""

    def __init__(self, labels: QWidget) -> None:
        super().__init__()
        self.frames = QComboBox()
        self.frames.addItem("3D, as one volume", 3)
        self.frames.addItem("2D, slice by slice", 2)
        self.frames.setToolTip(
            "Whether distances are measured within the volume or within each slice, as "
            "for a 3D or a 2D network. Time points are always separate."
        )
        self.pieces = QCheckBox("Each connected piece is an object")
        self.pieces.setToolTip(
            "For masks with one value. Training does the same with such a mask."
        )
        self.ignore = IdBox(
            "Id of the pixels that nobody annotated, such as 255 or -1: they weigh 0, "
            "are no object and balance nothing. Clear the field for none."
        )
        self.classes = QComboBox()
        self.classes.setToolTip(
            "Column of the layer's features with the class of each object. The class "
            "balance is then per class; the gaps between any two objects count alike."
        )
        self.with_target = QCheckBox("Show the carved target")
        self.with_target.setToolTip(
            "A Labels layer with the gap carved between touching objects: what a "
            "network is trained to draw."
        )
        texts = help_texts(WeightConfig)
        start = WeightConfig()
        self.preset = QComboBox()
        for key, title in _TITLES.items():
            self.preset.addItem(title, key)
        self.preset.setToolTip(
            texts["preset"] + " Choosing one sets the height and width of its paper."
        )
        self.formula = QLabel()
        self.formula.setWordWrap(True)
        self.formula.setToolTip(
            "w<sub>c</sub> balances objects and background; d<sub>1</sub> and "
            "d<sub>2</sub> are the distances to the nearest and the second nearest "
            "object."
        )
        self.w0 = NumberSlider(start.w0, (0, 100), 1000, 1, "", texts["w0"])
        self.sigma = NumberSlider(
            start.sigma, (0.5, 30), 100, 0.5, "px", texts["sigma"]
        )
        self.inside = QCheckBox("Stress object pixels too")
        self.inside.setChecked(start.inside)
        self.inside.setToolTip(texts["inside"])
        self.balance = QComboBox()
        for key, title in _BALANCES.items():
            self.balance.addItem(title, key)
        self.balance.setCurrentIndex(self.balance.findData(start.balance))
        self.balance.setToolTip(texts["balance"])
        self.gap = NumberSlider(start.gap, (0, 10), 20, 1, "px", texts["gap"])
        rows = aligned_form()
        rows.addRow("Labels", labels)
        rows.addRow("Stack", self.frames)
        rows.addRow(self.pieces)
        rows.addRow("Ignore id", self.ignore)
        rows.addRow("Classes from", self.classes)
        rows.addRow("Preset", self.preset)
        rows.addRow(self.formula)
        rows.addRow("Height w₀", self.w0)
        rows.addRow("Width σ", self.sigma)
        rows.addRow("Gap", self.gap)
        rows.addRow("Balance", self.balance)
        rows.addRow(self.inside)
        rows.addRow(self.with_target)
        for number, name in ((self.w0, "w0"), (self.sigma, "sigma"), (self.gap, "gap")):
            rows.labelForField(number).setToolTip(texts[name])
            number.changed.connect(self.changed)
        self.rows = rows
        self.setLayout(rows)
        rows.labelForField(self.balance).setToolTip(texts["balance"])
        for chooser in (self.frames, self.preset, self.balance, self.classes):
            Calm.down(chooser)
        Calm.down(self.ignore)
        self.inside.toggled.connect(self.changed)
        self.balance.currentIndexChanged.connect(self.changed)
        self.preset.currentIndexChanged.connect(self._on_preset)
        # The same preset again brings its numbers back.
        self.preset.activated.connect(self._on_preset)
        self.pieces.toggled.connect(self.classes.setDisabled)  # they have other ids
        self._on_preset()

    def value(self) -> WeightConfig:
        """Return the settings."""
        return WeightConfig(
            preset=cast("Preset", self.preset.currentData()),
            w0=self.w0.value(),
            sigma=self.sigma.value(),
            balance=cast("Balance", self.balance.currentData()),
            gap=int(self.gap.value()),
            inside=self.inside.isChecked(),
        )

    def offer(self, layer: Any) -> None:
        """Offer what suits a layer: its axes and its features."""
        chosen, columns = self.classes.currentData(), class_columns(layer)
        self.classes.blockSignals(True)
        self.classes.clear()
        self.classes.addItem("none, all objects alike", None)
        for name in columns:
            self.classes.addItem(name, name)
        self.classes.setCurrentIndex(max(0, self.classes.findData(chosen)))
        self.classes.blockSignals(False)
        self.rows.setRowVisible(self.classes, bool(columns))
        self.rows.setRowVisible(self.frames, has_depth(layer))

    def reading(self, layer: Any) -> Reading:
        """Return what counts as an object of a layer."""
        column = self.classes.currentData() if self.classes.isEnabled() else None
        return Reading(
            self.frames.currentData(),
            self.pieces.isChecked(),
            self.ignore.id,
            None if column is None else classes_of(layer, column),
        )

    def choose(self, preset: Preset) -> None:
        """Choose a preset, with its numbers."""
        self.preset.setCurrentIndex(self.preset.findData(preset))

    def _on_preset(self, *_: object) -> None:
        preset = self.preset.currentData()
        border = PRESETS.get(preset)
        self.formula.setText(_FORMULAS[preset])
        self.inside.setEnabled(preset == "2015")
        self.balance.setEnabled(preset != "2019")
        self.w0.setEnabled(border is not None)
        self.sigma.setEnabled(border is not None)
        if border is not None:
            self.w0.set_value(border.w0)
            self.sigma.set_value(border.sigma)
        self.changed.emit()
        self.preset_chosen.emit()
