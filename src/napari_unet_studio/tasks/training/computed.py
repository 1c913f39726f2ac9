"""Truth of frames whose labels are in a file, or too many: computed window by window.

Every window sees as much around it as its target and weights depend on, so that they
are those of the whole frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_unet_studio.core.blocks import BlockGrid, Region
from napari_unet_studio.core.mirror import mirrored_part, spread
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.tasks.training.parts import read
from napari_unet_studio.tasks.training.targets import Ids, Targets, pieces_of


class Pieces:
    """Connected pieces of a mask that is never held whole.

    The pieces of each block are numbered by themselves, always in the same way; a table
    says which numbers are one piece.

    Parameters
    ----------
    labels
        Of one frame (*S), lazy.
    targets
        What foreground is.
    grid
        Blocks in which the frame is read.
    """

    def __init__(self, labels: Any, targets: Targets, grid: BlockGrid) -> None:
        self.labels, self.targets, self.grid = labels, targets, grid
        self.first = np.zeros(len(grid), np.int64)
        self.table = np.zeros(1, np.int32)

    def join(self) -> Iterator[None]:
        """Go through all blocks and find out what belongs together; yield after each.

        Until all is done, nothing can be read.
        """
        faces: dict[tuple[int, int], NDArray[np.int64]] = {}
        met: list[NDArray[np.int64]] = [np.empty((2, 0), np.int64)]
        count = 0
        for number in range(len(self.grid)):
            own = self._block(number)
            self.first[number] = count
            numbers = np.where(own > 0, own + np.int64(count), 0)
            count += int(own.max(initial=0))
            position = self.grid.position(number)
            for axis, (place, last) in enumerate(
                zip(position, self.grid.counts, strict=True)
            ):
                if place:
                    before = [p - (a == axis) for a, p in enumerate(position)]
                    there = faces.pop((self.grid.number(before), axis)).ravel()
                    here = numbers.take(0, axis=axis).ravel()
                    both = (here > 0) & (there > 0)
                    pairs = np.stack((there[both], here[both]))
                    met.append(np.unique(pairs, axis=1))
                if place + 1 < last:
                    faces[number, axis] = numbers.take(-1, axis=axis)
            yield
        rows, columns = np.concatenate(met, axis=1) - 1
        links = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), (count,) * 2)
        _, groups = connected_components(links, directed=False)
        self.table = np.concatenate(([0], groups + 1)).astype(np.int32)

    def read(self, region: Region) -> NDArray[np.int32]:
        """Return the numbers of the pieces in a region of the frame, 0 elsewhere."""
        result = np.zeros([side.stop - side.start for side in region], np.int32)
        touched = [
            range(side.start // b, -(-side.stop // b))
            for side, b in zip(region, self.grid.block, strict=True)
        ]
        for position in product(*touched):
            number = self.grid.number(position)
            numbers = self._block(number).astype(np.int64)
            numbers[numbers > 0] += self.first[number]
            there, here = [], []
            for side, block in zip(region, self.grid.region(number), strict=True):
                start, stop = max(side.start, block.start), min(side.stop, block.stop)
                there.append(slice(start - side.start, stop - side.start))
                here.append(slice(start - block.start, stop - block.start))
            result[tuple(there)] = self.table[numbers[tuple(here)]]
        return result

    def _block(self, number: int) -> NDArray[np.int32]:
        labels = read(self.labels, self.grid.region(number))
        return pieces_of(self.targets.foreground(labels))


@dataclass(frozen=True, eq=False)
class ComputedTruth:
    """Truth that is computed where it is asked for; see :class:`.Truth`.

    Parameters
    ----------
    labels
        Of the whole frame; numpy or lazy.
    targets
        What they mean.
    box
        The part of the frame that this is the truth of.
    pieces
        The objects, if the labels are a mask that names none.
    spacing
        Pixel size of the spatial axes.
    weighted
        Whether pixels weigh differently.
    balance
        Weight of each class, None if they are not balanced.
    """

    labels: Any
    targets: Targets
    box: Region
    pieces: Pieces | None = None
    spacing: tuple[float, ...] | None = None
    weighted: bool = False
    balance: tuple[float, ...] | None = None

    @property
    def shape(self) -> Shape:
        """Of the part of the frame."""
        return tuple(side.stop - side.start for side in self.box)

    @property
    def mask(self) -> bool:
        """Whether the labels name no objects."""
        return self.pieces is not None

    def read(
        self, box: Sequence[slice]
    ) -> tuple[NDArray[np.int16], NDArray[np.float32] | None]:
        """Return target and weights of a window, mirrored beyond the frame."""
        part, places = mirrored_part(self.shape, box)
        inner = self._placed(part)
        margin: Shape = (self.targets.carved(self.mask),) * len(inner)
        if self.weighted:
            margin = self.targets.reach(self.mask, self.spacing, len(inner))
        outer = tuple(
            slice(max(0, side.start - m), min(size, side.stop + m))
            for side, m, size in zip(inner, margin, self.labels.shape, strict=True)
        )
        crop = tuple(
            slice(side.start - around.start, side.stop - around.start)
            for side, around in zip(inner, outer, strict=True)
        )
        found = self._ids(outer)
        target = spread(self.targets.target(found, self.mask)[crop], places)
        if not self.weighted:
            return target, None
        weights = self.targets.weights(
            found, self.mask, self.spacing, self.balance, threads=1
        )
        return target, spread(weights[crop], places)

    def ids(self, box: Sequence[slice]) -> NDArray[np.integer]:
        """Return the objects as painted, of a window in the frame."""
        region = self._placed(box)
        if self.targets.classes:
            return read(self.labels, region)
        return self._ids(region).painted

    def part(self, box: Region) -> "ComputedTruth":
        """Return the truth of a window in the frame; nothing is read."""
        return replace(self, box=self._placed(box))

    def unweighted(self) -> "ComputedTruth":
        """Return the same without weights."""
        return replace(self, weighted=False)

    def _placed(self, box: Sequence[slice]) -> Region:
        """Return a window of the part as one of the whole frame."""
        return tuple(
            slice(whole.start + side.start, whole.start + side.stop)
            for whole, side in zip(self.box, box, strict=True)
        )

    def _ids(self, region: Region) -> Ids:
        """Return the ids of a region."""
        pieces = None if self.pieces is None else self.pieces.read(region)
        return self.targets.ids(read(self.labels, region), pieces)
