"""How large tiles should be: a model of the time with measured numbers."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import TilePlan, plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.budget import flops_of, largest_tile
from napari_unet_studio.tasks.executors import Executor
from napari_unet_studio.tasks.progress import PredictProgress

# A tile should not take longer: progress and cancelling wait for it.
_LONGEST_TILE = 3.5
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
    cut: bool,
    seconds: Callable[[Shape, Region], float],
    paces: dict[int, float],
) -> Generator[PredictProgress, None, int]:
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
    cut
        See :func:`.wider_side`.
    seconds
        Times a part of a window.
    paces
        Seconds per operation by the number of pixels of a window, as far as known; what
        is measured is added.

    Yields
    ------
    PredictProgress
        Before each trial.

    Returns
    -------
    int
        The side; the first of `sides` where a trial would take longer than what it
        could save.
    """
    default, largest = sides

    def plan(side: int) -> TilePlan:
        return plan_tiles(shape, spec, side**spec.ndim)

    def measured(side: int) -> Iterator[PredictProgress]:
        window = plan(side).window
        if prod(window) not in paces:
            yield PredictProgress(0, 1, f"Trying tiles of {side} pixels")
            tile = largest_tile(spec, plan(side), cut)
            paces[prod(window)] = seconds(window, tile.crop) / tile.flops

    def pace(side: int) -> float:
        sizes = sorted(paces)
        known = [paces[size] for size in sizes]
        return float(np.interp(prod(plan(side).window), sizes, known))

    def total(side: int) -> float:
        return frames * flops_of(spec, plan(side), cut) * pace(side)

    def short(side: int) -> bool:
        return largest_tile(spec, plan(side), cut).flops * pace(side) <= _LONGEST_TILE

    if not paces:
        halo = 2 * max(*spec.halo, 1)
        yield from measured(max(_TRIAL[spec.ndim], min(default, halo)))
    if total(default) < WORTH_A_TRIAL:
        return default
    low = max(_TRIAL[spec.ndim], 2 * max(spec.halo))
    candidates: list[int] = (
        np.geomspace(min(low, default), largest, _SAMPLES).astype(int).tolist()
    )
    quick = [side for side in candidates if short(side)]
    yield from measured(default)
    if quick:
        yield from measured(max(quick))
    # The largest may have turned out slower than it looked: memory to be cleared.
    return min([default, *filter(short, candidates)], key=total)


def default_batch(window: Sequence[int], cap: int, device: str) -> int:
    """Return how many tiles to compute at once: on a GPU, as many as one large tile."""
    if device == "cpu":
        return 1
    return max(1, min(16, cap // prod(window)))
