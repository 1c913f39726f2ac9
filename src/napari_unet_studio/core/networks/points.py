"""What of a network can be looked at: its nodes by name, and what they cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.arithmetic import node_sizes, paces
from napari_unet_studio.core.networks.boxes import Box, gather
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.places import single_values, taken_by
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

Node = str | Sequence[str]

HEADS = "heads"


def box_names(boxes: Iterable[Box]) -> list[str]:
    """Return a name for each box; those that several have are numbered from 1."""
    names = [box.name for box in boxes]
    many, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}.{seen[name]}" if many[name] > 1 else name)
    return found


def named_nodes(graph: Graph) -> dict[str, Ref]:
    """Return the nodes that a figure shows as boxes: their names, and their outputs.

    The output of a box is that of its last operation, after the nonlinearity.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import NETWORKS
    >>> list(named_nodes(NETWORKS["unet++-16"].graph))[:4]
    ['image', 'nodes.0.0', 'nodes.1.0', 'nodes.0.1']
    """
    boxes, _ = gather(graph)
    return {
        name: box.refs[-1] for name, box in zip(box_names(boxes), boxes, strict=True)
    }


def find_nodes(graph: Graph, node: Node) -> dict[str, Ref]:
    """Return the nodes that a name, or several, stand for.

    Parameters
    ----------
    graph
        The network.
    node
        Name of a box of the figure, such as "encoder.2" or "nodes.0.3"; of a single
        layer, such as "encoder.2.0"; or what several names begin with: "nodes.0" is all
        nodes X^{0,j} of a U-Net++. "heads" is all heads.

    Raises
    ------
    ConfigError
        If there is no such node.
    """
    if not isinstance(node, str):
        found: dict[str, Ref] = {}
        for name in node:
            found |= find_nodes(graph, name)
        if not found:
            raise ConfigError("No node was named; name at least one.")
        return found
    if node == HEADS:
        if len(graph.heads) == 1:
            return {"head": graph.heads[0]}
        return {graph.nodes[ref].block: ref for ref in graph.heads}
    boxes = named_nodes(graph)
    if node in boxes:
        return {node: boxes[node]}
    below = {name: ref for name, ref in boxes.items() if name.startswith(f"{node}.")}
    if below:
        return below
    for ref, drawn in enumerate(graph.nodes):
        if drawn.name == node:
            return {node: ref}
    raise ConfigError(
        f"The network has no node named {node!r}; choose one of {', '.join(boxes)}."
    )


def level_of(graph: Graph, name: str) -> list[str]:
    """Return the boxes whose pixels are as large as those of one, in order.

    The image, single values and heads are left out: they have other values.
    """
    boxes, _ = gather(graph)
    alone = single_values(graph)
    names = box_names(boxes)
    (pace,) = [b.pace for n, b in zip(names, boxes, strict=True) if n == name]
    return [
        n
        for n, box in zip(names, boxes, strict=True)
        if box.pace == pace
        and box.role not in ("image", "head", "presence")
        and box.refs[-1] not in alone
    ]


@dataclass(frozen=True)
class BoxFacts:
    """What is known of a box of the figure.

    Parameters
    ----------
    channels
        Width of its output.
    shape
        Spatial shape of it; one pixel for single values.
    pace
        Pixels of the image that one of its pixels stands for, per axis.
    parameters
        Trained values, those of enlargements before it included.
    flops
        Operations, two per multiplication.
    """

    channels: int
    shape: Shape
    pace: tuple[Fraction, ...]
    parameters: int
    flops: int


def box_facts(spec: NetworkSpec, shape: Sequence[int]) -> dict[str, BoxFacts]:
    """Return the facts of each box for an input of spatial `shape`.

    Parameters and operations of all boxes add up to those of the network; those of
    heads that only training needs are counted, too.

    Raises
    ------
    ConfigError
        If the network leaves nothing of so small an input.
    """
    graph = spec.graph
    inner = spec.input_shape(spec.output_shape(shape))
    sizes = [node_sizes(graph, axis, size) for axis, size in enumerate(inner)]
    pixels = [
        tuple(sides[ref] for sides in sizes if sides is not None)
        for ref in range(len(graph.nodes))
    ]
    boxes, _ = gather(graph)
    names = box_names(boxes)
    owner = _owners(graph, names, boxes)
    parameters, flops = Counter[str](), Counter[str]()
    for ref, node in enumerate(graph.nodes):
        given = graph.given(node)
        parameters[owner[ref]] += node.op.parameters(given)
        before = prod(pixels[node.inputs[0]]) if node.inputs else 0
        if node.inputs:
            flops[owner[ref]] += 2 * node.op.products(given, before, prod(pixels[ref]))
    return {
        name: BoxFacts(
            graph.nodes[box.refs[-1]].channels,
            pixels[box.refs[-1]],
            box.pace,
            parameters[name],
            flops[name],
        )
        for name, box in zip(names, boxes, strict=True)
    }


def _owners(graph: Graph, names: Sequence[str], boxes: Sequence[Box]) -> list[str]:
    """Return the box of each node: what lies between boxes goes to the next one."""
    owner = [""] * len(graph.nodes)
    for name, box in zip(names, boxes, strict=True):
        for ref in box.refs:
            owner[ref] = name
    for ref in reversed(range(len(graph.nodes))):
        for source in graph.nodes[ref].inputs:
            if not owner[source]:
                owner[source] = owner[ref]
    # What nothing reads, such as an enlarged head, goes to the box before it.
    for ref, node in enumerate(graph.nodes):
        if not owner[ref]:
            owner[ref] = owner[node.inputs[0]]
    return owner


@lru_cache(maxsize=256)
def field_at(spec: NetworkSpec, ref: Ref) -> Shape | None:
    """Return the extent of the image that can influence a pixel of a node.

    The largest there is; None if the node has no pixels but single values.
    """
    graph = spec.graph
    if ref in single_values(graph):
        return None
    found = []
    for axis in range(graph.ndim):
        steps = paces(graph, axis)
        deepest = max(int(pace) for pace in steps[: ref + 1])
        extents = []
        for place in range(max(1, int(deepest / steps[ref]))):
            low, high = taken_by(graph, (ref,), axis, (place, place + 1))
            extents.append(high - low)
        found.append(max(extents))
    return tuple(found)
