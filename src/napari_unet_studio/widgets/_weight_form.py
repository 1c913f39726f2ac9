"""The settings of a weight map: preset, height, width, balance and gap."""

from typing import cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QWidget

from napari_unet_studio.core.config import help_texts
from napari_unet_studio.core.weights import PRESETS, Preset, WeightConfig
from napari_unet_studio.widgets._controls import NumberSlider
from napari_unet_studio.widgets._form import Calm, aligned_form

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
        self.balance = QCheckBox("Balance objects and background")
        self.balance.setChecked(start.balance == "image")
        self.balance.setToolTip(texts["balance"])
        self.gap = NumberSlider(start.gap, (0, 10), 20, 1, "px", texts["gap"])
        rows = aligned_form()
        rows.addRow("Labels", labels)
        rows.addRow("Stack", self.frames)
        rows.addRow(self.pieces)
        rows.addRow("Preset", self.preset)
        rows.addRow(self.formula)
        rows.addRow("Height w₀", self.w0)
        rows.addRow("Width σ", self.sigma)
        rows.addRow("Gap", self.gap)
        rows.addRow(self.inside)
        rows.addRow(self.balance)
        rows.addRow(self.with_target)
        for number, name in ((self.w0, "w0"), (self.sigma, "sigma"), (self.gap, "gap")):
            rows.labelForField(number).setToolTip(texts[name])
            number.changed.connect(self.changed)
        self.rows = rows
        self.setLayout(rows)
        for chooser in (self.frames, self.preset):
            Calm.down(chooser)
        self.inside.toggled.connect(self.changed)
        self.balance.toggled.connect(self.changed)
        self.preset.currentIndexChanged.connect(self._on_preset)
        # The same preset again brings its numbers back.
        self.preset.activated.connect(self._on_preset)
        self._on_preset()

    def value(self) -> WeightConfig:
        """Return the settings."""
        return WeightConfig(
            preset=cast("Preset", self.preset.currentData()),
            w0=self.w0.value(),
            sigma=self.sigma.value(),
            balance="image" if self.balance.isChecked() else "none",
            gap=int(self.gap.value()),
            inside=self.inside.isChecked(),
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
