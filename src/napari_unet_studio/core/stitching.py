"""Objects of an image of any size, block by block, as if it had been labelled whole.

The work is a list of passes. Each consists of calls that do not depend on one another,
one per block as a rule, and a merge of what they found. The calls of a pass may run in
any order, at the same time, in different processes, and twice: none reads what another
one of the same pass writes, and each writes its block alone. Summaries and states are
dictionaries of numpy arrays, to be stored and sent as they are.

A call takes a few times the memory of its block, and of the largest object it splits; a
merge takes some hundred bytes for each component of each block, and the runs of equal
ids on the faces between blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.stitch_joins import Summary
from napari_unet_studio.core.stitch_labels import Gaps, Number
from napari_unet_studio.core.stitch_masks import Holes, Objects, Weak
from napari_unet_studio.core.stitch_pieces import Divide, Wide
from napari_unet_studio.core.stitch_steps import SCRATCH, Arrays, State, Step, Store

__all__ = [
    "LARGEST",
    "SCRATCH",
    "Arrays",
    "Pass",
    "Store",
    "make_pass",
    "passes",
    "stitch",
]

LARGEST = 1 << 25  # pixels of a box to split: 5792 x 5792, or 322 along each axis

PASSES: tuple[type[Step], ...] = (Weak, Holes, Objects, Wide, Divide, Number, Gaps)


class Pass(Protocol):
    """Calls that do not depend on one another, and a merge of what they found."""

    @property
    def name(self) -> str:
        """One of `passes`."""
        ...

    def __len__(self) -> int:
        """Return the number of calls: that of the blocks, or 1."""
        ...

    def block(self, number: int) -> Summary:
        """Do the work of one call; return what the merge has to know of it."""
        ...

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Make of all calls' summaries, in order, the state for the next pass.

        That of the last pass holds "count", the number of objects, and "unsplit", how
        many were too large to be split.
        """
        ...


def passes(config: ObjectConfig) -> tuple[str, ...]:
    """Return the names of the passes that a configuration needs, in order.

    Examples
    --------
    >>> passes(ObjectConfig())
    ('holes', 'objects', 'number')
    >>> passes(ObjectConfig(fill_holes=0, split=1.0, close_gaps=2, low=0.3))
    ('weak', 'objects', 'wide', 'divide', 'number', 'gaps')
    """
    unneeded = set()
    if not config.weak:
        unneeded |= {"weak"}
    if not config.fill_holes:
        unneeded |= {"holes"}
    if not config.split:
        unneeded |= {"wide", "divide"}
    if not config.close_gaps:
        unneeded |= {"gaps"}
    return tuple(kind.name for kind in PASSES if kind.name not in unneeded)


def make_pass(
    name: str,
    config: ObjectConfig,
    grid: BlockGrid,
    spacing: Sequence[float] | None,
    arrays: Arrays,
    state: Mapping[str, NDArray[Any]],
    largest: int = LARGEST,
) -> Pass:
    """Make a pass, here or in another process.

    Parameters
    ----------
    name
        One of `passes`.
    config
        Threshold, sizes and splitting.
    grid
        Blocks of the image. They should be the chunks of the arrays that are written,
        or made of whole ones, so that no two calls write to one chunk.
    spacing
        Pixel size per axis. Smoothing, and distances for splitting, are in pixels of
        the finest axis.
    arrays
        What is read and written.
    state
        What `merge` of the pass before returned; empty for the first one.
    largest
        An object that lies in several blocks is split as a whole, from its bounding
        box. One with more pixels in that box than these is not split. Splitting takes
        about 70 bytes per pixel.

    Raises
    ------
    InputError
        If the arrays are not of the shape of the blocks.
    """
    kinds = {kind.name: kind for kind in PASSES}
    for array in (arrays.probability, arrays.labels):
        if tuple(array.shape) != tuple(grid.shape):
            raise InputError(
                f"An array of {tuple(array.shape)} does not fit blocks of an image of "
                f"{grid.shape}; give arrays of the image's shape."
            )
    step = None if spacing is None else tuple(float(size) for size in spacing)
    return kinds[name](config, grid, step, arrays, state, largest)


def stitch(
    probability: NDArray[Any],
    config: ObjectConfig,
    block: Sequence[int],
    spacing: Sequence[float] | None = None,
    largest: int = LARGEST,
) -> NDArray[np.int32]:
    """Label the objects of an array in memory, block by block.

    Parameters
    ----------
    probability, config, spacing
        As in `label_objects`, of which this returns the result.
    block
        Pixels of a block along each axis.
    largest
        As in `make_pass`.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1, 0.9, 0.1, 0.9], [0.9, 0.9, 0.9, 0.1, 0.9]])
    >>> stitch(p, ObjectConfig(min_size=0), (1, 2))
    array([[1, 0, 1, 0, 2],
           [1, 1, 1, 0, 2]], dtype=int32)
    """
    shape = probability.shape
    grid = BlockGrid(shape, tuple(block))
    held: dict[str, NDArray[Any]] = {}

    def scratch(name: str, dtype: Any) -> NDArray[Any]:
        if name not in held:
            held[name] = np.empty(shape, dtype)
        return held[name]

    labels = np.empty(shape, np.int32)
    arrays = Arrays(probability, labels, scratch)
    state: State = {}
    for name in passes(config):
        work = make_pass(name, config, grid, spacing, arrays, state, largest)
        state = work.merge([work.block(number) for number in range(len(work))])
    return labels
