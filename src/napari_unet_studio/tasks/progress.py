"""Progress records, and how to drain a task that yields them.

A task is a generator: it yields :class:`Progress` and returns its result. Between two
yields it asks ``should_stop()``; so progress and cancelling need neither callbacks nor
threads, and scripts, windows and tests all run the same code.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.tasks.training.judging import Preview

Result = TypeVar("Result")
Record = TypeVar("Record", bound="Progress")
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Progress:
    """One step of a task.

    Parameters
    ----------
    step, total
        Steps done and steps in all. The total may be corrected on the way, and is 1 in
        trials before the first step.
    message
        What is being done, for people.
    """

    step: int
    total: int
    message: str = ""

    @property
    def routine(self) -> bool:
        """Whether the record says nothing but the count, so that one may be skipped."""
        return True


@dataclass(frozen=True, eq=False)
class PredictProgress(Progress):
    """One step of a prediction.

    Parameters
    ----------
    seconds_left
        Estimated time to the end, once it can be told.
    probabilities
        The array that is being filled, (C, *S) of the region predicted, for a look on
        the way; 0 where nothing is known yet.
    """

    seconds_left: float | None = None
    probabilities: NDArray[np.float32] | None = None


class HeldOut(NamedTuple):
    """A part of the data that is kept from training to measure the network on.

    Parameters
    ----------
    pair
        Number of the pair among those in use, from 0.
    name
        Of the pair.
    region
        Slices over all axes of the labels.
    gap
        Pixels beside it, along the axis of the cut, that are neither trained nor
        measured on.
    axes
        Letters of the axes of the labels, such as "TYX"; "" if nobody told them.
    """

    pair: int
    name: str
    region: tuple[slice, ...]
    gap: tuple[slice, ...] | None = None
    axes: str = ""


@dataclass(frozen=True, eq=False)
class Prepared(Progress):
    """The data are ready.

    Parameters
    ----------
    held_out
        What was held out by itself; empty where pairs have the role "validate".
    notes
        What the user should know.
    """

    held_out: tuple[HeldOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def routine(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True)
class TrainProgress(Progress):
    """One step of a training.

    Parameters
    ----------
    loss
        Mean loss since the last reading, where it was read.
    scores
        Scores on the validation frames, after a validation round.
    preview
        The first validation frame, after a validation round.
    seconds_left
        Estimated time to the end.
    learning_rate
        Of the update, where the loss was read.
    patches_per_second
        Since the last reading, where the loss was read.
    memory
        Bytes that the training takes: of the GPU, or of this process.
    unsaved
        Why the checkpoint could not be written just now; empty if it could be again.
    """

    loss: float | None = None
    scores: Mapping[str, float] | None = None
    preview: "Preview | None" = None
    seconds_left: float | None = None
    learning_rate: float | None = None
    patches_per_second: float | None = None
    memory: int | None = None
    unsaved: str | None = None

    @property
    def routine(self) -> bool:
        """Whether the record carries neither loss nor scores nor anything else."""
        told = self.loss, self.scores, self.preview, self.unsaved
        return all(part is None for part in told)


class Clock:
    """Measures the time spent on a task: waiting to go on is not part of it."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._first: tuple[float, int] | None = None

    def left(self, done: int, total: int) -> float | None:
        """Estimate the seconds left from the steps since the first one was done.

        The first step is left out, because it also prepares those that follow. None as
        long as there is nothing to go by.
        """
        if not done:
            return None
        if self._first is None:
            self._first = self.seconds, done
            return None
        seconds, steps = self._first
        if done <= steps:
            return None
        return (self.seconds - seconds) / (done - steps) * (total - done)

    @property
    def seconds(self) -> float:
        """Seconds spent so far."""
        return time.monotonic() - self._start

    def without(self, record: Progress) -> Generator[Progress, None, None]:
        """Yield a record; the time until the task is taken up again does not count."""
        left = time.monotonic()
        yield record
        self._start += time.monotonic() - left


def never() -> bool:
    """Return False: nothing asks the task to stop."""
    return False


def until(
    should_stop: ShouldStop, task: Generator[Record, None, Result]
) -> Generator[Record, None, Result | None]:
    """Go through a part of a task, for ``yield from``; None if it is to stop."""
    with closing(task):
        while True:
            try:
                record = next(task)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield record
            if should_stop():
                return None


def run(
    task: Generator[Progress, None, Result],
    report: Callable[[Progress], object] | None = None,
) -> Result:
    """Drain a task and return its result.

    Parameters
    ----------
    task
        A generator that yields progress.
    report
        Called with each progress record.

    Examples
    --------
    >>> def count():
    ...     for i in range(2):
    ...         yield Progress(i + 1, 2)
    ...     return "done"
    >>> run(count(), report=lambda p: print(p.step, "of", p.total))
    1 of 2
    2 of 2
    'done'
    """
    try:
        while True:
            progress = next(task)
            if report is not None:
                report(progress)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        task.close()
