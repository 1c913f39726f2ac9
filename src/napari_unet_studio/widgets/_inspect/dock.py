"""What there is to choose in the Inspect widget, and what follows from it at once."""

from typing import TYPE_CHECKING, Any

import napari.viewer
from napari.layers import Image

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.networks.points import HEADS as ALL_HEADS
from napari_unet_studio.core.networks.points import level_of
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.widgets._base import StudioWidget, layer_choice
from napari_unet_studio.widgets._colours import tone_of
from napari_unet_studio.widgets._controls import Edits, follow
from napari_unet_studio.widgets._form import aligned_form
from napari_unet_studio.widgets._inspect.diagram import DiagramPane, DiagramView
from napari_unet_studio.widgets._inspect.field import FieldBox, Seen
from napari_unet_studio.widgets._inspect.look import Look, Nodes
from napari_unet_studio.widgets._inspect.panel import HEADS, LEVEL, InspectPanel
from napari_unet_studio.widgets._inspect.texts import (
    TILE,
    about_box,
    facts_of,
    facts_text,
)
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._model_choice import ModelChoice
from napari_unet_studio.widgets._segment.image import ImageChoice, image_layers
from napari_unet_studio.widgets._segment.region import VIEW

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard


class InspectDock(StudioWidget):
    """Image, model, diagram, numbers and receptive field.

    Parameters
    ----------
    viewer
        The viewer.
    """

    computes = True
    welcome = "No image is open yet. Open one of yours, or try a sample:"
    samples = ("nuclei_2d",)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, "Show feature maps")
        self.run_button.setToolTip(
            "Compute what the chosen part of the network makes of the image, as a "
            "layer with one map for each channel."
        )
        self.cancel_button.setToolTip("Stop at the next step.")
        self._closed = False

        form = aligned_form()
        self.image = self.add_choice(
            layer_choice(
                Image, "Image layer to look at.", lambda _: image_layers(self.viewer)
            )
        )
        self.image.native.setPlaceholderText("no image open")
        self.input = ImageChoice(form, self.image, self.viewer)
        self.input.region.combo.setCurrentText(VIEW)
        self.models = ModelChoice(self)
        form.addRow("Model", self.models.combo)
        self.diagram = DiagramView(self._about)
        self.pane = DiagramPane(self.diagram)
        self.node = WrappedLabel()
        self.node.setToolTip("The node chosen in the diagram.")
        self.panel = InspectPanel()
        self.body.addLayout(form)
        for part in (self.models.info, self.pane, self.node, self.panel):
            self.body.addWidget(part)
        self.box = FieldBox(self.viewer, self, self._seen)
        # What is told of the image depends on its array, pixel size and place.
        self._edits = Edits(self._on_choice, self._on_choice, self._on_choice)

        self.image.changed.connect(self._on_choice)
        self.input.changed.connect(self._on_part)
        self.models.changed.connect(self._on_model)
        self.models.failed.connect(self.complain)
        self.diagram.chosen.connect(lambda _: self._show_node())
        self.panel.field.toggled.connect(self._on_field)
        self.panel.form.changed.connect(self._on_settings)
        self.box.gone.connect(lambda: self.panel.field.setChecked(False))
        dims = self.viewer.dims.events
        for event in (dims.ndisplay, dims.order, dims.current_step):
            follow(self, event, self.box.look)
        self.reset_choices()
        self._on_model()

    # -- choices ----------------------------------------------------------------------

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer choices; napari asks for it after closing too."""
        if not self._closed:
            super().reset_choices(event)
            self.input.refresh(self._card())

    def on_closed(self) -> None:
        """Stop what runs and take the box away; feature maps stay."""
        self._closed = True
        self._edits.of([])
        super().on_closed()
        self.box.stop()

    def _card(self) -> "ModelCard | None":
        try:
            return self.models.card()
        except StudioError:
            return None

    def _on_model(self) -> None:
        card = self._card()
        self.input.refresh(card)  # before anything is told of the image
        self.diagram.show_graph(None if card is None else card.spec.graph)
        self.pane.fit()
        self.panel.say_speed("")
        self._on_choice()

    def _on_choice(self, *_: object) -> None:
        if tone_of(self.status):  # an error of the image before
            self.say("")
        self.input.refresh(self._card())
        image = self.image.value
        self._edits.of([] if image is None or self._closed else [image])
        self._on_part()

    def _on_part(self) -> None:
        card = self._card()
        known = card is not None and card.spacing is not None and card.unit != "pixel"
        self.panel.form.show_field("pixel_size", known and self.input.unit != "pixel")
        self.panel.say_speed("")
        self._show_facts()
        self._show_node()
        self.box.renew()

    def _on_settings(self) -> None:
        self.panel.say_speed("")
        self.box.renew()

    def _source(self) -> Any:
        """Return the image as the form has it, None if it does not fit the model."""
        if self.image.value is None or self._card() is None:
            return None
        try:
            return self.input.read(whole=True)
        except StudioError:  # told beside the choice that is wrong
            return None

    def _show_facts(self) -> None:
        card, source = self._card(), self._source()
        if card is None:
            self.panel.facts.setText("")
            return
        ndim = card.spec.ndim
        shape = None if source is None else source.shape[-ndim:]
        spacing = () if source is None else source.spacing[-ndim:]
        unit = "pixel" if source is None else source.unit
        self.panel.facts.setText(facts_text(card.spec, shape, spacing, unit))

    def _show_node(self) -> None:
        name = self.diagram.name
        self.node.setText(self._about(name) if name else "")

    def _about(self, name: str) -> str:
        card, source = self._card(), self._source()
        if card is None or name not in self.diagram.names:
            return ""
        spec = card.spec
        shape: Shape = (TILE[spec.ndim],) * spec.ndim
        if source is not None:
            shape = source.shape[-spec.ndim :]
        return about_box(spec, name, facts_of(spec, shape)[name])

    # -- receptive field --------------------------------------------------------------

    def _seen(self) -> Seen | None:
        """Return what the network sees of which image."""
        card, source = self._card(), self._source()
        if card is None or source is None:
            return None
        ndim = card.spec.ndim
        factors = (1.0,) * ndim
        config = self.panel.form.value()
        if config.pixel_size == "model" and card.spacing is not None:
            sizes = source.spacing[-ndim:]
            factors = tuple(m / s for m, s in zip(card.spacing, sizes, strict=True))
        return Seen(source, card.spec, factors)

    def _on_field(self, on: bool) -> None:
        if on and self._source() is None:
            self.say("Open an image that the model fits to see its receptive field.")
        (self.box.start if on else self.box.stop)()

    # -- reading ----------------------------------------------------------------------

    def _prepared(self, region: bool = True) -> Look:
        """Read everything that a look depends on.

        Raises
        ------
        StudioError
            If something is missing or does not fit.
        """
        card = self.models.card()
        if self.image.value is None:
            raise InputError(
                "There is no image to look at; open or choose one, or take one from "
                "File ▸ Open Sample ▸ U-Net Studio."
            )
        self.input.refresh(card)  # its data may have been replaced
        source = self.input.read(whole=not region)
        path = self.models.path
        assert path is not None  # there is a card
        joined = self.input.channels.joined
        layers = [layer.name for layer in joined] or [self.image.value.name]
        name = self.diagram.name
        nodes: Nodes = name
        title = self.panel.what.currentText()
        if title == HEADS:
            nodes = name = ALL_HEADS
        elif title == LEVEL:
            graph = card.spec.graph
            nodes = tuple(level_of(graph, name))
            if not nodes:
                raise InputError(
                    f"The node {name!r} has no level; choose an inner node, or "
                    f"{HEADS!r}."
                )
            name = f"level of {name}"
        return Look(
            tuple(layers),
            source,
            self.input.axes.text,
            path,
            self.models.reference,
            nodes,
            name,
            self.panel.form.value(),
        )
