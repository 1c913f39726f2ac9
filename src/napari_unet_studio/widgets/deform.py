"""Dock widget "Elastic deformation": see what the augmentation does, or apply it."""

from functools import partial
from typing import Any

import napari.viewer
from napari.layers import Image, Labels, Layer

from napari_unet_studio.core.deform import Deformed
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.layers import add_tuples
from napari_unet_studio.layers.deformed import deformed_tuples
from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._controls import SETTLED, Edits, has_depth, soon
from napari_unet_studio.widgets._deform.apply import apply, compiled, warm_up
from napari_unet_studio.widgets._deform.chosen import Chosen, labels_on
from napari_unet_studio.widgets._deform.code import as_python, as_shell, as_step
from napari_unet_studio.widgets._deform.draws import DrawsPanel
from napari_unet_studio.widgets._deform.form import DeformForm
from napari_unet_studio.widgets._deform.live import LivePreview
from napari_unet_studio.widgets._fitting import pixel_shape
from napari_unet_studio.widgets._live import LiveWidget
from napari_unet_studio.widgets._session import record


class DeformWidget(LiveWidget):
    """Deforms an image, its labels and its weights as training augments them.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    welcome = "No image is open yet. Open one of yours, or try a sample:"
    samples = ("nuclei_2d",)

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Apply", compiled, warm_up)
        self.run_button.setToolTip(
            "Deform the whole layers; the results are layers of their own."
        )
        self._offer = True  # a slider brings the preview, until it is switched off
        self._refused = False  # the chosen layers do not fit together
        # An image, and the labels that were chosen for it by themselves.
        self._proposed: tuple[Any, Any] = (None, None)
        self._rebuild_timer = self.clock(0, self._rebuild)
        self._placed_timer = self.clock(SETTLED, self._on_layers)
        self._live: LivePreview | None = None
        self._panel: DrawsPanel | None = None
        self._build()
        self._on_layers()

    def _build(self) -> None:
        self.image = self.add_choice(
            layer_choice(
                Image,
                "This layer is never changed.",
                lambda _: self.layers_of(Image),
            )
        )
        self.labels = self.add_choice(
            layer_choice(
                Labels,
                "Labels of the image, deformed alike; or none.",
                lambda _: self.layers_of(Labels),
                optional=True,
            )
        )
        self.weights = self.add_choice(
            layer_choice(
                Image,
                "Weights of the pixels in training, deformed alike; or none. Layers of "
                "real numbers, such as the Separation weights widget makes, and of the "
                "shape of the image.",
                lambda _: self._weights_of(self.image.value),
                optional=True,
            )
        )
        choices = (self.image, self.labels, self.weights)
        self.form = DeformForm(*(choice.native for choice in choices))
        self.frames, self.preview = self.form.frames, self.form.preview
        self.begin(
            self.form,
            Edits(self._on_painted, self._on_replaced, self._on_placed),
            "Copy code that does the same to the clipboard.",
        )
        self.live = self._live = LivePreview(self, self.form)
        self.draws = self._panel = DrawsPanel(
            self, self._chosen, self.form.value, self.preview.isChecked
        )
        self.body.addWidget(self.draws)
        self.live.summarised.connect(self.info.setText)
        self.draws.changed.connect(self.reset_choices)
        for choice in choices:
            choice.changed.connect(self._on_layers)
        self.frames.currentIndexChanged.connect(self._on_layers)
        self.preview.toggled.connect(self._on_preview)
        self.form.changed.connect(self._on_setting)

    def enterEvent(self, event: Any) -> None:
        """Look at Train again: nothing tells that it was opened or closed."""
        super().enterEvent(event)
        self.draws.follow()

    def on_closed(self) -> None:
        """Stop what runs, remove the preview and let go of the layers."""
        super().on_closed()
        self._switch_off(offer=False)
        self.live.remove()
        self.draws.switch_off()
        self._proposed = (None, None)

    def as_python(self) -> str:
        """Return code that deforms the chosen layers."""
        try:
            deformation = None
            if self.image.value is not None:
                deformation = self._chosen().deformation
        except StudioError as error:
            self.complain(error)
            return ""
        return as_python(deformation, self.form.value())

    def as_shell(self) -> str:
        """Return a command that deforms the files of the chosen layers."""
        try:
            return as_shell(self._chosen(), self.form.value())
        except StudioError as error:
            self.complain(error)
            return ""

    # -- apply ------------------------------------------------------------------------

    def run(self) -> None:
        """Deform the whole layer, its labels and its weights, into new layers."""
        if self.running:
            return
        try:
            chosen = self._chosen()
        except StudioError as error:
            self.complain(error)
            return
        config, deformation = self.form.value(), chosen.deformation
        name = chosen.templates[0].source.name
        deformation.set(config)

        def show(result: Deformed | None) -> None:
            if result is None or self._closed:
                self.say("Stopped, nothing was added.")
                return
            self._switch_off()
            self._rebuild_preview()
            made = deformed_tuples(chosen.templates, result, config, deformation.ndim)
            added, *others = add_tuples(self.viewer, made)
            code = as_step(chosen, config)
            record(self, f"Deform {name}", code, chosen.layers, [added, *others])
            several = len(deformation.frames) > 1
            alike = ", all slices and time points alike" if several else ""
            names = " and ".join(f"“{layer.name}”" for layer in (added, *others))
            self.say(f"Added {names}{alike}.")

        self.launch(partial(apply, deformation), f"Deforming {name}", show)

    def _chosen(self) -> Chosen:
        """Read the chosen layers."""
        layers = (self.image.value, self.labels.value, self.weights.value)
        return Chosen(*layers, self.frames.currentData())

    def set_running(self, running: bool) -> None:
        """Keep the layers while a job runs."""
        super().set_running(running)
        for choice in (self.image, self.labels, self.weights):
            choice.native.setEnabled(not running)
        self.frames.setEnabled(not running)

    # -- preview ----------------------------------------------------------------------

    def _on_preview(self, on: bool) -> None:
        self._offer = on
        if self._rebuild_timer.isActive():
            self._rebuild()
        else:
            self._rebuild_preview()

    def _rebuild(self) -> None:
        """Replace preview and draws by those of the layers as they are chosen now."""
        self._rebuild_timer.stop()
        self._rebuild_preview()
        self.draws.rebuild()

    def _rebuild_preview(self) -> None:
        self.live.remove()
        if self.image.value is None:
            self._switch_off()
        if not self.preview.isChecked():
            return
        if not compiled():
            self.say("Preparing the preview…")
            return
        try:
            self.live.show(self._chosen())
        except StudioError as error:
            # Said once, not at each step of a slider: until other layers are chosen.
            self._switch_off(offer=False)
            self._refused = True
            self.complain(error)
            return
        self.reset_choices()
        self.say("")

    def _switch_off(self, offer: bool = True) -> None:
        """Untick the preview without removing it yet."""
        self.preview.blockSignals(True)
        self.preview.setChecked(False)
        self.preview.blockSignals(False)
        self._offer = offer

    def _on_setting(self, *_: object) -> None:
        self.draws.follow()
        if self.preview.isChecked():
            self._follow(self.live.follow_settings)
        elif self._offer and self.image.value is not None:
            self.preview.setChecked(True)

    def on_moved(self, event: Any = None) -> None:
        """Redraw, or make the preview that was waited for."""
        self.draws.follow()
        self._follow(self.live.follow_view)

    def _follow(self, redraw: Any) -> None:
        if self.live.layers is None and self.preview.isChecked() and compiled():
            soon(self._rebuild_timer)
        redraw()

    # -- layers -----------------------------------------------------------------------

    def _on_layers(self, *_: object) -> None:
        if self._refused:
            self._refused, self._offer = False, True
        layers = [c.value for c in (self.image, self.labels, self.weights)]
        self._edits.of([layer for layer in layers if layer is not None])
        depth = has_depth(layers[0])
        self.form.rows.setRowVisible(self.frames, depth)
        # Volumes are sampled linearly, always.
        volume = depth and self.frames.currentData() == 3
        self.form.interpolation.setEnabled(not volume)
        self.reset_choices()
        soon(self._rebuild_timer)

    def _on_replaced(self, *_: object) -> None:
        soon(self._rebuild_timer)

    def _on_placed(self, *_: object) -> None:
        self._placed_timer.start()  # a layer that is dragged moves many times

    def _on_painted(self, *_: object) -> None:
        self.live.forget()
        self.draws.forget()

    def on_removed(self, event: Any) -> None:
        """Notice that the user removed a part of the preview or of the draws."""
        preview, layer = self.live.layers, event.value
        if layer in self._proposed:
            self._proposed = (None, None)
        if self.draws.on_removed(layer):
            soon(self._rebuild_timer)
        if preview is None or not preview.owns(layer):
            return
        if layer in preview.shown:
            # Later, because napari may be busy removing several layers.
            self._switch_off(offer=False)
            soon(self._rebuild_timer)
        else:
            for box, name in ((self.form.bent, "grid"), (self.form.arrows, "arrows")):
                if layer == preview.lines.get(name):
                    box.setChecked(False)

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer combo boxes, and choose labels if only one layer fits."""
        super().reset_choices(event)
        image, labels = self.image.value, self.labels.value
        before, proposed = self._proposed
        if self._closed or image is None or image == before:
            return  # once for an image: None may be what the user wants
        if labels is not None and labels != proposed:
            return  # the user's choice
        found = labels_on(image, self.layers_of(Labels))
        if len(found) == 1:
            self._proposed = image, found[0]
            self.labels.value = found[0]
        elif labels is not None and labels not in found:
            self._proposed = (None, None)
            self.labels.value = None

    def layers_of(self, kind: type[Layer]) -> list[Any]:
        """Return the layers to choose from: all of a kind but those made for a look."""
        return [layer for layer in super().layers_of(kind) if not self._owns(layer)]

    def _owns(self, layer: Layer) -> bool:
        preview = None if self._live is None else self._live.layers
        return bool(preview and preview.owns(layer)) or bool(
            self._panel and self._panel.owns(layer)
        )

    def _weights_of(self, image: Any) -> list[Any]:
        """Return the layers that can be the weights of an image."""
        if image is None:
            return []
        return [
            layer
            for layer in self.layers_of(Image)
            if layer is not image
            and not layer.rgb
            and layer.dtype.kind == "f"
            and pixel_shape(layer) == pixel_shape(image)
        ]
