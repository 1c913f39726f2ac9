"""What a part of the answer needs: which pixels of which node, and no others.

A tile is read with the context that the coarse levels look at. On the way up the fine
levels need a few pixels around the wanted part and no more, and these levels are most
of a network's work. Their inputs are cut where they are joined with the skips, where
everything is copied anyway; pixels near a cut see zeros instead of their neighbours and
are wrong, but none of them is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, lcm, prod

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.arithmetic import needed, node_sizes
from napari_unet_studio.core.networks.graph import Graph, Node, Ref

# Pixels from the first to the one after the last, along one axis and along all.
Interval = tuple[int, int]
Box = tuple[Interval, ...]


@dataclass(frozen=True)
class Portion:
    """The pixels that are computed for a part of the answer.

    Parameters
    ----------
    boxes
        Per node, the pixels of its output. They contain all that is needed of it.
    taken
        Per node, the pixels that it takes of its inputs: the same of each.
    """

    boxes: tuple[Box, ...]
    taken: tuple[Box, ...]

    def cut(self, ref: Ref, source: Ref) -> tuple[slice, ...]:
        """Return which part a node takes of what is held of an input's output."""
        return within(self.taken[ref], self.boxes[source])


def within(box: Sequence[Interval], outer: Sequence[Interval]) -> tuple[slice, ...]:
    """Return where a box lies in an array that holds the outer one."""
    return tuple(
        slice(low - start, high - start)
        for (low, high), (start, _) in zip(box, outer, strict=True)
    )


def pixels_of(box: Box) -> int:
    """Return the number of pixels of a box."""
    return prod(high - low for low, high in box)


def divisible(graph: Graph) -> bool:
    """Whether less than the whole can be computed.

    Not so if a node looks at the whole image. Networks without padding are left as they
    are, too: they hardly compute what is not wanted.
    """
    return graph.local and not any(
        isinstance(node.op, ops.Crop) for node in graph.nodes
    )


@lru_cache(maxsize=1024)
def portion(graph: Graph, shape: tuple[int, ...], part: Box) -> Portion:
    """Return what is computed of an input of spatial `shape` for a part of the answer.

    Parameters
    ----------
    graph
        One that is :func:`divisible`.
    shape
        Admissible spatial shape.
    part
        The pixels wanted, inside of it.

    Returns
    -------
    Portion
        Of nodes that the answer does not need, nothing: boxes without a pixel.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> graph = UNetSpec(channels=(8, 16)).graph
    >>> found = portion(graph, (64,), ((30, 32),))
    >>> [found.boxes[ref] for ref in (1, len(graph.nodes) - 1)]
    [((0, 64),), ((28, 34),)]
    """
    axes = [
        _along(graph, axis, size, wanted)
        for axis, (size, wanted) in enumerate(zip(shape, part, strict=True))
    ]
    boxes = zip(*(boxes for boxes, _ in axes), strict=True)
    taken = zip(*(taken for _, taken in axes), strict=True)
    return Portion(tuple(boxes), tuple(taken))


def _along(
    graph: Graph, axis: int, size: int, part: Interval
) -> tuple[list[Interval], list[Interval]]:
    """Return, per node, the intervals computed and those taken of the inputs."""
    sizes = node_sizes(graph, axis, size)
    assert sizes is not None, "the input is off the network's grid"
    wanted = needed(graph, axis, {}, *part)
    steps = _steps(graph, axis)
    boxes: list[Interval] = []
    taken: list[Interval] = []
    for ref, node in enumerate(graph.nodes):
        if not node.inputs:
            taken.append((0, size))
            boxes.append((0, size))
        elif ref not in wanted:
            taken.append((0, 0))
            boxes.append((0, 0))
        else:
            low, high = boxes[node.inputs[0]]
            if _cuts(node):
                source = node.inputs[0]
                step = _step_before(node, axis, steps[ref])
                first, last = node.op.needed(axis, *wanted[ref])
                low = max(0, first) // step * step
                high = min(sizes[source], -(-last // step) * step)
            taken.append((low, high))
            pace = node.op.shrink(axis)
            boxes.append((int(low / pace), int(high / pace)))
    return boxes, taken


def _cuts(node: Node) -> bool:
    """Whether the inputs of a node are cut to what is needed: where the way goes up."""
    return isinstance(node.op, ops.Concat | ops.Add | ops.UpConv | ops.Resize)


def _steps(graph: Graph, axis: int) -> list[int]:
    """Return the grid on which each output may be cut, for all that is pooled later."""
    steps = [1] * len(graph.nodes)
    for ref in reversed(range(len(graph.nodes))):
        node = graph.nodes[ref]
        for source in node.inputs:
            step = _step_before(node, axis, steps[ref])
            steps[source] = lcm(steps[source], step)
    return steps


def _step_before(node: Node, axis: int, step: int) -> int:
    """Return the grid of an input, for the grid of the output."""
    pace = node.op.shrink(axis)
    if pace >= 1:
        return int(pace) * step
    return step // gcd(step, int(1 / pace))
