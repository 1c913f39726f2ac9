"""How much tiles of a network that looks at all of them differ where they overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import Tile, TilePlan

_SENTENCE = (
    "The network looks at a whole tile at once, so tiles were blended; neighbouring "
    "ones differ by up to {most:.2g}, {mean:.1g} on average."
)


class Seams:
    """How much neighbouring tiles of one frame differ where they overlap."""

    def __init__(self) -> None:
        self._most = self._sum = 0.0
        self._count = 0
        self._blended = False
        self._last: tuple[Tile, NDArray[np.float32]] | None = None

    @property
    def found(self) -> bool:
        """Whether any were compared."""
        return self._count > 0

    def watch(self, plan: TilePlan) -> None:
        """Begin with the tiles of a plan, in its order."""
        self._blended, self._last = plan.blended, None

    def compare(self, tile: Tile, answer: NDArray[np.float32]) -> None:
        """Compare a tile with the one before it."""
        if not self._blended:
            return
        before, self._last = self._last, (tile, answer)
        if before is None or not meet(tile.core, before[0].core):
            return
        shared = tuple(
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(tile.core, before[0].core, strict=True)
        )
        here, there = (_part(t, a, shared) for t, a in ((tile, answer), before))
        apart = np.abs(here - there)
        self._most = max(self._most, float(apart.max()))
        self._sum += float(apart.sum(dtype=np.float64))
        self._count += apart.size

    def sentence(self) -> str:
        """Return what to tell the user."""
        return _SENTENCE.format(most=self._most, mean=self._sum / self._count)


def _part(tile: Tile, answer: NDArray[Any], shared: Region) -> NDArray[Any]:
    place = tuple(
        slice(s.start - core.start, s.stop - core.start)
        for s, core in zip(shared, tile.core, strict=True)
    )
    return answer[:, *place]


def meet(one: Region, other: Region | None) -> bool:
    """Whether two regions share a pixel; with none given, all do."""
    return other is None or all(
        a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True)
    )
