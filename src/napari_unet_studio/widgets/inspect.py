"""The dock widget "Inspect": a network's diagram, feature maps, receptive field."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import napari.viewer

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import features_tuple, saliency_tuple
from napari_unet_studio.widgets._clicks import Clicks
from napari_unet_studio.widgets._controls import copy_button, follow
from napari_unet_studio.widgets._inspect.dock import InspectDock
from napari_unet_studio.widgets._inspect.look import Look
from napari_unet_studio.widgets._inspect.texts import TILE, map_text, speed_text
from napari_unet_studio.widgets._session import record
from napari_unet_studio.widgets._viewing import put

if TYPE_CHECKING:  # at run time these load torch: not for opening
    from napari_unet_studio.tasks.inspect import Channel, FeatureMaps
    from napari_unet_studio.tasks.inspect_speed import Speed
    from napari_unet_studio.tasks.saliency import Saliency


class InspectWidget(InspectDock):
    """Shows what a network is, what it sees, and what its parts make of an image.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self._maps: dict[Any, Any] = {}  # layers by what they show
        self._channels: tuple[Channel, ...] = ()
        self._maps_layer: Any = None
        self._saliency: Any = None
        self._pixel: tuple[int, ...] | None = None
        self._clicked: tuple[Any, ...] = ()  # what the saliency is of
        self.copy = copy_button(
            self.as_python,
            "Copy code that shows the same layers in napari's console, or a command of "
            "the shell that writes them to files.",
            self.as_shell,
        )
        self.buttons.addWidget(self.copy, 1)
        self.clicks = Clicks(self.viewer, self)
        self.clicks.clicked.connect(self._on_clicked)
        self.panel.measure.connect(self._on_measure)
        self.panel.click.toggled.connect(self._on_click_mode)
        follow(self, self.viewer.dims.events.current_step, self._show_map)
        follow(self, self.viewer.layers.events.removed, self._on_removed)

    def on_closed(self) -> None:
        """Stop what runs and notice no more clicks; feature maps stay."""
        super().on_closed()
        self.clicks.stop()

    # -- feature maps -----------------------------------------------------------------

    def run(self) -> None:
        """Show feature maps of what is chosen."""
        if self.running:
            return
        try:
            look = self._prepared()
        except StudioError as error:
            self.complain(error)
            return
        self.load_torch()
        self.launch(look.maps, "Looking", partial(self._on_maps, look, self._given))

    def _on_maps(
        self, look: Look, given: Sequence[Any], found: "FeatureMaps | None"
    ) -> None:
        if found is None or self._stopped:
            return
        made = features_tuple(found, look.source, look.title)
        layer = put(self.viewer, made, self._maps.get(look.key))
        self._maps[look.key] = self._maps_layer = layer
        self._channels = found.channels
        self._record("Feature maps", look, given, layer, Look.code)
        # The strongest first, whatever was on display.
        self.viewer.dims.set_current_step(self._map_axis(layer), 0)
        self._show_map()
        shown, total = len(found.channels), found.total
        of = f"{shown} of {total}" if shown < total else f"{total}"
        many = "s" * (total != 1)
        self.say(" ".join([f"{of} feature map{many} of {look.title}.", *found.notes]))

    def _map_axis(self, layer: Any) -> int:
        return int(self.viewer.dims.ndim - layer.ndim)

    def _show_map(self, event: Any = None) -> None:
        """Tell which feature map is on display."""
        layer = self._maps_layer
        if layer is None or layer not in self.viewer.layers:
            self.panel.say_map("")
            return
        axis = self._map_axis(layer)
        if not 0 <= axis < self.viewer.dims.ndim:
            return
        number = round(self.viewer.dims.point[axis])
        if 0 <= number < len(self._channels):
            self.panel.say_map(map_text(self._channels, number))

    def _on_removed(self, event: Any) -> None:
        """Let go of layers that were removed, and of their memory."""
        gone = event.value
        self._maps = {k: layer for k, layer in self._maps.items() if layer != gone}
        if self._saliency is not None and self._saliency == gone:
            self._saliency = self._pixel = None
        if self._maps_layer is not None and self._maps_layer == gone:
            self._maps_layer, self._channels = None, ()
            self._show_map()

    @property
    def _stopped(self) -> bool:
        return self._closed or (self.job is not None and self.job.stopping)

    # -- speed ------------------------------------------------------------------------

    def _on_measure(self) -> None:
        """Time the network on the chosen device."""
        if self.running:
            return
        try:
            self.models.card()
        except StudioError as error:
            self.complain(error)
            return
        measured = self._measurable()
        assert measured is not None  # there is a card
        path, shape, device = measured
        self.load_torch()
        from napari_unet_studio.tasks.inspect_speed import measure_speed

        def task(should_stop: Any) -> Any:
            model = load_model_file(path)
            return (yield from measure_speed(model, shape, device, should_stop))

        self.launch(task, "Measuring", partial(self._on_measured, measured))

    def _on_measured(self, measured: Any, speed: "Speed | None") -> None:
        if speed is None or self._stopped:
            return
        if measured != self._measurable():  # the choice has moved on
            self.say("Something else is chosen by now. Measure its speed again.")
            return
        self.panel.say_speed(speed_text(speed))
        self.say("")

    def _measurable(self) -> tuple[Path, Shape, str] | None:
        """Return what a measurement of the speed depends on: file, pixels, device."""
        card, path, source = self._card(), self.models.path, self._source()
        if card is None or path is None:
            return None
        ndim = card.spec.ndim
        shape = (TILE[ndim],) * ndim if source is None else source.shape[-ndim:]
        return path, shape, self.panel.form.value().device

    # -- saliency ---------------------------------------------------------------------

    def _on_click_mode(self, on: bool) -> None:
        (self.clicks.start if on else self.clicks.stop)()
        if on:
            self.say("Click on a pixel of the image.")

    def _on_clicked(self, position: Any) -> None:
        """Show what the answer at a pixel rests on."""
        if self.running:
            self.say("Wait until this is done, then click again.")
            return
        try:
            look = self._prepared(region=False)
        except StudioError as error:
            self.complain(error)
            return
        try:
            pixel = self._pixel_at(look, position)
        except InputError as error:  # a slip of the mouse: no notification
            self.say(str(error), error=True)
            return
        self.load_torch()
        task = partial(look.saliency, pixel)
        done = partial(self._on_saliency, look, self._given)
        self.launch(task, "Saliency", done, listed=False)

    def _pixel_at(self, look: Look, position: Any) -> tuple[int, ...]:
        from napari_unet_studio.layers.place import pixels_of

        source = look.source
        world = [
            position[axis] if -axis <= len(position) else 0.0
            for axis in source.world_axes
        ]
        (place,) = pixels_of(source.spatial, [world])
        pixel = tuple(round(float(p)) for p in place)
        if not all(0 <= p < n for p, n in zip(pixel, source.shape, strict=True)):
            raise InputError(
                f"The click is beside the image {source.name!r}; click on one of its "
                "pixels."
            )
        return pixel

    def _on_saliency(
        self, look: Look, given: Sequence[Any], found: "Saliency | None"
    ) -> None:
        if found is None or self._stopped:
            return
        made = saliency_tuple(found, look.source)
        self._saliency = put(self.viewer, made, self._saliency)
        self._pixel, self._clicked = found.pixel, _subject(look, given)
        code = partial(Look.saliency_code, pixel=found.pixel)
        self._record("Saliency", look, given, self._saliency, code)
        place = ", ".join(map(str, found.pixel))
        text = f"The logit at ({place}) is {found.logit:.2f}."
        self.say(" ".join([text, *found.notes]))

    @property
    def _given(self) -> Sequence[Any]:
        """The layers that are the image."""
        return self.input.channels.joined or (self.image.value,)

    def _record(
        self,
        what: str,
        look: Look,
        given: Sequence[Any],
        made: Any,
        code: Callable[[Look], str],
    ) -> None:
        # By their names now: they may have been renamed meanwhile.
        look = replace(look, layers=tuple(layer.name for layer in given))
        record(self, what, code(look), given, [made], model=look.reference)

    def as_python(self) -> str:
        """Return code that shows the feature maps, and the saliency if there is one."""
        look = self._looked()
        return "" if look is None else look.code(self._shown_pixel(look))

    def as_shell(self) -> str:
        """Return commands that write the same to files."""
        look = self._looked()
        if look is None:
            return ""
        return look.command(self._given, self._shown_pixel(look))

    def _looked(self) -> Look | None:
        try:
            return self._prepared()
        except StudioError as error:
            self.complain(error)
            return None

    def _shown_pixel(self, look: Look) -> tuple[int, ...] | None:
        """Return the pixel of the saliency on display, if there is one of this look."""
        shown = self._saliency is not None and self._saliency in self.viewer.layers
        same = self._clicked == _subject(look, self._given)
        return self._pixel if shown and same else None


def _subject(look: Look, given: Sequence[Any]) -> tuple[Any, ...]:
    """Return what a saliency is of: image, model, and how they go together.

    Without hold of the layers, whose memory is to go with them.
    """
    source = look.source
    part = (look.axes, source.channel, source.level, look.config.pixel_size)
    return (*map(ref, given), look.path, *part)
