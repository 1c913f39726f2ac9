"""In which parts arrays are read that may be larger than memory."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import BlockGrid, Region
from napari_unet_studio.io.lazy import grouped

# Pixels of a part, of the largest chunk that is not read in pieces, and those of a
# sample along each of the last axes.
_PART, _CHUNK, _SIDE = 2**22, 2**26, 64


def reading_grid(array: Any, most: int | None = None) -> BlockGrid:
    """Return the parts in which all of an array is read: few, and whole chunks.

    Parameters
    ----------
    array
        Anything with a shape; its chunks are kept together if it has some.
    most
        Pixels of a part of several chunks; None takes about four million.
    """
    shape = tuple(int(size) for size in array.shape)
    chunks = getattr(array, "chunks", None) or (1,) * len(shape)
    base = [c if isinstance(c, int) else max(c) for c in chunks]
    while np.prod(base) > _CHUNK:
        longest = base.index(max(base))
        base[longest] = -(-base[longest] // 2)
    return BlockGrid(shape, grouped(base, shape, 1, most or _PART))


def sampled(shape: Sequence[int], count: int) -> Iterator[Region]:
    """Yield at most `count` small parts, evenly over an array, the same every time.

    They are planes of up to 64 x 64 pixels at multiples of their sides, so that most
    files are read in few chunks.

    Examples
    --------
    >>> [part[1] for part in sampled((1, 200), 2)]
    [slice(0, 64, None), slice(128, 192, None)]
    """
    sides = [1] * len(shape[:-2]) + [min(_SIDE, size) for size in shape[-2:]]
    counts = [size // side for size, side in zip(shape, sides, strict=True)]
    kept = list(counts)
    while np.prod(kept) > count:
        axis = kept.index(max(kept))
        kept[axis] = (kept[axis] + 1) // 2
    places = [
        np.linspace(0, n - 1, k).round().astype(int).tolist()
        for n, k in zip(counts, kept, strict=True)
    ]
    for place in product(*places):
        yield tuple(
            slice(p * side, (p + 1) * side)
            for p, side in zip(place, sides, strict=True)
        )


def read(array: Any, region: Region) -> NDArray[Any]:
    """Return a part of an array, which is all that is read of it."""
    return np.asarray(array[region])
