"""What a pass over an image costs: operations and memory, by integer arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from napari_unet_studio.core.networks.arithmetic import node_sizes
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.lifetimes import bytes_saved, live_peak
from napari_unet_studio.core.networks.parts import Box, divisible, pixels_of, portion


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
    graph: Graph,
    shape: tuple[int, ...],
    batch: int = 1,
    value_bytes: int = 4,
    part: Box | None = None,
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
    part
        The pixels of the answer that are wanted, all by default; what training would
        cost does not depend on it.
    """
    per_axis = [node_sizes(graph, axis, size) for axis, size in enumerate(shape)]
    pixels = []
    for ref in range(len(graph.nodes)):
        sides = [sizes[ref] for sizes in per_axis if sizes is not None]
        pixels.append(batch * prod(sides))
    volume = _volume(graph, pixels, value_bytes)
    before = [pixels[node.inputs[0]] if node.inputs else 0 for node in graph.nodes]
    saved = bytes_saved(graph, volume, pixels)
    transient = 2 * max(volume)
    if part is not None and divisible(graph):
        found = portion(graph, shape, part)
        pixels = [batch * pixels_of(box) for box in found.boxes]
        before = [batch * pixels_of(box) for box in found.taken]
        volume = _volume(graph, pixels, value_bytes)
    flops = 0
    for ref in graph.answering:
        node = graph.nodes[ref]
        if node.inputs:
            given = graph.given(node)
            flops += 2 * node.op.products(given, before[ref], pixels[ref])
    weights = 4 * graph.parameters
    peak = live_peak(graph, volume)
    return Costs(
        graph.parameters, flops, weights + peak, 4 * weights + saved + transient
    )


def _volume(graph: Graph, pixels: Sequence[int], value_bytes: int) -> list[int]:
    """Return the bytes of each node's output."""
    return [
        count * node.channels * value_bytes
        for count, node in zip(pixels, graph.nodes, strict=True)
    ]
