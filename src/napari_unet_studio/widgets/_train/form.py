"""The settings of a training: what everybody sets in sight, the rest one click away."""

from collections.abc import Mapping
from typing import Any

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_unet_studio.core.config import field_types, help_texts
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.recipes import ABOUT, RECIPES
from napari_unet_studio.tasks.train_config import TrainConfig, chosen_network
from napari_unet_studio.widgets._form import Form, collapsible
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._segment.rows import combo_box
from napari_unet_studio.widgets._train.presets import CUSTOM, applied, recipe_of
from napari_unet_studio.widgets._train.start import StartChoice
from napari_unet_studio.widgets._train.texts import describe_network

SMALL = "font-size: 11px;"
_TIP = Qt.ItemDataRole.ToolTipRole
_MAIN = ("network", "target", "zero", "background", "updates", "minutes")
_APART = ("start",)
_SECTIONS = {
    "Budget": ("epochs", "validations", "patience"),
    "Data": ("ignore", "split_masks", "hold_out"),
    "Network": ("width", "fit_pooling"),
    "Patches": ("patch", "batch", "accumulate"),
    "Optimiser": ("optimiser", "learning_rate", "schedule", "ema"),
    "Loss": ("loss", "head_weights"),
    "Computing": ("device", "precision", "compile", "seed"),
}
_REST = tuple(
    name for name in field_types(TrainConfig) if name not in (*_MAIN, *_APART)
)
ZEROS: Mapping[str, str] = {
    "updates": "no limit",
    "epochs": "no limit",
    "minutes": "no limit",
    "ignore": "none",
    "split_masks": "off",
    "patch": "automatic",
    "patience": "never",
    "ema": "off",
    "hold_out": "nothing",
}
"""What the editors of some fields show in place of 0."""
_TARGETS = {
    "objects": "Labels number the objects (or mark them as one mask); touching objects "
    "are learnt as separate.",
    "classes": "Each label value is a kind of pixel, such as a tissue",
}


class TrainForm(QWidget):
    """Edits a :class:`TrainConfig` in two parts, and explains the choices.

    Parameters
    ----------
    config
        The values to start with.
    """

    changed = Signal()

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self._quiet = False
        self._main = Form(config, hidden=(*_REST, *_APART), zeros=ZEROS)
        self._rest = Form(
            config,
            hidden=(*_MAIN, *_APART),
            titles={"weights": "Pixel weights", "augment": "Augmentation"},
            groups=_SECTIONS,
            zeros=ZEROS,
        )
        self.recipe = _recipe_box()
        self.start = StartChoice(help_texts(TrainConfig)["start"])
        self.start.value = config.start
        self.explanation = fine_print()
        self.advanced = collapsible(
            "Advanced",
            self._rest,
            "Budget, data, patches, optimiser, loss, pixel weights, augmentation, "
            "device.",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._main)
        layout.addWidget(self.explanation)
        layout.addWidget(self.advanced)
        self.insert_row(field_types(TrainConfig)["start"][1]["label"], self.start)
        self.insert_row("Recipe", self.recipe)
        self._main.changed.connect(self._on_changed)
        self._rest.changed.connect(self._on_changed)
        self.start.changed.connect(self._on_changed)
        self.recipe.activated.connect(lambda _: self.follow(self.recipe.currentText()))
        self._show_choices()

    def value(self) -> TrainConfig:
        """Return the configuration as edited.

        Raises
        ------
        ConfigError
            If a field cannot be used, or nothing would end the training.
        """
        values = self._main.values() | self._rest.values()
        return TrainConfig(start=self.start.value, **values)

    def set(self, config: TrainConfig) -> None:
        """Show another configuration; `changed` is emitted once if anything differs."""
        before = self.values()
        self._quiet = True
        try:
            self._main.set(config)
            self._rest.set(config)
            self.start.value = config.start
        finally:
            self._quiet = False
        if self.values() != before:
            self._on_changed()

    def follow(self, name: str) -> None:
        """Set what a recipe says; what is said of the data stays."""
        if name == CUSTOM:
            self._show_choices()
            return
        try:
            now = self.value()
        except StudioError:  # half a word in one of the fields
            now = TrainConfig()
        self.set(applied(name, now))
        self._show_choices()

    def editor(self, name: str) -> ValueWidget[Any]:
        """Return the magicgui widget of a field; "weights.sigma" is in a group."""
        return (self._main if name in _MAIN else self._rest).editor(name)

    def insert_row(self, text: str, field: QWidget) -> None:
        """Put a field of another kind on top; its tooltip is that of the label too."""
        label = QLabel(text)
        label.setToolTip(field.toolTip())
        self._main.findChild(QFormLayout).insertRow(0, label, field)

    def set_locked(self, locked: bool) -> None:
        """Show the settings, but let nobody change them."""
        self._main.setEnabled(not locked)
        self._rest.setEnabled(not locked)

    def explain(self) -> None:
        """Say what the chosen target and network mean."""
        try:
            config = self.value()
        except StudioError as error:  # half a word, or no limit at all
            self.explanation.setText(str(error))
            return
        lines = [_TARGETS[config.target]]
        unpainted = config.zero == "unlabelled"
        if config.target == "classes":
            lines[0] += "." if unpainted else ", 0 included."
        if unpainted:
            text = "Unpainted pixels neither teach nor count"
            if config.target == "objects":
                text += (
                    f": paint some background with label {config.background}, "
                    "objects with others"
                )
            lines.append(f"{text}.")
        told = self.start.describe()
        lines.append(told or describe_network(chosen_network(config)))
        self.explanation.setText("\n".join(lines))

    def values(self) -> dict[str, Any]:
        """Return the fields as edited, whether or not they fit together."""
        return {
            **self._main.values(),
            **self._rest.values(),
            "start": self.start.value,
        }

    def _on_changed(self) -> None:
        if not self._quiet:
            self._show_choices()
            self.changed.emit()

    def _show_choices(self) -> None:
        """Show the fields that mean something, and the recipe that is followed."""
        values = self.values()
        anew = not values["start"]
        sparse = values["zero"] == "unlabelled" and values["target"] == "objects"
        self._main.show_field("network", anew)
        self._main.show_field("background", sparse)
        try:
            config = self.value()
        except StudioError:
            self.recipe.setCurrentText(CUSTOM)
        else:
            name = recipe_of(config)
            self.recipe.setCurrentText(name)
            self.recipe.setToolTip(_recipe_tip(name))
            spec = chosen_network(config)
            self._rest.show_field("width", anew)
            self._rest.show_field("fit_pooling", anew and spec.ndim == 3)
            self._rest.show_field("head_weights", not anew or spec.num_heads > 1)
        self.explain()


def _recipe_box() -> QComboBox:
    box = combo_box(_recipe_tip(CUSTOM))
    box.addItems([*RECIPES, CUSTOM])
    for number, name in enumerate(RECIPES):
        box.setItemData(number, ABOUT[name], _TIP)
    box.setItemData(len(RECIPES), "Settings of your own.", _TIP)
    return box


def _recipe_tip(name: str) -> str:
    usual = "Settings to start from; what you have set for the data stays."
    return f"{ABOUT[name]} {usual}" if name in ABOUT else usual


def fine_print(text: str = "") -> WrappedLabel:
    """Return a label for an explanation, which is as wide as there is room."""
    label = WrappedLabel()
    label.setText(text)
    label.setStyleSheet(SMALL)
    return label
