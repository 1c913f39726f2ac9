"""What training will see: a strip of augmented patches, and its settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._controls import FRAME, soon
from napari_unet_studio.widgets._deform.camera import Camera
from napari_unet_studio.widgets._deform.chosen import Chosen, position_of
from napari_unet_studio.widgets._deform.form import DRAWS, beside
from napari_unet_studio.widgets._deform.strip import Strip, Wanted
from napari_unet_studio.widgets._deform.tiles import beside as seen_together
from napari_unet_studio.widgets._deform.train import (
    recipe,
    train_widget,
    use_in_train,
    within_limits,
)
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._live import LiveWidget
from napari_unet_studio.widgets._worker import Failure

COUNT, MOST = 8, 36  # patches to start with, and at most


class DrawsPanel(QWidget):
    """Shows patches as training will draw them, with the settings of this viewer.

    Parameters
    ----------
    widget
        The widget that this is part of.
    choose
        Reads the chosen layers, or raises a StudioError.
    config
        Returns the settings of the deformation.
    previewed
        Returns whether a preview lies on the image, which is to stay in view.
    """

    changed = Signal()
    """When the layers of the strip have changed."""

    def __init__(
        self,
        widget: LiveWidget,
        choose: Callable[[], Chosen],
        config: Callable[[], DeformConfig],
        previewed: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._widget = widget
        self._choose = choose
        self._config = config
        self._previewed = previewed
        self._chosen: Chosen | None = None
        self._strip: Strip | None = None
        self._camera: Camera | None = None
        self._train: Any = None
        self._seed = 0
        self.shown = QCheckBox("Patches as training sees them")
        self.shown.setToolTip(
            "Cut, normalised, turned, zoomed, deformed and varied in tone by the code "
            "that feeds a training, beside the image. Labels and weights come along."
        )
        self.count = QSpinBox()
        self.count.setRange(1, MOST)
        self.count.setValue(COUNT)
        self.count.setToolTip("How many patches to show.")
        self.again = QPushButton("New draws")
        self.again.setToolTip("Other random patches, with the same settings.")
        self.use = QPushButton("Use in Train")
        self.use.setToolTip(
            "Set elastic strength and grid in the Train widget, and nothing else; it "
            "is opened if it is not."
        )
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self.note.setStyleSheet("font-size: 11px;")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setFrameShadow(QFrame.Shadow.Sunken)
        title = QLabel("<b>In training</b>")
        self.count.setFixedWidth(108)
        first = beside(self.shown, self.count)
        for row in (line, title, first, beside(self.again, self.use), self.note):
            layout.addWidget(row)
        Calm.down(self.count)
        self._timer = widget.clock(FRAME, self.refresh)
        self.shown.toggled.connect(self._on_shown)
        self.count.valueChanged.connect(self.follow)
        self.again.clicked.connect(self._on_again)
        self.use.clicked.connect(self._on_use)

    @property
    def busy(self) -> bool:
        """Whether patches are being drawn."""
        return self._strip is not None and self._strip.busy

    # -- what the widget tells --------------------------------------------------------

    def rebuild(self) -> None:
        """Draw from the layers as they are chosen now."""
        self._drop()
        if not self.shown.isChecked():
            return
        try:
            self._chosen = self._choose()
        except StudioError as error:
            self.switch_off(str(error))
            return
        chosen = self._chosen
        self._strip = Strip(
            self._widget.viewer, chosen.deformation, chosen.templates, self
        )
        self._strip.redrawn.connect(self._on_redrawn)
        self._strip.failed.connect(self._on_failure)
        self.refresh()

    def follow(self, *_: object) -> None:
        """Draw anew, soon: a setting or the position has changed."""
        if self._strip is not None:
            soon(self._timer)

    def forget(self) -> None:
        """Draw anew from changed pixels."""
        if self._strip is not None:
            self._strip.forget()

    def owns(self, layer: Any) -> bool:
        """Whether a layer is part of the strip."""
        return self._strip is not None and self._strip.owns(layer)

    def on_removed(self, layer: Any) -> bool:
        """Untick the strip if its picture was removed; return whether it was.

        The rest is left for :meth:`rebuild`: napari may be removing several layers.
        """
        gone = self._strip is not None and self._strip.layers[:1] == [layer]
        if gone:
            self._untick()
        return gone

    def switch_off(self, why: str = "") -> None:
        """Remove the strip and untick it, and show again what was shown before."""
        self._drop()
        self._untick()
        if self._camera is not None:
            self._camera.back()
        self.note.setText(why)

    def _untick(self) -> None:
        self.shown.blockSignals(True)
        self.shown.setChecked(False)
        self.shown.blockSignals(False)

    # -- drawing ----------------------------------------------------------------------

    def _on_shown(self, on: bool) -> None:
        if on:
            self._widget.say("Loading PyTorch…")
            self._widget.status.repaint()
            # Here and not in the thread: torch wants to be imported in the main one.
            import napari_unet_studio.tasks.training.draws  # noqa: F401

            self._widget.say("")
            self._camera = Camera(self._widget.viewer)
        self.rebuild()
        if not on and self._camera is not None:
            self._camera.back()

    def refresh(self) -> None:
        """Ask for the patches of the settings and the position of now."""
        strip, chosen, viewer = self._strip, self._chosen, self._widget.viewer
        if strip is None or chosen is None:
            return
        self._follow_train()
        deformation = chosen.deformation
        place, channel = position_of(viewer, chosen.layers[0], deformation)
        index = place[: len(deformation.frames.leading)]
        config, _ = recipe(viewer, self._config())
        strip.want(Wanted(index, config, self.count.value(), self._seed), channel)
        if strip.shape is not None:
            self.note.setText(self._explanation(strip, chosen))

    def _follow_train(self) -> None:
        train = train_widget(self._widget.viewer)
        if train is not self._train and train is not None:
            train.form.changed.connect(self.follow)
        self._train = train

    def _on_redrawn(self) -> None:
        strip, chosen = self._strip, self._chosen
        if strip is None or chosen is None:
            return
        self.note.setText(self._explanation(strip, chosen))
        if self._camera is not None and not self._camera.moved:
            shape = strip.shape or (1, 1)
            image = chosen.deformation.frames.shape
            together = seen_together(shape[-2:], image[-2:]) or self._previewed()
            self._camera.fit([*strip.layers, *chosen.layers * together])
        self.changed.emit()

    def _on_failure(self, failure: Failure) -> None:
        self.switch_off()
        self._widget.on_failure(failure)

    def _on_again(self) -> None:
        self._seed = int(np.random.default_rng().integers(DRAWS))
        if self.shown.isChecked():
            self.follow()
        else:
            self.shown.setChecked(True)

    def _on_use(self) -> None:
        self._widget.say(use_in_train(self._widget.viewer, self._config()))
        self._widget.in_front()
        self.follow()

    def _drop(self) -> None:
        strip, self._strip, self._chosen = self._strip, None, None
        self._timer.stop()
        self.note.setText("")
        if strip is not None:
            strip.remove()
            strip.deleteLater()
            self.changed.emit()

    def _explanation(self, strip: Strip, chosen: Chosen) -> str:
        """Say what the patches are, and whose settings made them."""
        shape = strip.shape or ()
        size = sides(shape)
        text = f"{size} px at true size, normalised as for the network"
        if len(shape) == 3:
            text = f"The middle slices of {size} px patches, normalised"
        channels = chosen.deformation.frames.channels
        if channels > 1 and not chosen.templates[0].rgb:
            text += "; the channel is the one in view"
        config = self._config()
        if within_limits(config) != (config.sigma, config.grid):
            text += "; strength and grid at most as training allows"
        known = recipe(self._widget.viewer, config)[1]
        whose = "Other settings: those of the Train widget."
        if not known:
            whose = "Other settings: the defaults, because Train is not open."
        return f"{text}. {whose}"
