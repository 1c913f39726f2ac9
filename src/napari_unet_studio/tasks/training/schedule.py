"""How long a training lasts, and how its learning rate moves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from napari_unet_studio.tasks.train_config import TrainConfig

WARM_UP = 0.05  # share of the training in which the rate rises
_FIRST = 0.05  # share of the warm-up that counts as done before the first update


@dataclass(frozen=True)
class Plan:
    """The budget of a training, in updates and in time.

    Parameters
    ----------
    updates
        Most updates; None is no limit.
    seconds
        Most time; None is no limit.
    epoch
        Updates in which as many pixels are seen as there are to train on.
    rounds
        Validation rounds, evenly spread.
    """

    updates: int | None
    seconds: float | None
    epoch: int
    rounds: int

    @classmethod
    def of(cls, config: TrainConfig, pixels: int, seen: int) -> Self:
        """Return the plan of a configuration.

        Parameters
        ----------
        config
            Its limits; the first one that is reached ends the training.
        pixels
            To train on.
        seen
            Of them in one update.

        Examples
        --------
        >>> Plan.of(TrainConfig(updates=0, epochs=2.0), 10_000, 3_000)
        Plan(updates=8, seconds=None, epoch=4, rounds=20)
        """
        epoch = max(1, math.ceil(pixels / seen))
        limits = [config.updates] if config.updates else []
        if config.epochs:
            limits.append(max(1, round(config.epochs * epoch)))
        return cls(
            min(limits, default=None),
            60 * config.minutes or None,
            epoch,
            config.validations,
        )

    def share(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, 0 to 1.

        Parameters
        ----------
        step
            Updates done.
        seconds
            Time spent.
        """
        shares = [step / self.updates] if self.updates is not None else []
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        return min(1.0, max(shares))

    def round(self, step: int, seconds: float) -> int:
        """Return how many validation rounds are due by now."""
        share = self.share(step, seconds)
        if share >= 1:
            return self.rounds
        # Of a share such as 3 / 20, which is 3 rounds in spite of rounding.
        return int(share * self.rounds + 1e-9)

    def total(self, step: int, seconds: float) -> int:
        """Return the updates in all: the limit, or what the time will suffice for."""
        if self.seconds is None:
            return self.updates or 0
        left = self.left(step, seconds)
        if left is None:
            return self.updates or step + 1
        found = step + round(left * step / seconds) if seconds else step + 1
        return max(step, found)

    def left(self, step: int, seconds: float) -> float | None:
        """Estimate the seconds left; None before the first update."""
        lefts = [] if self.seconds is None else [max(0.0, self.seconds - seconds)]
        if self.updates is not None and step:
            lefts.append(seconds / step * max(0, self.updates - step))
        return min(lefts, default=None)


def rate(share: float, schedule: str) -> float:
    """Return the learning rate as a part of the largest one.

    "cosine" rises linearly and then falls to zero (Loshchilov and Hutter 2017).

    Examples
    --------
    >>> [round(rate(share, "cosine"), 3) for share in (0.0, 0.05, 0.525, 1.0)]
    [0.05, 1.0, 0.5, 0.0]
    """
    if schedule == "constant":
        return 1.0
    if share < WARM_UP:
        return min(1.0, share / WARM_UP + _FIRST)
    return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


def parts(total: int, size: int) -> Sequence[slice]:
    """Cut `total` patches into parts of at most `size`.

    Examples
    --------
    >>> parts(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(i, min(i + size, total)) for i in range(0, total, size)]
