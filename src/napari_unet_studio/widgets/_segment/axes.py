"""The field for the names of an image's axes: typed, completed, and checked."""

from typing import Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import full_axes_of, read_axes
from napari_unet_studio.widgets._colours import WRONG, tinted
from napari_unet_studio.widgets._segment.rows import (
    combo_box,
    remark,
    small_label,
)

# What an image with so many axes may be, colours of RGB not counted.
USUAL = {
    2: {"YX": "image"},
    3: {
        "ZYX": "stack",
        "TYX": "time series",
        "CYX": "channels",
        "YXC": "channels last",
    },
    4: {
        "TZYX": "time series of stacks",
        "CZYX": "channels of a stack",
        "ZCYX": "stack of channels",
        "TCYX": "time series of channels",
        "ZYXC": "stack, channels last",
    },
    5: {"TCZYX": "all, in the usual order", "TZCYX": "all", "CTZYX": "all"},
}
_TIP = (
    "What each axis of the image is: T time, C channels, Z, Y, X. Choose or type. A 2D "
    "model goes through a stack or a time series plane by plane; objects of a stack "
    "are joined across its planes, those of a time series are counted in each frame."
)


class AxesField(QWidget):
    """An editable combo box for names such as "TZYX"; what is wrong stands below it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.combo = combo_box(_TIP)
        self.combo.setEditable(True)
        self.combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.combo.setCompleter(None)  # napari's style hides what it would complete
        self.reason = small_label()
        self.setToolTip(_TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.combo)
        layout.addWidget(self.reason)
        self._layer: Any = None
        self._ndim = 2
        self._typed: WeakKeyDictionary[Any, tuple[int, str]] = WeakKeyDictionary()
        self.combo.activated.connect(self._on_activated)
        self.combo.editTextChanged.connect(self._on_text)

    @property
    def text(self) -> str:
        """What stands in the field, without spaces, in capitals."""
        return "".join(self.combo.currentText().upper().split())

    @property
    def useful(self) -> bool:
        """Whether there is anything to choose."""
        return self._layer is not None and self._layer.ndim > 2

    def set(self, axes: str) -> None:
        """Put names into the field, as if typed."""
        self.combo.setEditText(axes)

    def show_layer(self, layer: Any, ndim: int) -> None:
        """Show the axes of a layer: as typed before, as it says, or as is usual.

        Parameters
        ----------
        layer
            The image, or None.
        ndim
            Spatial axes of the network.
        """
        self._layer, self._ndim = layer, ndim
        usual = {} if layer is None else self._usual(layer)
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for number, (axes, meaning) in enumerate(usual.items()):
                self.combo.addItem(f"{axes} – {meaning}", axes)
                self.combo.setItemData(number, meaning, Qt.ItemDataRole.ToolTipRole)
            if layer is not None:
                count, typed = self._typed.get(layer, (0, ""))
                known = typed if count == layer.ndim else full_axes_of(layer)
                self.combo.setCurrentIndex(self.combo.findData(known))
                self.combo.setEditText(known)
        self.check()

    def check(self) -> bool:
        """Mark the field if the names do not fit; return whether they do."""
        error = ""
        if self._layer is not None:
            try:
                self.read()
            except InputError as found:
                error = str(found)
        tinted(self.combo, WRONG if error else "")
        remark(self.reason, error, error=True)
        return not error

    def read(self) -> str:
        """Return the names, checked against the layer and the network.

        Raises
        ------
        InputError
            If they do not fit.
        """
        axes, _ = read_axes(self._layer, self.text)
        if spatial_ndim(axes) < self._ndim:
            series = "T" in axes
            raise InputError(
                f"The model works on stacks (3D), but the axes of "
                f"{self._layer.name!r} are {axes}; choose a 2D model"
                f"{' or the axes of a stack' * series}."
            )
        return self.text

    @staticmethod
    def _usual(layer: Any) -> dict[str, str]:
        usual = USUAL.get(layer.ndim, {})
        if getattr(layer, "rgb", False):
            usual = {axes: text for axes, text in usual.items() if "C" not in axes}
        return usual

    def _on_activated(self, index: int) -> None:
        self.combo.setEditText(self.combo.itemData(index))

    def _on_text(self, text: str) -> None:
        """Notice what was typed; a line of the list becomes its letters."""
        letters = text.split(" – ")[0]
        if letters != text:
            with QSignalBlocker(self.combo):
                self.combo.setEditText(letters)
        if self._layer is not None:
            self._typed[self._layer] = (self._layer.ndim, self.text)
        self.check()
        self.changed.emit()
