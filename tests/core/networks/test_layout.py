"""The places of boxes and lines, for every network of the catalog."""

from itertools import combinations, pairwise

import pytest

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.layout import LINES, layout

every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_no_boxes_overlap_and_all_lie_inside(name) -> None:
    found = layout(NETWORKS[name].graph)
    for one, other in combinations([placed.place for placed in found.boxes], 2):
        beside = one.x + one.width < other.x or other.x + other.width < one.x
        above = one.y + one.height < other.y or other.y + other.height < one.y
        assert beside or above
    for placed in found.boxes:
        x, y, width, height = placed.place
        assert 0 < x < x + width < found.width
        assert found.top < y < y + height < found.end


@every_network
def test_every_link_is_known_and_goes_from_box_to_box(name) -> None:
    found = layout(NETWORKS[name].graph)
    places = {placed.box: placed.place for placed in found.boxes}
    linked = set()
    for placed in found.links:
        link = placed.link
        assert link.kind in LINES
        assert touches(places[link.source], placed.corners[0])
        assert touches(places[link.target], placed.corners[-1])
        linked |= {link.source, link.target}
        for (x0, y0), (x1, y1) in pairwise(placed.corners):
            assert x0 == x1 or y0 == y1
    assert linked == set(places)


def touches(place, point):
    x, y = point
    near = place._replace(
        x=place.x - 1, y=place.y - 1, width=place.width + 2, height=place.height + 2
    )
    return near.holds(x, y)


@every_network
def test_boxes_have_names_widths_and_a_row(name) -> None:
    found = layout(NETWORKS[name].graph)
    assert all(placed.name and placed.widths for placed in found.boxes)
    assert {placed.box.row for placed in found.boxes} == set(range(len(found.rows)))
