"""Operations and memory, against torch's own counters."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from napari_unet_studio.core.networks.catalog import NETWORKS, build

SOME = ["unet-16", "unet-2015", "unet-teaching", "fcn-8s", "unet++", "unet3+-guided"]
SOME += ["resunet", "mobile-unet", "eff-unet-b0", "unet-3d", "unet-3d-2016"]


@pytest.mark.parametrize("name", NETWORKS)
def test_operations_are_those_that_torch_counts(name):
    spec = NETWORKS[name]
    with torch.device("meta"):
        network = build(spec).eval()
        x = torch.empty(2, spec.in_channels, *spec.input_shape((40,) * spec.ndim))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(x)
    assert spec.costs(x.shape[2:], batch=2).flops == counter.get_total_flops()


def test_operations_per_pixel_settle_for_large_images():
    spec = NETWORKS["unet-16"]
    assert spec.flops_per_pixel(256) == spec.flops_per_pixel(512)


def saved_bytes(network, x):
    """Bytes of the activations that autograd keeps, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = sum(h.sum() for h in network(x, every_head=True).logits)
    total = sum(kept.values())
    del loss
    return total


@pytest.mark.parametrize("name", SOME)
def test_the_estimate_for_training_holds_what_autograd_keeps(name):
    spec = NETWORKS[name].scaled(1 / 8)
    network = build(spec)
    x = torch.rand(2, spec.in_channels, *spec.input_shape((60,) * spec.ndim))
    estimate = spec.costs(x.shape[2:], batch=2)
    fixed = 16 * estimate.parameters
    kept = saved_bytes(network, x)
    # The estimate adds the two largest gradients to what is kept.
    assert 0.95 * kept < estimate.training_bytes - fixed < 1.6 * kept


def peak_bytes(network, x):
    """Bytes of activations held at most while the network answers."""
    with (
        torch.inference_mode(),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler,
    ):
        network(x)
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.mark.parametrize("name", SOME)
def test_the_estimate_for_inference_is_near_what_is_held(name):
    spec = NETWORKS[name].scaled(1 / 4)
    network = build(spec).eval()
    shape = spec.input_shape((120 if spec.ndim == 2 else 40,) * spec.ndim)
    x = torch.rand(1, spec.in_channels, *shape)
    peak_bytes(network, x)
    estimate = spec.costs(shape)
    own = estimate.inference_bytes - 4 * estimate.parameters - x.nbytes
    held = peak_bytes(network, x)
    assert held > 0.9 * own
    # Convolutions may take scratch memory; those of volumes take much on CPUs.
    assert spec.ndim == 3 or held < 2.5 * own
