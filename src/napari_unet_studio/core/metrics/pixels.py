"""Measures of pixels and classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair, mean_finite


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixel counts of every (predicted class, reference class); sums over images.

    Parameters
    ----------
    counts
        Array (K, K); rows are the prediction, columns the reference.

    Examples
    --------
    >>> c = Confusion.of([[0, 1, 1, 1]], [[0, 0, 1, 1]])
    >>> c.pixel_error, c.iou(1).round(3), c.dice(1)
    (0.25, np.float64(0.667), np.float64(0.8))
    """

    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        predicted: ArrayLike,
        reference: ArrayLike,
        num_classes: int = 2,
        ignore: int | None = None,
    ) -> "Confusion":
        """Count the pixels of two arrays of class indices 0..num_classes - 1.

        Pixels whose reference is `ignore` are left out.

        Raises
        ------
        InputError
            If the shapes differ, or another value than these occurs.
        """
        p, r = as_pair(predicted, reference)
        keep = np.ones(r.shape, bool) if ignore is None else r != ignore
        p, r = p[keep].astype(np.int64), r[keep].astype(np.int64)
        for values in (p, r):
            if values.size and not 0 <= values.min() <= values.max() < num_classes:
                raise InputError(
                    f"There are classes from {values.min()} to {values.max()}; "
                    f"expected are 0 to {num_classes - 1}."
                )
        codes = p * num_classes + r
        counts = np.bincount(codes.ravel(), minlength=num_classes**2)
        return cls(counts.reshape(num_classes, num_classes))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def pixel_error(self) -> float:
        """Share of pixels with the wrong class (ISBI 2012); NaN without pixels."""
        total = self.counts.sum()
        return float(1 - np.trace(self.counts) / total) if total else float("nan")

    def iou(self, label: int) -> np.float64:
        """Intersection over union of a class; NaN if it is in neither image."""
        both = self.counts[label, label]
        union = self.counts[label].sum() + self.counts[:, label].sum() - both
        return np.float64(both / union) if union else np.float64("nan")

    def dice(self, label: int) -> np.float64:
        """Dice coefficient of a class; NaN if it is in neither image."""
        both = self.counts[label, label]
        total = self.counts[label].sum() + self.counts[:, label].sum()
        return np.float64(2 * both / total) if total else np.float64("nan")

    def mean_iou(self, background: bool = False) -> float:
        """Mean IoU of the classes that occur; NaN if none does.

        Parameters
        ----------
        background
            Count class 0 too.
        """
        first = 0 if background else 1
        return mean_finite([self.iou(i) for i in range(first, len(self.counts))])

    def mean_dice(self, background: bool = False) -> float:
        """Mean Dice of the classes that occur, as `mean_iou`."""
        first = 0 if background else 1
        return mean_finite([self.dice(i) for i in range(first, len(self.counts))])
