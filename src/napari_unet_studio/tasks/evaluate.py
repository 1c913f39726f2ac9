"""Scores of segmentations against references, counted over images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import Confusion, ObjectScores, pairs_kept_apart
from napari_unet_studio.tasks.targets import is_mask


@dataclass
class Tally:
    """Counts of pixels, objects and touching pairs, added up image by image.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add([[1, 1, 0, 2]], [[5, 5, 0, 7]])
    >>> tally.scores()["f1"]
    1.0
    """

    images: int = 0
    masks: int = 0
    pixels: Confusion = field(
        default_factory=lambda: Confusion(np.zeros((2, 2), np.int64))
    )
    objects: ObjectScores = field(default_factory=lambda: ObjectScores(0, 0, 0))
    pairs: int = 0
    kept_apart: int = 0
    image_ious: list[float] = field(default_factory=list)

    def add(
        self,
        labels: ArrayLike,
        reference: ArrayLike,
        axes: str | None = None,
        connected: bool | None = None,
    ) -> None:
        """Compare two label images.

        Parameters
        ----------
        labels, reference
            Instance ids of the same shape, 0 is background.
        axes
            Names of the axes; time points are compared one by one, because ids may
            start anew in each. None takes all axes as spatial.
        connected
            Take the connected components of the reference as its objects; None does so
            for a mask, which holds one id for all of them, as training does.

        Raises
        ------
        InputError
            If the values are no whole numbers, or shapes and axes do not fit.
        """
        found, truth = _as_labels(labels), _as_labels(reference)
        if found.shape != truth.shape:
            raise InputError(
                f"The two label images have different shapes, {found.shape} and "
                f"{truth.shape}; compare images of the same pixels."
            )
        if axes is not None and len(axes) != truth.ndim:
            raise InputError(
                f"Labels of shape {truth.shape} cannot have the axes {axes!r}; name "
                "each of them."
            )
        time = 0 if axes is None else truth.ndim - spatial_ndim(axes)
        self.images += 1
        if connected or (connected is None and is_mask(truth)):
            pieces = np.empty(truth.shape, np.int64)
            for index in np.ndindex(*truth.shape[:time]):
                pieces[index] = connected_components(truth[index] > 0, connectivity=1)
            # Said only where it makes a difference that nobody asked for.
            self.masks += connected is None and int(pieces.max(initial=0)) > 1
            truth = pieces
        before = self.pixels.counts
        for index in np.ndindex(*truth.shape[:time]):
            self._add(found[index], truth[index])
        self.image_ious.append(float(Confusion(self.pixels.counts - before).iou(1)))

    def _add(self, found: NDArray[Any], truth: NDArray[Any]) -> None:
        self.pixels += Confusion.of(found > 0, truth > 0)
        self.objects += ObjectScores.of(found, truth)
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
            f"{which} one id for all objects, so its connected components were taken "
            "as the objects."
        ]

    def scores(self) -> dict[str, float]:
        """Return the scores of all images together; undefined ones are NaN."""
        return {
            "iou": float(self.pixels.iou(1)),
            "dice": float(self.pixels.dice(1)),
            "pixel_error": self.pixels.pixel_error,
            "f1": self.objects.f1,
            "average_precision": self.objects.average_precision,
            "pairs_kept_apart": (
                self.kept_apart / self.pairs if self.pairs else float("nan")
            ),
        }


def _as_labels(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "bui":
        raise InputError(
            f"Labels of type {array.dtype} were given; whole numbers are needed."
        )
    return array
