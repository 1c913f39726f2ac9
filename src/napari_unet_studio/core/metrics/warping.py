"""The warping error: what is wrong with the topology of a plane of cells."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._compiled import compiled
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair
from napari_unet_studio.core.metrics.partitions import cells_of

# Around a pixel, in this order: (dy, dx); edges are at the odd places.
_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


@dataclass(frozen=True)
class Warping:
    """Pixels that no deformation of the reference explains; sums over images.

    Parameters
    ----------
    pixels
        Pixels compared.
    wrong
        Those that differ from the prediction after warping.
    splits, mergers
        Those of them whose change would split a cell, or join two.

    Notes
    -----
    The reference is warped towards the prediction [1]_: pixels that differ are flipped
    as long as one of them is "simple", which means that no cell appears, vanishes,
    splits, merges or changes its holes. Cells hang together along edges (4-connected),
    membranes also across corners, and beyond the image is membrane. Pixels are flipped
    from the outside in, and only if they differ, as the authors do: an upper bound of
    the minimum that the definition asks for. So a membrane that was moved further than
    it is wide counts as a missing and a false one. A false membrane counts one pixel or
    so, a missing one its length.

    `error` is that of the paper. The ISBI 2012 challenge counted splits and mergers
    only, which is `topology`. It took the best of several thresholds; here is one
    prediction.

    References
    ----------
    .. [1] Jain et al. Boundary Learning by Optimization with Topological Constraints.
       CVPR 2010.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.ones((5, 7), int)
    >>> truth[:, 3] = 0
    >>> Warping.of(np.roll(truth, 1, axis=1), truth)  # moved: no error
    Warping(pixels=35, wrong=0, splits=0, mergers=0)
    >>> Warping.of(np.ones((5, 7), int), truth)  # the membrane is missing
    Warping(pixels=35, wrong=5, splits=0, mergers=5)
    """

    pixels: int
    wrong: int
    splits: int
    mergers: int

    @classmethod
    def of(cls, predicted: ArrayLike, reference: ArrayLike) -> "Warping":
        """Compare two planes; above 0 are cells, 0 is membrane.

        Raises
        ------
        InputError
            If the shapes differ, or these are no planes.
        """
        found, truth = as_pair(predicted, reference)
        if truth.ndim != 2:
            raise InputError(
                f"The warping error compares planes, but the labels have the shape "
                f"{truth.shape}; give one plane after another."
            )
        target = np.pad(found > 0, 1).view(np.uint8)
        image = np.pad(truth > 0, 1).view(np.uint8)
        _warp(image, target, _simple())
        splits, mergers = _judge(image, target, cells_of(image))
        wrong = int(np.count_nonzero(image != target))
        return cls(truth.size, wrong, splits, mergers)

    def __add__(self, other: "Warping") -> "Warping":
        return Warping(
            self.pixels + other.pixels,
            self.wrong + other.wrong,
            self.splits + other.splits,
            self.mergers + other.mergers,
        )

    @property
    def error(self) -> float:
        """Share of pixels that stay wrong; NaN without pixels."""
        return self.wrong / self.pixels if self.pixels else float("nan")

    @property
    def topology(self) -> float:
        """Share of pixels that split or join cells; NaN without pixels."""
        if not self.pixels:
            return float("nan")
        return (self.splits + self.mergers) / self.pixels


def warped(reference: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Return the cells of a reference plane, warped towards a prediction.

    Examples
    --------
    >>> warped([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 0]])
    array([[False, False, False],
           [ True,  True, False],
           [False, False, False]])
    """
    found, truth = as_pair(predicted, reference)
    image = np.pad(truth > 0, 1).view(np.uint8)
    _warp(image, np.pad(found > 0, 1).view(np.uint8), _simple())
    return image[1:-1, 1:-1] > 0


@cache
def _simple() -> NDArray[np.bool_]:
    """Return for each pattern of neighbours whether the pixel within is simple."""
    return np.array([_is_simple(pattern) for pattern in range(256)])


def _is_simple(pattern: int) -> bool:
    """Return whether there is one cell along the edges and one membrane around."""
    ring = [bool(pattern >> place & 1) for place in range(8)]
    cells = _arcs(ring, [i % 2 == 1 for i in range(8)])
    # A corner that is a cell does not part the two membranes beside it: they touch
    # across the pixel's own corner. So corners count only with their neighbours.
    open_ring = [not cell for cell in ring]
    for corner in range(0, 8, 2):
        if open_ring[corner - 1] and open_ring[(corner + 1) % 8]:
            open_ring[corner] = True
    return cells == 1 and _arcs(open_ring, [True] * 8) == 1


