"""The settings of a training: what everybody sets in sight, the rest one click away."""

from dataclasses import replace
from typing import Any

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_unet_studio.core.config import field_types
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.tasks.train_config import TrainConfig, chosen_network
from napari_unet_studio.widgets._form import Form, collapsible

_MAIN = ("network", "target", "updates")
_REST = tuple(name for name in field_types(TrainConfig) if name not in _MAIN)
_TARGETS = {
    "objects": "Labels number the objects (or mark them as one mask); touching objects "
    "are learnt as separate.",
    "classes": "Each label value, 0 included, is a kind of pixel, such as a tissue.",
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
        self._main = Form(config, hidden=_REST)
        self._rest = Form(
            config,
            hidden=_MAIN,
            titles={"weights": "Pixel weights", "augment": "Augmentation"},
        )
        self.explanation = fine_print()
        self.advanced = collapsible(
            "Advanced",
            self._rest,
            "Patches, loss, pixel weights, augmentation, device.",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._main)
        layout.addWidget(self.explanation)
        layout.addWidget(self.advanced)
        self._main.changed.connect(self._on_changed)
        self._rest.changed.connect(self._on_changed)
        self.explain()

    def value(self) -> TrainConfig:
        """Return the configuration as edited."""
        main = self._main.value()
        return replace(
            self._rest.value(), **{name: getattr(main, name) for name in _MAIN}
        )

    def set(self, config: TrainConfig) -> None:
        """Show another configuration."""
        self._main.set(config)
        self._rest.set(config)

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
        except StudioError:  # half a word in one of the fields
            return
        spec = chosen_network(config)
        self.explanation.setText(f"{_TARGETS[config.target]}\n{describe_network(spec)}")

    def _on_changed(self) -> None:
        self.explain()
        self.changed.emit()


def describe_network(spec: NetworkSpec) -> str:
    """Return the key figures of a network.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import NETWORKS
    >>> print(describe_network(NETWORKS["unet-3d"]))
    For volumes; judges a voxel by the 100 × 100 × 100 px around it; 1.4 million
    parameters.
    >>> print(describe_network(NETWORKS["eff-unet-b0"]))
    For images, or a stack plane by plane; judges a pixel by the whole tile; 6.0 million
    parameters.
    """
    volumes = spec.ndim == 3
    seen = " × ".join(str(side) for side in spec.receptive_field)
    around = f"the {seen} px around it" if spec.local else "the whole tile"
    kind = "For volumes" if volumes else "For images, or a stack plane by plane"
    pixel = "voxel" if volumes else "pixel"
    millions = spec.parameters / 1e6
    return f"{kind}; judges a {pixel} by {around}; {millions:.1f} million parameters."


def fine_print(text: str = "") -> QLabel:
    """Return a label for an explanation."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setStyleSheet("font-size: 11px;")
    return label
