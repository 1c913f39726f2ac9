"""Class balance: how much the pixels of each class weigh, so that none is drowned.

The term w_c of eq. 2 of the U-Net paper (Ronneberger, Fischer, Brox, MICCAI 2015).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import compiled
from napari_unet_studio.core.carve import contacts
from napari_unet_studio.core.distances import Labels, Numbered, as_labels, numbered
from napari_unet_studio.core.errors import ConfigError, InputError

Balance = Literal["image", "global", "none"]
Classes = Mapping[int, int]  # from the id of an object to its class, 1 or more

BALANCES = ("image", "global", "none")
MOST_CLASSES = 1 << 16


def class_counts(
    labels: ArrayLike,
    gap: int = 0,
    ignore: int | None = None,
    classes: Classes | None = None,
) -> NDArray[np.int64]:
    """Count the annotated pixels of each class, the background first.

    The sum over several images, given to `balanced`, balances them globally.

    Parameters
    ----------
    labels
        Instance ids or a mask, shape ``(Y, X)`` or ``(Z, Y, X)``.
    gap
        Pixels between touching objects that count as background, see `carve_gap`.
    ignore
        Id of the pixels without annotation, which are not counted.
    classes
        Class of each object; None is one class for all.

    Examples
    --------
    >>> class_counts([[0, 0, 0, 7, 9, 255]], ignore=255)
    array([3, 2])
    >>> class_counts([[0, 0, 0, 7, 9, 255]], ignore=255, classes={7: 1, 9: 2})
    array([3, 1, 1])
    """
    return Classified.of(as_labels(labels), gap, ignore, classes).counts()


def balanced(counts: ArrayLike) -> tuple[float, ...]:
    """Return a weight per class that gives all classes the same total weight.

    Parameters
    ----------
    counts
        Pixels of each class, from `class_counts`.

    Notes
    -----
    The paper gives no formula for w_c. This one is ``N / (K N_class)`` for `N` pixels
    of `K` classes: the mean over all pixels is 1. A class without pixels does not count
    and gets 1.

    Examples
    --------
    >>> balanced([6, 2])
    (0.6666666666666666, 2.0)
    """
    numbers = np.asarray(counts, np.float64)
    present = numbers > 0
    weights = np.ones(numbers.shape)
    share = numbers.sum() / max(1, np.count_nonzero(present))
    np.divide(share, numbers, out=weights, where=present)
    return tuple(map(float, weights))


def class_weights(
    labels: ArrayLike,
    balance: Balance | Sequence[float] = "image",
    ignore: int | None = None,
    classes: Classes | None = None,
) -> NDArray[np.float32]:
    """Weigh pixels by their class: w_c of eq. 2.

    Parameters
    ----------
    labels
        Instance ids or a mask, shape ``(Y, X)`` or ``(Z, Y, X)``.
    balance
        "image": as `balanced` finds for these labels; "global": the same, for one array
        is all there is; "none": 1; or numbers, one per class, the background first.
    ignore
        Id of the pixels without annotation, which get 0 and are not counted.
    classes
        Class of each object; None is one class for all.

    Examples
    --------
    >>> class_weights([[0, 0, 0, 7]])
    array([[0.6666667, 0.6666667, 0.6666667, 2.       ]], dtype=float32)
    >>> class_weights([[0, 0, 3, 7]], balance=(0.5, 1, 4), classes={3: 1, 7: 2})
    array([[0.5, 0.5, 1. , 4. ]], dtype=float32)
    """
    check_balance(balance)
    found = Classified.of(as_labels(labels), 0, ignore, classes)
    return found.weights(found.table(balance))


class Classified(NamedTuple):
    """Labels as a training target sees them: carved, and each object of a class.

    Parameters
    ----------
    labels
        The ids.
    ignore
        Id of the pixels without annotation.
    codes
        The same as small numbers, see `numbered`.
    removed
        Pixels of objects that the gap turns into background; None where there are none.
    lookup
        Class of each code; None where all objects are of one class.
    num_classes
        Number of classes, the background included.
    """

    labels: Labels
    ignore: int | None
    codes: NDArray[np.int32]
    removed: NDArray[np.bool_] | None
    lookup: NDArray[np.int32] | None
    num_classes: int

    @classmethod
    def of(
        cls, labels: Labels, gap: int, ignore: int | None, classes: Classes | None
    ) -> Self:
        """Read checked labels; an InputError names objects without a class."""
        found = numbered(labels, ignore)
        total = num_classes(classes)
        return cls(
            labels,
            ignore,
            found.codes,
            contacts(found.codes, gap),
            None if classes is None else _lookup(found, classes),
            total,
        )

    def counts(self) -> NDArray[np.int64]:
        """Return the number of annotated pixels of each class."""
        counts = np.zeros(self.num_classes, np.int64)
        none = np.empty(0, np.bool_)
        removed = none if self.removed is None else self.removed.reshape(-1)
        lookup = np.empty(0, np.int32) if self.lookup is None else self.lookup
        _count(self.codes.reshape(-1), removed, lookup, counts)
        if self.ignore is not None:
            counts[0] -= np.count_nonzero(self.labels == self.ignore)
        return counts

    def table(self, balance: Balance | Sequence[float]) -> NDArray[np.float32]:
        """Return the weight of each class."""
        if isinstance(balance, str):
            weights: Any = np.ones(self.num_classes)
            if balance != "none":
                weights = balanced(self.counts())
            return np.asarray(weights, np.float32)
        if len(balance) != self.num_classes:
            raise ConfigError(
                f"The class balance has {len(balance)} numbers, but there are "
                f"{self.num_classes} classes; give one number per class, the background"
                " first."
            )
        return np.asarray(balance, np.float32)

    def occupied(self, rows: slice = slice(None)) -> NDArray[np.bool_]:
        """Mark the pixels of objects that are left after carving."""
        occupied: NDArray[np.bool_] = self.codes[rows] != 0
        if self.removed is not None:
            occupied &= ~self.removed[rows]
        return occupied

    def indices(self, rows: slice = slice(None)) -> NDArray[np.integer]:
        """Return the class of each pixel, 0 without annotation."""
        occupied = self.occupied(rows)
        if self.lookup is None:
            return occupied.view(np.uint8)
        return np.where(occupied, self.lookup[self.codes[rows]], np.int32(0))

    def weights(
        self, table: NDArray[np.float32], rows: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the weight of each pixel's class, 0 without annotation."""
        weights: NDArray[np.float32] = table[self.indices(rows)]
        if self.ignore is not None:
            weights[self.labels[rows] == self.ignore] = 0
        return weights


