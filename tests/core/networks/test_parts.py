"""A part of an answer, against the same part of the whole one."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.parts import divisible
from napari_unet_studio.core.networks.resunet import ResUNetSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

# Of the valid ones, which are computed whole, one is enough: they take long.
WHOLE = ["unet-2015"]
SPECS = {
    name: spec.scaled(1 / 64)
    for name, spec in NETWORKS.items()
    if divisible(spec.graph) or name in WHOLE or not spec.local
} | {
    "unet, uneven levels": UNetSpec(channels=((1,), (1, 1, 1), (1, 1))),
    "unet, bilinear": UNetSpec(channels=(2, 2, 2), up="bilinear"),
    "unet, nearest": UNetSpec(channels=(2, 2, 2), up="nearest"),
    "unet, pooled by three": UNetSpec(
        channels=((1,), (2,), (2,)), pooling=((3, 3), (2, 2)), up="bilinear"
    ),
    "unet, thick": UNetSpec(
        ndim=3, channels=((1,), (2,), (2,)), pooling=((1, 2, 2), (2, 2, 2))
    ),
    "unet++, all heads": UNetPlusPlusSpec(channels=((2,),) * 4, mode="accurate"),
    "resunet, batch": ResUNetSpec(channels=(2, 2, 2), norm="batch"),
}
every = pytest.mark.parametrize("name", SPECS)


def drawn(spec):
    """A network in double precision, and an image of three steps of its grid."""
    torch.manual_seed(0)
    network = build(spec).double().eval()
    if spec.family != "mobile-unet":  # whose ReLU6 would be at its end everywhere
        with torch.no_grad():  # so that ReLUs of a single channel are not shut
            for parameter in network.parameters():
                parameter.abs_()
    shape = spec.input_shape((1,) * spec.ndim)
    more = 3 if spec.ndim == 2 else 1
    shape = [s + more * d for s, d in zip(shape, spec.divisor, strict=True)]
    return network, torch.rand(1, spec.in_channels, *shape, dtype=torch.float64)


@every
@pytest.mark.parametrize("off", [0, 1], ids=["on the grid", "off the grid"])
def test_a_part_is_that_of_the_whole_answer(name, off):
    spec = SPECS[name]
    network, image = drawn(spec)
    image = image[..., off:]
    sizes = spec.output_shape(image.shape[2:])
    rng = np.random.default_rng(off)
    with torch.inference_mode():
        whole = network(image)
        assert spec.graph.presence is not None or whole.min() < whole.max()
        for _ in range(5):
            ends = [np.sort(rng.choice(size + 1, 2, replace=False)) for size in sizes]
            part = [slice(int(low), int(high)) for low, high in ends]
            found = network(image, part=part)
            torch.testing.assert_close(found, whole[:, :, *part])


@pytest.mark.parametrize(
    "part", [[slice(0, 8)], [slice(0, 8), slice(4, 4)], [slice(0, 8), slice(60, 65)]]
)
def test_parts_that_are_none_are_refused(part):
    network, image = build(UNetSpec(channels=(1, 1))).eval(), torch.zeros(1, 1, 64, 64)
    with pytest.raises(ConfigError, match="not one of an answer of"):
        network(image, part=part)


def test_in_training_there_are_no_parts():
    network, image = build(UNetSpec(channels=(1, 1))), torch.zeros(1, 1, 64, 64)
    part = [slice(0, 8), slice(0, 8)]
    with pytest.raises(ConfigError, match="evaluation mode"):
        network.train()(image, part=part)
    with pytest.raises(ConfigError, match="evaluation mode"):
        network.eval()(image, every_head=True, part=part)


@every
def test_operations_of_a_part_are_those_that_torch_counts(name):
    spec = SPECS[name]
    with torch.device("meta"):
        network = build(spec).eval()
        x = torch.empty(1, spec.in_channels, *spec.input_shape((40,) * spec.ndim))
    part = [slice(s // 2, s // 2 + 1) for s in spec.output_shape(x.shape[2:])]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(x, part=part)
    counted = counter.get_total_flops()
    assert spec.costs(x.shape[2:], part=part).flops == counted
    whole = spec.costs(x.shape[2:]).flops
    assert counted <= whole if divisible(spec.graph) else counted == whole


@pytest.mark.parametrize(
    ("name", "at_most"), [("unet", 0.5), ("unet++", 0.25), ("unet3+", 0.2)]
)
def test_the_fine_levels_on_the_way_up_are_computed_where_they_are_needed(
    name, at_most
):
    spec = NETWORKS[name]
    halo, step = spec.halo[0], spec.divisor[0]
    side = 2 * halo + 2 * step
    part = [slice(halo, halo + 2 * step)] * 2
    whole, found = spec.costs((side, side)), spec.costs((side, side), part=part)
    assert found.flops < at_most * whole.flops
    assert found.inference_bytes < whole.inference_bytes
    assert found.training_bytes == whole.training_bytes
