"""What is compared with what: the reference, the candidates, the image for models."""

import napari.viewer
from napari.layers import Image, Labels
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.layers import (
    METADATA_KEY,
    axes_of,
    channels_of,
    unnamed_channels,
)
from napari_unet_studio.widgets._base import layer_choice
from napari_unet_studio.widgets._compare.candidates import CandidateList
from napari_unet_studio.widgets._compare.overlay import is_error_map
from napari_unet_studio.widgets._compare.plan import picture_of
from napari_unet_studio.widgets._form import aligned_form
from napari_unet_studio.widgets._model_choice import ModelChoice
from napari_unet_studio.widgets._segment.rows import Row, combo_box

_KINDS = {"Objects": "objects", "Classes": "classes", "Cells in membranes": "membranes"}
_AXES = {"ZYX": "ZYX – stack", "TYX": "TYX – time series"}


class CompareForm(QWidget):
    """The settings of the widget "Compare".

    Parameters
    ----------
    viewer
        Whose layers can be chosen.
    """

    changed = Signal()
    failed = Signal(object)
    """With the error of a model that cannot be used."""

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self._names: list[tuple[str, Channel]] = []
        self.reference = layer_choice(
            Labels,
            "The labels that are right: what candidates are measured against. One id "
            "for each object, 0 is background.",
            lambda _: self.labels(),
        )
        self.reference.native.setPlaceholderText("no labels open")
        self.axes = combo_box(
            "What the first axis is. The objects of a stack go through its planes; "
            "those of a time series are compared in each frame."
        )
        for axes, text in _AXES.items():
            self.axes.addItem(text, axes)
        self.kind = combo_box(
            "What the labels are. Objects: one id each, scored by how many were found. "
            "Classes: one id for each kind of pixel. Cells in membranes: 0 is "
            "membrane, scored plane by plane as in ISBI 2012."
        )
        for text, kind in _KINDS.items():
            self.kind.addItem(text, kind)
        self.candidates = CandidateList()
        self.models = ModelChoice(self)
        self.add_button = QPushButton("Add")
        self.add_button.setToolTip(
            "Add the model to the candidates. It predicts the image first; what it "
            "found is kept until the image changes."
        )
        self.image = layer_choice(
            Image,
            "What the models are given: an image of the size of the reference.",
            lambda _: self.images(),
        )
        self.image.native.setPlaceholderText("no image of the size of the reference")
        self.channel = combo_box("What models that take one channel are given of it.")
        self._build()

    def _build(self) -> None:
        top, below = aligned_form(), aligned_form()
        top.addRow("Reference", self.reference.native)
        self._axes_row = Row(top, "Axes", self.axes)
        top.addRow("Labels are", self.kind)
        one = QWidget()
        line = QHBoxLayout(one)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.models.combo, 1)
        line.addWidget(self.add_button)
        below.addRow("Model", one)
        self._image_row = Row(below, "Image", self.image.native)
        self._channel_row = Row(below, "Channel", self.channel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(top)
        column.addWidget(self.candidates)
        column.addLayout(below)
        self._tell_model()
        self.reference.changed.connect(self._on_reference)
        self.axes.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.kind.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.candidates.changed.connect(self._on_candidates)
        self.models.changed.connect(self._tell_model)
        self.models.failed.connect(self.failed)
        self.add_button.clicked.connect(self.add_model)
        self.image.changed.connect(lambda _: self._on_candidates())
        self.channel.currentIndexChanged.connect(lambda _: self.changed.emit())

    # -- what there is ----------------------------------------------------------------

    def labels(self) -> list[Labels]:
        """Return the Labels layers that show no errors."""
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Labels) and not is_error_map(layer)
        ]

    def images(self) -> list[Image]:
        """Return the images of the size of the reference, results left out."""
        reference = self.reference.value
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image)
            and METADATA_KEY not in layer.metadata
            and reference is not None
            and _fits(layer, reference)
        ]

    def refresh(self) -> None:
        """Show what there is to choose now."""
        reference = self.reference.value
        others = [layer for layer in self.labels() if layer is not reference]
        self.candidates.show_layers(others, reference)
        self._axes_row.show(reference is not None and reference.ndim == 3)
        self._show_image()

    @property
    def axes_name(self) -> str:
        """Names of the axes of the reference."""
        ndim = self.reference.value.ndim
        return str(self.axes.currentData()) if ndim == 3 else "TZYX"[-ndim:]

    @property
    def taken(self) -> Channel | None:
        """What models of one channel are given of an image with several."""
        index = self.channel.currentIndex()
        return self._names[index][1] if 0 <= index < len(self._names) else None

    # -- changes ----------------------------------------------------------------------

    def add_model(self) -> None:
        """Add the chosen model to the candidates."""
        try:
            self.models.card()  # a broken file is told now
        except StudioError as error:
            self.failed.emit(error)
            return
        path = self.models.path
        assert path is not None  # there is a card
        name = self.models.combo.currentText()
        self.candidates.add_model(name, path, self.models.reference)

    def _on_reference(self, *_: object) -> None:
        reference = self.reference.value
        if reference is not None and reference.ndim == 3:
            guess = axes_of(reference)
            fitting = [axes_of(x) for x in self.images() if x.ndim == 3]
            named = {*fitting} - {"ZYX"}
            if guess == "ZYX" and named:  # the image knows better
                guess = named.pop()
            with QSignalBlocker(self.axes):
                self.axes.setCurrentIndex(max(0, self.axes.findData(guess)))
        self.changed.emit()

    def _on_candidates(self) -> None:
        self._show_image()
        self.changed.emit()

    def _show_image(self) -> None:
        """Show the choice of the image where a model needs one."""
        image = self.image.value
        reference, needed = self.reference.value, bool(self.candidates.models)
        names: list[tuple[str, Channel]] = []
        if needed and image is not None and reference is not None:
            # As the plan reads it: an axis that the reference lacks holds channels.
            axes = unnamed_channels(image, reference)
            names = channels_of(image, axes)
        if names != self._names:
            self._names = names
            with QSignalBlocker(self.channel):
                self.channel.clear()
                self.channel.addItems([name for name, _ in names])
        self._image_row.show(needed)
        self._channel_row.show(bool(names))

    def _tell_model(self) -> None:
        self.models.combo.setToolTip(self.models.info.text())


def _fits(image: Image, reference: Labels) -> bool:
    try:
        picture_of(image, reference)
    except StudioError:
        return False
    return True
