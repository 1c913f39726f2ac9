"""What is measured: ways to do a work, and images to do it on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeVar

Sample = TypeVar("Sample")
Call = Callable[[], Any]

OWN = "unet-studio"


@dataclass(frozen=True)
class Case:
    """An image to measure on: its shape and its number of objects, 0 if none count."""

    shape: tuple[int, ...]
    objects: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return prod(self.shape)

    def __str__(self) -> str:
        return title(self.shape, self.objects)


def title(shape: Sequence[int], objects: int) -> str:
    """Return what an image is, without its objects if nobody counts them.

    Examples
    --------
    >>> title((64, 512, 512), 3000), title((2048, 2048), 0)
    ('64 x 512 x 512, 3,000 objects', '2048 x 2048')
    """
    size = " x ".join(map(str, shape))
    return f"{size}, {objects:,} objects" if objects else size


def per_pixel(case: Case) -> float:
    """Say that a method takes as long as the image is large, twice as long in 3D."""
    return case.pixels * (len(case.shape) - 1)


def nothing(case: Case) -> float:
    """Say that a method needs no memory worth a thought."""
    return 0


def unknown(sample: Any) -> None:
    """Say that nobody but the first method knows the exact result."""


def nothing_more(sample: Any) -> Mapping[str, Any]:
    """Say nothing of a method but what is measured."""
    return {}


@dataclass(frozen=True)
class Method(Generic[Sample]):
    """One way to do the work.

    Parameters
    ----------
    name
        What tables call it.
    prepare
        Takes the sample and returns the function to measure: conversions and objects
        that a user keeps are made before.
    threads
        Threads it may use.
    library
        What has to be importable, for a peer; None for this package and what it needs.
    exact
        Whether its result has to equal that of this package.
    cost
        What the time grows with; an estimate follows it where measuring takes too long.
    memory
        Bytes it will take, where that may be too many.
    axes
        Numbers of axes it can work on.
    device
        "cpu" or "cuda".
    images
        Images a call works on; time and memory are told for one.
    least
        Calls to time even beyond the budget, until twelve budgets are spent. The call
        to warm up counts only where one call is enough.
    about
        What else its row tells of a sample, such as a note, once it was called.
    """

    name: str
    prepare: Callable[[Sample], Call]
    threads: int = 1
    library: str | None = None
    exact: bool = False
    cost: Callable[[Case], float] = per_pixel
    memory: Callable[[Case], float] = nothing
    axes: tuple[int, ...] = (2, 3)
    device: str = "cpu"
    images: int = 1
    least: int = 1
    about: Callable[[Sample], Mapping[str, Any]] = nothing_more
