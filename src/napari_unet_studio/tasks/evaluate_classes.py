"""Scores of classes, counted over images."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import Confusion
from napari_unet_studio.tasks.evaluate_labels import label_pair


@dataclass
class ClassTally:
    """Counts of pixels of every class, added up image by image.

    Parameters
    ----------
    ignore
        Label of the reference whose pixels do not count; None counts all.

    Examples
    --------
    >>> tally = ClassTally(ignore=255)
    >>> tally.add([[0, 64, 64, 64]], [[0, 0, 64, 255]])
    >>> tally.scores()
    {'pixel_error': 0.333..., 'mean_iou': 0.5, 'iou 0': 0.5, 'iou 64': 0.5}
    """

    ignore: int | None = None
    images: int = field(default=0, init=False)
    counts: Counter[tuple[int, int]] = field(default_factory=Counter, init=False)

    def add(
        self, labels: ArrayLike, reference: ArrayLike, axes: str | None = None
    ) -> None:
        """Compare two label images of classes, any whole numbers of 0 or more.

        Raises
        ------
        InputError
            If the values are no such numbers, or shapes and axes do not fit.
        """
        found, truth = label_pair(labels, reference, axes)
        for values in (found, truth):
            if values.size and values.min() < 0:
                raise InputError(
                    f"There is a class {values.min()}; classes are numbers of 0 or "
                    "more."
                )
        keep = (
            np.ones(truth.shape, bool)
            if self.ignore is None
            else (truth != self.ignore)
        )
        self.images += 1
        there, first = np.unique(found[keep], return_inverse=True)
        wanted, second = np.unique(truth[keep], return_inverse=True)
        codes, pixels = np.unique(
            first.ravel() * len(wanted) + second.ravel(), return_counts=True
        )
        for code, count in zip(codes.tolist(), pixels.tolist(), strict=True):
            row, column = divmod(code, len(wanted))
            self.counts[int(there[row]), int(wanted[column])] += count

    @property
    def values(self) -> list[int]:
        """The classes that occur in either image."""
        return sorted({value for pair in self.counts for value in pair})

    @property
    def confusion(self) -> Confusion:
        """Counts of the classes in the order of `values`."""
        places = {value: place for place, value in enumerate(self.values)}
        counts = np.zeros((len(places),) * 2, np.int64)
        for (row, column), count in self.counts.items():
            counts[places[row], places[column]] = count
        return Confusion(counts)

    @property
    def notes(self) -> list[str]:
        """Nothing has to be decided."""
        return []

    def scores(self) -> dict[str, float]:
        """Return the share of wrong pixels, and the IoU of each class by its label."""
        confusion = self.confusion
        return {
            "pixel_error": confusion.pixel_error,
            "mean_iou": confusion.mean_iou(background=True),
            **{
                f"iou {value}": float(confusion.iou(place))
                for place, value in enumerate(self.values)
            },
        }
