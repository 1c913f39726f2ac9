"""Passes that split objects; each as a whole, wherever the blocks cut it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.instances import divided
from napari_unet_studio.core.stitch_joins import (
    Labels,
    Summary,
    inner_sides,
    numbering,
    starts,
)
from napari_unet_studio.core.stitch_steps import State, Step


@dataclass(frozen=True)
class Wide(Step):
    """Split the objects that lie in many blocks, once for all of these.

    A single call, as two objects may share a block. Splitting those of a few blocks in
    each of these again is cheaper than to wait for it.
    """

    name: ClassVar[str] = "wide"

    def __len__(self) -> int:
        return 1

    def block(self, number: int) -> Summary:
        """Write the pieces of all wide objects."""
        for index in np.flatnonzero(self.state["wide"] & ~self.state["whole"]):
            region, pieces = pieces_of(self, int(index))
            here = np.asarray(self.arrays.wide[region])
            self.arrays.wide[region] = np.where(pieces, pieces, here)
        return {}

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the state as it was."""
        return dict(self.state)


@dataclass(frozen=True)
class Divide(Step):
    """Split all other objects and number the pieces within each block."""

    name: ClassVar[str] = "divide"

    def block(self, number: int) -> Summary:
        """Write the pieces of one block.

        "object" and "piece" say for each of them which object that crosses blocks it is
        of, and which one of its pieces; -1 and 0 for objects of this block alone.
        """
        region = self.grid.region(number)
        labels = self.components(region)
        crossing = np.concatenate(([-1], self.part("crossing", number)))
        pieces = self._inside(np.where(crossing[labels] < 0, labels, 0), number)
        count = int(pieces.max(initial=0))
        objects, parts = [np.full(count, -1)], [np.zeros(count, np.int64)]
        for index in np.unique(crossing[crossing >= 0]):
            box, own = self._shared(int(index), region)
            target = crossing[labels[box]] == index
            found, order = np.unique(own[target], return_inverse=True)
            pieces[box][target] = count + 1 + order
            count += len(found)
            objects.append(np.full(len(found), index))
            parts.append(found)
        self.arrays.pieces[region] = pieces
        return {
            **self.measures(pieces, number),
            "object": np.concatenate(objects),
            "piece": np.concatenate(parts),
        }

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the ids of all pieces."""
        objects, parts = (
            np.concatenate([summary[name] for summary in summaries])
            for name in ("object", "piece")
        )
        shared = objects >= 0
        group = np.empty(len(objects), np.int64)
        keys = objects[shared] * (int(parts.max(initial=0)) + 1) + parts[shared]
        found, group[shared] = np.unique(keys, return_inverse=True)
        group[~shared] = np.arange(np.count_nonzero(~shared)) + len(found)
        ids, count = numbering(group, summaries, self.config)
        return {
            "start": starts(summaries),
            "id": ids,
            "count": np.array(count),
            "unsplit": np.array(np.count_nonzero(self.state["whole"])),
        }

    def _inside(self, labels: Labels, number: int) -> NDArray[np.int32]:
        """Split objects that lie in this block alone.

        Next to them, in the blocks around, is background.
        """
        margin = np.zeros((labels.ndim, 2), int)
        for axis, side in inner_sides(self.grid, number):
            margin[axis, side] = 1
        probability = self.probability(self.grid.region(number))
        padded, relief = np.pad(labels, margin), np.pad(probability, margin)
        pieces = divided(padded, relief, self.config, self.spacing)
        own = zip(margin[:, 0], labels.shape, strict=True)
        return pieces[tuple(slice(low, low + n) for low, n in own)].astype(np.int32)

    def _shared(self, index: int, region: Region) -> tuple[Region, Labels]:
        """Return where in this block an object's box lies, and its pieces there."""
        low, high = (self.state[name][index] for name in ("low", "high"))
        bounds = [
            (max(part.start, int(a)), min(part.stop, int(b)))
            for part, a, b in zip(region, low, high, strict=True)
        ]
        box = tuple(
            slice(a - part.start, b - part.start)
            for (a, b), part in zip(bounds, region, strict=True)
        )
        if self.state["whole"][index]:
            return box, np.ones([b - a for a, b in bounds], np.int32)
        if self.state["wide"][index]:
            return box, np.asarray(
                self.arrays.wide[tuple(slice(a, b) for a, b in bounds)]
            )
        around, pieces = pieces_of(self, index)
        return box, pieces[
            tuple(
                slice(a - part.start, b - part.start)
                for (a, b), part in zip(bounds, around, strict=True)
            )
        ]


def pieces_of(step: Step, index: int) -> tuple[Region, Labels]:
    """Split one object that crosses blocks: its box with a margin, and its pieces."""
    low, high = (step.state[name][index] for name in ("low", "high"))
    region = tuple(
        slice(max(int(a) - 1, 0), min(int(b) + 1, length))
        for a, b, length in zip(low, high, step.grid.shape, strict=True)
    )
    labels = step.components(region)
    place = np.unravel_index(step.state["first"][index], step.grid.shape)
    own = labels[tuple(p - part.start for p, part in zip(place, region, strict=True))]
    alone = np.where(labels == own, 1, 0)
    relief = step.probability(region)
    return region, divided(alone, relief, step.config, step.spacing)
