"""Layers of augmented patches beside an image, drawn in a thread as training does."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.layers import METADATA_KEY, LayerTuple
from napari_unet_studio.layers.deformed import Template
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._deform.preview import Deformation, Index
from napari_unet_studio.widgets._deform.tiles import layout, plane_options, tiled
from napari_unet_studio.widgets._viewing import add_quietly, remove_layers
from napari_unet_studio.widgets._worker import Failure, Job

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.tasks.training.draws import Draw
    from napari_unet_studio.tasks.training.items import Item

_LINE = 0.5  # between patches, on the scale where the image goes from 0 to 1


@dataclass(frozen=True)
class Wanted:
    """Which patches to draw.

    Parameters
    ----------
    index
        Of the frame.
    config
        How training varies patches.
    count
        Number of patches.
    seed
        Of the draws.
    """

    index: Index
    config: TrainConfig
    count: int
    seed: int


class Drawn(NamedTuple):
    """Patches, and what was read on the way."""

    draws: "list[Draw]"
    fit: tuple[NDArray[np.float64], NDArray[np.float64]]
    item: "tuple[Index, Item]"


class Strip(QObject):
    """The patches of one image in the viewer; none of the layers is the user's.

    Patches are drawn one set at a time, and each set that is finished is shown, so that
    something moves while a slider does; the last one wanted always comes.

    Parameters
    ----------
    viewer
        The viewer.
    deformation
        Image, labels and weights; its settings are not used.
    templates
        Of the same layers, in this order.
    parent
        The widget.
    """

    redrawn = Signal()
    failed = Signal(object)
    """With a :class:`Failure`."""

    def __init__(
        self,
        viewer: Any,
        deformation: Deformation,
        templates: Sequence[Template],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.layers: list[Any] = []
        self._deformation = deformation
        self._templates = templates
        self._wanted: Wanted | None = None
        self._shown: Wanted | None = None
        self._draws: list[Draw] = []
        self._channel = 0
        self._job: Job[Drawn | None] | None = None
        self._fit: Any = None
        self._item: Any = None
        self._age = 0  # counts what made earlier readings useless

    # -- what the widget asks for -----------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether patches are being drawn."""
        return self._job is not None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Spatial shape of the patches, once some are drawn."""
        return self._draws[0].image.shape[1:] if self._draws else None

    def want(self, wanted: Wanted, channel: int) -> None:
        """Show other patches, soon, or another channel of the same ones at once."""
        if channel != self._channel:
            self._channel = channel
            if self._draws:
                self._write()
        self._wanted = wanted
        self._begin()

    def forget(self) -> None:
        """Read the layers anew: their pixels have changed."""
        self._age += 1
        self._item = self._shown = None
        self._begin()

    def owns(self, layer: Any) -> bool:
        """Whether a layer is part of the strip."""
        return any(layer == own for own in self.layers)

    def remove(self) -> None:
        """Stop, and take all of it out of the viewer."""
        self._wanted = None
        if self._job is not None:
            self._job.stop()
        layers, self.layers = self.layers, []
        remove_layers(self.viewer, layers)

    # -- drawing ----------------------------------------------------------------------

    def _begin(self) -> None:
        wanted = self._wanted
        if self._job is not None or wanted is None or wanted == self._shown:
            return
        task = partial(self._task, wanted, self._fit, self._item)
        job: Job[Drawn | None] = Job(task, "Drawing patches", self)
        self._job = job
        age = self._age
        job.succeeded.connect(lambda drawn: self._on_drawn(drawn, wanted, age))
        job.failed.connect(self._on_failure)
        job.finished.connect(self._on_finished)
        job.start()

    def _task(
        self, wanted: Wanted, fit: Any, item: Any, should_stop: ShouldStop
    ) -> Generator[Progress, None, Drawn | None]:
        """Read the frame and draw its patches; in a thread, so nothing is changed."""
        from napari_unet_studio.tasks.training.draws import draws, example, patches_of

        yield Progress(0, wanted.count, "Reading the image")
        deformation = self._deformation
        frames = deformation.frames
        if fit is None:
            fit = Normalisation().fit(frames.channels_first())
        if item is None or item[0] != wanted.index:
            labels, weights = (
                None if source is None else source.data[wanted.index]
                for source in (deformation.labels, deformation.weights)
            )
            image = frames.array[wanted.index]
            item = wanted.index, example(image, labels, weights, *fit)
        source = patches_of(item[1], wanted.config, deformation.spacing, wanted.seed)
        made = yield from draws(source, wanted.count, should_stop)
        return None if made is None else Drawn(made, fit, item)

    def _on_drawn(self, drawn: Drawn | None, wanted: Wanted, age: int) -> None:
        if drawn is None or self._wanted is None:
            return
        self._draws = drawn.draws
        if age == self._age:
            self._fit, self._item, self._shown = drawn.fit, drawn.item, wanted
        self._write()
        self.redrawn.emit()

    def _on_failure(self, failure: Failure) -> None:
        if self._wanted is not None:
            self._wanted = None
            self.failed.emit(failure)

    def _on_finished(self) -> None:
        self._job = None
        self._begin()

    # -- layers -----------------------------------------------------------------------

    def _write(self) -> None:
        """Show the patches in the layers, which the first ones bring."""
        shape = self._draws[0].image.shape[-2:]
        frames, source = self._deformation.frames, self._deformation.image
        plan = layout(len(self._draws), shape, frames.shape[-2:])
        place = plane_options(source.spatial, len(source.axes), plan.offset)
        pictures = [
            tiled(patches, plan.columns, plan.gap, 0 if number else _LINE)
            for number, patches in enumerate(self._pictures())
        ]
        if self._templates[0].rgb:
            pictures[0] = np.moveaxis(pictures[0], 0, -1)
        if not self.layers:
            tuples = map(partial(self._tuple, place), self._templates, pictures)
            self.layers = add_quietly(self.viewer, list(tuples))
            return
        for layer, picture in zip(self.layers, pictures, strict=True):
            if layer in self.viewer.layers:
                layer.data = picture
                if not np.array_equal(layer.affine.affine_matrix, place["affine"]):
                    layer.affine = place["affine"]

    def _pictures(self) -> list[list[NDArray[Any]]]:
        """Return the patches of each layer as planes, the middle ones of volumes."""
        images, labels, weights = [], [], []
        for draw in self._draws:
            middle: tuple[Any, ...] = (...,)
            if draw.labels.ndim == 3:
                middle = (..., draw.labels.shape[0] // 2, slice(None), slice(None))
            if self._templates[0].rgb:
                # Beyond the range of the normalised values there is no colour.
                images.append(np.clip(draw.image[:3][middle], 0, 1))
            else:
                images.append(draw.image[self._channel][middle])
            labels.append(draw.labels[middle].astype(np.int32))
            if draw.weight_map is not None:
                weights.append(draw.weight_map[middle])
        parts = [images]
        if self._deformation.labels is not None:
            parts.append(labels)
        if self._deformation.weights is not None:
            parts.append(weights)
        return parts

    def _tuple(
        self, place: dict[str, Any], template: Template, picture: NDArray[Any]
    ) -> LayerTuple:
        looks = dict(template.looks)
        if template is self._templates[0] and not template.rgb:
            looks["contrast_limits"] = (0, 1)
        name = template.source.name
        options = {
            "name": f"{name} draws",
            **place,
            **looks,
            "metadata": {METADATA_KEY: {"source": name, "draws": True}},
        }
        return picture, options, template.kind
