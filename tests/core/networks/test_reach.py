"""Receptive field and halo, against what the network really sees."""

from dataclasses import replace

import pytest
import torch

from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.fcn import FCNSpec
from napari_unet_studio.core.networks.resunet import ResUNetSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unet3p import UNet3PlusSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

REACHES = {
    "unet": UNetSpec(channels=(1, 1, 1)),
    "unet, one convolution": UNetSpec(channels=((1,), (1,), (1,))),
    "unet, uneven levels": UNetSpec(channels=((1,), (1, 1, 1), (1, 1))),
    "unet, valid": UNetSpec(channels=(1, 1, 1), padding="valid"),
    "unet, valid, uneven levels": UNetSpec(
        channels=((1,), (1, 1, 1), (1,)), padding="valid"
    ),
    "unet, bilinear": UNetSpec(channels=(1, 1, 1), up="bilinear"),
    "unet, nearest": UNetSpec(channels=(1, 1, 1), up="nearest"),
    "unet, pooled by three": UNetSpec(
        channels=((1,), (1,), (1,)), pooling=((3, 3), (2, 2)), up="bilinear"
    ),
    "unet, thick": UNetSpec(
        ndim=3, channels=((1,), (1,), (1,)), pooling=((1, 2, 2), (2, 2, 2))
    ),
    "unet++": UNetPlusPlusSpec(channels=(1, 1, 1)),
    "unet++, uneven levels": UNetPlusPlusSpec(channels=((1, 1, 1), (1,), (1, 1))),
    "unet++, four levels": UNetPlusPlusSpec(channels=((1,),) * 4),
    "unet3+": UNet3PlusSpec(channels=((1,),) * 3, skip_channels=1),
    "fcn-8s": FCNSpec(channels=((1,),) * 3, fc=1, stride=8),
    "fcn-32s": FCNSpec(channels=((1,),) * 2, fc=1, stride=32),
    "resunet": ResUNetSpec(channels=(1, 1, 1), norm="none"),
    "3d unet": UNetSpec(ndim=3, channels=(1, 1)),
    "3d unet, valid": UNetSpec(ndim=3, channels=(1, 1), padding="valid"),
    "3d unet++": UNetPlusPlusSpec(ndim=3, channels=((1,), (1,))),
}


def with_equal_weights(spec):
    network = build(spec).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 0.3)
    return network


def answer(network, x):
    return network(x, every_head=True).logits[-1]


@pytest.mark.parametrize("spec", REACHES.values(), ids=REACHES)
def test_skips_are_cropped_about_the_centre(spec):
    if spec.family == "resunet":
        pytest.skip("strided convolutions begin at the first pixel")
    # Equal weights know no direction, so the mirrored input has the mirrored answer.
    network = with_equal_weights(spec)
    shape = spec.input_shape((1,) * spec.ndim)
    x = torch.rand(
        2, 1, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for axis in range(2, spec.ndim + 2):
        mirrored = answer(network, x.flip(axis)).flip(axis)
        torch.testing.assert_close(mirrored, answer(network, x))


@pytest.mark.parametrize("up", ["transposed", "nearest"])
@pytest.mark.parametrize("pooling", [2, 3])
def test_a_window_of_a_valid_network_is_answered_like_the_whole_image(up, pooling):
    spec = UNetSpec(
        channels=(2, 3, 2), padding="valid", up=up, pooling=((pooling, 2), (2, pooling))
    )
    torch.manual_seed(0)
    network = build(spec).double().eval()
    window = spec.input_shape((1, 1))
    shape = [side + 3 * step for side, step in zip(window, spec.divisor, strict=True)]
    x = torch.rand(1, 1, *shape, dtype=torch.float64)
    places = zip(spec.divisor, window, strict=True)
    part = x[..., *(slice(2 * step, 2 * step + side) for step, side in places)]
    with torch.inference_mode():
        whole, tile = network(x), network(part)
    places = zip(spec.divisor, tile.shape[2:], strict=True)
    core = whole[..., *(slice(2 * step, 2 * step + side) for step, side in places)]
    torch.testing.assert_close(tile, core)


def dependence(spec, size, axis):
    """Which input planes (rows) each output plane (columns) depends on, along an axis.

    All weights are positive and so is the input: raising one plane of it raises every
    output pixel that can see that plane, through maxima too.
    """
    network = with_equal_weights(spec)
    least = spec.input_shape((1,) * spec.ndim)
    shape = [s + d for s, d in zip(least, spec.divisor, strict=True)]
    shape[axis] = size
    x = torch.ones(1, 1, *shape, dtype=torch.float64)
    middle = [s // 2 for s in spec.output_shape(shape)]
    line = (0, 0, *(slice(None) if a == axis else m for a, m in enumerate(middle)))
    raised = x.repeat(size, *[1] * (spec.ndim + 1))
    for plane in range(size):
        raised[plane].select(axis + 1, plane).add_(1e6)
    with torch.inference_mode():
        before = answer(network, x)[line]
        after = answer(network, raised)[(slice(None), *line[1:])]
    return after > before


@pytest.mark.parametrize("spec", REACHES.values(), ids=REACHES)
def test_the_receptive_field_is_what_the_worst_pixel_sees(spec):
    for axis in {0, spec.ndim - 1}:
        field, step = spec.receptive_field[axis], spec.divisor[axis]
        wanted = [1] * spec.ndim
        wanted[axis] = 2 * field + 2 * step
        sees = dependence(spec, spec.input_shape(wanted)[axis], axis)
        extents = [int(c.nonzero().max() - c.nonzero().min()) + 1 for c in sees.T]
        assert max(extents) == field


@pytest.mark.parametrize("name", [n for n, s in REACHES.items() if not any(s.trim)])
def test_a_core_on_the_grid_sees_no_further_than_the_halo(name):
    spec = REACHES[name]
    halo, step = spec.halo[0], spec.divisor[0]
    assert halo % step == 0
    sees = dependence(spec, 2 * halo + 3 * step, axis=0)
    start = halo + step
    seen = sees[:, start : start + step].any(1).nonzero()
    assert seen.min() >= start - halo
    assert seen.max() < start + step + halo
    # And a halo one step narrower would not do.
    narrow = halo - step
    assert seen.min() < start - narrow or seen.max() >= start + step + narrow


@pytest.mark.parametrize(
    "name",
    ["unet-16", "unet-2015", "unet-teaching", "fcn-8s", "unet++", "unet3+", "resunet"],
)
def test_the_gradient_of_a_pixel_fills_the_receptive_field_and_no_more(name):
    """With averages in place of maxima the gradient reaches as far as the field."""
    spec = replace(NETWORKS[name].scaled(1 / 64), norm="none", in_channels=1)
    network = with_equal_weights(spec)
    for name, module in list(network.named_modules()):
        if isinstance(module, torch.nn.MaxPool2d):
            network.set_submodule(name, torch.nn.AvgPool2d(module.kernel_size))
    # Odd multiples of the grid along X; the worst pixel is among one step of them.
    field, step = spec.receptive_field[1], spec.divisor[1]
    shape = spec.input_shape((1, field + 4 * step))
    x = torch.ones(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    row = answer(network, x)[0].sum(0)
    row = row[row.shape[0] // 2]
    extents = []
    for pixel in range(len(row) // 2 - step, len(row) // 2):
        (gradient,) = torch.autograd.grad(row[pixel], x, retain_graph=True)
        seen = gradient[0, 0].ne(0).any(0).nonzero()
        extents.append(int(seen.max() - seen.min()) + 1)
    assert max(extents) == field
