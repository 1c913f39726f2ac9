"""What the passes over the blocks of an image have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import BlockGrid, Region, widened
from napari_unet_studio.core.instances import ObjectConfig, at_face
from napari_unet_studio.core.runs import label_mask
from napari_unet_studio.core.smoothing import smoothed, smoothing_reach
from napari_unet_studio.core.splitting import first_pixels
from napari_unet_studio.core.stitch_joins import Labels, Summary, inner_sides

State = dict[str, NDArray[Any]]


class Store(Protocol):
    """An array that is read and written in parts, as those of numpy and zarr are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        ...

    def __getitem__(self, region: Any, /) -> Any: ...

    def __setitem__(self, region: Any, values: Any, /) -> None: ...


SCRATCH = {
    "mask": np.uint8,
    "pieces": np.int32,
    "wide": np.int32,
    "numbered": np.int32,
    "unlinked": np.int32,
}
"""Names and types of the arrays that passes use on the way.

"unlinked" holds the labels of single time points, if ids are linked between them.
"""


@dataclass(frozen=True)
class Arrays:
    """The image and what is made of it.

    Parameters
    ----------
    probability
        Values 0 to 1, shape (*S); only read.
    labels
        Ids of the objects (*S), int32 or int64; written by the last pass.
    scratch
        Called with a name and a type (uint8 or int32); returns an array of the image's
        shape that keeps what is written to it until the last pass is done, also in
        other processes. What it holds at first does not matter.
    """

    probability: Store
    labels: Store
    scratch: Callable[[str, Any], Store]

    @property
    def mask(self) -> Store:
        """Foreground with its holes filled."""
        return self.scratch("mask", SCRATCH["mask"])

    @property
    def pieces(self) -> Store:
        """Pieces of objects, numbered within each block."""
        return self.scratch("pieces", SCRATCH["pieces"])

    @property
    def wide(self) -> Store:
        """Pieces of wide objects, numbered within each object."""
        return self.scratch("wide", SCRATCH["wide"])

    @property
    def numbered(self) -> Store:
        """Objects before their gaps are closed."""
        return self.scratch("numbered", SCRATCH["numbered"])


@dataclass(frozen=True)
class Step:
    """Base of the passes: what they are made of.

    Parameters
    ----------
    config
        Threshold, sizes and splitting.
    grid
        The blocks of the image.
    spacing
        Pixel size per axis.
    arrays
        What is read and written.
    state
        What the pass before returned from `merge`; empty for the first one.
    largest
        Objects with more pixels in their bounding box are not split, if they lie in
        more than one block.
    """

    config: ObjectConfig
    grid: BlockGrid
    spacing: tuple[float, ...] | None
    arrays: Arrays
    state: Mapping[str, NDArray[Any]]
    largest: int

    name: ClassVar[str]

    def __len__(self) -> int:
        return len(self.grid)

    def block(self, number: int) -> Summary:
        """Do the work of one call."""
        raise NotImplementedError

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Make of all calls' summaries, in order, the state for the next pass."""
        raise NotImplementedError

    def part(self, name: str, number: int, start: str = "start") -> NDArray[Any]:
        """Return a block's part of what the state holds for each component."""
        begin = self.state[start]
        return self.state[name][begin[number] : begin[number + 1]]

    def probability(self, region: Region) -> NDArray[Any]:
        """Return the probability in a region, smoothed as in the whole image."""
        if not self.config.smooth:
            return np.asarray(self.arrays.probability[region])
        shape = self.grid.shape
        reach = smoothing_reach(self.config.smooth, len(shape), self.spacing)
        around, inner = widened(region, reach, shape)
        pixels = np.asarray(self.arrays.probability[around])
        return smoothed(pixels, self.config.smooth, self.spacing)[inner]

    def components(self, region: Region) -> Labels:
        """Return the components of the mask in a region, in scan order."""
        return label_mask(np.asarray(self.arrays.mask[region]) > 0)

    def measures(self, labels: Labels, number: int) -> Summary:
        """Return what numbering has to know of the ids 1..n of a block.

        "size", "first", the first pixel in the image, and "border", whether they touch
        a border of the image that counts.
        """
        region = self.grid.region(number)
        inside = np.unravel_index(first_pixels(labels), labels.shape)
        place = [at + part.start for at, part in zip(inside, region, strict=True)]
        size = np.bincount(labels.ravel(), minlength=1)[1:]
        border = np.zeros(len(size), bool)
        ndim = labels.ndim
        adjoined = set(inner_sides(self.grid, number))
        for axis in self.config.border_axes(ndim):
            for side in range(2):
                if self.grid.shape[axis] > 1 and (axis % ndim, side) not in adjoined:
                    border |= at_face(labels, len(size), axis, -side)
        return {
            "size": size,
            "first": np.ravel_multi_index(place, self.grid.shape).astype(np.int64),
            "border": border,
        }
