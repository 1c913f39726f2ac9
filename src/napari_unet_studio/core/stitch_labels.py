"""Last passes: the final ids, and the gaps between near objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import widened
from napari_unet_studio.core.instances import close_gaps
from napari_unet_studio.core.stitch_joins import Summary
from napari_unet_studio.core.stitch_steps import State, Step


@dataclass(frozen=True)
class Number(Step):
    """Write the final ids."""

    name: ClassVar[str] = "number"

    def block(self, number: int) -> Summary:
        """Replace the numbers within one block by ids."""
        region = self.grid.region(number)
        if self.config.split:
            local = np.asarray(self.arrays.pieces[region])
        else:
            local = self.components(region)
        gaps = self.config.close_gaps
        result = self.arrays.numbered if gaps else self.arrays.labels
        ids = np.concatenate(([0], self.part("id", number)))
        result[region] = ids[local].astype(np.int32)
        return {}

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the counts alone."""
        return counts(self.state)


@dataclass(frozen=True)
class Gaps(Step):
    """Close the gaps between near objects."""

    name: ClassVar[str] = "gaps"

    def block(self, number: int) -> Summary:
        """Close those of one block, which depend on pixels within their width."""
        region = self.grid.region(number)
        reach = self.config.close_gaps + 1
        shape = self.grid.shape
        around, inner = widened(region, (reach,) * len(shape), shape)
        labels = np.asarray(self.arrays.numbered[around])
        self.arrays.labels[region] = close_gaps(labels, self.config.close_gaps)[inner]
        return {}

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the counts."""
        return counts(self.state)


def counts(state: Mapping[str, NDArray[Any]]) -> State:
    """Return how many objects there are and how many were too large to split."""
    return {name: state[name] for name in ("count", "unsplit")}
