"""Where everything of a network's figure lies, in pixels: for SVG and for the window.

The lattice of :mod:`.diagram` becomes rectangles and lines whose parts are level or
upright. A window scales them to its own size.
"""

from dataclasses import dataclass
from typing import NamedTuple

from napari_unet_studio.core.networks.boxes import Box, Kind, Link, Role, label
from napari_unet_studio.core.networks.diagram import diagram
from napari_unet_studio.core.networks.graph import Graph

Point = tuple[float, float]

# Pixels: distances of columns and rows, sides of a box, of a sum, and of the margins.
PITCH, ROW, WIDE, HIGH, SUM = 60, 96, 88, 42, 26
LEFT, RIGHT, TOP = 98, 28, 22
_PORT = 9  # how far from the middle of a side links leave that would meet others

# The colours of Okabe and Ito (2008), told apart by the colour-blind as well.
LINES: dict[Kind, tuple[str, str]] = {
    "plain": ("#5b6470", "passed on"),
    "pool": ("#c4500a", "pooling or stride"),
    "up": ("#00875f", "up-convolution or interpolation"),
    "skip": ("#1769b0", "skip, concatenated"),
    "sum": ("#a0428c", "sum"),
}

# Of boxes: inside, and edge.
FILLS: dict[Role, tuple[str, str]] = {
    "image": ("#f1f3f5", "#868e96"),
    "encoder": ("#e3effb", "#3b78b8"),
    "decoder": ("#dff3ea", "#2f8a67"),
    "score": ("#fdf0d5", "#c08a1e"),
    "sum": ("#ffffff", "#a0428c"),
    "head": ("#fde3dd", "#c4523a"),
    "presence": ("#efe5f8", "#7d52a8"),
}


class Rectangle(NamedTuple):
    """A rectangle by its left upper corner and its sides."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return (
            self.x <= x <= self.x + self.width and self.y <= y <= self.y + self.height
        )


@dataclass(frozen=True, eq=False)
class PlacedBox:
    """A box at its place.

    Parameters
    ----------
    box
        What is drawn.
    name
        What people call it.
    widths
        Of its convolutions, such as "64, 64".
    place
        Where.
    """

    box: Box
    name: str
    widths: str
    place: Rectangle


@dataclass(frozen=True, eq=False)
class PlacedLink:
    """A link with the corners of its line; the last one is the tip of the arrow."""

    link: Link
    corners: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """A figure without its looks.

    Parameters
    ----------
    boxes, links
        In the order of computation.
    rows
        The name of each row; each is :data:`ROW` pixels high.
    top
        Where the first row begins.
    width
        Of everything, the margins included.
    """

    boxes: tuple[PlacedBox, ...]
    links: tuple[PlacedLink, ...]
    rows: tuple[str, ...]
    top: float
    width: float

    @property
    def end(self) -> float:
        """Where the last row ends."""
        return self.top + ROW * len(self.rows)


def layout(graph: Graph, top: float = TOP) -> Layout:
    """Lay out the figure of a network.

    Parameters
    ----------
    graph
        The network.
    top
        Room above the first row.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import NETWORKS
    >>> found = layout(NETWORKS["unet-16"].graph)
    >>> found.rows
    ('1', '1/2', '1/4', '1/8', '1/16')
    >>> [placed.widths for placed in found.boxes][:3]
    ['1 channel', '16, 16', '32, 32']
    """
    found = diagram(graph)
    place = _Places(top)
    lanes = max((link.lane for link in found.links), default=0)
    lane_height = min(8.0, (ROW - HIGH - 14) / max(1, lanes))
    boxes = [
        PlacedBox(box, words(box), label(graph, box), place.rectangle(box))
        for box in found.boxes
    ]
    links = [
        PlacedLink(link, tuple(_route(link, place, lane_height)))
        for link in found.links
    ]
    width = LEFT + PITCH * max(box.column for box in found.boxes) + WIDE + RIGHT
    return Layout(tuple(boxes), tuple(links), tuple(found.rows), top, width)


def words(box: Box) -> str:
    """Return a block's name as people write it."""
    first, _, rest = box.name.partition(".")
    if first == "nodes":
        return f"X {rest.replace('.', ', ')}"
    if box.role == "head":
        enlarged = f" × {box.enlarged}" if box.enlarged > 1 else ""
        return f"head {rest if first == 'heads' else ''}".strip() + enlarged
    return f"{first} {rest}".strip()


class _Places:
    """Turns places on the lattice into pixels."""

    def __init__(self, top: float) -> None:
        self.top = top

    def x(self, box: Box) -> float:
        """Return the middle of a box from left to right."""
        return LEFT + WIDE / 2 + PITCH * box.column

    def y(self, box: Box) -> float:
        """Return the middle of a box from top to bottom."""
        return self.top + ROW * (box.row + 0.5)

    def half(self, box: Box) -> Point:
        """Return half the width and half the height of a box."""
        side = SUM / 2
        return (side, side) if box.role == "sum" else (WIDE / 2, HIGH / 2)

    def rectangle(self, box: Box) -> Rectangle:
        """Return the rectangle of a box."""
        (wide, high), x, y = self.half(box), self.x(box), self.y(box)
        return Rectangle(x - wide, y - high, 2 * wide, 2 * high)


def _route(link: Link, place: _Places, lane_height: float) -> list[Point]:
    """Return the corners of a link, all of whose parts are level or upright."""
    source, target = link.source, link.target
    x0, y0, (w0, h0) = place.x(source), place.y(source), place.half(source)
    x1, y1, (w1, h1) = place.x(target), place.y(target), place.half(target)
    rows, columns = target.row - source.row, target.column - source.column
    if rows == 0 and not link.lane:
        return [(x0 + w0, y0), (x1 - w1, y1)]
    if rows == 0:  # over the boxes between
        over = y0 - h0 - lane_height * link.lane
        out, back = x0 + w0 - 10, x1 - w1 + 4 + 8 * min(columns // 2 - 1, 4)
        return [(out, y0 - h0), (out, over), (back, over), (back, y1 - h1)]
    if columns == 0:
        side = h0 if rows > 0 else -h0
        return [(x0, y0 + side), (x1, y1 - (h1 if rows > 0 else -h1))]
    if rows == 1 and columns == 1:
        return [(x0, y0 + h0), (x0, y1), (x1 - w1, y1)]
    if rows < 0 and columns == 1:
        low = y0 + (0 if source.role == "sum" else _PORT)
        return [(x0 + w0, low), (x1, low), (x1, y1 + h1)]
    if rows > 0:  # down to a line above the target, which its other links share
        out, back, line = x0 - 2 * _PORT, x1 - 2 * _PORT, y1 - h1 - 14
        return [(out, y0 + h0), (out, line), (back, line), (back, y1 - h1)]
    out = x0 if source.role == "sum" else x0 - 5
    back, line = x1 - 2 * _PORT, y1 + h1 + 14
    return [(out, y0 - h0), (out, line), (back, line), (back, y1 + h1)]
