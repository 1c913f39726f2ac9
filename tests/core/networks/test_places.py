"""Where the pixels of a node lie, against what they really see."""

from math import prod

import pytest
import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.inside import node_outputs
from napari_unet_studio.core.networks.places import (
    field_of,
    node_places,
    one_pace,
    single_values,
    window_for,
)
from napari_unet_studio.core.networks.points import (
    box_facts,
    field_at,
    find_nodes,
    level_of,
    named_nodes,
)
from napari_unet_studio.core.networks.resunet import ResUNetSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

PADDED = UNetSpec(channels=(2, 3, 4))
VALID = UNetSpec(channels=(2, 3, 4), padding="valid")
THICK = UNetSpec(ndim=3, channels=((2,), (2,), (2,)), pooling=((1, 2, 2), (2, 2, 2)))
SMALL = {
    "padded": PADDED,
    "valid": VALID,
    "thick": THICK,
    "nested": UNetPlusPlusSpec(channels=(2, 2, 2)),
    "strided": ResUNetSpec(channels=(2, 2, 2), norm="none"),
    "by three": UNetSpec(channels=((2,), (2,)), pooling=((3, 3),), up="bilinear"),
}


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_places_agree_with_the_answer(spec) -> None:
    for axis in range(spec.ndim):
        places = node_places(spec.graph, axis)
        answer = places[spec.graph.heads[-1]]
        assert (answer.pace, answer.edge) == (1, spec.trim[axis])
        for ref in named_nodes(spec.graph).values():
            assert 0 <= places[ref].edge <= answer.edge


def test_joined_nodes_lie_on_the_same_grid() -> None:
    for spec in NETWORKS.values():
        alone = single_values(spec.graph)
        for axis in range(spec.ndim):
            places = node_places(spec.graph, axis)
            for node in spec.graph.nodes:
                grids = {places[ref] for ref in node.inputs if ref not in alone}
                assert len(grids) <= 1 or "Crop" in type(node.op).__name__


