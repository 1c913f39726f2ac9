"""How far the probabilities of a quick computation are from those of an exact one."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# A pixel in a hundred is about what two people who outline the same nuclei leave open.
MOST_FLIPS = 0.01
# An image with few objects would pass the first limit even if all of them were lost.
# One foreground pixel in ten is a Dice of 0.95 between the two masks.
MOST_FOREGROUND_FLIPS = 0.1


@dataclass(frozen=True)
class Agreement:
    """Differences between probabilities of the same pixels.

    Parameters
    ----------
    mean, largest
        Of the absolute differences, 0 to 1.
    flips
        Share of the pixels that change sides, 0 to 1: the foreground probability lies
        on the other side of the threshold, or another class is the most probable one.
    foreground_flips
        The same pixels as a share of those that either answer calls foreground, or of
        a class above 0. It is 0 where there are none.
    """

    mean: float
    largest: float
    flips: float
    foreground_flips: float

    @classmethod
    def between(
        cls, exact: NDArray[Any], quick: NDArray[Any], threshold: float
    ) -> Self:
        """Compare probabilities (C, ...).

        Parameters
        ----------
        exact, quick
            Of the same shape, at least one pixel. One channel is the foreground, more
            are classes.
        threshold
            Probability from which a pixel is foreground; it counts for one channel.

        Examples
        --------
        >>> import numpy as np
        >>> exact = np.array([[0.1, 0.9, 0.5, 0.2]])
        >>> quick = np.array([[0.1, 0.8, 0.4, 0.2]])
        >>> found = Agreement.between(exact, quick, threshold=0.5)
        >>> found.flips, found.foreground_flips
        (0.25, 0.5)
        """
        difference = np.abs(quick - exact)
        ours, theirs = _sides(exact, threshold), _sides(quick, threshold)
        changed = int(np.count_nonzero(ours != theirs))
        foreground = int(np.count_nonzero((ours > 0) | (theirs > 0)))
        return cls(
            mean=float(difference.mean(dtype=float)),
            largest=float(difference.max()),
            flips=changed / ours.size,
            foreground_flips=changed / max(1, foreground),
        )

    @property
    def good(self) -> bool:
        """Whether the quick answer may stand for the exact one; NaN is not good."""
        return bool(
            np.isfinite(self.largest)
            and self.flips <= MOST_FLIPS
            and self.foreground_flips <= MOST_FOREGROUND_FLIPS
        )

    def __str__(self) -> str:
        """Return the numbers as half a sentence."""
        flips, inside = 100 * self.flips, 100 * self.foreground_flips
        return (
            f"probabilities differ by {self.mean:.2g} on average and by "
            f"{self.largest:.2g} at most, and {flips:.2g} % of the pixels change sides "
            f"({inside:.2g} % of the foreground)"
        )


def _sides(probabilities: NDArray[Any], threshold: float) -> NDArray[np.intp]:
    """Return the class of each pixel, or 1 for the foreground."""
    if len(probabilities) == 1:
        return np.asarray(probabilities[0] >= threshold, np.intp)
    return np.asarray(probabilities.argmax(axis=0))
