"""Scores of segmentations, with what they are made of."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.metrics.bootstrap import (
    LEVEL,
    RESAMPLES,
    SEED,
    intervals,
)
from napari_unet_studio.core.metrics.sums import Sums

Unit = Literal["images", "objects", "planes"]


class Scores(Mapping[str, float]):
    """Scores by their names, as a dict, and what they are made of.

    Undefined scores are absent. Printed, each has a line. Scores of several images are
    those of all their pixels and objects together, not means over images.

    Parameters
    ----------
    values
        The scores.
    per_image
        For each image a dict of its "image", a name or number, and its own scores; NaN
        where one is undefined.
    objects
        Columns of equal length with a row for each object; empty if there are none. See
        :func:`.object_table`; "image" and "frame" tell where it is.
    notes
        What was decided about the references.
    units
        What intervals are drawn from.
    unit
        What these units are.

    Examples
    --------
    >>> from napari_unet_studio.api import evaluate
    >>> scores = evaluate([[1, 1, 0, 2, 0, 3]], [[5, 5, 0, 7, 8, 8]])
    >>> round(scores["f1"], 3), scores["missed"], scores["spurious"]
    (0.667, 1, 1)
    >>> scores.objects["verdict"].tolist()
    ['matched', 'matched', 'missed', 'matched', 'matched', 'spurious']
    >>> print(scores)
    iou ...
    f1 ... 0.6667
    ...
    """

    def __init__(
        self,
        values: Mapping[str, float],
        per_image: Sequence[Mapping[str, Any]] = (),
        objects: Mapping[str, NDArray[Any]] | None = None,
        notes: Sequence[str] = (),
        units: Sums | None = None,
        unit: Unit = "images",
    ) -> None:
        self._values = {k: v for k, v in values.items() if v == v}
        self.per_image = [dict(row) for row in per_image]
        self.objects = dict(objects or {})
        self.notes = list(notes)
        self.unit = unit
        self._units = units

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Scores({self._values!r})"

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(
            f"{name:{width}}  {value if isinstance(value, int) else round(value, 4)}"
            for name, value in self.items()
        )

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % intervals of the scores, from 1000 resamples."""
        return self.confidence()

    def confidence(
        self, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
    ) -> dict[str, tuple[float, float]]:
        """Return bootstrap intervals (low, high) of the scores.

        They are drawn over images; of a single image over its objects, or the planes of
        its membranes, as `unit` tells. Scores without units have none, such as the
        pixel error of a single image. See :func:`.intervals`.
        """
        if self._units is None:
            return {}
        found = intervals(self._units, level, resamples, seed)
        return {name: found[name] for name in self if name in found}

    def to_dict(self) -> dict[str, Any]:
        """Return all but the objects as what JSON holds."""
        return {
            "scores": dict(self._values),
            "intervals": {k: list(v) for k, v in self.intervals.items()},
            "intervals_over": self.unit,
            "per_image": [
                {k: None if v != v else v for k, v in row.items()}
                for row in self.per_image
            ],
            "notes": list(self.notes),
        }


def values_of(sums: Sums) -> list[dict[str, float]]:
    """Return the scores and counts of each unit; NaN where one is undefined."""
    columns: dict[str, list[float]] = {
        name: np.asarray(values, np.float64).tolist()
        for name, values in sums.scores().items()
    }
    for name, values in sums.counts().items():
        columns[name] = [int(v) if v == v else v for v in np.asarray(values).tolist()]
    return [
        {name: column[row] for name, column in columns.items()}
        for row in range(len(sums))
    ]


def summed_up(
    names: Sequence[str],
    images: Sums,
    parts: tuple[Sums, Unit] | None = None,
    objects: Mapping[str, NDArray[Any]] | None = None,
    notes: Sequence[str] = (),
) -> Scores:
    """Return the scores of images together.

    Parameters
    ----------
    names
        Of the images.
    images
        Their sums, a unit for each.
    parts
        What a single image is made of, and what that is.
    objects, notes
        See :class:`Scores`.
    """
    per_image = [
        {"image": name, **row}
        for name, row in zip(names, values_of(images), strict=True)
    ]
    (values,) = values_of(images.total())
    units: tuple[Sums | None, Unit] = (images, "images")
    if len(images) == 1:
        units = parts or (None, "images")
    return Scores(values, per_image, objects, notes, *units)
