"""What follows from a graph by integer arithmetic: sizes, receptive fields, costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.graph import Graph, Ref

# Inputs on the grid are found by trying; no network's smallest one is larger.
_LARGEST_TRY = 1 << 16


@dataclass(frozen=True)
class AxisGeometry:
    """How a network relates input and output along one axis.

    Parameters
    ----------
    divisor
        Step of the grid of admissible inputs.
    smallest
        The smallest admissible input.
    trim
        Pixels that the output loses on each side.
    halo
        Context that a tile needs on each side.
    receptive_field
        Extent of the input that can influence one output pixel, at its largest.
    """

    divisor: int
    smallest: int
    trim: int
    halo: int
    receptive_field: int


def geometry(graph: Graph) -> tuple[AxisGeometry, ...]:
    """Return the geometry of each axis."""
    return tuple(_axis_geometry(graph, axis) for axis in range(graph.ndim))


def _axis_geometry(graph: Graph, axis: int) -> AxisGeometry:
    divisor = lcm(*(int(pace) for pace in paces(graph, axis) if pace > 1))
    smallest = 1
    while (sizes := _sizes(graph, axis, smallest)) is None:
        smallest += 1
        if smallest > _LARGEST_TRY:
            raise ValueError("no input size fits this graph")
    trim = (smallest - sizes[graph.heads[-1]]) // 2
    crops = _crops(graph, sizes)
    low, high = _needed(graph, axis, crops, 0, divisor)
    reach = max(trim - low, high - divisor - trim)
    extents = []
    for x in range(divisor):
        first, last = _needed(graph, axis, crops, x, x + 1)
        extents.append(last - first)
    halo = trim if trim else -(-reach // divisor) * divisor
    return AxisGeometry(divisor, smallest, trim, halo, max(extents))


def paces(graph: Graph, axis: int) -> list[Fraction]:
    """Return for each node how many input pixels one of its pixels stands for."""
    found: list[Fraction] = []
    for node in graph.nodes:
        before = found[node.inputs[0]] if node.inputs else Fraction(1)
        found.append(before * node.op.shrink(axis))
    return found


def _sizes(graph: Graph, axis: int, size: int) -> list[int] | None:
    """Return the size of each node's output, or None if the input is off the grid."""
    found: list[int] = []
    for node in graph.nodes:
        op, before = node.op, [found[ref] for ref in node.inputs] or [size]
        joins = isinstance(op, ops.Concat | ops.Add)
        if isinstance(op, ops.Crop):
            excess = before[0] - before[1]
            if excess < 0 or excess % 2:
                return None
            after = before[1]
        elif (joins and len(set(before)) > 1) or not op.fits(axis, before[0]):
            return None
        else:
            after = op.size(axis, before[0])
        if after < 1:
            return None
        found.append(after)
    return found


def _crops(graph: Graph, sizes: Sequence[int]) -> dict[Ref, int]:
    """Return how many pixels each crop takes off a side; the same for all inputs."""
    return {
        ref: (sizes[node.inputs[0]] - sizes[node.inputs[1]]) // 2
        for ref, node in enumerate(graph.nodes)
        if isinstance(node.op, ops.Crop)
    }


def _needed(
    graph: Graph, axis: int, crops: dict[Ref, int], low: int, high: int
) -> tuple[int, int]:
    """Return the input interval that pixels ``[low, high)`` of the answer depend on.

    Means and maxima over the whole image are left out.
    """
    wanted: dict[Ref, tuple[int, int]] = {}

    def want(ref: Ref, low: int, high: int) -> None:
        before = wanted.get(ref, (low, high))
        wanted[ref] = min(low, before[0]), max(high, before[1])

    for head in graph.heads if graph.average else graph.heads[-1:]:
        want(head, low, high)
    for ref in reversed(range(1, len(graph.nodes))):
        if ref not in wanted:
            continue
        node = graph.nodes[ref]
        low, high = node.op.needed(axis, *wanted[ref])
        if isinstance(node.op, ops.Concat | ops.Add):
            for source in node.inputs:
                want(source, low, high)
        else:  # the second input of a gate or a crop has no pixels to give
            shift = crops.get(ref, 0)
            want(node.inputs[0], low + shift, high + shift)
    return wanted[0]


