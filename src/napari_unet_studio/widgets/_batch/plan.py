"""One run of the Batch widget, independent of what the user does meanwhile."""

import time
from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.folders import BatchItem
from napari_unet_studio.io.image_file import ImageFile
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import Source, channels_of, fitting_channels, source_of
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._batch.entries import Entry, file_names
from napari_unet_studio.widgets._batch.reading import Stated
from napari_unet_studio.widgets._batch.texts import NO_LAYER, NOTHING

if TYPE_CHECKING:
    from napari_unet_studio.core.object_config import ObjectConfig
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.tasks.batch import BatchResult
    from napari_unet_studio.widgets._batch.form import BatchForm


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run does, as it was when it began.

    Parameters
    ----------
    entries
        The images, in the order of the items.
    items
        The same for the task.
    sources
        Of layers: how each is read, by the key of its entry.
    given
        Of files: what the user gave, files and folders.
    stated
        What the user says of the images instead of them.
    card
        Of the model, as it was then.
    path, reference
        The model: its file, and how a script names it.
    config, objects
        The settings.
    out
        Folder for the results; None for layers.
    overwrite
        Whether other results there are replaced.
    bad
        Layers that cannot be read, with the reason, by the keys of their entries.
    started
        When, in seconds of the monotonic clock.
    """

    entries: tuple[Entry, ...]
    items: tuple[BatchItem, ...]
    sources: Mapping[Hashable, Source]
    given: tuple[Path, ...]
    stated: Stated
    card: "ModelCard"
    path: Path
    reference: str
    config: BatchConfig
    objects: "ObjectConfig"
    out: Path | None
    overwrite: bool = False
    bad: Mapping[Hashable, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def of_layers(self) -> bool:
        """Whether the images are layers."""
        return any(entry.layer is not None for entry in self.entries)

    @cached_property
    def settings(self) -> "Plan":
        """The same without pixels, to be kept as long as results are listed."""
        sources = {key: replace(each, data=None) for key, each in self.sources.items()}
        return replace(self, entries=(), items=(), sources=sources, bad={})

    def task(
        self, should_stop: ShouldStop
    ) -> "Generator[Progress, None, BatchResult | None]":
        """Load the model and go through the images."""
        yield Progress(0, 0, "Loading the model")
        model = load_model_file(self.path)
        from napari_unet_studio.tasks.batch import batch

        stated: dict[str, Any] = {}
        if not self.of_layers:  # layers have been read so already
            stated = self.stated._asdict()
        return (
            yield from batch(
                self.items,
                self.out,
                model,
                self.config,
                objects=self.objects,
                overwrite=self.overwrite,
                loaded_from=self.reference,
                should_stop=should_stop,
                **stated,
            )
        )


def plan_of(form: "BatchForm", ticked: Sequence[Entry]) -> Plan:
    """Read everything that a run depends on: nothing changed later matters.

    Parameters
    ----------
    form
        The settings.
    ticked
        The images.

    Raises
    ------
    StudioError
        If something is missing or does not fit.
    """
    card = form.models.card()
    there: list[Any] = form.layers() if form.of_layers else []
    if not (there if form.of_layers else form.entries):
        raise InputError(NO_LAYER if form.of_layers else NOTHING)
    # The list stands still while a batch runs, but layers can be removed meanwhile.
    ticked = [e for e in ticked if e.layer is None or e.layer() in there]
    if not ticked:
        raise InputError("No image is ticked; tick those to segment in the table.")
    path = form.models.path
    assert path is not None  # there is a card
    stated, out = form.reading.value(), form.place.read()
    sources: dict[Hashable, Source] = {}
    bad: dict[Hashable, str] = {}
    for entry in ticked:
        layer = None if entry.layer is None else entry.layer()
        if layer is not None:
            try:
                sources[entry.key] = source_for(layer, stated, card.spec.in_channels)
            except StudioError as error:
                bad[entry.key] = str(error)
    entries = [entry for entry in ticked if entry.key not in bad]
    if form.of_layers:
        names = file_names([entry.name for entry in entries])
        images = [image_of(sources[entry.key]) for entry in entries]
        items = [BatchItem(*pair) for pair in zip(names, images, strict=True)]
    else:
        items = [entry.item for entry in entries if entry.item is not None]
    whole = len(ticked) == len(form.entries)
    files = [entry.path for entry in entries if entry.path is not None]
    return Plan(
        tuple(entries),
        tuple(items),
        sources,
        tuple(form.paths if whole and files else files),
        stated,
        card,
        path,
        form.models.reference,
        form.config(),
        form.objects.value(path, card),
        out,
        form.overwrite.isChecked(),
        bad,
    )


def source_for(layer: Any, stated: Stated, expected: int) -> Source:
    """Read a layer for a model.

    Parameters
    ----------
    layer
        An Image layer.
    stated
        What the user says of it.
    expected
        Channels of the model.

    Raises
    ------
    InputError
        If it cannot be read so.
    """
    channel = stated.channel
    if channel is not None and not channels_of(layer, stated.axes):
        channel = None  # of images with one there is nothing to choose
    source = source_of(layer, stated.axes, channel=channel)
    return fitting_channels(source, layer, expected)


def image_of(source: Source) -> ImageFile:
    """Return a layer as an image in memory."""
    return ImageFile(
        source.data, source.axes, source.channel_axis, source.spacing, source.unit
    )
