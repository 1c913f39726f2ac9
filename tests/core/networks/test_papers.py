"""The numbers that the papers print."""

import math

import pytest
import torch
from torch import nn

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.catalog import NETWORKS, build, get_spec
from napari_unet_studio.core.networks.unetpp import prune


def on_meta(name_or_spec, **changes):
    with torch.device("meta"):
        return build(name_or_spec, **changes)


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_counted_without_building(name):
    assert NETWORKS[name].parameters == count(on_meta(name))


def test_the_unet_of_2015_has_the_numbers_of_the_paper():
    network = on_meta("unet-2015")
    convolutions = [
        m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert len(convolutions) == 23
    assert count(network) == 31_030_658
    assert NETWORKS["unet-2015"].output_shape((572, 572)) == (388, 388)
    assert NETWORKS["unet-2015"].input_shape((388, 388)) == (572, 572)


def test_the_narrow_unet_has_the_parameters_of_the_unet_plus_plus_paper():
    assert count(on_meta("unet-32")) == 7_759_521


def test_unet_plus_plus_has_the_parameters_of_the_paper():
    assert count(on_meta("unet++", deep_supervision=False)) == 9_041_601
    heads = count(on_meta("unet++")) - 9_041_601
    assert heads == 3 * (32 + 1)  # a 1x1 head each on X^{0,1..3}
    wide = (64, 128, 256, 512, 1024)
    millions = count(on_meta("unet++", channels=wide, deep_supervision=False)) / 1e6
    assert round(millions, 2) == 36.16


def test_pruned_unet_plus_plus_has_the_parameters_of_the_paper():
    # Zhou et al. 2020, table on pruning: L1 to L4 have 0.1, 0.5, 2.2 and 9.0 million.
    network = build("unet++")
    millions = [prune(network, n).spec.parameters / 1e6 for n in (1, 2, 3, 4)]
    assert [round(m, 1) for m in millions] == [0.1, 0.5, 2.2, 9.0]


def test_unet_3_plus_has_the_parameters_of_the_paper():
    assert count(on_meta("unet3+", in_channels=3)) == 26_971_777


def test_the_3d_unet_of_2016_has_the_numbers_of_the_paper():
    network = on_meta("unet-3d-2016")
    left_out = sum(
        sum(p.numel() for p in m.parameters())
        if isinstance(m, nn.BatchNorm3d)
        else m.bias.numel()
        for m in network.modules()
        if isinstance(m, nn.BatchNorm3d | nn.ConvTranspose3d)
    )
    assert count(network) - left_out == 19_069_955
    assert NETWORKS["unet-3d-2016"].output_shape((132, 132, 116)) == (44, 44, 28)


def encoder_parameters(name, **changes):
    spec = get_spec(name, in_channels=3, **changes)
    return sum(
        node.op.parameters(spec.graph.given(node))
        for node in spec.graph.nodes
        if node.block.startswith("encoder")
    )


def classifier(width, features):
    """The layers of the published classifiers that a U-Net leaves out.

    A 1x1 convolution with batch norm to `features`, and the layer to 1000 classes.
    """
    return width * features + 2 * features + 1000 * (features + 1)


# torchvision's tables of weights, "num_params", for 1000 classes of ImageNet.
EFFICIENTNETS = (
    (5_288_548, 320),
    (7_794_184, 320),
    (9_109_994, 352),
    (12_233_232, 384),
    (19_341_616, 448),
    (30_389_784, 512),
    (43_040_704, 576),
    (66_347_960, 640),
)


@pytest.mark.parametrize("number", range(8))
def test_the_encoders_are_the_published_efficientnets(number):
    published, width = EFFICIENTNETS[number]
    rest = classifier(width, 4 * width)
    assert encoder_parameters(f"eff-unet-b{number}") + rest == published


def test_the_mobile_encoder_is_the_published_mobilenet_v2():
    # torchvision: 3,504,872 for 1000 classes; "3.4 M" in the paper's table 4.
    assert encoder_parameters("mobile-unet") + classifier(320, 1280) == 3_504_872


def test_the_fcn_encoder_is_the_published_vgg_16():
    # VGG-16 without its fully connected layers, as Keras counts it.
    assert encoder_parameters("fcn-8s", norm="none") == 14_714_688
    convolutions = [
        node
        for node in NETWORKS["fcn-8s"].graph.nodes
        if isinstance(node.op, ops.Conv) and node.block.startswith("encoder")
    ]
    assert len(convolutions) == 13


def test_the_receptive_field_before_the_scores_is_that_of_the_fcn_paper():
    # 404 pixels (Long et al. 2015, table 1), then interpolation between two scores.
    assert NETWORKS["fcn-32s"].receptive_field == (404 + 32, 404 + 32)


def test_the_residual_unet_has_the_layers_of_its_paper():
    graph = NETWORKS["resunet"].graph
    convolutions = [n.op for n in graph.nodes if isinstance(n.op, ops.Conv)]
    wide = [op for op in convolutions if op.kernel == (3, 3)]
    assert len(wide) + 1 == 15  # and the 1x1 head: Zhang et al. 2018, section II
    assert sum(max(op.stride) > 1 for op in wide) == 3
    assert not any(isinstance(n.op, ops.MaxPool) for n in graph.nodes)


def test_the_teaching_variant_halves_the_widths_before_the_enlargement():
    graph = NETWORKS["unet-teaching"].graph
    for node in graph.nodes:
        if isinstance(node.op, ops.Concat):
            first, second = graph.given(node)
            assert first == second
    transposed = get_spec("unet-teaching", up="transposed").graph
    for node in transposed.nodes:
        if isinstance(node.op, ops.UpConv):
            assert transposed.given(node) == (node.channels,)


# --- how weights begin


def test_weights_start_with_the_deviation_of_the_paper_and_biases_at_zero():
    torch.manual_seed(0)
    network = build("unet-32", channels=(64, 64, 64))
    seen = set()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert not module.bias.any()
            # Nodes that one output sees; the up-convolution's kernels do not overlap.
            overlapping = isinstance(module, nn.Conv2d)
            area = math.prod(module.kernel_size) if overlapping else 1
            incoming = module.in_channels * area
            if module.weight.numel() > 10_000:
                seen.add((type(module).__name__, incoming))
                expected = math.sqrt(2 / incoming)
                assert module.weight.std().item() == pytest.approx(expected, rel=0.03)
    assert ("Conv2d", 576) in seen
    assert ("ConvTranspose2d", 64) in seen


def test_the_outgoing_nodes_count_where_the_spec_says_so():
    torch.manual_seed(0)
    network = build("unet-32", channels=((64,), (256,)), init="he-fan-out")
    widening = network.get_submodule("encoder.1.0")
    assert widening.weight.std().item() == pytest.approx(
        math.sqrt(2 / (256 * 9)), rel=0.03
    )


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("classes", [1, 3])
def test_fcn_begins_with_linear_interpolation_of_the_scores(ndim, classes):
    spec = get_spec("fcn-32s", ndim=ndim, num_classes=classes).scaled(1 / 64)
    up = build(spec).get_submodule("up.0")
    shape = (3,) * ndim
    scores = torch.rand(1, classes, *shape, generator=torch.Generator().manual_seed(0))
    enlarged = up(scores)
    mode = "bilinear" if ndim == 2 else "trilinear"
    expected = nn.functional.interpolate(
        scores, scale_factor=32, mode=mode, align_corners=False
    )
    # Zeros lie beyond the border of a transposed convolution.
    inner = (slice(None), slice(None), *[slice(16, -16)] * ndim)
    torch.testing.assert_close(enlarged[inner], expected[inner])
