"""How large tiles should be: a model of the time with measured numbers."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.budget import flops_of
from napari_unet_studio.tasks.executors import Executor

# A tile should not take longer: progress and cancelling wait for it.
_LONGEST_TILE = 2.5
# Work that is over sooner is not worth a trial, in seconds.
WORTH_A_TRIAL = 60.0
# Side of the window that is tried first; per device it is large enough to be typical.
_TRIAL = {2: 256, 3: 64}
_SAMPLES = 8  # sizes between the smallest and the largest that are compared


def window_seconds(
    executor: Executor,
    window: NDArray[np.float32],
    crop: Region,
    repeats: int = 2,
) -> float:
    """Return the shortest time of some answers for a part of a window (C, *window)."""
    best = float("inf")
    for _ in range(1 + repeats):  # the first one warms up
        begin = time.perf_counter()
        executor.submit(window[np.newaxis], [crop])()
        best = min(best, time.perf_counter() - begin)
    return best


def tuned_side(
    spec: NetworkSpec,
    shape: Shape,
    frames: float,
    sides: tuple[int, int],
    seconds: Callable[[Shape], float],
    points: dict[int, float],
) -> Generator[int, None, int]:
    """Return the side of a tile with which an image takes least time.

    Parameters
    ----------
    spec
        The network.
    shape
        Spatial shape of a frame, or of the block that is covered at once.
    frames
        How many of them there are.
    sides
        The one that is taken without a trial, and the largest that memory allows.
    seconds
        Times a window of the network's grid, wanted whole.
    points
        Seconds per pixel by the number of pixels of a window, as far as known; what is
        measured is added.

    Yields
    ------
    int
        The side of a window, before it is timed.

    Returns
    -------
    int
        The side; the first of `sides` where a trial would take longer than what it
        could save.
    """
    default, largest = sides

    def measured(side: int) -> Iterator[int]:
        window = spec.input_shape((side,) * spec.ndim)
        if prod(window) not in points:
            yield side
            points[prod(window)] = seconds(window) / prod(window)

    def total(side: int) -> float:
        plan = plan_tiles(shape, spec, side**spec.ndim)
        sizes = sorted(points)
        pace = np.interp(prod(plan.window), sizes, [points[s] for s in sizes])
        # Of a window with margins not all is computed, unlike of one that is timed.
        windows = flops_of(spec, plan) / spec.costs(plan.window).flops
        return float(frames * windows * prod(plan.window) * pace)

    if not points:
        halo = 2 * max(*spec.halo, 1)
        yield from measured(max(_TRIAL[spec.ndim], min(default, halo)))
    if total(default) < WORTH_A_TRIAL:
        return default
    pace = min(points.values())
    most = min(largest**spec.ndim, _LONGEST_TILE / pace)
    for side in (default, int(most ** (1 / spec.ndim))):
        yield from measured(max(default, side))
    # It may have turned out slower than it looked: memory that has to be cleared. Or
    # there was more memory when a size was measured.
    room = max(1.1 * most, min(points))
    sizes = [s for s in points if s <= room and s * points[s] <= 1.5 * _LONGEST_TILE]
    low = min(points) ** (1 / spec.ndim)
    high = max(sizes, default=0) ** (1 / spec.ndim)
    high = max(low, high, default)
    candidates: list[int] = np.geomspace(low, high, _SAMPLES).astype(int).tolist()
    return min([default, *candidates], key=total)


def default_batch(window: Sequence[int], cap: int, device: str) -> int:
    """Return how many tiles to compute at once: on a GPU, as many as one large tile."""
    if device == "cpu":
        return 1
    return max(1, min(16, cap // prod(window)))
