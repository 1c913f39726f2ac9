"""What is compared: images with their references, and candidates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.evaluate import Kind
from napari_unet_studio.tasks.evaluate_labels import label_pair, reference_objects

MANY = 12
"""More values than these are hardly classes but ids of objects."""

TOO_MANY = (
    f"more than {MANY} values, which look like ids of objects; scores of classes mean "
    "nothing for these, so compare them as objects."
)

_UNKNOWN = -(2**63)


@dataclass(frozen=True, eq=False)
class Case:
    """An image with its reference.

    Parameters
    ----------
    name
        For rows and messages.
    reference
        Ids of objects, 0 is background; an array or a file.
    image
        What models are given, an array or a file; None if only labels are compared.
    axes
        Names of the axes but the channels; by default what the files say, else "YX",
        "ZYX" or "TZYX" by their number. With a C, that is the axis of the channels of
        an image in a file.
    channel_axis, spacing
        Of the image; a file says its own.
    """

    name: str
    reference: Any
    image: Any = None
    axes: str | None = None
    channel_axis: int | None = None
    spacing: tuple[float, ...] | None = None

    def opened(self) -> "Case":
        """Return the case with arrays in place of files.

        Raises
        ------
        StudioError
            If a file cannot be read.
        """
        axes, image = self.axes, self.image
        channel_axis, spacing = self.channel_axis, self.spacing
        if isinstance(image, str | Path):
            found = read_image(image)
            image, channel_axis = found.array, found.channel_axis
            if axes is not None and "C" in axes.upper():
                found = described(found, axes)
                axes, channel_axis = found.axes, found.channel_axis
            spacing = spacing or found.spacing
            axes = axes or found.axes
        reference, told = labels_of(self.reference)
        axes = (axes or told or "TZYX"[-reference.ndim :]).upper()
        if spacing is not None:  # of a stack called a film the planes keep theirs
            count = spatial_ndim(axes)
            spacing = spacing[-count:] if 0 < count <= len(spacing) else None
        return Case(self.name, reference, image, axes, channel_axis, spacing)


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is measured: a model, or labels that are there already.

    Parameters
    ----------
    name
        Of its row.
    labels
        One for each case, arrays or files.
    model
        A model, the name of one, or a ``.unet`` file. With labels, these are what it
        predicted before.
    parameters, seconds, notes
        Of a model with labels.
    """

    name: str
    labels: Sequence[Any] | None = None
    model: Model | str | Path | None = None
    parameters: int | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()


@dataclass
class References:
    """Reads references as scorers take them, and remembers what there is to say."""

    kind: Kind
    connected: bool | None
    split: float
    ignore: int | None = None
    specks: int = 0
    problems: int = 0
    problem: str = ""
    masks: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    many: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> int | None:
        """The id of pixels that do not count in references that were read.

        Specks do not count either. Where no id was named they get one that nobody uses.
        """
        return _UNKNOWN if self.ignore is None and self.specks else self.ignore

    def read(self, given: Case) -> tuple[Case, str]:
        """Open a case; returns it, and why it cannot be used, or nothing."""
        try:
            case = given.opened()
            return replace(case, reference=self._objects(case)), ""
        except StudioError as error:
            self.problems += 1
            self.problem = self.problem or str(error)
            return given, str(error)

    def _objects(self, case: Case) -> NDArray[Any]:
        """Return the reference, its components in place of the objects of a mask."""
        truth, _ = label_pair(case.reference, case.reference, case.axes)
        if self.kind == "classes" and many_values(truth, self.ignore):
            self.many.append(case.name)
        if self.kind != "objects":
            return truth
        decided = reference_objects(
            truth, case.axes, self.connected, self.split, self.ignore, self.specks
        )
        there, ignored = decided.labels, decided.ignored
        if decided.said:
            self.masks.append(case.name)
        if not (there if ignored is None else there[~ignored]).any():
            self.empty.append(case.name)
        if there is truth or ignored is None:
            return there
        assert self.unknown is not None  # there are pixels that do not count
        # Its id is one that none of the components may have.
        there = there.astype(np.int64)
        there[there >= max(self.unknown, 1)] += 1
        return np.where(ignored, self.unknown, there)

    @property
    def notes(self) -> Iterator[str]:
        """What was decided."""
        if self.masks:
            its = "its" if len(self.masks) == 1 else "their"
            yield (
                f"{_named(self.masks)} one id for all objects, so {its} connected "
                f"components{', divided at necks,' if self.split else ''} were taken "
                "as the objects."
            )
        if self.empty:
            yield (
                f"{_named(self.empty)} no objects, so every object found is spurious."
            )
        if self.many:
            yield f"{_named(self.many)} {TOO_MANY}"
        if self.problems:
            yield f"{self.problems} could not be used: {self.problem}"


def _named(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"The reference {names[0]!r} holds"
    shown = ", ".join(map(repr, names[:3])) + (" and more" if len(names) > 3 else "")
    return f"The references {shown} hold"


def many_values(labels: NDArray[Any], ignore: int | None = None) -> bool:
    """Whether labels hold more values than classes are likely to have.

    Examples
    --------
    >>> many_values(np.arange(12)), many_values(np.arange(13))
    (False, True)
    """
    values = np.unique(labels)
    return int(np.count_nonzero(values != ignore)) > MANY


def labels_of(given: Any) -> tuple[NDArray[Any], str | None]:
    """Return labels, and the axes that a file names."""
    if not isinstance(given, str | Path):
        return np.asarray(given), None
    found = read_image(given)
    if found.channel_axis is not None:
        raise InputError(f"{given} has channels; labels are one number per pixel.")
    return np.asarray(found.array), found.axes
