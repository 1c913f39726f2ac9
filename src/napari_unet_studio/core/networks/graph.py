"""A network drawn as a graph of operations.

Nodes are numbered in the order of computation and know their inputs by number. What a
family is, is one function that draws its graph; sizes, receptive fields, costs, the
module and the figure in the documentation all follow from that drawing.
"""

from dataclasses import dataclass
from functools import cached_property

from napari_unet_studio.core.networks.ops import Op

# Number of a node; what the methods of :class:`.Pencil` return and take.
Ref = int


@dataclass(frozen=True)
class Node:
    """One operation at its place.

    Parameters
    ----------
    op
        What is done.
    inputs
        Numbers of the nodes whose outputs are taken.
    channels
        Width of the output.
    name
        Path of the layer in the module and its state, with dots.
    block
        The group of nodes that a figure shows as one box.
    """

    op: Op
    inputs: tuple[Ref, ...]
    channels: int
    name: str
    block: str


@dataclass(frozen=True)
class Graph:
    """The nodes of a network and which of them are its outputs.

    Parameters
    ----------
    ndim
        Number of spatial axes.
    nodes
        In the order of computation; the first is the image.
    heads
        Nodes of the logits, the finest last.
    average
        Whether the answer is the mean over the heads instead of the last one.
    presence
        Node of one logit per image, "there is an object", or None.
    """

    ndim: int
    nodes: tuple[Node, ...]
    heads: tuple[Ref, ...]
    average: bool = False
    presence: Ref | None = None

    @cached_property
    def answering(self) -> tuple[Ref, ...]:
        """The nodes that the answer needs, in order; training may need more."""
        ends = self.heads if self.average else self.heads[-1:]
        wanted = {*ends, *(() if self.presence is None else (self.presence,))}
        for ref in reversed(range(len(self.nodes))):
            if ref in wanted:
                wanted.update(self.nodes[ref].inputs)
        return tuple(sorted(wanted))

    @cached_property
    def parameters(self) -> int:
        """Number of trained values."""
        return sum(node.op.parameters(self.given(node)) for node in self.nodes)

    @property
    def local(self) -> bool:
        """Whether an output pixel depends on its receptive field alone."""
        return not any(self.nodes[ref].op.whole for ref in self.answering)

    def given(self, node: Node) -> tuple[int, ...]:
        """Return the channels of a node's inputs."""
        return tuple(self.nodes[ref].channels for ref in node.inputs)
