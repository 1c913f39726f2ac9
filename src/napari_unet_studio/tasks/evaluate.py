"""Scores of segmentations against references, counted over images."""

from typing import Literal, Protocol, get_args

from numpy.typing import ArrayLike

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.evaluate_classes import ClassTally
from napari_unet_studio.tasks.evaluate_membranes import MembraneTally
from napari_unet_studio.tasks.evaluate_objects import Tally
from napari_unet_studio.tasks.scores import Scores

__all__ = ["Kind", "Scorer", "Scores", "Tally", "scorer"]

Kind = Literal["objects", "classes", "membranes"]


class Scorer(Protocol):
    """What adds up the scores of images, one by one."""

    @property
    def images(self) -> int:
        """Number of images."""
        ...

    def add(
        self,
        labels: ArrayLike,
        reference: ArrayLike,
        axes: str | None = None,
        name: str | None = None,
    ) -> None:
        """Compare two label images; see :class:`Tally` for the arguments."""
        ...

    @property
    def notes(self) -> list[str]:
        """What was decided about the references."""
        ...

    def scores(self) -> dict[str, float]:
        """Return the scores of all images together; undefined ones are NaN."""
        ...

    def result(self) -> Scores:
        """Return the scores with those of each image, intervals and objects."""
        ...


def scorer(
    kind: Kind,
    connected: bool | None = None,
    ignore: int | None = None,
    split: float = 0.0,
    specks: int = 0,
) -> Scorer:
    """Return what compares labels of a kind.

    Parameters
    ----------
    kind
        "objects", "classes" or "membranes".
    connected, split, specks
        See :class:`Tally`; of objects only.
    ignore
        Label of the reference whose pixels do not count; of objects and classes only.

    Raises
    ------
    InputError
        If there is no such kind, or an option does not belong to it.
    """
    if kind not in get_args(Kind):
        raise InputError(
            f"The labels are {kind!r}; choose one of {', '.join(get_args(Kind))}."
        )
    if (connected is not None or split or specks) and kind != "objects":
        raise InputError(
            f"Connected components are taken of objects, and these are {kind}; leave "
            "the option out."
        )
    if ignore is not None and kind == "membranes":
        raise InputError(
            "A label is ignored among objects or classes, and these are membranes; "
            "leave the option out."
        )
    if kind == "classes":
        return ClassTally(ignore)
    if kind == "membranes":
        return MembraneTally()
    return Tally(connected, split, ignore, specks)
