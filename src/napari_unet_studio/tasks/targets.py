"""From labels to what a network learns: the target, and the weight of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.weights import (
    WeightConfig,
    balanced,
    class_counts,
    separation_weights,
)

Target = Literal["objects", "classes"]


class Truth(NamedTuple):
    """What a network should say about a frame.

    Parameters
    ----------
    ids
        Instance ids, or the labels as they are where these are classes.
    classes
        Index of the class of each pixel.
    gap
        Pixels that were carved between touching objects.
    """

    ids: NDArray[Any]
    classes: NDArray[np.int16]
    gap: int


@dataclass(frozen=True)
class Targets:
    """How the labels of one training become targets.

    Parameters
    ----------
    target
        Whether labels are objects or classes.
    values
        Labels of the classes, where they are classes.
    weights
        How pixels are weighted; classes have no border term.
    balance
        Weight of each class where it is balanced over all images, else None.
    """

    target: Target
    values: tuple[int, ...]
    weights: WeightConfig
    balance: tuple[float, ...] | None = None

    def truth(self, labels: NDArray[Any], mask: bool) -> Truth:
        """Return the truth of a frame; each connected piece of a mask is an object."""
        if self.target == "classes":
            return Truth(labels, np.searchsorted(self.values, labels).astype("i2"), 0)
        ids = connected_components(labels > 0, connectivity=1) if mask else labels
        gap = self.gap(mask)
        return Truth(ids, (carve_gap(ids, gap) > 0).astype(np.int16), gap)

    def gap(self, mask: bool) -> int:
        """Return the gap that the target gets between touching objects.

        Classes have none, nor have masks: background already parts the pieces of a
        mask.
        """
        return 0 if mask or self.target == "classes" else self.weights.gap

    def count(self, truth: Truth) -> NDArray[np.int64]:
        """Count the pixels of each class in a frame."""
        return class_counts(truth.classes, classes=self._classes())

    def balanced(self, counts: Sequence[NDArray[np.int64]]) -> "Targets":
        """Return the same with the class balance over all frames, if one is wanted."""
        if self.weights.balance != "global":
            return self
        numbers = balanced(np.sum(counts, axis=0))
        return Targets(self.target, self.values, self.weights, numbers)

    def weight_map(
        self, truth: Truth, spacing: Sequence[float] | None
    ) -> NDArray[np.float32] | None:
        """Return the weight of each pixel of a frame, None where all weigh alike."""
        w, objects = self.weights, self.target == "objects"
        preset = w.preset if objects else "none"
        if preset == "none" and w.balance == "none":
            return None
        return separation_weights(
            truth.ids if objects else truth.classes,
            preset,
            w.w0,
            w.sigma,
            spacing=spacing,
            balance=w.balance if self.balance is None else self.balance,
            gap=truth.gap,
            inside=w.inside,
            classes=self._classes(),
        )

    def _classes(self) -> dict[int, int] | None:
        if self.target == "objects":
            return None
        return {number: number for number in range(1, len(self.values))}


def is_mask(labels: NDArray[Any]) -> bool:
    """Return whether labels hold one value besides 0, so that they name no objects."""
    return bool(np.count_nonzero(np.unique(labels)) == 1)
