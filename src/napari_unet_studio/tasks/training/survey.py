"""What the labels hold: one pass over them, part by part, before anything else."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.tasks.training.parts import read, reading_grid
from napari_unet_studio.tasks.training.targets import Targets, no_objects

_MAX_CLASSES = 64
# Labels below this are counted in a table.
_SMALL = 2**20


@dataclass(frozen=True, eq=False)
class Survey:
    """The labels of a pair.

    Parameters
    ----------
    values
        Distinct labels, sorted; 0 is among them if it occurs.
    counts
        Pixels of each.
    mask
        Whether one value stands for all objects, so that it names none; where pixels
        are ignored or 0 is unlabelled, besides the values for those and for background.
    """

    values: NDArray[np.int64]
    counts: NDArray[np.int64]
    mask: bool

    def pixels(self, values: Iterable[int]) -> int:
        """Return the pixels that hold one of some values."""
        return int(self.counts[np.isin(self.values, list(values))].sum())


def survey(
    pairs: Sequence[Pair], config: TrainConfig
) -> Generator[Progress, None, list[Survey]]:
    """Count the pixels of each label in checked pairs; no array is read whole.

    Raises
    ------
    InputError
        For negative labels, and if there is nothing to learn from in the pairs to train
        on: all is background, unlabelled or ignored.
    """
    grids = [reading_grid(pair.labels) for pair in pairs]
    total, done = sum(map(len, grids)), 0
    found = []
    for pair, grid in zip(pairs, grids, strict=True):
        counter = LabelCounter(pair.name)
        for region in grid:
            yield Progress(done, total, f"Reading the labels of {pair.name}")
            counter.add(read(pair.labels, region))
            if counter.least < 0:
                raise InputError(
                    f"The labels of {pair.name!r} contain {counter.least}; ids must be "
                    "0 or more."
                )
            done += 1
        values, counts = counter.result()
        found.append(Survey(values, counts, no_objects(values, config)))
    _check(pairs, found, config)
    return found


def class_values(surveys: Sequence[Survey], config: TrainConfig) -> tuple[int, ...]:
    """Return the label of each class index: (0, 1) for objects.

    Unlabelled and ignored pixels are no class.

    Raises
    ------
    InputError
        If there are too many classes or too few, or a number is too large for one.
    """
    if config.target == "objects":
        return (0, 1)
    nothing = Targets(config, ()).ignored
    values = sorted(
        {v for found in surveys for v in found.values.tolist() if v not in nothing}
    )
    if len(values) > _MAX_CLASSES:
        raise InputError(
            f"The labels hold {len(values)} different values, too many for classes. "
            'Choose the target "objects" for labels with one number per object.'
        )
    if len(values) < 2:
        raise InputError(
            f"The labels hold only the value {values[0] if values else 0}; two classes "
            "are needed at least."
        )
    if values[-1] > np.iinfo(np.int32).max:
        raise InputError(
            f"The labels hold the value {values[-1]}, too large for a class; use "
            "numbers up to 255, for example."
        )
    return tuple(values)


def carved_gap(surveys: Sequence[Survey], config: TrainConfig) -> int:
    """Return the gap that the target of the pairs gets between touching objects."""
    return Targets(config, ()).gap(all(found.mask for found in surveys))


def _check(
    pairs: Sequence[Pair], surveys: Sequence[Survey], config: TrainConfig
) -> None:
    """Raise an InputError if the pairs to train on hold nothing to learn."""
    values = {
        value
        for pair, found in zip(pairs, surveys, strict=True)
        if pair.role == "train"
        for value in found.values.tolist()
    }
    known = values - Targets(config, ()).ignored
    if not known and config.zero == "unlabelled":
        raise InputError(
            "Nothing is labelled: the labels are 0 everywhere, or to be ignored. Paint "
            "some objects and some background first, or let 0 be background."
        )
    if not known:
        raise InputError(
            f"The labels are {config.ignore} everywhere, which is to be ignored; paint "
            "some objects first, or ignore another label."
        )
    if config.zero == "unlabelled" and config.target == "objects":
        if known == {config.background}:
            raise InputError(
                f"The labels are background ({config.background}) or unlabelled "
                "everywhere; paint some objects with other labels first."
            )
    elif known == {0}:
        raise InputError(
            "The labels are background (0) everywhere; paint some objects first."
        )


class LabelCounter:
    """Counts values, part by part, in memory for the distinct ones only.

    Parameters
    ----------
    name
        Of the pair, for messages.

    Attributes
    ----------
    least
        The smallest value so far, 0 if there is none below.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.least = 0
        self._table = np.zeros(0, np.int64)
        self._large: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, labels: NDArray[np.integer]) -> None:
        """Count a part of the labels.

        Raises
        ------
        InputError
            For values of 2**63 and more.
        """
        if not labels.size:
            return
        least, most = int(labels.min()), int(labels.max())
        self.least = min(self.least, least)
        if most > np.iinfo(np.int64).max:
            raise InputError(
                f"The labels of {self.name!r} contain {most}; ids must be below 2**63."
            )
        if least >= 0 and most < _SMALL:
            counts = np.bincount(
                labels.ravel().astype(np.intp), minlength=len(self._table)
            )
            counts[: len(self._table)] += self._table
            self._table = counts.astype(np.int64, copy=False)
            return
        values, counts = np.unique(labels, return_counts=True)
        self._large.append((values.astype(np.int64), counts.astype(np.int64)))
        self._waiting += len(values)
        if self._waiting > 2 * len(self._large[0][0]) + _SMALL:
            self._large = [_merged(self._large)]
            self._waiting = 0

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the values, sorted, and how often each occurs."""
        small = np.flatnonzero(self._table)
        return _merged([(small.astype(np.int64), self._table[small]), *self._large])


def _merged(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the values of several counts, sorted, with their sums."""
    values, place = np.unique(
        np.concatenate([values for values, _ in parts]), return_inverse=True
    )
    sums = np.zeros(len(values), np.int64)
    np.add.at(sums, place, np.concatenate([counts for _, counts in parts]))
    return values, sums
