"""Where the pixels of a node lie on the image, and which input they take.

A pixel of a node stands for a block of the image: that against which the network lays
it, edge to edge. Two poolings make blocks of 4 x 4 pixels; a convolution without
padding moves the first block inwards by half of its kernel. Positions are counted from
the edge of the first input pixel, so pixel p of the input reaches from p to p + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.arithmetic import needed, paces
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.parts import Interval
from napari_unet_studio.core.networks.spec import NetworkSpec


@dataclass(frozen=True)
class NodePlace:
    """The grid of a node along one axis.

    Parameters
    ----------
    pace
        Pixels of the input that one of its pixels stands for.
    edge
        Where its first pixel begins: pixel i reaches from ``edge + i * pace`` to
        ``edge + (i + 1) * pace``.
    """

    pace: Fraction
    edge: Fraction

    def over(self, low: int, high: int) -> Interval:
        """Return the pixels that lie, if in part, on input pixels ``[low, high)``."""
        first = floor((low - self.edge) / self.pace)
        return first, ceil((high - self.edge) / self.pace)


def towards(graph: Graph, refs: Sequence[Ref]) -> Graph:
    """Return the part of a network whose answers are some of its nodes."""
    return Graph(graph.ndim, graph.nodes[: max(refs) + 1], tuple(refs), average=True)


def single_values(graph: Graph) -> frozenset[Ref]:
    """Return the nodes that have one value per channel and no place on the image."""
    found: set[Ref] = set()
    for ref, node in enumerate(graph.nodes):
        source = node.inputs[0] if node.inputs else None
        if isinstance(node.op, ops.GlobalPool) or source in found:
            found.add(ref)
    return frozenset(found)


def node_places(graph: Graph, axis: int) -> list[NodePlace]:
    """Return the grid of each node; that of single values means nothing.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> graph = UNetSpec(channels=(8, 16), padding="valid").graph
    >>> found = node_places(graph, 0)
    >>> int(found[-1].pace), int(found[-1].edge)  # the logits
    (1, 8)
    """
    edges: list[Fraction] = []
    steps = paces(graph, axis)
    for node in graph.nodes:
        if not node.inputs:
            edges.append(Fraction(0))
            continue
        source = node.inputs[0]
        edge = edges[source]
        if isinstance(node.op, ops.Conv):
            lost = node.op.kernel[axis] // 2 - node.op.padding[axis]
            edge += steps[source] * lost
        elif isinstance(node.op, ops.Crop):
            # About the centre to the size of the other, which is centred as well.
            edge = edges[node.inputs[1]]
        edges.append(edge)
    return [NodePlace(*place) for place in zip(steps, edges, strict=True)]


def taken_by(graph: Graph, refs: Sequence[Ref], axis: int, part: Interval) -> Interval:
    """Return the input pixels that pixels ``[low, high)`` of some nodes depend on.

    They may lie beyond the ends of the input. Means and maxima over all of it are left
    out.
    """
    places, steps = node_places(graph, axis), paces(graph, axis)
    crops = {
        ref: int((places[ref].edge - places[node.inputs[0]].edge) / steps[ref])
        for ref, node in enumerate(graph.nodes)
        if isinstance(node.op, ops.Crop)
    }
    return needed(towards(graph, refs), axis, crops, *part)[0]


def field_of(spec: NetworkSpec, pixel: Sequence[int]) -> tuple[Interval, ...]:
    """Return the image pixels that can influence one pixel of the answer, exactly.

    They may lie outside the image, where it is mirrored or where zeros stand for it.
    Not all pixels have a receptive field of the same size: with poolings it depends on
    their place on the grid. :attr:`.NetworkSpec.receptive_field` is the largest.

    Parameters
    ----------
    spec
        The network.
    pixel
        Of the image, which has a pixel of the answer for each of its own.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> field_of(UNetSpec(channels=(8, 16)), (20, 21))
    ((12, 30), (12, 30))
    """
    found = []
    for axis, (place, step) in enumerate(zip(pixel, spec.divisor, strict=True)):
        low, high = _field_in_block(spec, axis, place % step)
        first = place - place % step
        found.append((first + low, first + high))
    return tuple(found)


@lru_cache(maxsize=4096)
def _field_in_block(spec: NetworkSpec, axis: int, place: int) -> Interval:
    """Return the field of a pixel of the first block of the grid."""
    graph = spec.graph
    ends = graph.heads if graph.average else graph.heads[-1:]
    low, high = taken_by(graph, ends, axis, (place, place + 1))
    return low - spec.trim[axis], high - spec.trim[axis]


@dataclass(frozen=True)
class InputWindow:
    """What a network is given to compute a part of some of its nodes.

    Parameters
    ----------
    start, stop
        Of the window, in pixels of the image; it may leave it.
    shift
        Per node, by how many of its pixels the window begins later than the whole.
    """

    start: int
    stop: int
    shift: dict[Ref, int]


def window_for(
    spec: NetworkSpec, refs: Sequence[Ref], axis: int, part: Interval, size: int
) -> InputWindow:
    """Return the smallest window that gives a part of some nodes as the whole image.

    It lies on the network's grid, and ends where the network's input for the whole
    image does: padding with zeros stays where it is.

    Parameters
    ----------
    spec
        The network.
    refs
        Nodes of one pace.
    axis
        Along which axis.
    part
        Their pixels, counted from the first one for the whole image.
    size
        Of the image along this axis.
    """
    sides = spec.axes[axis]
    step, least, trim = sides.divisor, sides.smallest, sides.trim
    whole = least + -(-max(0, size - (least - 2 * trim)) // step) * step
    low, high = taken_by(spec.graph, refs, axis, part)
    low, high = max(0, low), min(whole, high)
    start = min(low // step * step, whole - least)
    length = least + -(-max(0, high - start - least) // step) * step
    steps = paces(spec.graph, axis)
    shift = {ref: int(start / steps[ref]) for ref in refs}
    return InputWindow(start - trim, start + length - trim, shift)


def whole_window(spec: NetworkSpec, axis: int, size: int) -> InputWindow:
    """Return the window that holds the whole image along an axis."""
    sides = spec.axes[axis]
    wanted = max(0, size - (sides.smallest - 2 * sides.trim))
    length = sides.smallest + -(-wanted // sides.divisor) * sides.divisor
    refs = range(len(spec.graph.nodes))
    return InputWindow(-sides.trim, length - sides.trim, dict.fromkeys(refs, 0))


def one_pace(graph: Graph, refs: Sequence[Ref]) -> None:
    """Raise a ConfigError unless some nodes have pixels of one size."""
    alone = single_values(graph)
    for ref in refs:
        if ref in alone:
            raise ConfigError(
                f"The node {graph.nodes[ref].name!r} gives one value for the whole "
                "image, so there is nothing to show of it; choose another node."
            )
    found = {
        tuple(paces(graph, axis)[ref] for axis in range(graph.ndim)) for ref in refs
    }
    if len(found) > 1:
        raise ConfigError(
            "The nodes have pixels of different sizes, so their maps cannot lie side "
            "by side; choose nodes of one level."
        )
