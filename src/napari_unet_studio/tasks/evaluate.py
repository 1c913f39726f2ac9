"""Scores of segmentations against references, counted over images."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import (
    IOU_THRESHOLDS,
    Confusion,
    ObjectScores,
    Overlap,
    Seg,
    pairs_kept_apart,
)
from napari_unet_studio.tasks.evaluate_classes import ClassTally
from napari_unet_studio.tasks.evaluate_labels import label_pair
from napari_unet_studio.tasks.evaluate_membranes import MembraneTally
from napari_unet_studio.tasks.training.targets import is_mask, split_pieces

Kind = Literal["objects", "classes", "membranes"]


class Scorer(Protocol):
    """What adds up the scores of images, one by one."""

    images: int

    def add(
        self, labels: ArrayLike, reference: ArrayLike, axes: str | None = None
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


def scorer(
    kind: Kind,
    connected: bool | None = None,
    ignore: int | None = None,
    split: float = 0.0,
) -> Scorer:
    """Return what compares labels of a kind.

    Parameters
    ----------
    kind
        "objects", "classes" or "membranes".
    connected, split
        See :class:`Tally`; of objects only.
    ignore
        See :class:`ClassTally`; of classes only.

    Raises
    ------
    InputError
        If an option does not belong to the kind.
    """
    if (connected is not None or split) and kind != "objects":
        raise InputError(
            f"Connected components are taken of objects, and these are {kind}; leave "
            "the option out."
        )
    if ignore is not None and kind != "classes":
        raise InputError(
            f"A label is ignored among classes, and these are {kind}; leave the option "
            "out."
        )
    if kind == "classes":
        return ClassTally(ignore)
    return MembraneTally() if kind == "membranes" else Tally(connected, split)


@dataclass
class Tally:
    """Counts of pixels, objects and touching pairs, added up image by image.

    Parameters
    ----------
    connected
        Take the connected components of the references as their objects; None does so
        for a mask, which holds one id for all of them, as training does.
    split
        Divide these components at necks, see :func:`.split_pieces`, as training does
        with masks whose objects hang together; 0 does not.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add([[1, 1, 0, 2]], [[5, 5, 0, 7]])
    >>> tally.scores()["f1"], tally.scores()["seg"]
    (1.0, 1.0)
    """

    connected: bool | None = None
    split: float = 0.0
    images: int = field(default=0, init=False)
    masks: int = field(default=0, init=False)
    pixels: Confusion = field(
        default_factory=lambda: Confusion(np.zeros((2, 2), np.int64)), init=False
    )
    objects: dict[float, ObjectScores] = field(
        default_factory=lambda: dict.fromkeys(IOU_THRESHOLDS, ObjectScores(0, 0, 0)),
        init=False,
    )
    seg: Seg = field(default=Seg(0.0, 0), init=False)
    pairs: int = field(default=0, init=False)
    kept_apart: int = field(default=0, init=False)
    image_ious: list[float] = field(default_factory=list, init=False)

    def add(
        self, labels: ArrayLike, reference: ArrayLike, axes: str | None = None
    ) -> None:
        """Compare two label images.

        Parameters
        ----------
        labels, reference
            Instance ids of the same shape, 0 is background.
        axes
            Names of the axes; time points are compared one by one, because ids may
            start anew in each. None takes all axes as spatial.

        Raises
        ------
        InputError
            If the values are no whole numbers, or shapes and axes do not fit.
        """
        found, truth = label_pair(labels, reference, axes)
        time = 0 if axes is None else truth.ndim - spatial_ndim(axes)
        self.images += 1
        if self.connected or (self.connected is None and is_mask(truth)):
            pieces = np.empty(truth.shape, np.int64)
            for index in np.ndindex(*truth.shape[:time]):
                pieces[index] = split_pieces(truth[index] > 0, self.split)
            # Said only where it makes a difference that nobody asked for.
            self.masks += self.connected is None and int(pieces.max(initial=0)) > 1
            truth = pieces
        before = self.pixels.counts
        for index in np.ndindex(*truth.shape[:time]):
            self._add(found[index], truth[index])
        self.image_ious.append(float(Confusion(self.pixels.counts - before).iou(1)))

    def _add(self, found: NDArray[Any], truth: NDArray[Any]) -> None:
        self.pixels += Confusion.of(found > 0, truth > 0)
        overlap = Overlap.of(found, truth)
        for threshold in self.objects:
            self.objects[threshold] += overlap.matches(threshold)
        self.seg += overlap.seg()
        apart, pairs = pairs_kept_apart(found, truth)
        self.kept_apart += apart
        self.pairs += pairs

    @property
    def notes(self) -> list[str]:
        """What was decided about the references."""
        if not self.masks:
            return []
        which = (
            "The reference holds"
            if self.images == 1
            else (f"{self.masks} of {self.images} references hold")
        )
        return [
            f"{which} one id for all objects, so its connected components"
            f"{', divided at necks,' if self.split else ''} were taken as the objects."
        ]

    def scores(self) -> dict[str, float]:
        """Return the scores of all images together; undefined ones are NaN."""
        first, *others = IOU_THRESHOLDS
        return {
            "iou": float(self.pixels.iou(1)),
            "dice": float(self.pixels.dice(1)),
            "pixel_error": self.pixels.pixel_error,
            "f1": self.objects[first].f1,
            "seg": self.seg.value,
            "average_precision": self.objects[first].average_precision,
            **{
                f"average_precision_{threshold:g}": scores.average_precision
                for threshold in others
                for scores in (self.objects[threshold],)
            },
            "pairs_kept_apart": (
                self.kept_apart / self.pairs if self.pairs else float("nan")
            ),
        }
