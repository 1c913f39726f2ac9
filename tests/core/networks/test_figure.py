"""The figure of every network of the catalog."""

from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.diagram import diagram
from napari_unet_studio.core.networks.figure import draw_figure
from napari_unet_studio.core.networks.papers import REMARKS, SECTIONS
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

SVG = "{http://www.w3.org/2000/svg}"
every_network = pytest.mark.parametrize("name", NETWORKS)


def drawn(name):
    """Return the figure of a network as a tree, and the sides of its view."""
    root = ET.fromstring(draw_figure(NETWORKS[name], name))
    left, top, width, height = map(float, root.get("viewBox").split())
    assert (left, top) == (0, 0)
    return root, (width, height)


def groups(root, kind):
    return [g for g in root.iter(f"{SVG}g") if g.get("class") == kind]


def rectangle(group):
    """Return left, top, right and bottom of a box."""
    rect = group.find(f"{SVG}rect")
    x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
    return x, y, x + w, y + h


def points(path):
    """Return the points of a path; all its coordinates are absolute pairs."""
    numbers = [float(word) for word in path.get("d").split() if word not in "MLQZ"]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@every_network
def test_every_block_of_the_graph_is_in_the_figure(name) -> None:
    root, _ = drawn(name)
    shown = [
        block
        for kind in ("box", "link")
        for group in groups(root, kind)
        for block in group.get("data-blocks").split()
    ]
    wanted = {node.block for node in NETWORKS[name].graph.nodes} - {""}
    assert set(shown) == wanted


@every_network
def test_boxes_do_not_overlap(name) -> None:
    boxes = [rectangle(group) for group in groups(drawn(name)[0], "box")]
    for a, b in combinations(boxes, 2):
        apart = a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
        assert apart


@every_network
def test_everything_lies_inside_the_view(name) -> None:
    root, (width, height) = drawn(name)
    for group in groups(root, "box"):
        left, top, right, bottom = rectangle(group)
        assert left > 0
        assert top > 0
        assert right < width
        assert bottom < height
    for group in groups(root, "link"):
        for path in group.iter(f"{SVG}path"):
            assert all(0 < x < width and 0 < y < height for x, y in points(path))
    for text in root.iter(f"{SVG}text"):
        # Letters are less than 9 pixels wide at the sizes used.
        wide = 9 * len(text.text) * (0.5 if text.get("text-anchor") else 1)
        assert float(text.get("x")) + wide < width + 20
        assert float(text.get("y")) < height


@every_network
def test_no_link_crosses_a_box(name) -> None:
    root, _ = drawn(name)
    boxes = [rectangle(group) for group in groups(root, "box")]
    for group in groups(root, "link"):
        corners = points(group.find(f"{SVG}path"))
        for (x0, y0), (x1, y1) in pairwise(corners):
            for left, top, right, bottom in boxes:
                beside = max(x0, x1) <= left or min(x0, x1) >= right
                assert beside or max(y0, y1) <= top or min(y0, y1) >= bottom


@every_network
def test_labels_fit_into_their_boxes(name) -> None:
    for group in groups(drawn(name)[0], "box"):
        left, _, right, _ = rectangle(group)
        for text in group.iter(f"{SVG}text"):
            assert 7.5 * len(text.text) <= right - left + 10


@every_network
def test_the_same_network_gives_the_same_bytes(name) -> None:
    spec = NETWORKS[name]
    assert draw_figure(spec, name) == draw_figure(spec.scaled(1), name)


@every_network
def test_heads_and_presence_are_marked(name) -> None:
    spec = NETWORKS[name]
    roles = [box.role for box in diagram(spec.graph).boxes]
    assert roles.count("head") == spec.num_heads
    assert roles.count("presence") == (spec.graph.presence is not None)


def test_a_u_net_looks_like_a_u() -> None:
    found = diagram(NETWORKS["unet"].graph)
    path = [box.row for box in found.boxes if box.role in ("encoder", "decoder")]
    assert path == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    columns = [box.column for box in found.boxes]
    assert columns == sorted(columns)
    assert found.rows == ["1", "1/2", "1/4", "1/8", "1/16"]


def test_u_net_plus_plus_looks_like_its_triangle() -> None:
    for box in diagram(NETWORKS["unet++"].graph).boxes:
        if box.name.startswith("nodes."):
            i, j = map(int, box.name.split(".")[1:])
            assert box.row == i + 1  # the heads are above
            assert box.column == 2 + i + 2 * j


def test_fcn_is_a_stair_of_sums() -> None:
    found = diagram(NETWORKS["fcn-8s"].graph)
    sums = [box for box in found.boxes if box.role == "sum"]
    assert [box.row for box in sums] == [4, 3]
    into = [link.kind for link in found.links if link.target in sums]
    assert sorted(into) == ["sum", "sum", "up", "up"]


def test_repeats_of_a_stage_are_one_box() -> None:
    boxes = {box.name: box for box in diagram(NETWORKS["eff-unet-b0"].graph).boxes}
    assert boxes["encoder.3"].blocks == ["encoder.3.0", "encoder.3.1", "encoder.3.2"]
    assert "3 × 80" in draw_figure(NETWORKS["eff-unet-b0"])


def test_rows_tell_each_axis_where_they_differ() -> None:
    spec = UNetSpec(ndim=3, channels=(4, 8, 16), pooling=((1, 2, 2), (2, 2, 2)))
    assert diagram(spec.graph).rows == ["1", "1·1/2·1/2", "1/2·1/4·1/4"]


def test_one_head_stands_beside_its_node() -> None:
    spec = UNetPlusPlusSpec(channels=(4, 8, 16), deep_supervision=False)
    assert diagram(spec.graph).rows == ["1", "1/2", "1/4"]


def test_a_title_is_escaped() -> None:
    root = ET.fromstring(draw_figure(NETWORKS["unet-16"], 'a < "b" & c'))
    assert root.find(f"{SVG}title").text == 'a < "b" & c'


def test_every_network_has_one_section() -> None:
    for name, spec in NETWORKS.items():
        assert sum(section.holds(spec) for section in SECTIONS) == 1, name
    for section in SECTIONS:
        assert section.holds(NETWORKS[section.figure])
    assert set(REMARKS) <= set(NETWORKS)
