"""Which classes lie where in a frame, gathered part by part."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.tasks.training.items import IGNORED, POSITIONS


@dataclass(frozen=True, eq=False)
class Layout:
    """Which classes lie where in a frame.

    Parameters
    ----------
    profiles
        For each axis the pixels of each class at each place along it, (classes, n).
    foreground
        Some positions (n, ndim) of pixels of a class above 0.
    known
        Some positions (n, ndim) of pixels that are not ignored; None if none is.
    """

    profiles: tuple[NDArray[np.int64], ...]
    foreground: NDArray[np.intp]
    known: NDArray[np.intp] | None

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of each class."""
        return self.within(0, 0, self.profiles[0].shape[1])

    def within(self, axis: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the pixels of each class in the slab ``start:stop`` along an axis."""
        total: NDArray[np.int64] = self.profiles[axis][:, start:stop].sum(axis=1)
        return total


class LayoutScan:
    """Gathers the layout of a frame from its parts.

    Parameters
    ----------
    shape
        Of the frame.
    num_classes
        Number of class indices.
    """

    def __init__(self, shape: Shape, num_classes: int) -> None:
        self._profiles = [np.zeros((num_classes, n), np.int64) for n in shape]
        self._ignored = False
        self._foreground, self._known = _Some(len(shape)), _Some(len(shape))

    def add(self, region: Region, target: NDArray[np.integer]) -> None:
        """Look at a part: its place in the frame, and its class indices."""
        known = target != IGNORED
        for number in range(len(self._profiles[0])):
            marked = target == number
            if not marked.any():
                continue
            for axis, (side, profile) in enumerate(
                zip(region, self._profiles, strict=True)
            ):
                others = tuple(a for a in range(target.ndim) if a != axis)
                profile[number, side] += np.count_nonzero(marked, axis=others)
        self._ignored = self._ignored or not known.all()
        corner = [side.start for side in region]
        self._foreground.add(target > 0, corner)
        self._known.add(known, corner)

    def result(self) -> Layout:
        """Return the layout, once all parts were added."""
        return Layout(
            tuple(self._profiles),
            self._foreground.positions,
            self._known.positions if self._ignored else None,
        )


class _Some:
    """Every n-th of the marked positions, such that there are neither many nor few."""

    def __init__(self, ndim: int) -> None:
        self.positions = np.zeros((0, ndim), np.intp)
        self._seen, self._step = 0, 1

    def add(self, marked: NDArray[np.bool_], corner: list[int]) -> None:
        flat = np.flatnonzero(marked)
        taken = flat[-self._seen % self._step :: self._step]
        while len(self.positions) + len(taken) > 2 * POSITIONS:
            self.positions = self.positions[::2]
            self._step *= 2
            taken = flat[-self._seen % self._step :: self._step]
        self._seen += len(flat)
        places = np.stack(np.unravel_index(taken, marked.shape), axis=1) + corner
        self.positions = np.concatenate((self.positions, places))
