"""What a comparison found: a row of scores for each candidate, and one for each image.

Nothing here loads torch: a window that only shows rows opens without it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.tables import rows_text

FACTS = ("parameters", "seconds")
"""What a row knows of a model beside its scores."""

MAIN = (
    "f1",
    "seg",
    "average_precision",
    "panoptic_quality",
    "iou",
    "dice",
    "mean_iou",
    "pixel_error",
    "rand_error",
    "v_rand",
    "v_info",
    "warping_error",
    "matched",
    "missed",
    "spurious",
    "merges",
    "splits",
    *FACTS,
)
"""The scores of a short table, in this order."""

_SMALL = frozenset({"missed", "spurious", "merges", "splits", *FACTS})
_COUNTS = frozenset({"matched", *_SMALL} - {"seconds"})


@dataclass(frozen=True, eq=False)
class ImageScores:
    """What a candidate is worth on one image.

    Parameters
    ----------
    image
        Name of the image.
    scores
        By name; empty if it failed.
    seconds
        Time of the prediction; None for labels that were there.
    error
        Why there are no scores, or nothing.
    labels
        What was scored, if that was to be kept.
    errors
        The :class:`.Verdict` of each pixel, if that was to be kept.
    """

    image: str
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    error: str = ""
    labels: NDArray[Any] | None = None
    errors: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class CandidateScores:
    """One row of a comparison.

    Parameters
    ----------
    name
        Of the candidate.
    kind
        Whether it is a model or labels.
    scores
        Of all images together, those that failed left out; what :func:`.evaluate`
        returns, or empty if it failed on all.
    images
        Of each image, in order.
    parameters
        Of the network.
    seconds
        Time of all its predictions, objects included, the loading of the model not.
    notes
        What was decided, and why images failed.
    """

    name: str
    kind: Literal["labels", "model"]
    scores: Mapping[str, float]
    images: tuple[ImageScores, ...]
    parameters: int | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[ImageScores, ...]:
        """The images without scores."""
        return tuple(image for image in self.images if image.error)

    def value(self, column: str) -> float | None:
        """Return a score or a fact, None if it is not known or not defined."""
        found = getattr(self, column) if column in FACTS else self.scores.get(column)
        return None if found is None or math.isnan(found) else found

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON types, with those of the images."""
        return {
            "name": self.name,
            "kind": self.kind,
            **self.scores,
            **{fact: getattr(self, fact) for fact in FACTS},
            "notes": list(self.notes),
            "images": [
                {
                    "image": image.image,
                    **image.scores,
                    **({} if image.seconds is None else {"seconds": image.seconds}),
                    **({"error": image.error} if image.error else {}),
                }
                for image in self.images
            ],
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Candidates measured against the same references.

    Parameters
    ----------
    kind
        What the labels are: "objects", "classes" or "membranes".
    rows
        One for each candidate, in the order given.
    notes
        What was decided about the references.

    Examples
    --------
    >>> good = CandidateScores("good", "model", {"f1": 0.9, "missed": 3}, (), 5000)
    >>> poor = CandidateScores("poor", "model", {"f1": 0.5, "missed": 7}, (), 1000)
    >>> found = Comparison("objects", (good, poor))
    >>> found.best("f1"), found.best("missed"), found.best("parameters")
    (frozenset({'good'}), frozenset({'good'}), frozenset({'poor'}))
    >>> print(found)
    name      f1  missed  parameters
    good  0.900*      3*        5000
    poor   0.500       7       1000*
    """

    kind: str
    rows: tuple[CandidateScores, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> CandidateScores:
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.rows)
        raise InputError(f"There is no candidate {name!r}; there are {names}.")

    def __iter__(self) -> Iterator[CandidateScores]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        names = ", ".join(row.name for row in self.rows)
        return f"<Comparison of {self.kind}: {names}>"

    def __str__(self) -> str:
        columns = [column for column in self.columns if column in MAIN]
        lines = [["name", *columns]]
        for row in self.rows:
            cells = [
                cell_text(column, row.value(column))
                + "*" * (row.name in self.best(column))
                for column in columns
            ]
            lines.append([row.name, *cells])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        text += [f"{r.name}: {' '.join(r.notes)}" for r in self.rows if r.failures]
        return "\n".join(text)

    @property
    def columns(self) -> list[str]:
        """Names of the scores and facts that any candidate has, the main ones first."""
        return score_columns(self.rows)

    def best(self, column: str) -> frozenset[str]:
        """Return the candidates with the best value of a column.

        The lowest of errors, parameters and seconds, the highest of other scores. None
        of a single candidate, nor where all are alike; those that failed on an image
        are left out, because they were measured on others.
        """
        return best_of(self.rows, column)

    def table(self, per_image: bool = False) -> list[dict[str, Any]]:
        """Return flat rows, of each candidate or of each candidate on each image."""
        if not per_image:
            return [
                {
                    "name": row.name,
                    "kind": row.kind,
                    **{column: row.value(column) for column in self.columns},
                    "notes": " ".join(row.notes),
                }
                for row in self.rows
            ]
        return [
            {"name": row["name"], "kind": row["kind"], **image}
            for row in map(CandidateScores.to_dict, self.rows)
            for image in row["images"]
        ]

    def to_csv(self, per_image: bool = False) -> str:
        """Return :meth:`table` as the text of a CSV file; undefined cells are empty."""
        return rows_text(self.table(per_image))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON types."""
        return {
            "kind": self.kind,
            "rows": [row.to_dict() for row in self.rows],
            "best": {
                column: sorted(best)
                for column in self.columns
                if (best := self.best(column))
            },
            "notes": list(self.notes),
        }


def score_columns(rows: Sequence[CandidateScores]) -> list[str]:
    """Return the scores and facts that any row has, those of :data:`MAIN` first."""
    there = dict.fromkeys(name for row in rows for name in (*row.scores, *FACTS))
    known = [n for n in there if any(row.value(n) is not None for row in rows)]
    first = [name for name in MAIN if name in known]
    return first + [name for name in known if name not in first]


def best_of(rows: Sequence[CandidateScores], column: str) -> frozenset[str]:
    """Return the names of the rows that are best in a column; see `Comparison.best`."""
    values = {
        row.name: value
        for row in rows
        if not row.failures and (value := row.value(column)) is not None
    }
    if len(values) < 2 or len(set(values.values())) < 2 or column == "matched":
        return frozenset()
    best = (min if lower_is_better(column) else max)(values.values())
    return frozenset(name for name, value in values.items() if value == best)


def lower_is_better(column: str) -> bool:
    """Whether the smallest value of a column is the best.

    Examples
    --------
    >>> lower_is_better("pixel_error"), lower_is_better("seconds")
    (True, True)
    >>> lower_is_better("f1")
    False
    """
    return column in _SMALL or "error" in column or column == "splits_and_mergers"


def cell_text(column: str, value: float | None) -> str:
    """Return a number as a table shows it; nothing for one that is not known.

    Examples
    --------
    >>> cell_text("f1", 0.5), cell_text("missed", 3.0), cell_text("seconds", 12.345)
    ('0.500', '3', '12.3')
    """
    if value is None:
        return ""
    if isinstance(value, int) or (column in _COUNTS and value == int(value)):
        return f"{value:.0f}"
    if column == "seconds":
        return f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"
    return f"{value:.3f}"
