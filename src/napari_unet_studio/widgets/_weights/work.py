"""Work of the widget "Separation weights": one job at a time, its frames on display."""

from functools import partial
from typing import Any, NamedTuple

import napari.viewer

from napari_unet_studio.core.blockwise import is_chunked
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.progress import Progress, never, run
from napari_unet_studio.widgets._live import LiveWidget
from napari_unet_studio.widgets._session import record
from napari_unet_studio.widgets._weights.code import as_step
from napari_unet_studio.widgets._weights.colour_scale import ColourScale
from napari_unet_studio.widgets._weights.form import WeightForm
from napari_unet_studio.widgets._weights.kernels import compiled, warm_up
from napari_unet_studio.widgets._weights.maps import WeightMaps, maps_of
from napari_unet_studio.widgets._weights.overlay import Overlay
from napari_unet_studio.widgets._weights.readout import Readout, pixel_line
from napari_unet_studio.widgets._weights.record import FrameDone, Index
from napari_unet_studio.widgets._weights.texts import advice, summary
from napari_unet_studio.widgets._weights.touched import order_after
from napari_unet_studio.widgets._worker import Failure

LIGHT = 1 << 18  # pixels that are computed at once, without a thread
BRIEF = 1 << 22  # pixels that are computed before napari has shown an activity bar


class Work(NamedTuple):
    """What a job computes: a weight map, from which settings, of which frames."""

    overlay: Overlay
    config: WeightConfig
    maps: WeightMaps


