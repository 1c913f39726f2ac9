"""The pixels of a network's nodes over a part of an image, cut into blocks."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

import numpy as np

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.graph import Ref
from napari_unet_studio.core.networks.parts import Interval
from napari_unet_studio.core.networks.places import (
    InputWindow,
    node_places,
    taken_by,
    towards,
    whole_window,
    window_for,
)
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape


class Block(NamedTuple):
    """A part of the nodes' pixels that is computed at once.

    Parameters
    ----------
    place
        Among all of them.
    read
        The network's input, in pixels that it sees.
    crop
        Of the nodes' outputs for it.
    """

    place: Region
    read: Region
    crop: Region


class NodeGrid:
    """The pixels of some nodes of one pace that lie on a part of an image.

    Parameters
    ----------
    spec
        The network.
    refs
        The nodes.
    size
        Spatial shape of the image, in pixels that the network sees.
    part
        Of the image.
    side
        Of a tile that fits into memory. A network that looks at all it is given is
        given the whole image if that fits.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        refs: Sequence[Ref],
        size: Shape,
        part: Region,
        side: int,
    ) -> None:
        self._spec, self._refs, self._size, self._side = spec, tuple(refs), size, side
        axes = range(spec.ndim)
        self._places = [node_places(spec.graph, axis)[refs[0]] for axis in axes]
        self._part: list[Interval] = [
            place.over(p.start + trim, p.stop + trim)
            for place, p, trim in zip(self._places, part, spec.trim, strict=True)
        ]
        self.local = towards(spec.graph, refs).local
        """Whether the nodes look at no more than their receptive fields."""

    @property
    def shape(self) -> Shape:
        """Pixels along each axis."""
        return tuple(high - low for low, high in self._part)

    @property
    def start(self) -> tuple[float, ...]:
        """Centre of the first pixel, in pixels that the network sees."""
        found = []
        for place, (low, _), trim in zip(
            self._places, self._part, self._spec.trim, strict=True
        ):
            middle = place.edge + place.pace * low + place.pace / 2
            found.append(float(middle) - trim - 0.5)
        return tuple(found)

    @property
    def step(self) -> tuple[float, ...]:
        """Size of a pixel, likewise."""
        return tuple(float(place.pace) for place in self._places)

    @cached_property
    def whole(self) -> bool:
        """Whether the network is given the whole image at once."""
        sides = [window.stop - window.start for window in self._whole]
        return not self.local and prod(sides) <= self._side**self._spec.ndim

    @cached_property
    def blocks(self) -> list[Block]:
        """All pixels, in blocks whose windows fit into memory."""
        axes = [self._spans(axis) for axis in range(self._spec.ndim)]
        found = []
        for sides in product(*axes):
            place, read, crop = [], [], []
            for (a, b, window), (low, _) in zip(sides, self._part, strict=True):
                shift = window.shift[self._refs[0]]
                place.append(slice(a - low, b - low))
                read.append(slice(window.start, window.stop))
                crop.append(slice(a - shift, b - shift))
            found.append(Block(tuple(place), tuple(read), tuple(crop)))
        return found

    def _spans(self, axis: int) -> list[tuple[int, int, InputWindow]]:
        """Cut an axis into parts of about one length, each with its window."""
        spec, (low, high) = self._spec, self._part[axis]
        length = high - low
        if not self.whole:
            first, last = taken_by(spec.graph, self._refs, axis, (0, 1))
            room = self._side - (last - first) - spec.divisor[axis]
            length = max(1, min(length, int(room / self._places[axis].pace)))
        count = -(-(high - low) // length)
        ends = np.linspace(low, high, count + 1).round().astype(int).tolist()
        return [(a, b, self._window(axis, (a, b))) for a, b in pairwise(ends)]

    def _window(self, axis: int, part: Interval) -> InputWindow:
        if self.whole:
            return self._whole[axis]
        return window_for(self._spec, self._refs, axis, part, self._size[axis])

    @cached_property
    def _whole(self) -> list[InputWindow]:
        return [whole_window(self._spec, axis, n) for axis, n in enumerate(self._size)]
