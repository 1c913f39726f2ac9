"""How large tiles should be: memory, then a model of the time with measured numbers."""

import time
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.executors import Executor
from napari_unet_studio.tasks.memory import available_memory

# The operations of a tile that takes a laptop about two seconds, and the memory that
# it may take; in 3D, where margins are dear, more.
_TILE_FLOPS, _TILE_BYTES = 6e11, {2: 2 * 2**30, 3: 5 * 2**30}
# What convolutions and the allocator take per byte of activations, and per pixel
# besides: measured as resident memory with U-Nets of 16 and 32 channels.
_PER_BYTE, _PER_PIXEL = 2, 500
# Shares of the memory that is free which tiles may take.
_OF_FREE = {"cpu": 0.25, "gpu": 0.5}
_SIDES = {("cpu", 2): (128, 1280), ("cpu", 3): (64, 256), ("gpu", 2): (256, 2048)}
_SIDES["gpu", 3] = (64, 320)
# Sides of a tile in margins, below which a tile is hardly worth its margins.
_MARGINS = {2: 5, 3: 4}
# A tile should not take longer: progress and cancelling wait for it.
_LONGEST_TILE = 2.5
# Work that is over sooner is not worth a trial, in seconds.
WORTH_A_TRIAL = 60.0
# Side of the window that is tried first; per device it is large enough to be typical.
_TRIAL = {2: 256, 3: 64}
_SAMPLES = 8  # sizes between the smallest and the largest that are compared


def bytes_per_voxel(spec: NetworkSpec, value_bytes: int = 4) -> float:
    """Return the memory of inference per pixel of a window, without the weights.

    Activations by the network's own account, with what computing them takes besides.
    """
    side = {2: 512, 3: 96}[spec.ndim]
    shape = spec.input_shape((side,) * spec.ndim)
    found = spec.costs(shape, value_bytes=value_bytes)
    activations = (found.inference_bytes - 4 * found.parameters) / prod(shape)
    return _PER_BYTE * activations + _PER_PIXEL


def default_side(spec: NetworkSpec, device: str, value_bytes: int = 4) -> int:
    """Return the side of a tile that suits a device, without measuring time.

    The same on every computer with as much memory to spare, so that the answers of
    networks that are not local can be repeated.
    """
    kind = "cpu" if device == "cpu" else "gpu"
    least, most = _SIDES[kind, spec.ndim]
    voxels = affordable(spec, device, value_bytes)
    # Smaller tiles would compute little but their margins.
    worth = _MARGINS[spec.ndim] * max(spec.halo)
    if kind == "cpu":
        flops = max(_TILE_FLOPS / spec.flops_per_pixel(least), worth**spec.ndim)
        voxels = min(voxels, flops)
        voxels = min(voxels, _most_voxels(spec, value_bytes))
    return int(min(max(voxels ** (1 / spec.ndim), least), max(most, worth)))


def _most_voxels(spec: NetworkSpec, value_bytes: int = 4) -> float:
    """Return the pixels of the largest tile that a processor is given."""
    return _TILE_BYTES[spec.ndim] / bytes_per_voxel(spec, value_bytes)


def affordable(spec: NetworkSpec, device: str, value_bytes: int = 4) -> float:
    """Return the pixels of a tile that the free memory of a device holds."""
    if device.startswith("cuda"):
        free = float(torch.cuda.mem_get_info(device)[0])
    else:
        free = float(available_memory())
    share = _OF_FREE["cpu" if device == "cpu" else "gpu"]
    weights = 4 * spec.parameters
    return max(0.0, share * free - weights) / bytes_per_voxel(spec, value_bytes)


def window_seconds(
    executor: Executor, window: NDArray[np.float32], repeats: int = 2
) -> float:
    """Return the shortest time of some forward passes of a window (C, *window)."""
    shape = window.shape[1:]
    crop = tuple(slice(0, 1) for _ in shape)
    best = float("inf")
    for _ in range(1 + repeats):  # the first one warms up
        begin = time.perf_counter()
        executor.submit(window[np.newaxis], [crop])()
        best = min(best, time.perf_counter() - begin)
    return best


def tuned_side(
    spec: NetworkSpec,
    device: str,
    shape: Shape,
    frames: float,
    seconds: Callable[[Shape], float],
    points: dict[int, float],
) -> int:
    """Return the side of a tile with which an image takes least time.

    Parameters
    ----------
    spec, device
        The network and where it runs.
    shape
        Spatial shape of a frame, or of the block that is covered at once.
    frames
        How many of them there are.
    seconds
        Times a window of the network's grid.
    points
        Seconds per pixel by the number of pixels of a window, as far as known; what is
        measured is added.

    Returns
    -------
    int
        The side; that of :func:`default_side` where a trial would take longer than what
        it could save.
    """
    default = default_side(spec, device)

    def measured(side: int) -> float:
        window = spec.input_shape((side,) * spec.ndim)
        if prod(window) not in points:
            points[prod(window)] = seconds(window) / prod(window)
        return points[prod(window)]

    def total(side: int) -> float:
        plan = plan_tiles(shape, spec, side**spec.ndim)
        sizes = sorted(points)
        pace = np.interp(prod(plan.window), sizes, [points[s] for s in sizes])
        return float(frames * len(plan) * prod(plan.window) * pace)

    if not points:
        halo = 2 * max(*spec.halo, 1)
        measured(max(_TRIAL[spec.ndim], min(default, halo)))
    if total(default) < WORTH_A_TRIAL:
        return default
    pace = min(points.values())
    largest = min(
        affordable(spec, device),
        _most_voxels(spec),
        _LONGEST_TILE / pace,
        _SIDES["cpu", spec.ndim][1] ** spec.ndim,
    )
    for side in (default, int(largest ** (1 / spec.ndim))):
        measured(max(default, side))
    # It may have turned out slower than it looked: memory that has to be cleared. Or
    # there was more memory when a size was measured.
    most = max(1.1 * largest, min(points))
    sizes = [s for s in points if s <= most and s * points[s] <= 1.5 * _LONGEST_TILE]
    low = min(points) ** (1 / spec.ndim)
    high = max(sizes, default=0) ** (1 / spec.ndim)
    high = max(low, high, default)
    candidates = np.geomspace(low, high, _SAMPLES).astype(int).tolist()
    sides: list[int] = [default, *candidates]
    return min(sides, key=total)


def default_batch(window: Sequence[int], cap: int, device: str) -> int:
    """Return how many tiles to compute at once: on a GPU, as many as one large tile."""
    if device == "cpu":
        return 1
    return max(1, min(16, cap // prod(window)))