@dataclass(frozen=True)
class Costs:
    """What one pass over an input costs; an estimate where it says so.

    Parameters
    ----------
    parameters
        Trained values.
    flops
        Operations of all convolutions, two per multiplication, for the answer.
    inference_bytes
        Estimate of the memory held at most: weights and live activations.
    training_bytes
        Estimate for an update with Adam: weights, gradients and two moments in
        float32, all activations that the gradient needs, and the two largest
        gradients of activations.
    """

    parameters: int
    flops: int
    inference_bytes: int
    training_bytes: int


@lru_cache(maxsize=256)
def costs(
    graph: Graph, shape: tuple[int, ...], batch: int = 1, value_bytes: int = 4
) -> Costs:
    """Return what an input (batch, in_channels, *shape) on the grid costs.

    Parameters
    ----------
    graph
        The network.
    shape
        Admissible spatial shape.
    batch
        Images at once.
    value_bytes
        Bytes per activation: 4 in single, 2 in half precision.
    """
    per_axis = [_sizes(graph, axis, size) for axis, size in enumerate(shape)]
    pixels = []
    for ref in range(len(graph.nodes)):
        sides = [sizes[ref] for sizes in per_axis if sizes is not None]
        pixels.append(batch * prod(sides))
    flops = 0
    for ref in graph.answering:
        node = graph.nodes[ref]
        if node.inputs:
            before = pixels[node.inputs[0]]
            flops += 2 * node.op.products(graph.given(node), before, pixels[ref])
    volume = [
        pixels[ref] * node.channels * value_bytes
        for ref, node in enumerate(graph.nodes)
    ]
    weights = 4 * graph.parameters
    peak = _live_peak(graph, volume)
    saved = _saved(graph, volume, pixels)
    transient = 2 * max(volume)
    return Costs(
        graph.parameters, flops, weights + peak, 4 * weights + saved + transient
    )


def in_place(graph: Graph) -> frozenset[Ref]:
    """Return the ReLUs that may overwrite their input.

    Nobody else reads it, and no gradient needs it. Those of the other nonlinearities do
    need it, and torch would copy it first.
    """
    readers = [0] * len(graph.nodes)
    for node in graph.nodes:
        for ref in node.inputs:
            readers[ref] += 1
    safe = (ops.Conv, ops.UpConv, ops.Norm, ops.Add)
    return frozenset(
        ref
        for ref, node in enumerate(graph.nodes)
        if isinstance(node.op, ops.Act)
        and node.op.kind == "relu"
        and readers[node.inputs[0]] == 1
        and isinstance(graph.nodes[node.inputs[0]].op, safe)
    )


def last_readers(graph: Graph, refs: Sequence[Ref]) -> dict[Ref, tuple[Ref, ...]]:
    """Return, for each node of `refs`, which outputs nobody needs after it."""
    last = {source: ref for ref in refs for source in graph.nodes[ref].inputs}
    kept = {*graph.heads, graph.presence}
    gone: dict[Ref, tuple[Ref, ...]] = dict.fromkeys(refs, ())
    for source, ref in last.items():
        if source not in kept:
            gone[ref] += (source,)
    return gone


def _live_peak(graph: Graph, volume: Sequence[int]) -> int:
    """Return the most bytes alive at once while the answer is computed."""
    overwriting = in_place(graph)
    gone = last_readers(graph, graph.answering)
    live = peak = 0
    for ref in graph.answering:
        live += volume[ref]
        peak = max(peak, live - (volume[ref] if ref in overwriting else 0))
        live -= sum(volume[source] for source in gone[ref])
    return peak


def _saved(graph: Graph, volume: Sequence[int], pixels: Sequence[int]) -> int:
    """Return the bytes that a backward pass keeps."""
    overwriting = in_place(graph)
    kept: set[Ref] = set()
    extra = 0
    place = list(range(len(graph.nodes)))  # where a node's output is stored
    for ref, node in enumerate(graph.nodes):
        op = node.op
        if ref in overwriting:
            place[ref] = place[node.inputs[0]]
        if isinstance(op, ops.Conv | ops.UpConv | ops.Norm | ops.MaxPool | ops.Gate):
            kept.update(place[source] for source in node.inputs)
        if isinstance(op, ops.MaxPool):
            extra += 8 * pixels[ref] * node.channels  # positions of the maxima
        if isinstance(op, ops.Dropout):
            extra += pixels[ref] * node.channels
        if isinstance(op, ops.Act):
            kept.add(place[node.inputs[0] if op.kind in ("relu6", "silu") else ref])
    return sum(volume[ref] for ref in kept) + extra
