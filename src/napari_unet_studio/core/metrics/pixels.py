"""Measures of pixels and classes."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import ratios
from napari_unet_studio.core.metrics._arrays import as_pair, mean_finite
from napari_unet_studio.core.metrics.sums import Sums


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


@dataclass(frozen=True, eq=False)
class ClassSums(Sums):
    """Pixels of every (predicted class, reference class), for each unit.

    Parameters
    ----------
    pixels
        Array (units, K, K); rows are the prediction, columns the reference.
    labels
        Labels of the K classes, which name their scores.
    """

    pixels: NDArray[np.float64]
    labels: tuple[int, ...]

    def weighted(self, weights: NDArray[np.float64]) -> Self:
        """Return sums in which units count several times, or not at all."""
        pixels = np.tensordot(weights, self.pixels.astype(np.float64), 1)
        return type(self)(pixels, self.labels)

    def scores(self) -> dict[str, NDArray[Any]]:
        """Return the scores of each unit; NaN where nothing can be measured.

        Means are taken over the classes that occur in the unit, background too.
        """
        both = np.diagonal(self.pixels, axis1=1, axis2=2)
        found, there = self.pixels.sum(axis=2), self.pixels.sum(axis=1)
        all_pixels = there.sum(axis=1)
        iou, dice = ratios.iou(both, found, there), ratios.dice(both, found, there)
        return {
            "pixel_error": ratios.ratio(all_pixels - both.sum(axis=1), all_pixels),
            "mean_iou": ratios.mean_known(iou),
            "mean_dice": ratios.mean_known(dice),
            **{f"iou {value}": iou[:, k] for k, value in enumerate(self.labels)},
            **{f"dice {value}": dice[:, k] for k, value in enumerate(self.labels)},
        }
