"""U-Net++ without the nodes that a head does not need."""

from itertools import pairwise

import pytest
import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.unetpp import prune


@pytest.fixture(params=["unet++", "unet++-16", "unet++-3d"])
def whole(request):
    torch.manual_seed(0)
    network = build(NETWORKS[request.param].scaled(1 / 8)).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "running" in name:
                value.uniform_(0.5, 1.5)
    return network


def image(network):
    shape = tuple(3 * d for d in network.spec.divisor)
    return torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(1))


def test_a_pruned_network_equals_its_head_of_the_whole_bit_for_bit(whole):
    x = image(whole)
    with torch.inference_mode():
        heads = whole(x, every_head=True).logits
        for level, head in enumerate(heads, start=1):
            assert torch.equal(prune(whole, level)(x), head)


def test_accurate_mode_averages_the_heads_that_are_left(whole):
    x = image(whole)
    with torch.inference_mode():
        heads = whole(x, every_head=True).logits[:2]
        left = prune(whole, 2, "accurate")
        mean = torch.stack([head.sigmoid() for head in heads]).mean(0)
        torch.testing.assert_close(left(x).sigmoid(), mean)
        assert left.spec.num_heads == 2


def test_fast_mode_takes_the_last_head(whole):
    x = image(whole)
    spec = whole.spec
    fast = build(spec, mode="fast").eval()
    fast.load_state_dict(whole.state_dict())
    with torch.inference_mode():
        assert torch.equal(fast(x), whole(x, every_head=True).logits[-1])
        mean = torch.stack([h.sigmoid() for h in whole(x, every_head=True).logits])
        torch.testing.assert_close(whole(x).sigmoid(), mean.mean(0))


def test_nodes_operations_and_memory_fall_with_each_level(whole):
    shape = tuple(4 * d for d in whole.spec.divisor)
    levels = [prune(whole, n) for n in range(1, whole.spec.num_heads + 1)]
    for less, more in pairwise(levels):
        assert less.spec.parameters < more.spec.parameters
        few, many = less.spec.costs(shape), more.spec.costs(shape)
        assert few.flops < many.flops
        assert few.inference_bytes < many.inference_bytes
        assert len(less.state_dict()) < len(more.state_dict())
        held = sum(t.untyped_storage().nbytes() for t in less.state_dict().values())
        own = sum(t.numel() * t.element_size() for t in less.state_dict().values())
        assert held == own  # no view into the whole network's weights


def test_the_whole_network_stays_as_it_is(whole):
    before = {k: t.clone() for k, t in whole.state_dict().items()}
    pruned = prune(whole, 1)
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    after = whole.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_pruning_draws_no_random_numbers(whole):
    before = torch.get_rng_state()
    prune(whole, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_a_deeply_supervised_unet_plus_plus_can_be_pruned():
    with pytest.raises(ConfigError, match="this is a unet network"):
        prune(build("unet-16"), 1)
    with pytest.raises(ConfigError, match="trained with deep supervision"):
        prune(build("unet++-16", deep_supervision=False), 1)
    with pytest.raises(ConfigError, match="pruning level is 4"):
        prune(build("unet++-16"), 4)
