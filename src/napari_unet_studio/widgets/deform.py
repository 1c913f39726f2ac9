"""Dock widget "Elastic deformation": see what the augmentation does, or apply it."""

import time
from typing import Any

import napari.viewer
from napari.layers import Image, Labels, Layer

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.layers import Source, add_tuples, source_of
from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._controls import (
    FRAME,
    SETTLED,
    Edits,
    has_depth,
    soon,
)
from napari_unet_studio.widgets._deform_form import DeformForm
from napari_unet_studio.widgets._deform_layers import (
    PreviewLayers,
    Template,
    as_python,
    result_tuples,
)
from napari_unet_studio.widgets._deform_preview import (
    Deformation,
    Pair,
    compiled,
    warm_up,
)
from napari_unet_studio.widgets._live import LiveWidget

SLOW = 0.3  # seconds; a preview that takes longer waits until the sliders rest


class DeformWidget(LiveWidget):
    """Deforms an image, and labels alike, as training augments its images.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Apply", compiled, warm_up)
        self._preview: PreviewLayers | None = None
        self._offer = True  # a slider brings the preview, until it is switched off
        self._seconds = 0.0  # that the last redraw took
        self._live_timer = self.clock(FRAME, self._live)
        self._settle_timer = self.clock(SETTLED, self._settle)
        self._rebuild_timer = self.clock(0, self._rebuild)
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
                lambda _: [None, *self.layers_of(Labels)],
            )
        )
        self.form = DeformForm(self.image.native, self.labels.native)
        self.frames, self.preview = self.form.frames, self.form.preview
        self.begin(
            self.form,
            Edits(self._on_painted, self._on_replaced),
            "Copy code that does the same to the clipboard.",
        )
        self.image.changed.connect(self._on_layers)
        self.labels.changed.connect(self._on_layers)
        self.frames.currentIndexChanged.connect(self._on_layers)
        self.preview.toggled.connect(self._on_preview)
        self.form.changed.connect(self._on_setting)

    def on_closed(self) -> None:
        """Stop what runs, remove the preview and let go of the layers."""
        super().on_closed()
        self._switch_off()
        self._rebuild()

    def as_python(self) -> str:
        """Return code that deforms the chosen layers."""
        try:
            deformation = None
            if self.image.value is not None:
                _, sources = self._chosen()
                deformation = Deformation(*sources, self._ndim(sources[0]))
        except StudioError as error:
            self.complain(error)
            return ""
        return as_python(deformation, self.form.value())

    # -- apply ------------------------------------------------------------------------

    def run(self) -> None:
        """Deform the whole layer, and the labels, into new layers."""
        if self.running:
            return
        try:
            layers, sources = self._chosen()
            image, labels = sources
            deformation = Deformation(image, labels, self._ndim(image))
        except StudioError as error:
            self.complain(error)
            return
        config = self.form.value()
        deformation.set(config)
        present = [source for source in sources if source is not None]
        templates = [Template(*pair) for pair in zip(layers, present, strict=True)]

        def show(result: Pair | None) -> None:
            if result is None:
                self.say("Stopped, nothing was added.")
                return
            self._switch_off()
            self._rebuild()
            add_tuples(
                self.viewer, result_tuples(templates, result, config, deformation.ndim)
            )
            several = len(deformation.frames) > 1
            alike = ", all slices and time points alike" if several else ""
            self.say(f"Added “{templates[0].source.name} deformed”{alike}.")

        self.launch(deformation.task, f"Deforming {image.name}", show)

    def _chosen(self) -> tuple[list[Any], tuple[Source, Source | None]]:
        """Return the chosen layers, and both as arrays."""
        image, labels = self.image.value, self.labels.value
        if image is None:
            raise InputError("No image is chosen; open an image, or choose one.")
        if labels is None:
            return [image], (source_of(image), None)
        return [image, labels], (source_of(image), source_of(labels))

    def _ndim(self, source: Source) -> int:
        return self.frames.currentData() if "Z" in source.axes else 2

    def set_running(self, running: bool) -> None:
        """Keep the layers while a job runs."""
        super().set_running(running)
        for chooser in (self.image.native, self.labels.native, self.frames):
            chooser.setEnabled(not running)

    # -- preview ----------------------------------------------------------------------

    def _on_preview(self, on: bool) -> None:
        self._offer = on
        self._rebuild()

    def _rebuild(self) -> None:
        """Replace the preview by one of the layers as they are chosen now."""
        self._rebuild_timer.stop()
        old, self._preview = self._preview, None
        if old is not None:
            old.remove()
        self.info.setText("")
        if self.image.value is None:
            self._switch_off()
        if not self.preview.isChecked():
            return
        if not compiled():
            self.say("Preparing the preview…")
            return
        try:
            layers, (image, labels) = self._chosen()
            sources = [image] if labels is None else [image, labels]
            preview = PreviewLayers(self.viewer, layers, sources, self._ndim(image))
            self._preview = preview
            preview.add(self.form.value())
        except StudioError as error:
            self._switch_off()
            self.complain(error)
            return
        self.reset_choices()
        self.say("")
        self._live(draft=False)

    def _switch_off(self, offer: bool = True) -> None:
        """Untick the preview without removing it yet."""
        self.preview.blockSignals(True)
        self.preview.setChecked(False)
        self.preview.blockSignals(False)
        self._offer = offer

    def _on_setting(self, *_: object) -> None:
        if not self.preview.isChecked():
            if self._offer and self.image.value is not None:
                self.preview.setChecked(True)
            return
        self.on_moved()

    def on_moved(self, event: Any = None) -> None:
        """Redraw the preview, or make the one that was waited for."""
        if self._preview is None or self._seconds < SLOW:
            soon(self._live_timer)
        if self._preview is not None:
            self._settle_timer.start()

    def _live(self, draft: bool = True) -> None:
        """Redraw what is in view."""
        preview = self._preview
        if preview is None:
            if self.preview.isChecked() and compiled():
                self._rebuild()
            return
        if not preview.alive:
            return
        start = time.perf_counter()
        config = self.form.value()
        preview.redraw(
            config,
            {
                "grid": self.form.bent.isChecked(),
                "arrows": self.form.arrows.isChecked(),
            },
            draft,
        )
        self.info.setText(preview.summary())
        self._seconds = time.perf_counter() - start if draft else 0.0

    def _settle(self) -> None:
        """Redraw exactly, and thumbnails too."""
        if self._preview is not None and self._preview.alive:
            self._live(draft=False)
            self._preview.finish()

    # -- layers -----------------------------------------------------------------------

    def _on_layers(self, *_: object) -> None:
        image, labels = self.image.value, self.labels.value
        self._edits.of([layer for layer in (image, labels) if layer is not None])
        self.form.rows.setRowVisible(self.frames, has_depth(image))
        soon(self._rebuild_timer)

    def _on_replaced(self, *_: object) -> None:
        soon(self._rebuild_timer)

    def _on_painted(self, *_: object) -> None:
        if self._preview is not None:
            self._preview.forget()
            self.on_moved()

    def on_removed(self, event: Any) -> None:
        """Notice that the user removed a part of the preview."""
        preview = self._preview
        if preview is None or not preview.owns(event.value):
            return
        if event.value in preview.shown:
            # Later, because napari may be busy removing several layers.
            self._switch_off(offer=False)
            soon(self._rebuild_timer)
        else:
            for box, name in ((self.form.bent, "grid"), (self.form.arrows, "arrows")):
                if event.value == preview.lines.get(name):
                    box.setChecked(False)

    def layers_of(self, kind: type[Layer]) -> list[Any]:
        """Return the layers to choose from: all of a kind but those of the preview."""
        preview, layers = self._preview, super().layers_of(kind)
        return [layer for layer in layers if not (preview and preview.owns(layer))]
