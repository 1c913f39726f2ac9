"""Scores of classes, counted over images."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from napari_unet_studio.core.counting import count_pairs
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import ClassSums
from napari_unet_studio.core.metrics.overlap import HIGHEST
from napari_unet_studio.tasks.evaluate_labels import label_pair
from napari_unet_studio.tasks.scores import Scores, summed_up, values_of


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
    >>> scores = tally.scores()
    >>> scores["mean_iou"], scores["iou 64"], round(scores["dice 64"], 3)
    (0.5, 0.5, 0.667)
    """

    ignore: int | None = None
    names: list[str] = field(default_factory=list, init=False)
    counts: list[dict[tuple[int, int], int]] = field(default_factory=list, init=False)

    def add(
        self,
        labels: ArrayLike,
        reference: ArrayLike,
        axes: str | None = None,
        name: str | None = None,
    ) -> None:
        """Compare two label images of classes, any whole numbers of 0 or more.

        Parameters
        ----------
        labels, reference
            Classes of the same shape.
        axes
            Names of the axes, which only have to fit.
        name
            Of the image; None is its number from 0.

        Raises
        ------
        InputError
            If the values are no such numbers, or shapes and axes do not fit.
        """
        found, truth = label_pair(labels, reference, axes)
        left_out = None if self.ignore is None else truth == self.ignore
        for values in (found, truth):
            lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
            if lowest < 0 or highest > HIGHEST:
                raise InputError(
                    f"There is a class {lowest or highest}; classes are numbers of 0 "
                    "or more, below 2 ** 63."
                )
        pairs = count_pairs(found, truth, left_out)
        self.counts.append(
            {
                (row, column): pixels
                for row, column, pixels in zip(
                    *map(np.ndarray.tolist, pairs), strict=True
                )
                if column >= 0
            }
        )
        self.names.append(str(self.images) if name is None else name)

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.names)

    @property
    def values(self) -> list[int]:
        """The classes that occur in either image."""
        return sorted(
            {value for each in self.counts for pair in each for value in pair}
        )

    @property
    def notes(self) -> list[str]:
        """Nothing has to be decided."""
        return []

    def scores(self) -> dict[str, float]:
        """Return the share of wrong pixels, and IoU and Dice of each class by label."""
        (values,) = values_of(self._sums().total())
        return values

    def result(self) -> Scores:
        """Return the scores with those of each image."""
        return summed_up(self.names, self._sums())

    def _sums(self) -> ClassSums:
        """Return the pixels of each image."""
        values = self.values
        places = {value: place for place, value in enumerate(values)}
        pixels = np.zeros((self.images, len(places), len(places)))
        for image, each in enumerate(self.counts):
            for (row, column), count in each.items():
                pixels[image, places[row], places[column]] = count
        return ClassSums(pixels, tuple(values))
