"""Passes that let objects keep their ids over time, block by block.

They come after those over single time points, whose result they read. A call of one
time point reads that one and the one before; their merges go from the first to the
last time point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.counting import Pairs, count_pairs, joined
from napari_unet_studio.core.linking import NOTHING, Linked, follow
from napari_unet_studio.core.stitch_joins import Summary
from napari_unet_studio.core.stitch_labels import counts
from napari_unet_studio.core.stitch_steps import State, Store

OVERLAP, LINK = "overlap", "link"
LINKING = (OVERLAP, LINK)


@dataclass(frozen=True)
class Overlap:
    """What the objects of a time point have in common with those of the one before.

    Parameters
    ----------
    grid
        The blocks of a time point.
    before, after
        Objects of both time points, each numbered from 1; None for the first one.
    state
        What the pass before came to for this time point: "count" and "unsplit".
    earlier
        What this pass came to for the time point before; empty for the first one.
    least
        Intersection over union that a pair needs.
    """

    grid: BlockGrid
    before: Store | None
    after: Store
    state: Mapping[str, NDArray[Any]]
    earlier: Mapping[str, NDArray[Any]]
    least: float
    name: str = OVERLAP

    def __len__(self) -> int:
        return len(self.grid)

    def block(self, number: int) -> Summary:
        """Count the pixels of each pair of objects in one block."""
        if self.before is None:
            return {}
        region = self.grid.region(number)
        found = count_pairs(
            np.asarray(self.before[region]), np.asarray(self.after[region])
        )
        return found._asdict()

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the final id of each object, "ids", and the "highest" so far."""
        found, linked = None, NOTHING
        if self.before is not None:
            found = joined([Pairs(**summary) for summary in summaries])
            linked = Linked(self.earlier["ids"], int(self.earlier["highest"]))
        linked = follow(linked, int(self.state["count"]), found, self.least)
        highest = np.array(linked.highest)
        return {**counts(self.state), "ids": linked.ids, "highest": highest}


@dataclass(frozen=True)
class Link:
    """Write the final ids of a time point.

    Parameters
    ----------
    grid
        The blocks of a time point.
    numbered
        Its objects, numbered from 1.
    labels
        Where the ids go.
    state
        What :class:`Overlap` came to.
    """

    grid: BlockGrid
    numbered: Store
    labels: Store
    state: Mapping[str, NDArray[Any]]
    name: str = LINK

    def __len__(self) -> int:
        return len(self.grid)

    def block(self, number: int) -> Summary:
        """Replace the numbers of one block."""
        region = self.grid.region(number)
        ids = np.asarray(self.state["ids"])
        self.labels[region] = ids[np.asarray(self.numbered[region])]
        return {}

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the counts."""
        return counts(self.state)
