"""Dock widget "Separation weights": the weight map of labels, live as an overlay."""

from functools import partial
from typing import Any

import napari.viewer
from napari.layers import Labels

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.progress import Progress, never, run
from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._controls import (
    FRAME,
    SETTLED,
    Edits,
    has_depth,
    soon,
)
from napari_unet_studio.widgets._live import LiveWidget
from napari_unet_studio.widgets._weight_form import WeightForm
from napari_unet_studio.widgets._weight_maps import (
    FrameDone,
    WeightMaps,
    as_python,
    compiled,
    maps_of,
    warm_up,
)
from napari_unet_studio.widgets._weight_overlay import Overlay

LIGHT = 1 << 20  # pixels that are computed at once, without a thread
AUTOMATIC = 1 << 23  # pixels that are computed anew after each stroke of the brush


class WeightsWidget(LiveWidget):
    """Shows how much each pixel counts in training, and lets one tune it by eye.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Show weights", compiled, warm_up)
        self._overlays: list[Overlay] = []
        self._work: tuple[Overlay, WeightConfig] | None = None
        self._again = False
        self._stopped: WeightConfig | None = None
        self._live_timer = self.clock(FRAME, self._live)
        self._settle_timer = self.clock(SETTLED, self._complete)
        self._edit_timer = self.clock(SETTLED, self._on_settled_edit)
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
            Edits(self._on_edited, self._on_edited),
            "Copy code that computes this weight map to the clipboard.",
        )
        self.labels.changed.connect(self._on_layer)
        self.form.changed.connect(self.on_moved)
        self.form.preset_chosen.connect(self._on_preset)
        self.with_target.toggled.connect(self._on_target)
        self.pieces.toggled.connect(self._on_objects)
        self.frames.activated.connect(self._on_objects)

    def on_closed(self) -> None:
        """Stop what runs and let go of the layers; the weight maps stay."""
        super().on_closed()
        self._overlays.clear()

    def as_python(self) -> str:
        """Return code that computes the weight map of the chosen layer."""
        layer = self.labels.value
        try:
            maps = None if layer is None else self._maps_of(layer)
        except StudioError as error:
            self.complain(error)
            return ""
        return as_python(maps, self.form.value())

    # -- the whole map ----------------------------------------------------------------

    def run(self) -> None:
        """Compute the weight map of the chosen layer, or bring it up to date."""
        layer = self.labels.value
        if self.running:
            return
        try:
            maps = self._maps_of(layer)
        except StudioError as error:
            self.complain(error)
            return
        overlay = self._overlay() or Overlay(self.viewer, layer, maps)
        overlay.take(maps)
        self._start(overlay)

    def _start(self, overlay: Overlay) -> None:
        config, maps = self.form.value(), overlay.maps
        self._work = (overlay, config)
        self._again, self._stopped = False, None
        first, _ = overlay.in_view()
        task = partial(maps.task, config, first, self.with_target.isChecked())
        if maps.pixels > LIGHT or maps.ndim > 2 or not compiled():
            title = f"Weights of {maps.source.name}"
            self.launch(task, title, self._on_computed, self._on_frame)
            return
        try:
            self._on_computed(run(task(should_stop=never), self._on_frame))
        except StudioError as error:
            self.complain(error)

    def _on_frame(self, progress: Progress) -> None:
        """Show a frame, unless its layers are gone or the settings have moved on."""
        if not isinstance(progress, FrameDone) or self._work is None:
            return
        overlay, config = self._work
        if overlay.labels not in self.viewer.layers or overlay.gone:
            self.cancel()
        elif config == self.form.value():
            overlay.show(progress, config)
            if overlay not in self._overlays:
                self._overlays.append(overlay)
            self._show_state()

    def _on_computed(self, complete: bool) -> None:
        if self._work is None or self._again:
            return
        overlay, config = self._work
        if overlay.labels not in self.viewer.layers:
            self.say("The labels layer was removed, so its weights are not shown.")
        elif overlay.gone:
            self.say("The weight map was removed. Show weights brings it back.")
        elif complete:
            overlay.finish()
            self.say(overlay.advice())
        elif overlay.alive:
            self._stopped = self.form.value()  # a slider may have moved meanwhile
            self.say(overlay.forget_rest(config))
        self._show_state()

    def cancel(self) -> None:
        """Stop the running job at its next step, and do not start it again."""
        self._again = False
        self._live_timer.stop()
        self._settle_timer.stop()
        super().cancel()

    def set_running(self, running: bool) -> None:
        """Keep the layer while a job runs; the sliders stay live."""
        super().set_running(running)
        for chooser in (self.labels.native, self.frames, self.pieces, self.with_target):
            chooser.setEnabled(not running)

    def _on_finished(self) -> None:
        super()._on_finished()
        work, self._work = self._work, None
        if self._again and work is not None:
            self._start(work[0])

    # -- live -------------------------------------------------------------------------

    def on_moved(self, event: Any = None) -> None:
        """Redraw for other settings, or another part of the data in view."""
        if self.running or self._overlay() is not None:
            soon(self._live_timer)

    def _live(self) -> None:
        """Redraw what is on the canvas, and the rest once the sliders rest."""
        overlay, config = self._overlay(), self.form.value()
        if self.running and self._work is not None and self._work[1] != config:
            self._settle_timer.start()
        if overlay is None:
            return
        try:
            index, region = overlay.in_view()
            if overlay.written.get(index) != config:
                light = overlay.maps.frame_pixels <= LIGHT and overlay.maps.ndim == 2
                if light and compiled() and not self.running:
                    with_target = self.with_target.isChecked()
                    overlay.show(overlay.maps.now(config, index, with_target), config)
                elif self._stopped != config:
                    overlay.preview(index, region, config)
            if not overlay.complete(config) and self._stopped != config:
                self._settle_timer.start()
        except StudioError as error:
            self.complain(error)
        self._show_state()

    def _complete(self) -> None:
        """Compute all frames with the settings as they are now."""
        overlay = self._overlay()
        if self.job is not None:
            self._again = True
            self.job.stop()
        elif overlay is not None:
            self._start(overlay)

    # -- choices ----------------------------------------------------------------------

    def _on_preset(self) -> None:
        overlay = self._overlay()
        if overlay is not None:
            overlay.fit_contrast(self.form.value())

    def _on_objects(self, *_: object) -> None:
        if self._overlay() is not None:
            self.run()

    def _on_target(self, *_: object) -> None:
        overlay = self._overlay()
        if overlay is not None:
            overlay.show_target(self.with_target.isChecked())
            if self.with_target.isChecked():
                self.run()

    def _overlay(self) -> Overlay | None:
        """Return the weight map of the chosen layer, if there is one in the viewer."""
        self._overlays = [overlay for overlay in self._overlays if overlay.alive]
        layer = self.labels.value
        return next((o for o in self._overlays if o.labels == layer), None)

    def _maps_of(self, layer: Any) -> WeightMaps:
        """Return what is known about a layer; begin anew if it is another by now."""
        maps = maps_of(layer, self.frames.currentData(), self.pieces.isChecked())
        overlay = self._overlay()
        known = overlay is not None and overlay.maps.describes(maps)
        return overlay.maps if overlay is not None and known else maps

    def _on_layer(self, *_: object) -> None:
        layer = self.labels.value
        self._edits.of([] if layer is None else [layer])
        self.form.rows.setRowVisible(self.frames, has_depth(layer))
        self._show_state()

    def _on_edited(self, *_: object) -> None:
        if self._overlay() is not None:
            self._edit_timer.start()

    def _on_settled_edit(self) -> None:
        overlay = self._overlay()
        if overlay is None:
            return
        if self.running:
            self._edit_timer.start()
        elif overlay.maps.pixels <= AUTOMATIC:
            self.run()
        else:
            self.say("The labels have changed. Refresh computes their weights anew.")

    def on_removed(self, event: Any) -> None:
        """Stop what was for the layer, and say how to bring a weight map back."""
        work = self._work
        at_work = () if work is None else (work[0].labels, work[0].layer)
        if self.running and event.value in at_work:
            self.cancel()
        elif any(event.value == overlay.layer for overlay in self._overlays):
            self.say("The weight map was removed. Show weights brings it back.")
        self._show_state()

    def _show_state(self) -> None:
        overlay = self._overlay()
        self.run_button.setText("Show weights" if overlay is None else "Refresh")
        self.info.setText("" if overlay is None else overlay.summary())
