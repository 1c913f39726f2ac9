"""The dock widget that segments an image layer and lets the objects be tuned."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.layers import METADATA_KEY, axes_of, source_of
from napari_unet_studio.widgets._base import (
    StudioWidget,
    layer_choice,
    show_info,
    show_warning,
)
from napari_unet_studio.widgets._form import Calm, Form, aligned_form, collapsible
from napari_unet_studio.widgets._model_choice import ModelChoice
from napari_unet_studio.widgets._run import Run

if TYPE_CHECKING:  # at run time these load torch or scikit-image: not for opening
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.tasks.predict import PredictConfig, Prediction
    from napari_unet_studio.widgets._objects import ObjectsPanel
    from napari_unet_studio.widgets._result import Result

# What an image with so many axes besides channels may be.
AXES = {
    3: {"ZYX": "ZYX – stack", "TYX": "TYX – time series"},
    4: {"TZYX": "TZYX – time series of stacks"},
}


class SegmentWidget(StudioWidget):
    """Runs a model on an image layer; its objects follow their settings at once.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    segmented = Signal(object)
    """With the labels layer of a finished run."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Segment")
        self.run_button.setToolTip("Run the model on the image.")
        self._results: list[Result] = []
        self._filling = False
        self._axes_chosen: WeakKeyDictionary[Image, str] = WeakKeyDictionary()
        self._settings: dict[tuple[Path, str], ObjectConfig] = {}
        self._run: Run | None = None
        self._notes: list[str] = []
        self._form: Form[PredictConfig] | None = None
        self.panel: ObjectsPanel | None = None

        self.image = self.add_choice(
            layer_choice(Image, "Image layer to segment.", self._images)
        )
        self.image.native.setPlaceholderText("no image open")
        self.axes = QComboBox()
        self.axes.setToolTip(
            "What the axes of the image are. A 2D model goes through a stack or a time "
            "series plane by plane; objects of a stack are joined across its planes, "
            "those of a time series are counted in each frame."
        )
        self.axes.setMinimumWidth(80)
        Calm.down(self.axes)
        self._axes_label = QLabel("Axes")
        self.models = ModelChoice(self)
        form = aligned_form()
        form.addRow("Image", self.image.native)
        form.addRow(self._axes_label, self.axes)
        form.addRow("Model", self.models.combo)
        self._advanced = QWidget()
        self._advanced.setLayout(QVBoxLayout())
        self._advanced.layout().setContentsMargins(0, 0, 0, 0)
        self.advanced = collapsible(
            "Advanced", self._advanced, "Device, precision and tiles."
        )
        self.body.addLayout(form)
        self.body.addWidget(self.models.info)
        self.body.addWidget(self.advanced)

        self.image.changed.connect(self._on_choice)
        self.axes.currentIndexChanged.connect(self._on_axes)
        self.models.changed.connect(self._on_choice)
        self.models.failed.connect(self.complain)
        self.advanced.toggleButton().pressed.connect(self.settings)
        self.reset_choices()
        self._on_choice()

    # -- choices ----------------------------------------------------------------------

    def settings(self) -> "Form[PredictConfig]":
        """Return the form of the section "Advanced", made when first needed."""
        if self._form is None:
            self._load_torch()
            from napari_unet_studio.tasks.predict import PredictConfig

            self._form = Form(PredictConfig())
            self._advanced.layout().addWidget(self._form)
        return self._form

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer choice and forget results whose layers were removed."""
        super().reset_choices(event)
        if self._filling:
            return
        for result in [r for r in self._results if r.gone]:
            self._results.remove(result)
            if self.panel is not None and self.panel.result is result:
                self.panel.show_result(None)
            result.stop()
            result.deleteLater()

    def on_closed(self) -> None:
        """Stop what runs; labels shown in advance go back to what they were."""
        super().on_closed()
        for result in self._results:
            result.stop()

    def _images(self, _: object = None) -> list[Image]:
        """Return the image layers but those of probabilities, which are results."""
        return [
            layer
            for layer in self.viewer.layers
            if isinstance(layer, Image)
            and "model" not in layer.metadata.get(METADATA_KEY, {})
        ]

    def _on_choice(self, *_: object) -> None:
        """Show what goes with the chosen image and model."""
        self._show_axes()
        if self.panel is not None:
            self.panel.show_result(self._result_of(self.image.value, self.models.path))

    def _show_axes(self) -> None:
        """Offer what the axes of the image may be, as it is now."""
        layer = self.image.value
        names = {} if layer is None else AXES.get(len(axes_of(layer)), {})
        with QSignalBlocker(self.axes):
            self.axes.clear()
            for axes, text in names.items():
                self.axes.addItem(text, axes)
            if names:
                chosen = self._axes_chosen.get(layer, axes_of(layer))
                self.axes.setCurrentIndex(max(0, self.axes.findData(chosen)))
        self.axes.setVisible(bool(names))
        self._axes_label.setVisible(bool(names))

    def _on_axes(self, *_: object) -> None:
        self._axes_chosen[self.image.value] = self.axes.currentData()

    def _result_of(self, layer: Image | None, model: Path | None) -> "Result | None":
        found = (r for r in self._results if r.belongs_to(layer, model))
        return next(found, None)

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
        self.launch(self._run.task, "Segmenting", self._on_result)

    def _prepared(self) -> "Run":
        """Read everything that the run depends on: nothing changed later matters.

        Raises
        ------
        StudioError
            If something is missing or does not fit.
        """
        layer, path = self.image.value, self.models.path
        if layer is None:
            raise InputError(
                "There is no image to segment; open or choose one, or take one from "
                "File ▸ Open Sample ▸ U-Net Studio."
            )
        card = self.models.card()
        self._show_axes()  # its data may have been replaced
        source = source_of(layer, self.axes.currentData())
        if spatial_ndim(source.axes) < card.spec.ndim:
            raise InputError(
                f"The model {card.name!r} works on stacks (3D), but the axes of "
                f"{source.name!r} are {source.axes}; choose a 2D model"
                f"{' or the axes of a stack' * ('T' in source.axes)}."
            )
        assert path is not None  # there is a card
        config = self.settings().value()
        from napari_unet_studio.widgets._objects import starting_objects

        objects = self._settings.get((path, card.created)) or starting_objects(card)
        return Run(layer, source, path, self.models.reference, config, objects)

    def _load_torch(self) -> None:
        """Import torch here, in the main thread: it must not be left to a worker."""
        if "torch" not in sys.modules:
            self.say("Loading PyTorch…")
            self.status.repaint()
            import torch  # noqa: F401

            self.say("")

    def _on_result(self, prediction: "Prediction | None") -> None:
        run = self._run
        if prediction is None or run is None or (self.job and self.job.stopping):
            return
        self._notes = list(prediction.notes)
        for note in prediction.notes:
            show_warning(note)
        self._filling = True
        try:
            result = self._filled(run, prediction)
        finally:
            self._filling = False
        if run.layer not in self.viewer.layers:
            self._on_note(f"The image {run.source.name!r} was removed meanwhile.")
        seconds = time.monotonic() - run.started
        text = f"Segmented {run.source.name} in {seconds:.1f} s."
        self.say(" ".join((text, *self._notes)))
        self.segmented.emit(result.labels)

    def _filled(self, run: Run, prediction: "Prediction") -> "Result":
        """Show a prediction and return its result, the one before if there is one."""
        from napari_unet_studio.widgets._objects import ObjectsPanel
        from napari_unet_studio.widgets._result import Result

        if self.panel is None:
            self.panel = ObjectsPanel()
            self.panel.edited.connect(self._on_edited)
            self.panel.said.connect(self.say)
            self.body.addWidget(self.panel)
        result = self._result_of(run.layer, run.path)
        if result is None:
            result = Result(self.viewer, run.layer, run.path, run.reference, self)
            result.failed.connect(self.on_failure)
            result.noted.connect(self._on_note)
            self._results.append(result)
        result.fill(prediction, run.source, run.config)
        latest = self._settings.get((run.path, prediction.card.created))
        if prediction.card.target == "objects" and latest is not None:
            result.redraw(latest)  # what the user set while the network was running
        self.panel.show_result(result)
        return result

    def _on_edited(self) -> None:
        """Let the next run of the model begin with the settings of this one."""
        if self.panel is not None and self.panel.result is not None:
            result = self.panel.result
            key = (result.model, result.prediction.card.created)
            self._settings[key] = self.panel.form.value()

    def _on_note(self, text: str) -> None:
        self._notes.append(text)
        self.say(text)
        show_info(text)

    def _on_finished(self) -> None:
        super()._on_finished()
        self._run = None
