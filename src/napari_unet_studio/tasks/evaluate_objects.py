"""Scores of objects, counted over images."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.metrics import (
    ObjectSums,
    Overlap,
    object_table,
    touching_pairs,
)
from napari_unet_studio.core.metrics.touching import kept_apart
from napari_unet_studio.tasks.evaluate_labels import label_pair, reference_objects
from napari_unet_studio.tasks.scores import Scores, summed_up, values_of


class Frame(NamedTuple):
    """One time point of an image, compared."""

    image: int
    time: int
    overlap: Overlap
    objects: ObjectSums
    whole: ObjectSums


@dataclass
class Tally:
    """Scores of objects, added up image by image.

    Parameters
    ----------
    connected
        Take the connected components of the references as their objects; None does so
        for a mask, which holds one id for all of them, as training does.
    split
        Divide these components at necks, see :func:`.split_pieces`, as training does
        with masks whose objects hang together; 0 does not.
    ignore
        Id of the reference whose pixels do not count; None counts all.
    specks
        Components with fewer pixels are specks of a mask and no objects: their pixels
        do not count. 0 counts all.

    Notes
    -----
    Of a predicted object that reaches into ignored pixels the part outside is compared.
    If it matches nothing and lies in them to more than half, it is not counted, as for
    the panoptic quality.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add([[1, 1, 0, 2]], [[5, 5, 0, 7]])
    >>> tally.scores()["f1"], tally.scores()["seg"]
    (1.0, 1.0)
    """

    connected: bool | None = None
    split: float = 0.0
    ignore: int | None = None
    specks: int = 0
    names: list[str] = field(default_factory=list, init=False)
    masks: int = field(default=0, init=False)
    frames: list[Frame] = field(default_factory=list, init=False)

    def add(
        self,
        labels: ArrayLike,
        reference: ArrayLike,
        axes: str | None = None,
        name: str | None = None,
    ) -> None:
        """Compare two label images.

        Parameters
        ----------
        labels, reference
            Instance ids of the same shape, 0 is background.
        axes
            Names of the axes; time points are compared one by one, because ids may
            start anew in each. None takes all axes as spatial.
        name
            Of the image; None is its number from 0.

        Raises
        ------
        InputError
            If the values are no whole numbers, or shapes and axes do not fit.
        """
        found, truth = label_pair(labels, reference, axes)
        time = 0 if axes is None else truth.ndim - spatial_ndim(axes)
        times = list(np.ndindex(*truth.shape[:time]))
        decided = reference_objects(
            truth, axes, self.connected, self.split, self.ignore, self.specks
        )
        truth, ignored = decided.labels, decided.ignored
        # All or none of them: this may run out of memory.
        overlaps = [_overlap(found, truth, ignored, index) for index in times]
        frames = []
        for number, (index, overlap) in enumerate(zip(times, overlaps, strict=True)):
            plane = truth[index]
            if ignored is not None:
                plane = np.where(ignored[index], 0, plane)
            apart, pairs = kept_apart(overlap, touching_pairs(plane))
            objects = ObjectSums.of_objects(overlap)
            whole = ObjectSums.of_image(overlap, objects, apart, pairs)
            frames.append(Frame(self.images, number, overlap, objects, whole))
        self.frames += frames
        self.masks += decided.said
        self.names.append(str(self.images) if name is None else name)

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.names)

    @property
    def pairs(self) -> int:
        """Touching pairs of all references."""
        return int(sum(frame.whole.touching.sum() for frame in self.frames))

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
        (values,) = values_of(self._sums().total())
        return values

    def result(self) -> Scores:
        """Return the scores with those of images and objects."""
        objects = ObjectSums.joined(
            [ObjectSums.none(), *(f.objects for f in self.frames)]
        )
        return summed_up(
            self.names, self._sums(), (objects, "objects"), self._table(), self.notes
        )

    def _sums(self) -> ObjectSums:
        """Return the sums of each image."""
        frames = ObjectSums.joined(
            [ObjectSums.none(), *(frame.whole for frame in self.frames)]
        )
        places = np.array([frame.image for frame in self.frames], np.intp)
        return frames.weighted(
            (places == np.arange(self.images)[:, None]).astype(np.float64)
        )

    def _table(self) -> dict[str, NDArray[Any]]:
        parts = []
        for frame in self.frames:
            table = object_table(frame.overlap)
            rows = len(table["id"])
            image = np.full(rows, self.names[frame.image])
            parts.append({"image": image, "frame": np.full(rows, frame.time), **table})
        if not parts:
            return {}
        return {
            column: np.concatenate([part[column] for part in parts])
            for column in parts[0]
        }


def _overlap(
    found: NDArray[Any],
    truth: NDArray[Any],
    ignored: NDArray[np.bool_] | None,
    index: tuple[int, ...],
) -> Overlap:
    out = None if ignored is None else ignored[index]
    return Overlap.of(found[index], truth[index], out)
