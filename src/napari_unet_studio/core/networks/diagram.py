"""Where the boxes of a network stand in its figure: rows, columns, lanes.

A box stands in the row of its resolution and in the column of its turn in the
computation. Nothing here knows a family: the U, the triangle and the stair follow from
the graphs.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import prod

from napari_unet_studio.core.networks.boxes import Box, Link, gather
from napari_unet_studio.core.networks.graph import Graph


@dataclass(frozen=True)
class Diagram:
    """The boxes in the order of computation, the links, and a name for each row."""

    boxes: list[Box]
    links: list[Link]
    rows: list[str]


def diagram(graph: Graph) -> Diagram:
    """Return the boxes and links of a network, placed."""
    boxes, links = gather(graph)
    rows = _set_rows(boxes, links)
    _set_columns(boxes, links)
    _set_lanes(boxes, links)
    return Diagram(boxes, links, rows)


def _set_rows(boxes: list[Box], links: list[Link]) -> list[str]:
    """Put each box into the row of its resolution; return the names of the rows."""
    levels = sorted({box.pace for box in boxes}, key=prod)
    rows = [_scale(pace) for pace in levels]
    for box in boxes:
        box.row = levels.index(box.pace)
    for box in boxes:
        if box.role == "presence":
            box.row = len(rows)
            rows.append("one value")
    # Heads of nodes inside a row have no place beside them: they go above the rows.
    heads = {box for box in boxes if box.role == "head"}
    inner = {
        link.source
        for link in links
        if link.target not in heads and link.target.row == link.source.row
    }
    if any(link.source in inner for link in links if link.target in heads):
        for box in boxes:
            box.row = 0 if box in heads else box.row + 1
        rows.insert(0, "heads")
    return rows


def _scale(pace: tuple[Fraction, ...]) -> str:
    """Return a resolution as a part of the image's: "1/4", or "1·1/2·1/2" by axis."""
    parts = [str(1 / p) for p in pace]
    return parts[0] if len(set(parts)) == 1 else "·".join(parts)


def _set_columns(boxes: list[Box], links: list[Link]) -> None:
    """Set columns by the longest path from the image; what has slack stands late."""
    placed: list[Box] = []

    def free(box: Box, column: int) -> bool:
        return not any(
            other is not box and other.row == box.row and abs(other.column - column) < 2
            for other in placed
        )

    for box in boxes:
        given = [link for link in links if link.target is box]
        box.column = max(
            (link.source.column + _step(link) for link in given), default=0
        )
        while not free(box, box.column):
            box.column += 1
        placed.append(box)
    for box in reversed(boxes):
        ends = [
            link.target.column - _step(link) for link in links if link.source is box
        ]
        for column in range(min(ends, default=0), box.column, -1):
            if free(box, column):
                box.column = column
                break
    # Heads on rows of their own stand below each other at the far end.
    heads = [box for box in boxes if box.role == "head"]
    last = max(box.column for box in boxes)
    if len({box.row for box in heads}) == len(heads):
        for box in heads:
            box.column = last


def _set_lanes(boxes: list[Box], links: list[Link]) -> None:
    """Give links over boxes of their row lanes in which they do not meet."""
    arched: list[Link] = []
    for link in links:
        row, low, high = link.source.row, link.source.column, link.target.column
        between = [b for b in boxes if b.row == row and low < b.column < high]
        if link.target.row == row and between:
            arched.append(link)
    arched.sort(key=lambda link: (_span(link), link.source.column))
    for number, link in enumerate(arched):
        taken = {
            other.lane
            for other in arched[:number]
            if other.source.row == link.source.row
            and other.source.column < link.target.column
            and link.source.column < other.target.column
        }
        link.lane = min(set(range(1, len(arched) + 1)) - taken)


def _span(link: Link) -> int:
    return link.target.column - link.source.column


def _step(link: Link) -> int:
    """Return how many columns a target stands after its source."""
    if link.target.role == "head" and link.target.row < link.source.row:
        return 0 if link.target.pace == link.source.pace else 1
    return 2 if link.source.row == link.target.row else 1
