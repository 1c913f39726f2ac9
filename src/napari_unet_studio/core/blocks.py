"""An image cut into blocks: what is computed, kept and done again by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import Shape

Region = tuple[slice, ...]


@dataclass(frozen=True)
class BlockGrid:
    """Blocks that cover an array, each pixel once, numbered in C order.

    Parameters
    ----------
    shape
        Of the array.
    block
        Of all blocks but those at the far ends, which may be smaller.

    Examples
    --------
    >>> grid = BlockGrid((5, 4), (3, 4))
    >>> len(grid), grid.region(1)
    (2, (slice(3, 5, None), slice(0, 4, None)))
    """

    shape: Shape
    block: Shape

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.block) or min(*self.shape, *self.block) < 1:
            raise InputError(
                f"Blocks of {self.block} pixels do not fit an image of {self.shape}; "
                "give a length of at least 1 for each axis."
            )

    @property
    def counts(self) -> Shape:
        """Number of blocks along each axis."""
        return tuple(-(-s // b) for s, b in zip(self.shape, self.block, strict=True))

    def __len__(self) -> int:
        return prod(self.counts)

    def __iter__(self) -> Iterator[Region]:
        return (self.region(number) for number in range(len(self)))

    def position(self, number: int) -> Shape:
        """Return the indices of a block along each axis."""
        found = []
        for count in reversed(self.counts):
            number, index = divmod(number, count)
            found.append(index)
        return tuple(reversed(found))

    def number(self, position: Sequence[int]) -> int:
        """Return the number of the block at indices along each axis."""
        number = 0
        for index, count in zip(position, self.counts, strict=True):
            number = number * count + index
        return number

    def region(self, number: int) -> Region:
        """Return the pixels of a block."""
        return tuple(
            slice(index * b, min((index + 1) * b, s))
            for index, b, s in zip(
                self.position(number), self.block, self.shape, strict=True
            )
        )


def widened(
    region: Region, reach: Sequence[int], shape: Sequence[int]
) -> tuple[Region, Region]:
    """Return a region with what lies around it in the image, and its place in there.

    Examples
    --------
    >>> widened((slice(1, 3), slice(4, 6)), (2, 2), (9, 7))
    ((slice(0, 5, None), slice(2, 7, None)), (slice(1, 3, None), slice(2, 4, None)))
    """
    around = tuple(
        slice(max(part.start - far, 0), min(part.stop + far, length))
        for part, far, length in zip(region, reach, shape, strict=True)
    )
    inner = tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(region, around, strict=True)
    )
    return around, inner
