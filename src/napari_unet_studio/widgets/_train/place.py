"""Where training images lie in the world, and the parts of them that are shown."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_unet_studio.layers import Source, part_of
from napari_unet_studio.tasks.progress import HeldOut

if TYPE_CHECKING:
    from napari_unet_studio.tasks.training.judging import Preview

_FRAME = re.compile(r"(.*) \[([0-9, ]+)\]")


@dataclass(frozen=True, eq=False)
class Place:
    """Where a training image was when the training began.

    Parameters
    ----------
    source
        The image.
    """

    source: Source

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of the image without channels."""
        return self.source.shape

    def options(
        self, start: Sequence[float], step: Sequence[float] | float = 1.0
    ) -> dict[str, Any]:
        """Return the keyword arguments of a layer for a part of the image.

        Parameters
        ----------
        start
            Where the centre of its first pixel lies, in pixels of the image.
        step
            Size of its pixels, in pixels of the image.

        Examples
        --------
        >>> import numpy as np
        >>> source = Source(
        ...     "a", np.zeros((8, 9)), "YX", None, (2.0, 2.0), {"scale": (2, 2)}
        ... )
        >>> Place(source).options((0, 3))["translate"]
        array([0., 6.])
        """
        return part_of(self.source.spatial, start, step)


def locate(
    preview: "Preview", places: Iterable[Place], held_out: Iterable[HeldOut] = ()
) -> tuple[tuple[int, ...], tuple[int, ...], Place | None]:
    """Return the shape of the layer that shows a frame, its first pixel and its image.

    A frame of a stack gets the stack's axes, so that it is seen where it belongs. A
    part of a frame is the middle of what was held out of it, or of all of it. Without
    its image, it is plain pixels.

    Parameters
    ----------
    preview
        The frame.
    places
        Of the images that are trained on.
    held_out
        The parts that were held out.
    """
    known = {place.source.name: place for place in places}
    size = tuple(preview.probability.shape)
    name = preview.name
    index: tuple[int, ...] = ()
    place = known.get(name)
    found = _FRAME.fullmatch(name)
    if (place is None or len(place.shape) != len(size)) and found:
        name, numbers = found.groups()
        place = known.get(name)
        index = tuple(int(n) for n in numbers.replace(" ", "").split(",") if n)
    if place is None or len(index) + len(size) != len(place.shape):
        return size, (0,) * len(size), None
    count = len(index)
    spans = [(0, length) for length in place.shape[count:]]
    for part in held_out:
        sides = part.region[:count]
        inside = (_holds(side, at) for side, at in zip(sides, index, strict=False))
        if part.name == name and all(inside):
            spans = bounds(part.region, place.shape)[count:]
    rest = [stop - start for start, stop in spans]
    if any(small > large for small, large in zip(size, rest, strict=True)):
        return size, (0,) * len(size), None
    first = [
        start + (stop - start - n) // 2
        for (start, stop), n in zip(spans, size, strict=True)
    ]
    return (1,) * count + size, (*index, *first), place


def bounds(region: Sequence[slice], shape: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and stop of each side of a region.

    Examples
    --------
    >>> bounds((slice(None), slice(3, None)), (5, 9))
    [(0, 5), (3, 9)]
    """
    return [side.indices(n)[:2] for side, n in zip(region, shape, strict=True)]


def _holds(side: slice, at: int) -> bool:
    return (side.start or 0) <= at and (side.stop is None or at < side.stop)
