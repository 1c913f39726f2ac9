"""A figure of any network, drawn from its graph as SVG.

Rows are resolutions, columns the order of computation, so that a U-Net looks like a U.
The text is made of numbers rounded alike everywhere: the same network gives the same
bytes.
"""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from napari_unet_studio.core.networks.boxes import Box, Kind, Link, label
from napari_unet_studio.core.networks.diagram import diagram

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.spec import NetworkSpec

Point = tuple[float, float]

# Pixels: distances of columns and rows, sides of a box, of a sum, and of the margins.
_PITCH, _ROW, _WIDE, _HIGH, _SUM = 60, 96, 88, 42, 26
_LEFT, _RIGHT, _TOP, _BOTTOM = 98, 28, 22, 44
_ROUND = 9  # radius of the corners of a link
_PORT = 9  # how far from the middle of a side links leave that would meet others

# The colours of Okabe and Ito (2008), told apart by the colour-blind as well.
_LINES: dict[Kind, tuple[str, str]] = {
    "plain": ("#5b6470", "passed on"),
    "pool": ("#c4500a", "pooling or stride"),
    "up": ("#00875f", "up-convolution or interpolation"),
    "skip": ("#1769b0", "skip, concatenated"),
    "sum": ("#a0428c", "sum"),
}
_FILLS = {
    "image": ("#f1f3f5", "#868e96"),
    "encoder": ("#e3effb", "#3b78b8"),
    "decoder": ("#dff3ea", "#2f8a67"),
    "score": ("#fdf0d5", "#c08a1e"),
    "sum": ("#ffffff", "#a0428c"),
    "head": ("#fde3dd", "#c4523a"),
    "presence": ("#efe5f8", "#7d52a8"),
}
_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,"
    "sans-serif;fill:#1f2933}.s{font-size:10px;fill:#52606d}.w{font-size:12.5px;"
    "font-weight:600}.r{font-size:12px;fill:#52606d}.t{font-size:15px;font-weight:600}"
)


