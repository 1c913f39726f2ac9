"""The dock widget that segments an image layer and lets the objects be tuned."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._base import (
    StudioWidget,
    layer_choice,
    show_info,
    show_warning,
)
from napari_unet_studio.widgets._form import Form, aligned_form, collapsible
from napari_unet_studio.widgets._model_choice import ModelChoice
from napari_unet_studio.widgets._run import Outcome, Run
from napari_unet_studio.widgets._segment.image import ImageChoice, image_layers
from napari_unet_studio.widgets._segment.provisional import ProvisionalLayer
from napari_unet_studio.widgets._segment.results import Results
from napari_unet_studio.widgets._segment.stained import StainedHint
from napari_unet_studio.widgets._segment.texts import (
    closed_text,
    hidden_text,
    made_text,
    progress_text,
)

if TYPE_CHECKING:  # at run time these load torch or scikit-image: not for opening
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.tasks.predict import PredictConfig
    from napari_unet_studio.widgets._objects import ObjectsPanel
    from napari_unet_studio.widgets._segment.advanced import Advanced
    from napari_unet_studio.widgets._segment.shown import Shown


class SegmentWidget(StudioWidget):
    """Runs a model on an image layer; its objects follow their settings at once.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    computes = True
    welcome = "No image is open yet. Open one of yours, or try a sample:"
    samples = ("nuclei_2d", "timelapse", "tissue")

    segmented = Signal(object)
    """With the labels layer of a finished run."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Segment")
        self._results = Results(self.viewer, self)
        self._results.noted.connect(self._on_note)
        self._results.failed.connect(self.on_failure)
        self._filling = False
        self._settings: dict[tuple[Path, str], ObjectConfig] = {}
        self._run: Run | None = None
        self._so_far: ProvisionalLayer | None = None
        self._notes: list[str] = []
        self._advanced: Advanced | None = None
        self.panel: ObjectsPanel | None = None

        form = aligned_form()
        self.image = self.add_choice(
            layer_choice(
                Image, "Image layer to segment.", lambda _: image_layers(self.viewer)
            )
        )
        self.image.native.setPlaceholderText("no image open")
        self.input = ImageChoice(form, self.image, self.viewer)
        self.models = ModelChoice(self)
        form.addRow("Model", self.models.combo)
        self._holder = QWidget()
        self._holder.setLayout(QVBoxLayout())
        self._holder.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced = collapsible(
            "Advanced", self._holder, "Device, precision, tiles, place of the result."
        )
        self.body.addLayout(form)
        self.stained = StainedHint(self.models)
        for part in (self.models.info, self.stained, self.advanced):
            self.body.addWidget(part)

        self.image.changed.connect(self._on_image)
        self.models.changed.connect(self._on_choice)
        self.input.changed.connect(self._on_part)
        self.models.failed.connect(self.complain)
        self.advanced.toggleButton().pressed.connect(self.settings)
        self.reset_choices()
        self._on_choice()

    # -- choices ----------------------------------------------------------------------

    def settings(self) -> "Form[PredictConfig]":
        """Return the form of the section "Advanced", made when first needed."""
        return self._section().form

    def _section(self) -> "Advanced":
        if self._advanced is None:
            from napari_unet_studio.widgets._segment.advanced import Advanced

            self._advanced = Advanced()
            self._holder.layout().addWidget(self._advanced)
            self._fit_section()
        return self._advanced

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer choices and forget results whose layers were removed."""
        super().reset_choices(event)
        if self._filling:
            return
        if self.panel is not None:
            self.panel.say_place()
        before = self.input.key
        self._refresh(self._card())
        for result in self._results.take_gone():
            if self.panel is not None and self.panel.result is result:
                self.panel.show_result(None)
            result.stop()
            result.deleteLater()
        if self.input.key != before:  # a layer that was chosen is gone
            self._on_part()

    def on_closed(self) -> None:
        """Stop what runs, and say so; labels shown in advance go back."""
        if self._run is not None and self.job is not None and not self.job.stopping:
            show_info(closed_text(self._run))
        super().on_closed()
        self._end_provisional()
        self._results.stop()

    def _card(self) -> "ModelCard | None":
        try:
            return self.models.card()
        except StudioError:
            return None

    def _on_image(self, *_: object) -> None:
        if not self.running:  # else it is of the image that is being segmented
            self.say("")
        self._on_choice()

    def _on_choice(self, *_: object) -> None:
        """Show what goes with the chosen image and model."""
        card = self._card()
        self._refresh(card)
        self.stained.show_for(self.image.value, card)
        self._on_part()

    def _refresh(self, card: "ModelCard | None") -> None:
        """Show what there is to choose, and name the image that the button is for."""
        self.input.refresh(card)
        image = self.image.value
        name = "the image" if image is None else repr(image.name)
        self.run_button.setToolTip(f"Run the model on {name}.")

    def _on_part(self) -> None:
        """Show the result of the chosen part of the image, if there is one."""
        self._fit_section()
        chosen = (self.image.value, self.models.path, self.input.key)
        result = self._results.of(*chosen)
        if result is not None:
            self._results.bring(result)
        self._show(result)

    def _show(self, result: "Shown | None") -> None:
        if self._advanced is not None:
            self._advanced.say_made("" if result is None else result.made)
        if self.panel is not None:
            self.panel.show_result(result)

    def _fit_section(self) -> None:
        """Show the settings that make a difference to the image and the model."""
        if self._advanced is not None:
            self._advanced.fit(self._card(), self.input.unit)

    # -- running ----------------------------------------------------------------------

    def run(self) -> None:
        """Segment the chosen image with the chosen model."""
        if self.running:
            return
        try:
            self._run = self._prepared()
        except StudioError as error:
            self.complain(error)
            return
        run = self._run
        self._so_far = ProvisionalLayer(
            self.viewer, run.layer, run.source, run.card, self
        )
        title = f"Segmenting {run.source.title}"
        self.launch(run.task, title, self._on_result, self._on_tiles)

    def _prepared(self) -> Run:
        """Read everything that the run depends on: nothing changed later matters.

        Raises
        ------
        StudioError
            If something is missing or does not fit.
        """
        if self.image.value is not None:
            card = self.models.card()
            self.input.refresh(card)  # its data may have been replaced
        source = self.input.read()
        path = self.models.path
        assert path is not None  # there is a card
        section = self._section()
        config = section.value()
        self.load_torch()
        from napari_unet_studio.widgets._objects import starting_objects
        from napari_unet_studio.widgets._segment.storage import place_of

        of = path, card.created
        if self._shows(path, card):
            assert self.panel is not None  # it shows a result
            # Else settings of the model in another image would go before these.
            self._settings[of] = self.panel.form.value()
        objects = self._settings.get(of) or starting_objects(card)
        first = None
        if source.region is None:
            first = self.input.region.on_screen(source, card.spec.ndim)
        return Run(
            (self.image.value, *self.input.channels.joined),
            source,
            self.input.axes.text,
            self.input.key,
            card,
            path,
            self.models.reference,
            config,
            objects,
            first,
            place_of(source, card, section.place, section.folder),
        )

    def _shows(self, path: Path, card: "ModelCard") -> bool:
        """Return whether the panel shows the result of what is chosen."""
        result = None if self.panel is None else self.panel.result
        return (
            result is not None
            and result.belongs_to(self.image.value, path, self.input.key)
            and result.card.created == card.created  # not trained again since
        )

    def on_progress(self, progress: Progress) -> None:
        """Move the progress bar and say how long it will take."""
        super().on_progress(progress)
        self.progress.setFormat(progress_text(progress))

    def _on_tiles(self, progress: Progress) -> None:
        """Show what is known so far."""
        pixels = getattr(progress, "probabilities", None)
        stopping = self.job is None or self.job.stopping
        if self._so_far is not None and pixels is not None and not stopping:
            self._so_far.show(pixels)

    def cancel(self) -> None:
        """Stop the run; what it has found so far goes."""
        super().cancel()
        self._end_provisional()

    def _end_provisional(self) -> None:
        if self._so_far is not None:
            so_far, self._so_far = self._so_far, None
            so_far.remove()
            so_far.deleteLater()

    def _on_result(self, outcome: Outcome | None) -> None:
        run = self._run
        if outcome is None or run is None or (self.job and self.job.stopping):
            return
        prediction = outcome.result
        self._notes = list(prediction.notes)
        for note in prediction.notes:
            show_warning(note)
        self._filling = True
        try:
            self._end_provisional()
            result = self._filled(run, prediction)
            ndim, shape = prediction.card.spec.ndim, run.shape
            result.made = made_text(prediction.config, ndim, outcome.tiles, shape)
        finally:
            self._filling = False
        self.reset_choices()
        self._show(result)  # also if something else is chosen by now
        if run.layer not in self.viewer.layers:
            self._on_note(f"The image {run.source.name!r} was removed meanwhile.")
        seconds = time.monotonic() - run.started
        text = f"Segmented {run.source.title} in {seconds:.1f} s."
        if result.path is not None:
            text += f" The result is in {result.path}."
        hidden = hidden_text(self._results.hidden)
        self.say(" ".join(filter(None, (text, hidden, *self._notes))))
        self.segmented.emit(result.labels)

    def _filled(self, run: Run, prediction: Any) -> "Shown":
        """Show a prediction and return its result, the one before if there is one."""
        if self.panel is None:
            from napari_unet_studio.widgets._objects import ObjectsPanel

            self.panel = ObjectsPanel()
            self.panel.edited.connect(self._on_edited)
            self.panel.said.connect(self.say)
            self.body.addWidget(self.panel)
        latest = self._settings.get((run.path, prediction.card.created))
        return self._results.put(run, prediction, latest)

    def _on_edited(self) -> None:
        """Let the next run of the model begin with the settings of this one."""
        if self.panel is not None and self.panel.result is not None:
            result = self.panel.result
            self._settings[result.model, result.card.created] = self.panel.form.value()

    def _on_note(self, text: str) -> None:
        self._notes.append(text)
        self.say(text)
        show_info(text)

    def _on_finished(self) -> None:
        stored = self._run is not None and self._run.out is not None
        super()._on_finished()
        if stored and self.status.text() == "Stopped.":
            self.say("Stopped. What is done is kept: Segment goes on from there.")
        self._end_provisional()
        self._run = None