def check_balance(balance: Balance | Sequence[float]) -> None:
    """Raise a ConfigError for what is no class balance."""
    if isinstance(balance, str):
        if balance not in BALANCES:
            raise ConfigError(
                f'The class balance is "{balance}"; choose "image", "global" or "none",'
                " or give a number per class."
            )
    elif np.ndim(balance) != 1 or not all(0 <= n < np.inf for n in balance):
        raise ConfigError(
            f"The class balance is {balance}; give finite numbers of at least 0, one "
            "per class."
        )


def num_classes(classes: Classes | None) -> int:
    """Return the number of classes with the background, or raise an InputError."""
    if classes is None:
        return 2
    for i, number in classes.items():
        if not isinstance(number, int | np.integer) or number > MOST_CLASSES:
            raise InputError(
                f"The class of object {i} is {number}; give a whole number from 1 to "
                f"{MOST_CLASSES}."
            )
    return 1 + max((1, *classes.values()))


def _lookup(found: Numbered, classes: Classes) -> NDArray[np.int32]:
    lookup = np.zeros(len(found.ids), np.int32)
    present = np.zeros(len(found.ids), np.bool_)
    _mark(found.codes.reshape(-1), present)
    present[0] = False
    ids = found.ids[present].tolist()
    without = [i for i in ids if i not in classes]
    if without:
        others = f", nor have {len(without) - 1} more" if len(without) > 1 else ""
        raise InputError(
            f"Object {without[0]} has no class{others}; name a class from 1 for every "
            "object."
        )
    lookup[present] = [classes[i] for i in ids]
    if (lookup[present] < 1).any():
        raise InputError(
            f"An object has the class {lookup[present].min()}; classes of objects start"
            " at 1, and 0 is the background."
        )
    return lookup


@compiled
def _mark(codes: NDArray[np.int32], present: NDArray[np.bool_]) -> None:
    """Mark the codes that occur."""
    for i in range(codes.shape[0]):
        present[codes[i]] = True


@compiled
def _count(
    codes: NDArray[np.int32],
    removed: NDArray[np.bool_],
    lookup: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> None:
    """Count the pixels of each class; empty arrays for nothing removed, one class."""
    for i in range(codes.shape[0]):
        code = codes[i]
        if removed.shape[0] > 0 and removed[i]:
            code = 0
        if code == 0:
            counts[0] += 1
        elif lookup.shape[0] == 0:
            counts[1] += 1
        else:
            counts[lookup[code]] += 1