def draw_figure(spec: "NetworkSpec", title: str = "") -> str:
    """Return an SVG of a network.

    Parameters
    ----------
    spec
        Its graph is drawn.
    title
        Shown above the figure, and read out by screen readers.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import NETWORKS
    >>> draw_figure(NETWORKS["unet"], "U-Net")[:4]
    '<svg'
    """
    graph = spec.graph
    found = diagram(graph)
    top = _TOP + (28 if title else 0)
    width = _LEFT + _PITCH * max(box.column for box in found.boxes) + _WIDE + _RIGHT
    kinds = [kind for kind in _LINES if any(link.kind == kind for link in found.links)]
    entries = list(_legend(kinds, width))
    rows_end = top + _ROW * len(found.rows)
    height = rows_end + _BOTTOM + 20 * max(y for _, _, y in entries)
    name = escape(title or f"{spec.family} network")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{name}</title>',
        f'<desc id="desc">{len(found.boxes)} parts at {len(found.rows)} levels; '
        f"{spec.parameters:,} parameters.</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10" '
        'fill="#ffffff" stroke="#d9dee3"/>',
    ]
    if title:
        parts.append(f'<text class="t" x="20" y="32">{name}</text>')
    for row, scale in enumerate(found.rows):
        parts += _row(row, scale, top, width)
    place = _Places(top)
    lanes = max(link.lane for link in found.links)
    lane_height = min(8.0, (_ROW - _HIGH - 14) / max(1, lanes))
    # Links first: where one must cross a box after all, the box stays readable.
    for link in found.links:
        corners = _route(link, place, lane_height)
        parts.append(_arrow(corners, link.kind, escape(" ".join(link.blocks))))
    for box in found.boxes:
        parts.append(_box(box, label(graph, box), place))
    for kind, x, line in entries:
        y = rows_end + 24 + 20 * line
        _, words = _LINES[kind]
        parts.append(_arrow([(x, y), (x + 30, y)], kind))
        parts.append(f'<text class="r" x="{x + 38}" y="{y + 4}">{words}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Places:
    """Turns places on the lattice into pixels."""

    def __init__(self, top: float) -> None:
        self.top = top

    def x(self, box: Box) -> float:
        """Return the middle of a box from left to right."""
        return _LEFT + _WIDE / 2 + _PITCH * box.column

    def y(self, box: Box) -> float:
        """Return the middle of a box from top to bottom."""
        return self.top + _ROW * (box.row + 0.5)

    def half(self, box: Box) -> Point:
        """Return half the width and half the height of a box."""
        side = _SUM / 2
        return (side, side) if box.role == "sum" else (_WIDE / 2, _HIGH / 2)


def _row(row: int, scale: str, top: float, width: float) -> list[str]:
    """Return a resolution's name and the line above it."""
    y = top + _ROW * row
    parts = [f'<text class="r" x="20" y="{_n(y + _ROW / 2 + 4)}">{scale}</text>']
    if row:
        parts.append(
            f'<path d="M 20 {_n(y)} H {_n(width - 20)}" stroke="#e4e8ec" '
            'stroke-dasharray="2 5" fill="none"/>'
        )
    return parts


def _box(box: Box, widths: str, place: _Places) -> str:
    x, y, (half, high) = place.x(box), place.y(box), place.half(box)
    fill, edge = _FILLS[box.role]
    blocks = escape(" ".join(box.blocks))
    shape = (
        f'<rect x="{_n(x - half)}" y="{_n(y - high)}" width="{_n(2 * half)}" '
        f'height="{_n(2 * high)}" rx="{_n(high if box.role == "sum" else 6)}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.3"/>'
    )
    middle = f'text-anchor="middle" x="{_n(x)}"'
    if box.role == "sum":
        text = f'<text class="w" {middle} y="{_n(y + 4.5)}">+</text>'
    else:
        text = (
            f'<text class="s" {middle} y="{_n(y - 5)}">{escape(_words(box))}</text>'
            f'<text class="w" {middle} y="{_n(y + 12)}">{escape(widths)}</text>'
        )
    return f'<g class="box" data-blocks="{blocks}">{shape}{text}</g>'


def _words(box: Box) -> str:
    """Return a block's name as people write it."""
    first, _, rest = box.name.partition(".")
    if first == "nodes":
        return f"X {rest.replace('.', ', ')}"
    if box.role == "head":
        enlarged = f" × {box.enlarged}" if box.enlarged > 1 else ""
        return f"head {rest if first == 'heads' else ''}".strip() + enlarged
    return f"{first} {rest}".strip()


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


def _arrow(corners: list[Point], kind: Kind, blocks: str = "") -> str:
    """Return a line with rounded corners and a head at its end."""
    colour, _ = _LINES[kind]
    (x, y), (tip_x, tip_y) = corners[-2:]
    right = (tip_x > x) - (tip_x < x)
    down = (tip_y > y) - (tip_y < y)
    base_x, base_y = tip_x - 7 * right, tip_y - 7 * down
    sides = [(base_x + 3.6 * s * down, base_y + 3.6 * s * right) for s in (1, -1)]
    tip = " L ".join(_p(point) for point in (*sides, (tip_x, tip_y)))
    path = _rounded([*corners[:-1], (base_x, base_y)])
    return (
        f'<g class="link" data-blocks="{blocks}"><path d="{path}" fill="none" '
        f'stroke="{colour}" stroke-width="1.6"/>'
        f'<path d="M {tip} Z" fill="{colour}"/></g>'
    )


def _rounded(corners: list[Point]) -> str:
    """Return the path through some corners, rounded where there is room."""
    path = f"M {_p(corners[0])}"
    for before, at, after in zip(corners, corners[1:], corners[2:], strict=False):
        room = min(_ROUND, _span(before, at) / 2, _span(at, after) / 2)
        path += f" L {_p(_towards(at, before, room))}"
        path += f" Q {_p(at)} {_p(_towards(at, after, room))}"
    return f"{path} L {_p(corners[-1])}"


def _span(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, far: float) -> Point:
    share = far / max(_span(a, b), 1e-9)
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _legend(kinds: list[Kind], width: float) -> Iterator[tuple[Kind, float, int]]:
    """Yield where the explanation of each colour stands: x, and which line."""
    x, line = 20.0, 0
    for kind in kinds:
        wide = 38 + 6.6 * len(_LINES[kind][1]) + 22
        if x + wide > width and x > 20:
            x, line = 20.0, line + 1
        yield kind, round(x), line
        x += wide


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
