"""Every network of the catalog as a torch module."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import (
    FAMILIES,
    NETWORKS,
    build,
    get_spec,
    spec_from_dict,
)
from napari_unet_studio.core.networks.lifetimes import in_place
from napari_unet_studio.core.networks.modules import average_heads
from napari_unet_studio.core.networks.unet import UNetSpec

every_network = pytest.mark.parametrize("name", NETWORKS)
every_family = pytest.mark.parametrize("family", FAMILIES)


def tiny(name, **changes):
    """A network of the catalog with all its levels, but few channels."""
    whole = NETWORKS[name]
    return get_spec(whole.scaled(1 / (4 if whole.parameters < 2e6 else 16)), **changes)


def smallest_input(spec, batch=2, more=0):
    shape = spec.input_shape((1,) * spec.ndim)
    shape = tuple(s + more * d for s, d in zip(shape, spec.divisor, strict=True))
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, spec.in_channels, *shape, generator=generator)


def of_family(family):
    """The first row of a family, tiny."""
    name = next(n for n, s in NETWORKS.items() if s.family == family)
    return tiny(name)


# --- gradients, state


@every_network
@pytest.mark.parametrize("in_channels", [1, 4])
def test_every_parameter_gets_a_gradient(name, in_channels):
    spec = tiny(name, in_channels=in_channels)
    network = build(spec)
    padded = not any(spec.trim)
    x = smallest_input(spec, batch=4 if spec.ndim == 2 else 1, more=int(padded))
    logits, presence = network(x, every_head=True)
    total = sum(head.square().sum() for head in logits)
    if presence is not None:
        total = total + presence.square().sum()
    total.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert not without
    assert all(p.grad.isfinite().all() for p in network.parameters())
    weights = [p for p in network.parameters() if p.ndim > 1]
    assert sum(bool(p.grad.any()) for p in weights) > 0.9 * len(weights)


@every_family
@pytest.mark.parametrize("norm", ["none", "batch", "instance", "group"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_family_runs_with_every_norm_in_2d_and_3d(family, norm, ndim):
    spec = replace(of_family(family), norm=norm, ndim=ndim, num_classes=3)
    network = build(spec)
    x = smallest_input(spec, batch=2, more=1)
    logits = network(x, every_head=True).logits
    sum(head.square().mean() for head in logits).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert spec.local is (norm in ("none", "batch") and family != "eff-unet")


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_instance_norm_is_torchs_and_takes_single_pixels_too(ndim):
    network = build(UNetSpec(ndim=ndim, channels=(4, 8), norm="instance")).eval()
    kind = nn.InstanceNorm2d if ndim == 2 else nn.InstanceNorm3d
    ours = next(m for m in network.modules() if isinstance(m, kind))
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    x = torch.rand(2, 4, *(6, 5, 3)[:ndim])
    theirs = nn.functional.instance_norm(x, weight=ours.weight, bias=ours.bias)
    assert torch.equal(ours(x), theirs)
    single = ours(x[(..., *[slice(1)] * ndim)]).flatten(1)
    torch.testing.assert_close(single, ours.bias.expand(2, 4), rtol=0, atol=1e-4)
    assert network(torch.rand(1, 1, *[1] * ndim)).isfinite().all()


@every_network
def test_no_two_entries_of_the_state_are_one_tensor(name):
    state = build(tiny(name)).state_dict()
    places = [tensor.data_ptr() for tensor in state.values()]
    assert len(set(places)) == len(places)


@every_network
def test_a_reloaded_state_reproduces_the_output(name):
    spec = tiny(name)
    torch.manual_seed(0)
    first, second = build(spec).eval(), build(spec).eval()
    x = smallest_input(spec, batch=1)
    with torch.inference_mode():
        before = first(x, every_head=True).logits[-1]
        assert not torch.equal(before, second(x, every_head=True).logits[-1])
        second.load_state_dict(first.state_dict(), strict=True)
        assert torch.equal(before, second(x, every_head=True).logits[-1])


@every_network
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_a_network_can_be_copied_and_pickled(name, duplicate):
    torch.manual_seed(0)
    network = build(tiny(name)).eval()
    twin = duplicate(network)
    assert twin.spec == network.spec
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()  # the copy runs on its own weights
    x = smallest_input(network.spec, batch=1)
    assert not torch.equal(
        network(x, every_head=True).logits[-1], twin(x, every_head=True).logits[-1]
    )


@every_network
def test_the_state_of_a_network_is_named_after_its_drawing(name):
    spec = NETWORKS[name]
    names = [node.name for node in spec.graph.nodes]
    assert len(set(names)) == len(names)
    with torch.device("meta"):
        network = build(spec)
    assert {key.rpartition(".")[0] for key in network.state_dict()} <= set(names)


@every_network
def test_overwriting_in_place_changes_nothing(name):
    """The same graph run without in-place nonlinearities gives the same gradients."""
    spec = tiny(name)
    network = build(spec)
    plain = copy.deepcopy(network)
    changed = 0
    for module in plain.modules():
        if isinstance(module, nn.ReLU):
            changed += module.inplace
            module.inplace = False
    assert changed == len(in_place(spec.graph))
    x = smallest_input(spec, batch=2, more=int(not any(spec.trim)))
    for one in (network, plain):
        torch.manual_seed(0)  # for dropout
        logits, presence = one(x, every_head=True)
        total = sum(head.square().mean() for head in logits)
        (total if presence is None else total + presence.sum()).backward()
    for one, other in zip(network.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


@every_family
def test_a_layer_put_in_the_place_of_another_is_the_one_that_runs(family):
    network = build(of_family(family)).eval()
    layers = [m for m in network.modules() if isinstance(m, nn.ReLU | nn.ReLU6)]
    assert layers
    name = next(n for n, m in network.named_modules() if m is layers[0])
    twin = copy.deepcopy(network)
    runs = []
    for count, one in enumerate((network, twin), start=1):
        one.set_submodule(name, nn.ReLU())
        one.get_submodule(name).register_forward_hook(lambda *_: runs.append(1))
        one(smallest_input(network.spec, batch=1))
        assert len(runs) == count


@pytest.mark.slow
def test_a_network_is_compiled_whole():
    network = build("unet-16", channels=((2,), (2,))).eval()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    x = torch.rand(1, 1, 6, 9)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), network(x))
    torch.compiler.reset()


@pytest.mark.parametrize("name", ["unet-2015", "fcn-8s", "eff-unet-b0"])
def test_randomness_acts_in_training_only(name):
    spec = NETWORKS[name].scaled(1 / 8)
    network = build(spec)
    x = smallest_input(spec, batch=4)
    before = copy.deepcopy(network.state_dict())
    assert not torch.equal(network(x), network(x))
    network.load_state_dict(before)
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_strided_projection_is_a_strided_convolution(ndim):
    torch.manual_seed(0)
    network = build(tiny("resunet", ndim=ndim))
    projection = network.get_submodule("encoder.1.skip")
    plain = nn.Conv2d if ndim == 2 else nn.Conv3d
    layer = plain(projection.in_channels, projection.out_channels, 1, 2)
    layer.load_state_dict(projection.state_dict())
    x = torch.rand(2, projection.in_channels, *(5, 6, 8)[:ndim], requires_grad=True)
    torch.testing.assert_close(projection(x), layer(x))
    ours, theirs = (
        torch.autograd.grad(one(x).square().sum(), (x, one.weight))
        for one in (projection, layer)
    )
    torch.testing.assert_close(ours, theirs)


def test_a_branch_is_left_out_as_often_as_the_spec_says():
    spec = replace(NETWORKS["eff-unet-b0"], drop_path=0.5)
    ops = [n.op for n in spec.graph.nodes if type(n.op).__name__ == "DropPath"]
    chances = [op.probability for op in ops]
    assert chances == sorted(chances)
    assert 0.3 < chances[-1] < 0.5
    from napari_unet_studio.core.networks.modules import DropPath

    torch.manual_seed(0)
    kept = DropPath(0.25).train()(torch.ones(4000, 1, 2, 2))
    values, numbers = kept.unique(return_counts=True)
    assert values.tolist() == pytest.approx([0, 1 / 0.75])
    assert numbers[0] / numbers.sum() == pytest.approx(0.25, abs=0.03)


def test_a_changed_spec_builds_the_changed_network():
    network = build("unet-16", in_channels=3, num_classes=5, channels=(4, 6))
    assert network.spec == get_spec(
        "unet-16", in_channels=3, num_classes=5, channels=(4, 6)
    )
    assert network(torch.zeros(1, 3, 8, 10)).shape == (1, 5, 8, 10)


@every_network
def test_a_scaled_network_is_as_deep_and_narrower(name):
    whole = NETWORKS[name]
    half = whole.scaled(0.5)
    assert len(half.graph.nodes) == len(whole.graph.nodes)
    assert half.divisor == whole.divisor
    assert 0.2 < half.parameters / whole.parameters < 0.5


# --- heads


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_the_average_of_heads_has_the_mean_of_their_probabilities(classes):
    generator = torch.Generator().manual_seed(1)
    heads = [
        20 * torch.randn(2, classes, 3, 4, generator=generator, dtype=torch.float64)
        for _ in range(3)
    ]

    def probability(logits):
        return logits.sigmoid() if classes == 1 else logits.softmax(1)

    mean = torch.stack([probability(head) for head in heads]).mean(0)
    torch.testing.assert_close(probability(average_heads(heads)), mean)


def test_the_average_of_certain_heads_stays_finite():
    certain = torch.full((1, 1, 2, 2), 300.0)
    assert average_heads([certain, certain]).isfinite().all()
    assert average_heads([certain, -certain]).sigmoid().tolist()[0][0][0] == [0.5, 0.5]


@pytest.mark.parametrize("classes", [1, 3])
def test_the_guided_module_answers_background_where_it_sees_no_object(classes):
    network = build(tiny("unet3+-guided", num_classes=classes)).eval()
    x = smallest_input(network.spec, batch=3, more=1)
    with torch.no_grad():
        network.get_submodule("presence").weight.zero_()
        network.get_submodule("presence").bias.fill_(-1.0)
        nobody = network(x)
        network.get_submodule("presence").bias.fill_(1.0)
        somebody = network(x)
        logits, presence = network(x, every_head=True)
    assert presence.shape == (3, 1)
    assert torch.equal(somebody, logits[-1])
    if classes == 1:
        assert (nobody.sigmoid() < 1e-6).all()
    else:
        assert (nobody.softmax(1)[:, 0] > 1 - 1e-6).all()


def test_full_scale_supervision_has_a_head_on_every_level():
    spec = NETWORKS["unet3+-deep"]
    assert spec.num_heads == 5
    network = build(spec.scaled(1 / 32)).eval()
    x = smallest_input(network.spec, more=1)
    assert torch.equal(network(x), network(x, every_head=True).logits[-1])


# --- specs from elsewhere


@every_network
def test_a_spec_survives_json(name):
    spec = NETWORKS[name]
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_plain_width_stands_for_two_convolutions():
    spec = UNetSpec(channels=[8, [16, 32]])
    assert spec.channels == ((8, 8), (16, 32))
    assert hash(spec) == hash(UNetSpec(channels=((8, 8), (16, 32))))


def test_a_spec_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        NETWORKS["unet"].ndim = 3


WRONG = [
    ("unet", {"ndim": 4}, "ndim is 4; it must be a whole number from 2 to 3"),
    ("unet", {"in_channels": 0}, "in_channels is 0"),
    ("unet", {"num_classes": 1.5}, r"num_classes is 1\.5"),
    ("unet", {"in_channels": True}, "in_channels is True"),
    ("unet", {"norm": "layer"}, "norm is 'layer'; choose one of none, batch"),
    ("unet", {"init": "zeros"}, "init is 'zeros'; choose one of he"),
    ("unet", {"padding": "full"}, "padding is 'full'; choose one of same, valid"),
    ("unet", {"halving": "never"}, "halving is 'never'"),
    ("unet", {"up": "cubic"}, "up is 'cubic'"),
    ("unet-2015", {"up": "bilinear"}, "Bilinear interpolation has no valid form"),
    ("unet", {"dropout": 1.0}, r"dropout is 1\.0; it must be a number from 0"),
    ("unet", {"channels": (8,)}, "give 2 to 10 levels"),
    ("unet", {"channels": ((8,), ())}, "each one width or a tuple"),
    ("unet", {"channels": (8, 0)}, "A width in channels is 0"),
    ("unet", {"channels": "8, 16"}, "channels is '8, 16'"),
    ("unet", {"pooling": ((2, 2),)}, "for each of the 4 steps between levels"),
    ("unet", {"pooling": ((1, 1), *[(2, 2)] * 3)}, "must shrink at least one axis"),
    ("unet", {"pooling": ((9, 2), *[(2, 2)] * 3)}, "A factor in pooling is 9"),
    ("unet", {"depth": 3}, "A unet network has no such setting"),
    ("unet++", {"mode": "slow"}, "mode is 'slow'"),
    ("unet3+", {"skip_channels": 0}, "skip_channels is 0"),
    ("unet3+", {"guided": 1}, "guided is 1"),
    ("fcn-8s", {"stride": 4}, "stride is 4; choose one of 8, 16, 32"),
    ("fcn-8s", {"fc": -1}, "fc is -1"),
    ("resunet", {"up": "transposed"}, "choose one of bilinear, nearest"),
    ("mobile-unet", {"width": 0}, "width is 0; it must be a number above 0"),
    ("eff-unet-b0", {"depth": "deep"}, "depth is 'deep'"),
    ("eff-unet-b0", {"decoder": (8, 8)}, "decoder is .*; give 5 levels"),
]


@pytest.mark.parametrize(("name", "changes", "message"), WRONG)
def test_a_wrong_value_is_refused_with_its_name(name, changes, message):
    with pytest.raises(ConfigError, match=message):
        get_spec(name, **changes)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no network named 'vnet'.*unet-16"):
        build("vnet")


@pytest.mark.parametrize(
    "values", [{"family": "vnet"}, {}, {"family": ["unet"]}, [], None]
)
def test_a_description_of_another_family_is_refused(values):
    with pytest.raises(ConfigError):
        spec_from_dict(values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    values=st.dictionaries(
        st.sampled_from(["channels", "pooling", "ndim", "norm", "width", "stride"]),
        st.none()
        | st.integers(-5, 5)
        | st.text(max_size=3)
        | st.lists(st.integers(-1, 4) | st.lists(st.integers(-1, 3), max_size=3)),
        max_size=4,
    ),
)
def test_a_hostile_description_never_ends_in_another_error(family, values):
    try:
        spec_from_dict({"family": family, **values})
    except ConfigError as error:
        assert len(str(error)) < 400  # noqa: PT017
