"""Small parts of the live widgets: numbers with a slider, timers, viewer events."""

from collections.abc import Callable, Sequence
from inspect import ismethod
from math import ceil, sqrt
from typing import Any
from weakref import WeakMethod, ref

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.layers import SPATIAL, source_of
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._session_menu import add_session

FRAME = 33  # milliseconds between two redraws while a slider moves
SETTLED = 300  # milliseconds without a change after which the rest is computed
DRAFT = 1 << 20  # pixels that are drawn while a slider moves
# Pixels: of a number's field at least, and beside its number; with and without buttons.
_WITH_BUTTONS, _WITHOUT_BUTTONS = (108, 62), (76, 24)


class _NumberField(QDoubleSpinBox):
    """A field with room for the largest usual number, whatever the font."""

    def __init__(self, usual: float) -> None:
        super().__init__()
        self._usual = usual

    def changeEvent(self, event: Any) -> None:
        """Follow the size of the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.fit()

    def fit(self) -> None:
        """Take the width that is needed, and not less than the other fields have."""
        plain = self.buttonSymbols() == QDoubleSpinBox.ButtonSymbols.NoButtons
        least, beside = _WITHOUT_BUTTONS if plain else _WITH_BUTTONS
        text = self.textFromValue(self._usual) + self.suffix()
        needed = self.fontMetrics().horizontalAdvance(text)
        self.setFixedWidth(max(least, needed + beside))


class NumberSlider(QWidget):
    """A number with a slider for its usual range and a field for its whole range.

    Parameters
    ----------
    value
        To start with.
    usual
        Smallest and largest number of the slider.
    largest
        Largest number of the field.
    step
        Of both; whole numbers if it is 1 or more.
    unit
        Shown in the field.
    tooltip
        Shown on both.
    """

    changed = Signal()

    def __init__(
        self,
        value: float,
        usual: tuple[float, float],
        largest: float,
        step: float = 1.0,
        unit: str = "",
        tooltip: str = "",
    ) -> None:
        super().__init__()
        self._step = step
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(usual[0] / step), round(usual[1] / step))
        self.slider.setPageStep(max(1, round((usual[1] - usual[0]) / step / 10)))
        self.slider.setMinimumWidth(60)
        self.field = _NumberField(usual[1])
        self.field.setDecimals(0 if step >= 1 else len(f"{step:g}") - 2)
        self.field.setRange(usual[0], largest)
        self.field.setSingleStep(step)
        self.field.setSuffix(f" {unit}" if unit else "")
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.fit()
        self.field.setValue(value)
        self.slider.setValue(round(value / step))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.field)
        self.setToolTip(tooltip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for part in (self.slider, self.field):
            Calm.down(part)
        self.slider.valueChanged.connect(self._on_slider)
        self.field.valueChanged.connect(self._on_field)

    def value(self) -> float:
        """Return the number."""
        return float(self.field.value())

    def set_value(self, value: float) -> None:
        """Show a number; `changed` is emitted if it differs."""
        self.field.setValue(value)

    def _on_slider(self, position: int) -> None:
        self.field.setValue(round(position * self._step, 6))

    def _on_field(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(value / self._step))
        self.slider.blockSignals(False)
        self.changed.emit()


def timer(parent: QObject, milliseconds: int, callback: Callable[[], None]) -> QTimer:
    """Return a timer that calls once after each start, and goes with its parent."""
    clock = QTimer(parent)
    clock.setSingleShot(True)
    clock.setInterval(milliseconds)
    clock.timeout.connect(callback)
    return clock


def soon(clock: QTimer) -> None:
    """Start a timer unless it runs: many calls become one, with the last values."""
    if not clock.isActive():
        clock.start()


def follow(widget: QObject, emitter: Any, callback: Callable[..., None]) -> None:
    """Connect a napari event to a widget for as long as the widget exists."""
    emitter.connect(callback)
    _Link(widget, emitter, callback)


class _Link:
    """Ends what :func:`follow` began.

    A closure would not do: where Python's garbage collector takes widget and viewer
    apart together, it empties the closure first, and Qt then calls it, which ends the
    process. This object is no garbage, and sees by its weak references what is left.
    """

    def __init__(
        self, widget: QObject, emitter: Any, callback: Callable[..., None]
    ) -> None:
        self._emitter = ref(emitter)
        self._callback: Callable[[], Any]
        self._callback = WeakMethod(callback) if ismethod(callback) else ref(callback)
        _LINKS.add(self)
        widget.destroyed.connect(self._end)

    def _end(self, *_: object) -> None:
        _LINKS.discard(self)
        emitter, callback = self._emitter(), self._callback()
        if emitter is not None and callback is not None:
            emitter.disconnect(callback)


_LINKS: set[_Link] = set()  # those whose widgets exist; Qt does not hold them


class Edits:
    """Notices edits of layers, and of no others.

    Parameters
    ----------
    on_painted
        Called when pixels of labels were painted, or painting was undone or redone.
    on_replaced
        Called when a layer got another array.
    on_placed
        Called when a layer got another pixel size, place or names of its axes.
    """

    def __init__(
        self,
        on_painted: Callable[..., None],
        on_replaced: Callable[..., None],
        on_placed: Callable[..., None],
    ) -> None:
        self._painted = on_painted
        self._replaced = on_replaced
        self._placed = on_placed
        self._known: list[Any] = []
        self._strokes: dict[int, tuple[int, ...]] = {}

    def of(self, layers: Sequence[Any]) -> None:
        """Follow these layers from now on."""
        for layer in self._known:
            for event, callback in self._pairs(layer):
                event.disconnect(callback)
        self._known = list(layers)
        self._strokes = {id(layer): _history(layer) for layer in layers}
        for layer in layers:
            for event, callback in self._pairs(layer):
                event.connect(callback)

    def without(self, layer: Any) -> None:
        """Follow a layer no more, so that its memory can go with it."""
        if any(known is layer for known in self._known):
            self.of([known for known in self._known if known is not layer])

    def _pairs(self, layer: Any) -> list[tuple[Any, Callable[..., None]]]:
        events = layer.events
        pairs = [(events.data, self._replaced)]
        pairs += [(getattr(events, name), self._placed) for name in SPATIAL]
        if hasattr(events, "labels_update"):
            pairs.append((events.labels_update, self._painted))
            pairs.append((events.set_data, self._on_redrawn))
        return pairs

    def _on_redrawn(self, event: Any) -> None:
        """Notice undo and redo: they tell of a redraw only, but the history moves."""
        layer = event.source
        strokes = _history(layer)
        if self._strokes.get(id(layer)) != strokes:
            self._strokes[id(layer)] = strokes
            self._painted(event)


def _history(layer: Any) -> tuple[int, ...]:
    """Return how many strokes of the brush can be undone and redone."""
    names = ("_undo_history", "_redo_history")
    return tuple(len(getattr(layer, name, ())) for name in names)


def copy_button(
    python: Callable[[], str], tooltip: str, shell: Callable[[], str] | None = None
) -> QPushButton:
    """Return a button that puts code on the clipboard, and says so.

    Parameters
    ----------
    python
        Returns Python code; "" is not copied.
    tooltip
        Of the button.
    shell
        Returns shell commands that do the same: then the button has a menu of both, and
        of the session, see :class:`.Session`.
    """
    title = "Copy as Python" if shell is None else "Copy…"
    button = QPushButton(title)
    button.setToolTip(tooltip)
    back = timer(button, 1500, lambda: button.setText(title))

    def copy(code: Callable[[], str]) -> None:
        clipboard, text = QApplication.clipboard(), code()
        if clipboard is not None and text:
            clipboard.setText(text)
            button.setText("Copied")
            back.start()

    if shell is None:
        button.clicked.connect(lambda: copy(python))
        return button
    menu = QMenu(button)
    for name, code in (("Python", python), ("shell", shell)):
        action = menu.addAction(f"Copy as {name}")
        action.triggered.connect(lambda *_, it=code: copy(it))
    add_session(menu, button, copy)
    button.setMenu(menu)
    return button


def coarsened(pixels: int) -> int:
    """Return the step at which a picture of many pixels is drawn while it changes."""
    return ceil(sqrt(max(1.0, pixels / DRAFT)))


def enlarged(picture: NDArray[Any], step: int, shape: Sequence[int]) -> NDArray[Any]:
    """Repeat the pixels of a coarse picture along its last axes, up to a shape."""
    for axis, size in zip(range(-len(shape), 0), shape, strict=True):
        picture = np.repeat(picture, step, axis).swapaxes(axis, -1)[..., :size]
        picture = picture.swapaxes(axis, -1)
    return picture


def position_in(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return the pixel of a layer at the viewer's position, within the layer."""
    point = np.rint(layer.world_to_data(viewer.dims.point)).astype(int)
    shape = layer.data.shape if not layer.multiscale else layer.data[0].shape
    return tuple(
        min(max(int(p), 0), n - 1)
        for p, n in zip(point, shape[: layer.ndim], strict=True)
    )


def has_depth(layer: Any) -> bool:
    """Whether a layer has a Z axis among others, as far as its axes have names."""
    try:
        return layer is not None and layer.ndim > 2 and "Z" in source_of(layer).axes
    except StudioError:  # said when the user wants to do something with the layer
        return False


def displayed_axes(viewer: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes of a layer with `ndim` axes that the canvas shows."""
    shift = viewer.dims.ndim - ndim
    return tuple(sorted(a - shift for a in viewer.dims.displayed if a >= shift))