def _arcs(ring: list[bool], touching: list[bool]) -> int:
    """Count the runs of a closed ring that hold a place that touches the centre."""
    if all(ring):
        return 1
    start = ring.index(False)
    turned = [ring[(start + i) % 8] for i in range(8)]
    found, within, counted = 0, False, False
    for i, there in enumerate(turned):
        if not there:
            within = counted = False
            continue
        counted = within and counted
        within = True
        if touching[(start + i) % 8] and not counted:
            found, counted = found + 1, True
    return found


@compiled
def _pattern(image: NDArray[np.uint8], y: int, x: int) -> int:
    """Return the neighbours of a pixel as eight bits, in the order of `_AROUND`."""
    return int(
        image[y - 1, x - 1]
        | image[y - 1, x] << 1
        | image[y - 1, x + 1] << 2
        | image[y, x + 1] << 3
        | image[y + 1, x + 1] << 4
        | image[y + 1, x] << 5
        | image[y + 1, x - 1] << 6
        | image[y, x - 1] << 7
    )


@compiled
def _warp(
    image: NDArray[np.uint8], target: NDArray[np.uint8], simple: NDArray[np.bool_]
) -> None:
    """Flip simple pixels of an image with a margin of one until it is like another."""
    height, width = image.shape
    size = height * width
    front, chosen = np.empty(size, np.int64), np.empty(size, np.int64)
    waiting = np.zeros(size, np.bool_)
    count = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if image[y, x] != target[y, x]:
                front[count] = y * width + x
                count += 1
    while count:
        ready = 0
        for i in range(count):
            y, x = front[i] // width, front[i] % width
            waiting[front[i]] = False
            if simple[_pattern(image, y, x)]:
                chosen[ready] = front[i]
                ready += 1
        count = 0
        for i in range(ready):
            y, x = chosen[i] // width, chosen[i] % width
            # A neighbour may have flipped since; then it waits for the next turn.
            if not simple[_pattern(image, y, x)]:
                continue
            image[y, x] = target[y, x]
            for j in range(max(1, y - 1), min(height - 1, y + 2)):
                for k in range(max(1, x - 1), min(width - 1, x + 2)):
                    place = j * width + k
                    if image[j, k] != target[j, k] and not waiting[place]:
                        waiting[place] = True
                        front[count] = place
                        count += 1


@compiled
def _judge(
    image: NDArray[np.uint8], target: NDArray[np.uint8], cells: NDArray[np.int32]
) -> tuple[int, int]:
    """Count the wrong pixels that would split a cell, and those that would join two."""
    height, width = image.shape
    cuts = _cuts(image.reshape(-1), width)
    steps = ((-1, 0), (0, 1), (1, 0), (0, -1))
    splits = mergers = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if image[y, x] == target[y, x]:
                continue
            if image[y, x]:
                splits += cuts[y * width + x]
                continue
            first, others = -1, 0
            for dy, dx in steps:
                cell = cells[y + dy, x + dx]
                if cell and first < 0:
                    first = cell
                elif cell and cell != first:
                    others += 1
            mergers += others > 0
    return splits, mergers


@compiled
def _cuts(image: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Return the pixels without which their cell would fall apart, in linear time.

    The cut vertices of Tarjan [1]_, by a walk into the depth: an inner pixel is one if
    from a branch behind it no way leads to before it, the first one if it has branches.

    References
    ----------
    .. [1] Tarjan. Depth-first search and linear graph algorithms. SIAM Journal on
       Computing 1, 1972.
    """
    cuts = np.zeros(image.size, np.bool_)
    number = np.zeros(image.size, np.int32)  # in the order of the walk, from 1
    lowest = np.zeros(image.size, np.int32)  # that a branch leads back to
    tried = np.zeros(image.size, np.uint8)  # neighbours
    path = np.empty(image.size, np.int64)
    steps = (-width, 1, width, -1)
    count = 0
    for start in range(image.size):
        if not image[start] or number[start]:
            continue
        depth, branches = -1, 0
        place = start
        while True:
            if not number[place]:
                count += 1
                number[place] = lowest[place] = count
                depth += 1
                path[depth] = place
            if tried[place] < 4:
                near = place + steps[tried[place]]
                tried[place] += 1
                if image[near] and number[near]:
                    lowest[place] = min(lowest[place], number[near])
                elif image[near]:
                    place = near
                continue
            depth -= 1
            if depth < 0:
                break
            before = path[depth]
            if depth == 0:
                branches += 1
            elif lowest[place] >= number[before]:
                cuts[before] = True
            lowest[before] = min(lowest[before], lowest[place])
            place = before
        cuts[start] = branches > 1
    return cuts
