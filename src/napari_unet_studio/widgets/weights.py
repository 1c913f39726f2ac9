"""Dock widget "Separation weights": the weight map of labels, live as an overlay."""

from typing import Any

import napari.viewer
from napari.layers import Labels
from qtpy.QtCore import QElapsedTimer

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._controls import FRAME, SETTLED, Edits
from napari_unet_studio.widgets._weights.code import as_python, as_shell
from napari_unet_studio.widgets._weights.form import WeightForm
from napari_unet_studio.widgets._weights.maps import maps_of, over_all
from napari_unet_studio.widgets._weights.touched import touched_by
from napari_unet_studio.widgets._weights.work import WeightWork

AUTOMATIC = 1 << 23  # pixels that are computed anew after each stroke of the brush


class WeightsWidget(WeightWork):
    """Shows how much each pixel counts in training, and lets one tune it by eye.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    welcome = "No labels are open yet. Paint some on an image, or open a sample:"
    samples = ("nuclei_2d",)
    needed = Labels

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.run_button.setToolTip("Compute the weights of all that is labelled.")
        self._featured: Any = None  # the layer whose features are followed
        self._moved = QElapsedTimer()  # since the last redraw
        self._live_timer = self.clock(FRAME, self._live)
        self._settle_timer = self.clock(SETTLED, self._complete)
        self._edit_timer = self.clock(SETTLED, self._on_settled_edit)
        self._choice_timer = self.clock(SETTLED, self._complete)
        self._build()
        self._on_layer()

    def _build(self) -> None:
        self.labels = self.add_choice(
            layer_choice(
                Labels,
                "One id per object, 0 is background. This layer is never changed.",
                lambda _: self.layers_of(Labels),
            )
        )
        self.form = WeightForm(self.labels.native)
        self.frames = self.form.frames
        self.pieces = self.form.pieces
        self.with_target = self.form.with_target
        self.begin(
            self.form,
            Edits(self._on_edited, self._on_edited, self._on_placed),
            "Copy code that computes this weight map to the clipboard.",
        )
        self.body.addWidget(self.scale)
        self.body.addWidget(self.readout.label)
        self.labels.changed.connect(self._on_layer)
        self.form.changed.connect(self.on_moved)
        self.form.preset_chosen.connect(self._on_preset)
        self.with_target.toggled.connect(self._on_target)
        self.pieces.toggled.connect(self._on_objects)
        self.frames.activated.connect(self._on_objects)
        self.form.ignore.id_changed.connect(self._on_objects)
        self.form.classes.currentIndexChanged.connect(self._on_objects)

    def on_closed(self) -> None:
        """Stop what runs and let go of the layers; the weight maps stay."""
        super().on_closed()
        self.readout.close()
        self._follow_features(None)
        self._overlays.clear()

    def as_python(self) -> str:
        """Return code that computes the weight map of the chosen layer."""
        layer = self.labels.value
        try:
            # Not the maps on display: the layer may have another name by now.
            maps = None if layer is None else maps_of(layer, self.form.reading(layer))
        except StudioError as error:
            self.complain(error)
            return ""
        return as_python(maps, self.form.value())

    def as_shell(self) -> str:
        """Return a command that computes the weight map of the layer's file."""
        layer = self.labels.value
        try:
            maps = maps_of(layer, self.form.reading(layer))
        except StudioError as error:
            self.complain(error)
            return ""
        return as_shell(layer, maps, self.form.value())

    # -- live -------------------------------------------------------------------------

    def on_moved(self, event: Any = None) -> None:
        """Redraw for other settings, or another part of the data in view."""
        if not self._live_timer.isActive() and (
            self.running or self._overlay() is not None
        ):
            # At once after a rest, then at most every FRAME.
            rest = self._moved.elapsed() if self._moved.isValid() else FRAME
            self._live_timer.start(max(0, FRAME - rest))

    def _live(self) -> None:
        """Redraw what is on the canvas, and the rest once the sliders rest."""
        self._moved.start()
        overlay, config = self._overlay(), self.form.value()
        if self._work is not None and self._work.config != config:
            self._settle_timer.start()
        if overlay is None:
            return
        try:
            index, region = overlay.in_view()
            if self._stopped == config:
                self._settle_timer.stop()
            elif overlay.written.get(index) != (config, overlay.maps.numbers(config)):
                if self._light(overlay.maps) and overlay.maps.ready(config):
                    with_target = self.with_target.isChecked()
                    overlay.show(overlay.maps.now(config, index, with_target), config)
                else:
                    overlay.preview(index, region, config)
                self._settle_timer.start()
            elif not overlay.complete(config, self.with_target.isChecked()):
                self._settle_timer.start()
        except StudioError:
            self._settle_timer.start()  # said once the sliders rest, not at each step
        self._show_state()

    # -- choices ----------------------------------------------------------------------

    def _on_preset(self) -> None:
        overlay = self._overlay()
        if overlay is not None:
            overlay.fit_contrast(self.form.value())

    def _on_objects(self, *_: object) -> None:
        """Read the labels in another way, once the choice is made."""
        if self.running or self._overlay() is not None:
            self._choice_timer.start()

    def _on_target(self, *_: object) -> None:
        overlay = self._overlay()
        if overlay is not None:
            overlay.show_target(self.with_target.isChecked())
            if self.with_target.isChecked():
                self._complete()

    def _on_layer(self, *_: object) -> None:
        layer = self.labels.value
        self._edits.of([] if layer is None else [layer])
        self._follow_features(layer)
        self.form.offer(layer)
        self._show_state()
        if self._overlay() is not None:  # settings and labels have moved on meanwhile
            self._on_edited()

    def _follow_features(self, layer: Any) -> None:
        if self._featured is not None:
            self._featured.events.features.disconnect(self._on_features)
        self._featured = layer
        if layer is not None:
            layer.events.features.connect(self._on_features)

    def _on_features(self, *_: object) -> None:
        before = self.form.classes.currentData()
        self.form.offer(self.labels.value)
        if before is not None:
            self._on_objects()

    def _on_edited(self, event: Any = None) -> None:
        overlay = self._overlay()
        if self.running or overlay is not None:
            self._edited = True
            # Now: another frame may be in view when the timer ends.
            self._touched |= {None} if overlay is None else touched_by(event, overlay)
            self._edit_timer.start()

    def _on_placed(self, *_: object) -> None:
        self.form.offer(self.labels.value)
        self._on_edited()

    def _on_settled_edit(self) -> None:
        overlay, config = self._overlay(), self.form.value()
        if self.running:
            self._complete()
        elif overlay is None:
            return
        elif overlay.maps.pixels <= AUTOMATIC:
            self._compute(overlay)
        elif overlay.maps.frame_pixels <= AUTOMATIC and not over_all(config):
            if self._touched:  # or all was computed meanwhile
                self._compute(overlay, edited=True)
        elif not overlay.complete(config):  # other settings, not only other labels
            self._compute(overlay)
        else:
            self.say("The labels may have changed. Refresh computes their weights.")