class WeightWork(LiveWidget):
    """Computes weight maps and keeps them in the viewer.

    Subclasses make :attr:`labels`, the chooser of the layer, and :attr:`form`.

    Parameters
    ----------
    viewer
        The viewer.
    """

    labels: Any
    form: WeightForm

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, "Show weights", compiled, warm_up)
        self._overlays: list[Overlay] = []
        self._work: Work | None = None
        self._left: Overlay | None = None  # of which the weights were removed
        self._again = self._edited = False
        self._touched: set[Index | None] = set()  # frames that were edited; None: any
        self._stopped: WeightConfig | None = None
        self.scale = ColourScale()
        self.readout = Readout(self.viewer, self, self._pixel_line)

    def run(self) -> None:
        """Compute the weight map of the chosen layer, or bring it up to date."""
        self._compute(self._overlay(), anew=True)

    def _compute(
        self, overlay: Overlay | None, anew: bool = False, edited: bool = False
    ) -> None:
        """Compute frames, in a thread where it takes longer than a moment.

        Parameters
        ----------
        overlay
            The weight map; None begins one.
        anew
            Also the frames that show these settings already.
        edited
            Only the frames that were edited, if these are known.
        """
        if self.running:
            return
        layer, config = self.labels.value, self.form.value()
        try:
            maps = self._maps_of(layer, overlay)
        except StudioError as error:
            self.complain(error)
            return
        known = overlay is not None and overlay.maps is maps
        touched: set[Index | None] = self._touched if known else {None}
        overlay = overlay or Overlay(self.viewer, layer, maps, self._left_target(layer))
        overlay.take(maps)
        if self._edited:
            maps.forget_counts()
        self._work = Work(overlay, config, maps)
        self._again, self._edited, self._stopped = False, False, None
        self._touched = set()
        order = order_after(overlay, touched, edited)
        with_target = self.form.with_target.isChecked()
        missing = with_target and overlay.lacks_target(config, order)
        shown = {} if anew or missing else dict(overlay.written)

        def empty(index: Index) -> None:
            if not self._again:  # or the next job fills the frame at once
                overlay.empty(config, index)

        task = partial(maps.task, config, order, with_target, shown, empty)
        if not self._light(maps):
            title = f"Weights of {maps.source.name}"
            listed = maps.frame_pixels * len(order) > BRIEF
            self.launch(task, title, self._on_computed, self._on_frame, listed)
            return
        try:
            self._on_computed(run(task(should_stop=never), self._on_frame))
        except StudioError as error:
            self.on_failure(Failure(error, ""))
        self._work = None

    def _light(self, maps: WeightMaps) -> bool:
        """Whether all frames are computed before anybody notices."""
        small = maps.pixels <= LIGHT and maps.ndim == 2
        return small and compiled() and not is_chunked(maps.source.data)

    def _on_frame(self, progress: Progress) -> None:
        """Show a frame, unless its layers are gone or the settings have moved on."""
        if not isinstance(progress, FrameDone) or self._work is None:
            return
        overlay, config, maps = self._work
        if overlay.labels not in self.viewer.layers or overlay.gone:
            self.cancel()
        elif self._closed and overlay.layer is None:
            return  # nobody waits for a first map any more
        elif config == self.form.value() and overlay.maps is maps and not self._again:
            try:
                overlay.show(progress, config)
            except StudioError as error:
                self.cancel()
                self.complain(error)
                return
            if overlay not in self._overlays:
                self._overlays.append(overlay)
                for look in ("contrast_limits", "colormap"):
                    getattr(overlay.layer.events, look).connect(self._on_look)
            if overlay.in_view()[0] == progress.index:
                self._show_state()

    def _on_computed(self, complete: bool) -> None:
        if self._work is None or self._again:
            return
        overlay, config, _ = self._work
        if overlay.labels not in self.viewer.layers:
            self.say("The labels layer was removed, so its weights are not shown.")
        elif overlay.gone:
            self.say(_gone_text(overlay, self.viewer))
        elif complete and overlay.alive:
            self._finish(overlay, config)
        elif overlay.alive:
            self._stopped = self.form.value()  # a slider may have moved meanwhile
            self.say(overlay.forget_rest(config))
        self._show_state()

    def _finish(self, overlay: Overlay, config: WeightConfig) -> None:
        """Bring thumbnails up to date, and record what is shown."""
        overlay.finish()
        self.say(advice(overlay))
        target = overlay.target if self.form.with_target.isChecked() else None
        made = [overlay.layer] if target is None else [overlay.layer, target]
        name = overlay.labels.name
        code = as_step(name, overlay.maps.reading, config, target is not None)
        title = f"Weights of {name}"
        record(self, title, code, [overlay.labels], made)

    def on_failure(self, failure: Failure) -> None:
        """Tell the user what went wrong, and show nothing that is not so."""
        super().on_failure(failure)
        if self._work is not None and self._work.overlay.alive:
            self._work.overlay.forget_rest(self._work.config)
            self._stopped = self.form.value()
            self._show_state()

    def cancel(self) -> None:
        """Stop the running job at its next step, and do not start it again."""
        self._again = False
        for clock in self._clocks:
            clock.stop()
        super().cancel()

    def set_running(self, running: bool) -> None:
        """Keep the layer while a job runs; the sliders stay live."""
        super().set_running(running)
        for chooser in (
            self.labels.native,
            self.form.frames,
            self.form.pieces,
            self.form.with_target,
        ):
            chooser.setEnabled(not running)

    def _on_finished(self) -> None:
        stopped = self.job is not None and self.job.stopping
        super()._on_finished()
        work, self._work = self._work, None
        if work is None or work.overlay.gone:
            return
        # Nothing was shown of a first map whose settings have changed meanwhile.
        unseen = work.overlay.layer is None and work.config != self.form.value()
        if self._again and work.overlay.labels != self.labels.value:
            self._complete()  # of what was chosen when those labels were removed
        elif self._again or (unseen and not stopped):
            self._compute(work.overlay)

    def _complete(self) -> None:
        """Compute what does not show the settings yet."""
        overlay = self._overlay()
        if self.job is not None:
            self._again = True
            self.job.stop()
        elif overlay is None:
            return
        elif self._shows(overlay):
            self._finish(overlay, self.form.value())
        else:
            self._compute(overlay)

    def _shows(self, overlay: Overlay) -> bool:
        """Whether a weight map is all that is asked for."""
        try:
            maps = self._maps_of(overlay.labels, overlay)
        except StudioError:  # said once it is computed
            return False
        with_target = self.form.with_target.isChecked()
        return maps is overlay.maps and overlay.complete(self.form.value(), with_target)

    def _overlay(self) -> Overlay | None:
        """Return the weight map of the chosen layer, if there is one in the viewer."""
        self._overlays = [overlay for overlay in self._overlays if overlay.alive]
        layer = self.labels.value
        return next((o for o in self._overlays if o.labels == layer), None)

    def _maps_of(self, layer: Any, overlay: Overlay | None) -> WeightMaps:
        """Return what is known about a layer; begin anew if it is another by now."""
        maps = maps_of(layer, self.form.reading(layer))
        known = overlay is not None and overlay.maps.describes(maps)
        return overlay.maps if overlay is not None and known else maps

    def on_removed(self, event: Any) -> None:
        """Stop what was for the layer, and say how to bring a weight map back."""
        work = self._work
        at_work = () if work is None else (work.overlay.labels, work.overlay.layer)
        if self.running and event.value in at_work:
            self.cancel()
        for overlay in self._overlays:
            if event.value == overlay.target:
                self.form.with_target.setChecked(False)
            elif event.value == overlay.layer and not self.running:
                self._left = overlay  # its target may still be there
                self.say("The weight map was removed. Show weights brings it back.")
        self._show_state()

    def _left_target(self, layer: Any) -> Any:
        """Return the carved target that a removed weight map left in the viewer."""
        left, self._left = self._left, None
        if left is None or left.labels != layer:
            return None
        return left.target if left.target in self.viewer.layers else None

    def _show_state(self) -> None:
        overlay = self._overlay()
        self.run_button.setText("Show weights" if overlay is None else "Refresh")
        text = "" if overlay is None else summary(overlay, self.form.value())
        self.info.setText(text)
        self.scale.show_layer(None if overlay is None else overlay.layer)
        self.readout.refresh()

    def _pixel_line(self) -> str:
        overlay = self._overlay()
        return "" if overlay is None else pixel_line(overlay, self.form.value())

    def _on_look(self, event: Any = None) -> None:
        overlay = self._overlay()
        self.scale.show_layer(None if overlay is None else overlay.layer)


def _gone_text(overlay: Overlay, viewer: "napari.viewer.Viewer") -> str:
    """Say what became of a weight map that is no longer written."""
    if overlay.layer in viewer.layers:
        return "The weight map was cropped and stays so. Show weights makes a new one."
    return "The weight map was removed. Show weights brings it back."
