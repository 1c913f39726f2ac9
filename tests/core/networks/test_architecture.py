"""Networks written down as Python source."""

from dataclasses import replace

import pytest
import torch

from napari_unet_studio.core.networks.architecture import CLASS, architecture_source
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.unet import UNetSpec


def from_source(spec):
    namespace = {}
    exec(compile(architecture_source(spec), "network.py", "exec"), namespace)
    return namespace[CLASS]()


def image_on_the_grid(spec):
    torch.manual_seed(1)
    shape = [axis.smallest + axis.divisor for axis in spec.axes]
    return torch.randn(2, spec.in_channels, *shape)


def lively(network):
    """Give a network statistics that are not those of a fresh one."""
    for module in network.modules():
        if isinstance(getattr(module, "running_mean", None), torch.Tensor):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_source_of_every_network_answers_exactly_as_the_network(name) -> None:
    spec = NETWORKS[name].scaled(0.02)
    torch.manual_seed(0)
    network, written = lively(build(spec)), from_source(spec).eval()
    assert list(written.state_dict()) == list(network.state_dict())
    written.load_state_dict(network.state_dict())
    image = image_on_the_grid(spec)
    with torch.inference_mode():
        assert torch.equal(written(image), network(image))


@pytest.mark.parametrize("norm", ["none", "instance", "group"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", ["unet++-16", "unet3+-guided"])
def test_heads_classes_and_norms_come_out_the_same(name, classes, norm) -> None:
    spec = replace(NETWORKS[name].scaled(1 / 16), num_classes=classes, norm=norm)
    network, written = build(spec).eval(), from_source(spec).eval()
    written.load_state_dict(network.state_dict())
    image = image_on_the_grid(spec)
    with torch.inference_mode():
        assert torch.equal(written(image), network(image))


def test_an_image_without_objects_is_background_there_too() -> None:
    spec = NETWORKS["unet3+-guided"].scaled(1 / 16)
    network, written = build(spec).eval(), from_source(spec).eval()
    with torch.no_grad():
        network.presence.weight.zero_()
        network.presence.bias.fill_(-1)
    written.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert float(written(image_on_the_grid(spec)).max()) == -20


def test_anisotropic_pooling_is_written_down() -> None:
    pooling = ((1, 2, 2), (2, 2, 2))
    spec = UNetSpec(ndim=3, channels=(4, 8, 16), pooling=pooling, up="bilinear")
    network, written = build(spec).eval(), from_source(spec).eval()
    written.load_state_dict(network.state_dict())
    image = torch.randn(1, 1, 6, 20, 24)
    with torch.inference_mode():
        assert torch.equal(written(image), network(image))


def test_the_source_can_be_trained_with_what_is_random_in_training() -> None:
    spec = NETWORKS["eff-unet-b0"].scaled(1 / 16)
    written = from_source(spec).train()
    written(image_on_the_grid(spec)).mean().backward()
    assert all(p.grad is not None for p in written.parameters())


@pytest.mark.parametrize("name", ["unet", "unet-2015", "unet-3d-2016", "eff-unet-b7"])
def test_lines_are_short_and_need_torch_alone(name) -> None:
    source = architecture_source(NETWORKS[name])
    assert max(map(len, source.splitlines())) <= 88
    imports = [line for line in source.splitlines() if line.startswith(("from", "imp"))]
    assert all("torch" in line for line in imports)
    assert "SPDX-License-Identifier: BSD-3-Clause" in source
