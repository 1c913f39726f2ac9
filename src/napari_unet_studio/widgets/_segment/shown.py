"""A result in the viewer: which image and model it is of, and its layers."""

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import napari.viewer
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from napari_unet_studio.layers import Source
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment.code import predict_code, predict_command

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.tasks.predict_config import PredictConfig


class Shown(QObject):
    """The layers of one image, its region, and one model.

    Parameters
    ----------
    viewer
        Where the layers are.
    run
        What made them; the image layer may be gone by now.
    parent
        The widget.
    """

    redrawn = Signal()
    """When the labels show other settings."""
    waiting = Signal(str)
    """With what to say while the labels are redrawn in a thread; "" when it is over."""
    noted = Signal(str)
    """With a sentence for the user."""
    failed = Signal(object)
    """With a :class:`.Failure`."""

    live = True
    """Whether settings of objects change the layers at once."""
    path: Path | None = None
    """Where the result is stored, if not in memory."""

    def __init__(
        self, viewer: "napari.viewer.Viewer", run: Run, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.model = run.path
        self.reference = run.reference
        self.key = run.key
        self.axes = run.axes
        self.config: PredictConfig
        self.source: Source
        self.card: ModelCard
        self.found = ""  # how many objects
        self.made = ""  # what the automatic choices became
        self._layers = [weakref.ref(layer) for layer in run.layers]

    def belongs_to(self, layer: object, model: Path | None, key: object) -> bool:
        """Return whether this is the result of an image, a model and a choice."""
        mine = self.image is layer and self.model == model
        return layer is not None and mine and self.key == key

    @property
    def image(self) -> Layer | None:
        """The image layer; None if it is gone."""
        return self._layers[0]()

    @property
    def untouched(self) -> list[Layer]:
        """Those of its layers that the user has not edited."""
        return self.layers

    @property
    def layers(self) -> list[Layer]:
        """Its layers, the labels last; they may be removed by now."""
        raise NotImplementedError

    @property
    def gone(self) -> bool:
        """Whether the user removed all its layers."""
        return not any(layer in self.viewer.layers for layer in self.layers)

    @property
    def labels(self) -> Layer:
        """The layer of labels or classes; it may be removed by now."""
        return self.layers[-1]

    @property
    def settled(self) -> bool:
        """Whether the layers show the settings that were asked for last."""
        return True

    @property
    def remark(self) -> str:
        """What there is to say about it, "" if nothing."""
        return ""

    @property
    def title(self) -> str:
        """The image and the model, by name."""
        return f"{self.source.title} [{self.card.name}]"

    @property
    def objects(self) -> "ObjectConfig":
        """The settings that were asked for last."""
        raise NotImplementedError

    def redraw(self, objects: "ObjectConfig") -> None:
        """Find the objects anew, soon, if the result is in memory."""

    def stop(self) -> None:
        """Stop redrawing; the labels go on showing what they were last."""

    def take_back(self) -> None:
        """Show labels of one setting alone, where a part is of the next by now."""

    @property
    def kept(self) -> str | None:
        """Name of a copy of the labels that is as they are now, if there is one."""
        return None

    def keep(self) -> str | None:
        """Put a copy of the labels into the viewer and return its name."""
        return None

    def as_python(self) -> str:
        """Return the lines that repeat the result in napari's console."""
        return predict_code(
            self._names(),
            self.source,
            self.axes,
            self.reference,
            self.config,
            self._shown_objects(),
            self.path,
        )

    def as_shell(self) -> str:
        """Return the command that repeats the result on files."""
        return predict_command(
            self._given(),
            self._names(),
            self.source,
            self.reference,
            self.config,
            self._shown_objects(),
            self.card.objects,
            self.path,
        )

    @property
    def given(self) -> list[Layer]:
        """The layers whose pixels are the image, those that are gone left out."""
        return [layer for layer in self._given() if layer is not None]

    def _given(self) -> list[Layer | None]:
        """Return the layers whose pixels are the image; None for one that is gone."""
        given = [layer() for layer in self._layers]
        return given[1:] if self.source.layers else given

    def _names(self) -> list[str]:
        """Return the names of these layers as they are now."""
        names = self.source.layers or (self.source.name,)
        both = zip(names, self._given(), strict=False)
        return [name if layer is None else layer.name for name, layer in both]

    def _shown_objects(self) -> "ObjectConfig":
        return self.objects
