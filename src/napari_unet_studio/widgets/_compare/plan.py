"""One run of the widget "Compare", as it was when it began."""

import time
from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import Source, source_of, training_source
from napari_unet_studio.tasks.comparison import Comparison
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._compare.candidates import Entry
from napari_unet_studio.widgets._compare.stamps import Asked, Known, Stamp
from napari_unet_studio.widgets._compare.versions import Versions

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind


@dataclass(frozen=True, eq=False)
class Plan:
    """A run.

    Parameters
    ----------
    reference
        The layer.
    source
        The same, as it was.
    axes
        Names of its axes.
    kind
        What the labels are.
    image, picture
        The image layer for the models, and the same as it was.
    channel
        What models of one channel are given.
    entries
        The candidates.
    known
        What models predicted before, by their keys.
    stamps
        The state of the layers, by the keys of the candidates.
    pixels
        The labels, by the keys of their layers.
    started
        When, in seconds of the monotonic clock.
    """

    reference: Any
    source: Source
    axes: str
    kind: "Kind"
    image: Any
    picture: Source | None
    channel: Channel | None
    entries: tuple[Entry, ...]
    known: Mapping[Hashable, Known]
    stamps: Mapping[Hashable, Stamp]
    pixels: Mapping[Hashable, Any]
    started: float = field(default_factory=time.monotonic)

    @property
    def asked(self) -> Asked:
        """What candidates are measured against, and how."""
        image = None if self.image is None else ref(self.image)
        return Asked(ref(self.reference), self.kind, self.axes, image, self.channel)

    @cached_property
    def place(self) -> Source:
        """The reference without its pixels, for layers in its place."""
        return replace(self.source, data=None)

    @property
    def layers(self) -> list[Any]:
        """The layers that it reads."""
        read = [self.reference, self.image, *(e.layer for e in self.entries)]
        return [layer for layer in dict.fromkeys(read) if layer is not None]

    @property
    def predicts(self) -> bool:
        """Whether a network has to run."""
        return any(e.path is not None and not self._known(e) for e in self.entries)

    def entry(self, name: str) -> Entry:
        """Return the candidate of a row."""
        return next(
            e for e, n in zip(self.entries, self.names, strict=True) if n == name
        )

    @property
    def names(self) -> list[str]:
        """A name of its own for each candidate."""
        names: list[str] = []
        for entry in self.entries:
            name, number = entry.name, 1
            while name in names:
                number += 1
                name = f"{entry.name} ({number})"
            names.append(name)
        return names

    def how(self, entry: Entry) -> tuple[Any, ...]:
        """Return what the prediction of a model depends on."""
        stamp = self.stamps[entry.key]
        picture = self.picture
        spacing = None if picture is None else picture.spacing
        axis = None if picture is None else picture.channel_axis
        # Not on the reference, which is the first of the layers.
        seen = (stamp.versions[1:], stamp.file)
        # What a model of classes found is split into objects for one kind only.
        return (*seen, self.axes, axis, spacing, self.channel, self.kind)

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, Comparison | None]:
        """Predict and score; None if stopped."""
        from napari_unet_studio.tasks.compare import Candidate, Case, compare

        picture = self.picture
        case = Case(
            self.source.name,
            self.source.data,
            None if picture is None else picture.data,
            self.axes,
            None if picture is None else picture.channel_axis,
            None if picture is None else _spacing(picture, self.axes),
        )
        candidates = []
        for entry, name in zip(self.entries, self.names, strict=True):
            known = self._known(entry)
            if entry.layer is not None:
                pixels = self.pixels[entry.key]
                candidates.append(Candidate(name, labels=[pixels]))
            elif known is None:
                candidates.append(Candidate(name, model=entry.path))
            else:
                row = known.row
                labels = [image.labels for image in row.images]
                facts = (row.parameters, row.seconds, row.notes)
                candidates.append(Candidate(name, labels, entry.path, *facts))
        return (
            yield from compare(
                [case],
                candidates,
                kind=self.kind,
                channel=self.channel,
                keep=True,
                should_stop=should_stop,
            )
        )

    def _known(self, entry: Entry) -> Known | None:
        known = self.known.get(entry.key)
        return known if known is not None and known.how == self.how(entry) else None


def plan_of(form: Any, versions: Versions, known: Mapping[Hashable, Known]) -> Plan:
    """Read everything that a run depends on.

    Parameters
    ----------
    form
        The :class:`.CompareForm`.
    versions
        Of its layers.
    known
        See :class:`Plan`.

    Raises
    ------
    StudioError
        If something is missing or does not fit.
    """
    reference = form.reference.value
    if reference is None:
        raise InputError(
            "There are no labels to compare with; open or paint those that are right, "
            "and choose them as the reference."
        )
    entries = tuple(form.candidates.chosen())
    if not entries:
        raise InputError(
            "There is no candidate; tick other labels of the size of the reference, or "
            "add a model."
        )
    image = picture = None
    if any(entry.layer is None for entry in entries):
        image = form.image.value
        if image is None:
            raise InputError(
                "There is no image of the size of the reference that the models could "
                "predict; open it, or leave the models out."
            )
        picture = picture_of(image, reference)
    stamps = {}
    for entry in entries:
        layer = image if entry.layer is None else entry.layer
        stamps[entry.key] = Stamp.of(versions, (reference, layer), entry.path)
    return Plan(
        reference,
        source_of(reference),
        form.axes_name,
        form.kind.currentData(),
        image,
        picture,
        None if picture is None else form.taken,
        entries,
        known,
        stamps,
        {e.key: source_of(e.layer).data for e in entries if e.layer is not None},
    )


def picture_of(image: Any, reference: Any) -> Source:
    """Read the image for the models, on whose pixels the reference lies.

    Raises
    ------
    InputError
        If it cannot be read, or has another shape.
    """
    source = training_source(image, reference)
    shape = source_of(reference).shape
    if source.shape != shape:
        raise InputError(
            f"The image {image.name!r} has {sides(source.shape)} pixels but the "
            f"reference {sides(shape)}; choose the image that the reference was drawn "
            "on."
        )
    return source


def _spacing(source: Source, axes: str) -> tuple[float, ...]:
    """Return the pixel size of the spatial axes, also if they were named otherwise."""
    count = sum(axis in "ZYX" for axis in axes)
    return (1.0,) * (count - len(source.spacing)) + source.spacing[-count:]
