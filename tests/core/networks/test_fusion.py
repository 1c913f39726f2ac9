import pytest
import torch

from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.fusion import fuse_norms

NORMED = {
    name: spec
    for name, spec in NETWORKS.items()
    # Those left out have the same layers as others, and take long.
    if spec.norm == "batch" and "eff-unet" not in name and name != "unet-3d-2016"
} | {"eff-unet-b0": NETWORKS["eff-unet-b0"]}


def lively(network):
    """Give the norms statistics other than 0 and 1."""
    for module in network.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


@pytest.mark.parametrize("name", NORMED)
def test_folding_the_norms_changes_nothing_but_the_rounding(name) -> None:
    spec = NORMED[name].scaled(0.25)
    torch.manual_seed(0)
    network = lively(build(spec).eval()).double()
    x = torch.randn(1, spec.in_channels, *spec.input_shape((24,) * spec.ndim))
    with torch.inference_mode():
        before = network(x.double())
        count = fuse_norms(network)
        after = network(x.double())
    assert count
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    left = [m for m in network.modules() if hasattr(m, "running_mean")]
    # Norms before their convolution, as in residual units, cannot be folded.
    assert bool(left) == (spec.family == "resunet")


def test_other_norms_stay() -> None:
    assert fuse_norms(build("unet-16", norm="instance").eval()) == 0
