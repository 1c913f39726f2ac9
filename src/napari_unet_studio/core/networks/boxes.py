"""The boxes and links of a network's figure, gathered from its graph.

The nodes of one block make one box; what lies between boxes (poolings, enlargements,
concatenations) makes the links.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Literal

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.arithmetic import paces
from napari_unet_studio.core.networks.graph import Graph, Ref

Kind = Literal["plain", "pool", "up", "skip", "sum"]
Role = Literal["image", "encoder", "decoder", "score", "sum", "head", "presence"]

_BETWEEN = (ops.MaxPool, ops.Resize, ops.UpConv, ops.Concat, ops.Crop)
_STAGE = re.compile(r"(encoder\.\d+)\.\d+")
_LONGEST_LABEL = 13


@dataclass(eq=False)
class Box:
    """What is drawn as one box.

    Parameters
    ----------
    name
        Of the block, or of the stage that several blocks make.
    role
        What it is for; a figure shows it by colour.
    blocks
        The blocks of the graph in it, in order.
    refs
        The nodes in it.
    pace
        Pixels of the image that one of its pixels stands for, per axis.
    row, column
        Place on the lattice; boxes of a row are at least two columns apart.
    enlarged
        How many times the size of its input a head has.
    """

    name: str
    role: Role
    blocks: list[str] = field(default_factory=list)
    refs: list[Ref] = field(default_factory=list)
    pace: tuple[Fraction, ...] = ()
    row: int = 0
    column: int = 0
    enlarged: Fraction = Fraction(1)


@dataclass(eq=False)
class Link:
    """What leads from one box to another.

    Parameters
    ----------
    source, target
        The boxes.
    kind
        What happens on the way; a figure shows it by colour.
    blocks
        Blocks of the graph that are passed and have no box.
    lane
        From 1, where it arches over boxes of its row; links of a lane do not meet.
    """

    source: Box
    target: Box
    kind: Kind
    blocks: list[str]
    lane: int = 0


def gather(graph: Graph) -> tuple[list[Box], list[Link]]:
    """Return the boxes in the order of computation, and the links; not placed yet."""
    builder = _Builder(graph)
    return builder.boxes, builder.links


class _Builder:
    """Gathers nodes into boxes and what lies between them into links."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.boxes: list[Box] = []
        self.links: list[Link] = []
        axes = [paces(graph, axis) for axis in range(graph.ndim)]
        self.paces = list(zip(*axes, strict=True))
        self.box_of: dict[Ref, Box] = {}
        self.before: dict[Box, set[Box]] = {}
        for ref in range(len(graph.nodes)):
            if not self._between(ref):
                self._place(ref)
        shown = {block for box in self.boxes for block in box.blocks}
        for link in self.links:
            link.kind = self._kind(link)
            link.blocks = [block for block in link.blocks if block not in shown]
        for ref in graph.heads:
            box, _, _ = next(self._sources(ref))
            box.role = "head"
            given = graph.nodes[box.refs[0]].inputs[0]
            sides = zip(self.paces[given], self.paces[ref], strict=True)
            box.enlarged = max(before / after for before, after in sides)
        if graph.presence is not None:
            self.box_of[graph.presence].role = "presence"

    def _between(self, ref: Ref) -> bool:
        """Whether a node is part of a link: by its kind, or by the name it has."""
        node = self.graph.nodes[ref]
        if ref in self.graph.heads and isinstance(node.op, ops.UpConv):
            return False
        named = node.name.startswith("up.") or node.block.startswith("skips.")
        return named or isinstance(node.op, _BETWEEN)

    def _sources(
        self, ref: Ref, blocks: tuple[str, ...] = (), joined: bool = False
    ) -> Iterator[tuple[Box, tuple[str, ...], bool]]:
        """Yield where a node comes from, the blocks on the way, and if concatenated."""
        if not self._between(ref):
            yield self.box_of[ref], blocks, joined
            return
        node = self.graph.nodes[ref]
        joined = joined or isinstance(node.op, ops.Concat)
        # The second input of a crop gives no pixels.
        inputs = node.inputs[:1] if isinstance(node.op, ops.Crop) else node.inputs
        for source in inputs:
            yield from self._sources(source, (node.block, *blocks), joined)

    def _place(self, ref: Ref) -> None:
        node = self.graph.nodes[ref]
        sources = [found for source in node.inputs for found in self._sources(source)]
        if isinstance(node.op, ops.Add) and self._branches([s[0] for s in sources]):
            box = self._new("sum", "sum")
        else:
            name = _STAGE.sub(r"\1", node.block) or "image"
            known = self.boxes[-1] if self.boxes else None
            if known is None or known.name != name:
                known = self._new(name, _role(node.block))
            box = known
        if node.block and node.block not in box.blocks:
            box.blocks.append(node.block)
        box.refs.append(ref)
        box.pace = self.paces[ref]
        self.box_of[ref] = box
        for source, passed, joined in sources:
            if source is not box:
                self._link(source, box, passed, joined)

    def _new(self, name: str, role: Role) -> Box:
        box = Box(name, role)
        self.boxes.append(box)
        self.before[box] = set()
        return box

    def _branches(self, boxes: list[Box]) -> bool:
        """Whether branches meet; the sum of a residual stays inside its box."""
        first, second = boxes[0], boxes[-1]
        related = first in self.before[second] or second in self.before[first]
        return first is not second and not related

    def _link(
        self, source: Box, target: Box, passed: tuple[str, ...], joined: bool
    ) -> None:
        self.before[target] |= {source, *self.before[source]}
        for link in self.links:
            if link.source is source and link.target is target:
                link.blocks += [b for b in passed if b not in link.blocks]
                return
        kind: Kind = "skip" if joined else "plain"
        self.links.append(Link(source, target, kind, list(dict.fromkeys(passed))))

    @staticmethod
    def _kind(link: Link) -> Kind:
        source, target = prod(link.source.pace), prod(link.target.pace)
        if source != target:
            return "pool" if source < target else "up"
        return "sum" if link.target.role == "sum" else link.kind


def _role(block: str) -> Role:
    first, _, rest = block.partition(".")
    if first == "nodes":
        return "encoder" if rest.endswith(".0") else "decoder"
    if first in ("fc", "score"):
        return "score"
    if first in ("head", "heads"):
        return "head"
    if first == "encoder":
        return "encoder"
    return "decoder" if first else "image"


def label(graph: Graph, box: Box) -> str:
    """Return the widths of a box's convolutions, "64, 64" or "3 × 512"."""
    if box.role == "sum":
        return "+"
    if box.role == "image":
        channels = graph.nodes[0].channels
        return f"{channels} channel{'s' * (channels > 1)}"
    if box.blocks and box.name != box.blocks[0]:  # a stage of several blocks
        width, repeats = graph.nodes[box.refs[-1]].channels, len(box.blocks)
        return f"{repeats} × {width}" if repeats > 1 else str(width)
    widths = []
    for ref in box.refs:
        node = graph.nodes[ref]
        gates = isinstance(node.op, ops.Conv) and node.op.groups > 1
        if isinstance(node.op, ops.Conv | ops.UpConv | ops.Input) and not gates:
            # The projection of a residual's input is no width of its own.
            widths += [] if node.name.endswith(".skip") else [node.channels]
    return _runs(widths)


def _runs(widths: list[int]) -> str:
    if len(widths) > 2 and len(set(widths)) == 1:
        return f"{len(widths)} × {widths[0]}"
    text = ", ".join(map(str, widths))
    if len(text) > _LONGEST_LABEL:
        return f"{widths[0]} … {widths[-1]}"
    return text
