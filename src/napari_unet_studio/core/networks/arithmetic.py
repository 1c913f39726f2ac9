"""What follows from a graph by integer arithmetic: sizes and receptive fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

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
    largest
        The largest admissible input; None if there is none.
    """

    divisor: int
    smallest: int
    trim: int
    halo: int
    receptive_field: int
    largest: int | None = None


def geometry(graph: Graph) -> tuple[AxisGeometry, ...]:
    """Return the geometry of each axis."""
    return tuple(_axis_geometry(graph, axis) for axis in range(graph.ndim))


def _axis_geometry(graph: Graph, axis: int) -> AxisGeometry:
    divisor = lcm(*(int(pace) for pace in paces(graph, axis) if pace > 1))
    smallest = 1
    while (sizes := node_sizes(graph, axis, smallest)) is None:
        smallest += 1
        if smallest > _LARGEST_TRY:
            raise ValueError("no input size fits this graph")
    trim = (smallest - sizes[graph.heads[-1]]) // 2
    crops = _crops(graph, sizes)
    low, high = needed(graph, axis, crops, 0, divisor)[0]
    reach = max(trim - low, high - divisor - trim)
    extents = []
    for x in range(divisor):
        first, last = needed(graph, axis, crops, x, x + 1)[0]
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


def node_sizes(graph: Graph, axis: int, size: int) -> list[int] | None:
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


def needed(
    graph: Graph, axis: int, crops: Mapping[Ref, int], low: int, high: int
) -> dict[Ref, tuple[int, int]]:
    """Return the intervals that pixels ``[low, high)`` of the answer depend on.

    Parameters
    ----------
    graph, axis
        The network, and along which axis.
    crops
        How many pixels each crop takes off a side.
    low, high
        The pixels of the answer.

    Returns
    -------
    dict
        For each node that the answer needs, which pixels of it; they may lie beyond its
        ends. Means and maxima over the whole image are left out.
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
    return wanted
