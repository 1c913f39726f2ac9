"""A figure of any network, drawn from its graph as SVG.

Rows are resolutions, columns the order of computation, so that a U-Net looks like a U.
The text is made of numbers rounded alike everywhere: the same network gives the same
bytes.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from napari_unet_studio.core.networks.boxes import Kind
from napari_unet_studio.core.networks.layout import (
    FILLS,
    LINES,
    ROW,
    TOP,
    PlacedBox,
    Point,
    layout,
)

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.spec import NetworkSpec

_BOTTOM = 44
_ROUND = 9  # radius of the corners of a link

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
    found = layout(spec.graph, TOP + (28 if title else 0))
    top, width = found.top, found.width
    used = {placed.link.kind for placed in found.links}
    kinds = [kind for kind in LINES if kind in used]
    entries = list(_legend(kinds, width))
    rows_end = found.end
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
    # Links first: where one must cross a box after all, the box stays readable.
    for link in found.links:
        blocks = escape(" ".join(link.link.blocks))
        parts.append(_arrow(link.corners, link.link.kind, blocks))
    parts += [_box(box) for box in found.boxes]
    for kind, x, line in entries:
        y = rows_end + 24 + 20 * line
        _, words = LINES[kind]
        parts.append(_arrow([(x, y), (x + 30, y)], kind))
        parts.append(f'<text class="r" x="{x + 38}" y="{y + 4}">{words}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(row: int, scale: str, top: float, width: float) -> list[str]:
    """Return a resolution's name and the line above it."""
    y = top + ROW * row
    parts = [f'<text class="r" x="20" y="{_n(y + ROW / 2 + 4)}">{scale}</text>']
    if row:
        parts.append(
            f'<path d="M 20 {_n(y)} H {_n(width - 20)}" stroke="#e4e8ec" '
            'stroke-dasharray="2 5" fill="none"/>'
        )
    return parts


def _box(placed: PlacedBox) -> str:
    box, (left, upper, wide, high) = placed.box, placed.place
    x, y = left + wide / 2, upper + high / 2
    fill, edge = FILLS[box.role]
    blocks = escape(" ".join(box.blocks))
    shape = (
        f'<rect x="{_n(left)}" y="{_n(upper)}" width="{_n(wide)}" '
        f'height="{_n(high)}" rx="{_n(high / 2 if box.role == "sum" else 6)}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.3"/>'
    )
    middle = f'text-anchor="middle" x="{_n(x)}"'
    if box.role == "sum":
        text = f'<text class="w" {middle} y="{_n(y + 4.5)}">+</text>'
    else:
        text = (
            f'<text class="s" {middle} y="{_n(y - 5)}">{escape(placed.name)}</text>'
            f'<text class="w" {middle} y="{_n(y + 12)}">{escape(placed.widths)}</text>'
        )
    return f'<g class="box" data-blocks="{blocks}">{shape}{text}</g>'


def _arrow(corners: Sequence[Point], kind: Kind, blocks: str = "") -> str:
    """Return a line with rounded corners and a head at its end."""
    colour, _ = LINES[kind]
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


def _rounded(corners: Sequence[Point]) -> str:
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
        wide = 38 + 6.6 * len(LINES[kind][1]) + 22
        if x + wide > width and x > 20:
            x, line = 20.0, line + 1
        yield kind, round(x), line
        x += wide


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
