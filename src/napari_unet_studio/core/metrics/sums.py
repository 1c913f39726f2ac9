"""Sums that scores are made of, for one image, many, or samples of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sums:
    """What adds up over units, such as images or objects; the base of other classes.

    All fields are arrays whose first axis counts the units. Scores of several units
    together are those of their sums.
    """

    def __len__(self) -> int:
        """Return the number of units."""
        return len(getattr(self, fields(self)[0].name))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the units of several, one after another."""
        return cls(
            *(
                np.concatenate([getattr(part, each.name) for part in parts])
                for each in fields(cls)
            )
        )

    def weighted(self, weights: NDArray[np.float64]) -> Self:
        """Return sums in which units count several times, or not at all.

        Parameters
        ----------
        weights
            Array (samples, units): how often a unit counts in each sample.

        Returns
        -------
        Sums
            Its units are the samples.
        """
        values = (getattr(self, each.name) for each in fields(self))
        return type(self)(
            *(np.tensordot(weights, each.astype(np.float64), 1) for each in values)
        )

    def total(self) -> Self:
        """Return the sum of all as a single unit."""
        return self.weighted(np.ones((1, len(self))))

    def scores(self) -> dict[str, NDArray[Any]]:
        """Return the scores of each unit; NaN where nothing can be measured."""
        raise NotImplementedError

    def counts(self) -> dict[str, NDArray[Any]]:
        """Return what is counted and no share of anything, for each unit."""
        return {}
