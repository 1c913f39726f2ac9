"""How much memory tiles take, and how large they may be for that."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import inf, prod
from typing import NamedTuple

import torch

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import TilePlan, plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.memory import available_memory, within_limit

# The operations of a tile that takes a laptop about two seconds, and the memory that
# it may take.
_TILE_FLOPS, _TILE_BYTES = 6e11, 2 * 2**30
# What convolutions and the allocator take per byte of live activations: measured as
# resident memory of the networks of the catalog, 1.5 to 2.8 in a plane.
_PER_BYTE = {2: 2.75, 3: 1.9}
# Shares of the memory that is free which tiles may take.
_OF_FREE = {"cpu": 0.25, "gpu": 0.5}
_SIDES = {
    ("cpu", 2): (128, 1280),
    ("cpu", 3): (64, 256),
    ("gpu", 2): (256, 2048),
    ("gpu", 3): (64, 320),
}
# Sides of a tile in margins, below which a tile is hardly worth its margins.
_MARGINS = {2: 5, 3: 4}
_STEPS = 24  # sizes between the default and the largest that are looked at
# Where margins cost half of the work again, tiles may take so many times as much.
_DEAR, _MORE = 1.5, (1, 1.75, 2.5)


def _bytes_per_voxel(spec: NetworkSpec, value_bytes: int = 4) -> float:
    """Return the memory of inference per pixel of a window, without the weights.

    Activations by the network's own account, with what computing them takes besides.
    """
    side = {2: 512, 3: 96}[spec.ndim]
    shape = spec.input_shape((side,) * spec.ndim)
    found = spec.costs(shape, value_bytes=value_bytes)
    activations = (found.inference_bytes - 4 * found.parameters) / prod(shape)
    return _PER_BYTE[spec.ndim] * activations


def default_side(spec: NetworkSpec, device: str, value_bytes: int = 4) -> int:
    """Return the side of a tile that suits a device, without measuring time.

    The same on every computer with as much memory to spare, so that the answers of
    networks that are not local can be repeated.
    """
    kind = "cpu" if device == "cpu" else "gpu"
    least, most = _SIDES[kind, spec.ndim]
    voxels = budget(spec, device) / _bytes_per_voxel(spec, value_bytes)
    # Smaller tiles would compute little but their margins.
    worth = _MARGINS[spec.ndim] * max(spec.halo)
    if kind == "cpu":
        flops = max(_TILE_FLOPS / spec.flops_per_pixel(least), worth**spec.ndim)
        voxels = min(voxels, flops)
    return int(min(max(voxels ** (1 / spec.ndim), least), max(most, worth)))


def wider_side(
    spec: NetworkSpec,
    device: str,
    shape: Shape,
    side: int,
    cut: bool,
    value_bytes: int = 4,
    flops: float = _TILE_FLOPS,
) -> int:
    """Return the largest side, from that of :func:`default_side` on, that is allowed.

    Parameters
    ----------
    spec, device, value_bytes
        The network, where it runs, and bytes per activation.
    shape
        Spatial shape of what is cut into tiles.
    side
        That of :func:`default_side`, which is returned where no larger one is found.
    cut
        Whether of a tile no more is computed than its core needs (:mod:`.parts`). Then
        it may be larger than one that is computed whole.
    flops
        Most operations of a tile, on processors; more where margins are dear.
    """
    kind = "cpu" if device == "cpu" else "gpu"
    most = max(side, _SIDES[kind, spec.ndim][1])
    sizes = [side + (most - side) * step // _STEPS for step in range(_STEPS + 1)]
    whole = spec.flops_per_pixel(most) * prod(shape)
    found = side
    for more in _MORE if kind == "cpu" else (inf,):
        limit = budget(spec, device, more)

        def fits(size: int, limit: float = limit, flops: float = more * flops) -> bool:
            plan = plan_tiles(shape, spec, size**spec.ndim)
            took = largest_tile(spec, plan, cut, value_bytes)
            return took.held <= limit and took.flops <= flops

        low, high = 0, _STEPS  # what a tile takes grows with its side, nearly always
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(sizes[middle]) else (low, middle - 1)
        found = sizes[low]
        plan = plan_tiles(shape, spec, found**spec.ndim)
        if flops_of(spec, plan, cut) <= _DEAR * whole:
            break
    return found


class Largest(NamedTuple):
    """The tile of a plan that takes most, and what it takes.

    Parameters
    ----------
    crop
        What is computed of its window.
    held
        Bytes of memory, without the weights.
    flops
        Operations.
    """

    crop: Region
    held: float
    flops: float


def largest_tile(
    spec: NetworkSpec, plan: TilePlan, cut: bool, value_bytes: int = 4
) -> Largest:
    """Return the tile of a plan that takes most; see :func:`wider_side`."""
    found = []
    for crop, _ in kinds_of_tiles(spec, plan, cut):
        costs = spec.costs(plan.window, value_bytes=value_bytes, part=crop)
        live = costs.inference_bytes - 4 * spec.parameters
        found.append(Largest(crop, _PER_BYTE[spec.ndim] * live, costs.flops))
    held = max(tile.held for tile in found)
    return max(found, key=lambda tile: tile.flops)._replace(held=held)


def flops_of(spec: NetworkSpec, plan: TilePlan, cut: bool) -> float:
    """Return the operations of all tiles of a plan; see :func:`wider_side`."""
    return sum(
        count * spec.costs(plan.window, part=crop).flops
        for crop, count in kinds_of_tiles(spec, plan, cut)
    )


def kinds_of_tiles(
    spec: NetworkSpec, plan: TilePlan, cut: bool
) -> Iterator[tuple[Region, int]]:
    """Yield what is computed of windows, and how many tiles are alike in it."""
    if not cut:
        yield (
            tuple(slice(0, size) for size in spec.output_shape(plan.window)),
            len(plan),
        )
        return
    axes = [
        Counter((span.crop.start, span.crop.stop) for span in spans)
        for spans in plan.spans
    ]
    for kind in product(*(axis.items() for axis in axes)):
        crop = tuple(slice(*ends) for ends, _ in kind)
        yield crop, prod(count for _, count in kind)


def budget(spec: NetworkSpec, device: str, more: float = 1) -> float:
    """Return the bytes that a tile may take on a device, besides the weights.

    On processors that is little, for the sake of what else runs, or `more` times that.
    """
    if device.startswith("cuda"):
        free = float(within_limit(torch.cuda.mem_get_info(device)[0]))
    else:
        free = float(available_memory())
    share = _OF_FREE["cpu" if device == "cpu" else "gpu"]
    most = max(0.0, share * free - 4 * spec.parameters)
    return min(most, more * _TILE_BYTES) if device == "cpu" else most