@pytest.mark.parametrize("spec", [PADDED, VALID, SMALL["nested"]])
def test_an_impulse_moves_the_pixels_that_stand_for_it(spec) -> None:
    """With kernels that see only their middle, a node sees its own block alone."""
    network = build(spec).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.shape[-1] == 3:
                parameter.zero_()
                parameter[..., 1, 1] = 1
            else:
                parameter.fill_(1)
    shape = spec.input_shape((8, 8))
    graph = spec.graph
    at = tuple(size // 2 + 1 for size in shape)
    image = torch.zeros(1, 1, *shape, dtype=torch.double)
    image[0, 0, *at] = 1
    refs = list(named_nodes(graph).values())
    with torch.inference_mode():
        found = node_outputs(network, image, refs)
    axes = [node_places(graph, axis) for axis in range(2)]
    deepest = 2 ** (spec.levels - 1)
    for ref, output in found.items():
        lit = output[0].abs().sum(0).nonzero()
        own = [axes[a][ref].over(at[a], at[a] + 1) for a in range(2)]
        for axis, (low, high) in enumerate(own):
            assert low in lit[:, axis]
            # After enlargements it is, with it, the block of the coarsest level.
            assert lit[:, axis].min() > low - deepest
            assert lit[:, axis].max() < high - 1 + deepest
        if graph.nodes[ref].block.startswith("encoder"):
            assert lit.tolist() == [[low for low, _ in own]]


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_a_window_gives_the_same_as_the_whole(spec) -> None:
    torch.manual_seed(1)
    network = build(spec).double().eval()
    size = 45 if spec.ndim == 2 else 27
    answered = spec.input_shape((size,) * spec.ndim)
    whole = torch.rand(1, 1, *answered, dtype=torch.double)
    graph = spec.graph
    for ref in named_nodes(graph).values():
        with torch.inference_mode():
            wanted = node_outputs(network, whole, [ref])[ref]
        part, crop, read = [], [], []
        for axis in range(spec.ndim):
            length = wanted.shape[2 + axis]
            low, high = length // 3, length // 3 + max(1, length // 4)
            window = window_for(spec, [ref], axis, (low, high), size)
            trim = spec.trim[axis]
            read.append(slice(window.start + trim, window.stop + trim))
            part.append(slice(low, high))
            crop.append(slice(low - window.shift[ref], high - window.shift[ref]))
            assert 0 <= read[-1].start < read[-1].stop <= answered[axis]
        with torch.inference_mode():
            found = node_outputs(network, whole[:, :, *read], [ref])[ref]
        torch.testing.assert_close(found[:, :, *crop], wanted[:, :, *part])


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_the_field_of_a_pixel_is_what_moves_it(spec) -> None:
    network = build(spec).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 0.3)
    size = 64 if spec.ndim == 2 else 40
    shape = spec.input_shape((size,) * spec.ndim)
    image = torch.rand(1, 1, *shape, dtype=torch.double, requires_grad=True)
    place = tuple(n // 2 + k for k, n in enumerate((size,) * spec.ndim))
    network(image)[(0, 0, *place)].backward()
    lit = image.grad[0, 0].nonzero()
    for axis, (low, high) in enumerate(field_of(spec, place)):
        trim = spec.trim[axis]
        assert low + trim <= lit[:, axis].min()
        assert lit[:, axis].max() < high + trim
        assert high - low <= spec.receptive_field[axis]


@pytest.mark.parametrize("name", NETWORKS)
def test_facts_of_the_boxes_add_up(name) -> None:
    spec = NETWORKS[name]
    shape = spec.input_shape((64,) * spec.ndim)
    facts = box_facts(spec, shape)
    assert list(facts) == list(named_nodes(spec.graph))
    assert sum(box.parameters for box in facts.values()) == spec.parameters
    total = sum(box.flops for box in facts.values())
    if len(spec.graph.answering) == len(spec.graph.nodes):
        assert total == spec.costs(shape).flops
    else:
        assert total > spec.costs(shape).flops
    assert next(iter(facts.values())).shape == shape


def test_the_deepest_field_is_that_of_the_network() -> None:
    for name in ("unet-16", "unet++-16", "fcn-8s", "unet-3d-2016"):
        spec = NETWORKS[name]
        assert field_at(spec, spec.graph.heads[-1]) == spec.receptive_field
    guided = NETWORKS["unet3+-guided"]
    assert field_at(guided, guided.graph.presence) is None


def test_nodes_are_found_by_box_layer_and_prefix() -> None:
    graph = NETWORKS["unet++-16"].graph
    assert list(find_nodes(graph, "nodes.0")) == [f"nodes.0.{j}" for j in range(4)]
    assert list(find_nodes(graph, "heads")) == ["heads.0", "heads.1", "heads.2"]
    (ref,) = find_nodes(graph, "nodes.1.0.0").values()
    assert graph.nodes[ref].name == "nodes.1.0.0"
    assert list(find_nodes(graph, ["nodes.1.1", "nodes.1.2"])) == [
        "nodes.1.1",
        "nodes.1.2",
    ]
    assert level_of(graph, "nodes.1.1") == ["nodes.1.0", "nodes.1.1", "nodes.1.2"]
    with pytest.raises(ConfigError, match=r"no node named 'nodes.7'.*nodes\.0\.0"):
        find_nodes(graph, "nodes.7")


def test_names_of_boxes_are_unique_and_heads_have_the_names_of_the_figure() -> None:
    for spec in NETWORKS.values():
        boxes = named_nodes(spec.graph)
        assert len(set(boxes.values())) == len(boxes)
        if len(spec.graph.heads) > 1:
            assert set(find_nodes(spec.graph, "heads")) <= set(boxes)


def test_nodes_of_several_sizes_and_single_values_are_refused() -> None:
    graph = NETWORKS["unet3+-guided"].graph
    names = named_nodes(graph)
    with pytest.raises(ConfigError, match="pixels of different sizes"):
        one_pace(graph, [names["encoder.0"], names["encoder.1"]])
    with pytest.raises(ConfigError, match="one value for the whole image"):
        one_pace(graph, [names["presence"]])


def test_outputs_are_not_overwritten_by_what_follows() -> None:
    network = build(UNetSpec(channels=(3, 4))).eval()
    seen = {}
    places = [network.get_submodule(name) for name in ("encoder.0.0", "encoder.0.1")]
    for number, module in enumerate(places):
        module.register_forward_hook(
            lambda _, __, out, number=number: seen.update({number: out.clone()})
        )
    x = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        network(x)
        found = node_outputs(network, x, [1, 2])
    assert torch.equal(found[1], seen[0])
    assert torch.equal(found[2], seen[1])
    assert prod(found[1].shape) == 3 * 256
