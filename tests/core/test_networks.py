import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.blocks import average_heads
from napari_unet_studio.core.networks.catalog import NETWORKS, build, get_spec
from napari_unet_studio.core.networks.spec import (
    NetworkSpec,
    UNetPlusPlusSpec,
    UNetSpec,
    spec_from_dict,
)

few = settings(max_examples=40, deadline=None, derandomize=True)

widths = st.lists(
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    min_size=2,
    max_size=4,
).map(tuple)
shared = {
    "ndim": st.sampled_from([2, 3]),
    "in_channels": st.integers(1, 3),
    "num_classes": st.integers(1, 3),
    "channels": widths,
    "norm": st.sampled_from(["none", "batch"]),
}
specs = st.one_of(
    st.builds(
        UNetSpec,
        **shared,
        padding=st.sampled_from(["same", "valid"]),
        dropout=st.sampled_from([0.0, 0.5]),
        up_keeps_width=st.booleans(),
    ),
    st.builds(UNetPlusPlusSpec, **shared, deep_supervision=st.booleans()),
)


def tiny(name: str) -> NetworkSpec:
    """A network of the catalog with all its levels, but two or three channels each."""
    spec = NETWORKS[name]
    return replace(
        spec,
        channels=tuple(tuple(2 + i % 2 for i in range(len(w))) for w in spec.channels),
    )


def smallest_input(spec: NetworkSpec, batch: int = 2) -> torch.Tensor:
    shape = spec.input_shape((1,) * spec.ndim)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, spec.in_channels, *shape, generator=generator)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def on_meta(name_or_spec, **changes) -> nn.Module:
    with torch.device("meta"):
        return build(name_or_spec, **changes)


# --- shapes


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_output_shape_that_its_spec_promises(name):
    spec = NETWORKS[name]
    network = on_meta(name)
    for wanted in ((1, 1, 1), (33, 33, 33), (20, 33, 46)):
        shape = spec.input_shape(wanted[: spec.ndim])
        x = torch.empty(2, spec.in_channels, *shape, device="meta")
        expected = (2, spec.num_classes, *spec.output_shape(shape))
        assert network(x).shape == expected
        assert {head.shape for head in network(x, every_head=True)} == {expected}


@settings(few, max_examples=25)
@given(spec=specs, wanted=st.tuples(*[st.integers(1, 40)] * 3))
def test_any_spec_gives_a_network_with_the_output_shape_it_promises(spec, wanted):
    shape = spec.input_shape(wanted[: spec.ndim])
    x = torch.empty(1, spec.in_channels, *shape, device="meta")
    assert on_meta(spec)(x).shape[2:] == spec.output_shape(shape)


@few
@given(spec=specs, wanted=st.tuples(*[st.integers(1, 90)] * 3))
def test_the_input_shape_is_the_smallest_admissible_one_that_covers_the_wish(
    spec, wanted
):
    wanted = wanted[: spec.ndim]
    shape = spec.input_shape(wanted)
    covered = spec.output_shape(shape)
    assert all(c >= w for c, w in zip(covered, wanted, strict=True))
    for size in range(1, shape[0]):
        try:
            smaller = spec.output_shape((size, *shape[1:]))
        except ConfigError:
            continue
        assert smaller[0] < wanted[0]


@few
@given(spec=specs, extra=st.integers(0, 5))
def test_admissible_inputs_follow_one_another_by_the_divisor(spec, extra):
    base = spec.input_shape((1,) * spec.ndim)
    larger = tuple(b + extra * d for b, d in zip(base, spec.divisor, strict=True))
    grown = tuple(
        o + extra * d
        for o, d in zip(spec.output_shape(base), spec.divisor, strict=True)
    )
    assert spec.output_shape(larger) == grown


@few
@given(spec=specs)
def test_trim_is_what_the_output_loses_on_each_side(spec):
    shape = spec.input_shape((30,) * spec.ndim)
    kept = spec.output_shape(shape)
    assert tuple(s - 2 * t for s, t in zip(shape, spec.trim, strict=True)) == kept


@pytest.mark.parametrize("size", [187, 189, 192, 571, 573])
def test_an_inadmissible_input_is_refused_with_an_admissible_one(size):
    with pytest.raises(ConfigError, match=r"smallest side is 188, then every 16 more"):
        NETWORKS["unet-2015"].output_shape((size, 572))
    with pytest.raises(ConfigError, match=r"for example \(192, 208\)"):
        NETWORKS["unet"].output_shape((180, 200))


@pytest.mark.parametrize("shape", [(0, 16), (-16, 16)])
def test_a_shape_without_pixels_is_refused(shape):
    with pytest.raises(ConfigError, match="multiple of 16"):
        NETWORKS["unet"].output_shape(shape)


@pytest.mark.parametrize("shape", [(64,), (64, 64, 64)])
def test_a_shape_of_other_axes_is_refused(shape):
    for method in ("output_shape", "input_shape"):
        with pytest.raises(ConfigError, match=r"has 2 spatial axes"):
            getattr(NETWORKS["unet"], method)(shape)


# --- the papers' numbers


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


# --- modules


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    spec = tiny(name)
    network = build(spec)
    x = smallest_input(spec, batch=4 if spec.ndim == 2 else 1)
    if spec.norm == "batch" and not any(spec.trim):
        x = nn.functional.interpolate(x, scale_factor=2)
    heads = network(x, every_head=True)
    sum(head.square().sum() for head in heads).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert not without
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_no_two_entries_of_the_state_are_one_tensor(name):
    state = build(tiny(name)).state_dict()
    places = [tensor.data_ptr() for tensor in state.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_reloaded_state_reproduces_the_output(name):
    spec = tiny(name)
    first, second = build(spec).eval(), build(spec).eval()
    x = smallest_input(spec, batch=1)
    with torch.inference_mode():
        assert not torch.equal(first(x), second(x))
        second.load_state_dict(first.state_dict(), strict=True)
        assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", ["unet-2015", "unet++-16"])
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_a_network_can_be_copied_and_pickled(name, duplicate):
    spec = tiny(name)
    network = build(spec).eval()
    twin = duplicate(network)
    x = smallest_input(spec, batch=1)
    assert twin.spec == spec
    assert torch.equal(network(x), twin(x))


def test_dropout_acts_in_training_only():
    spec = UNetSpec(channels=(4, 8), dropout=0.5)
    network = build(spec)
    x = smallest_input(spec)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_a_changed_spec_builds_the_changed_network():
    network = build("unet-16", in_channels=3, num_classes=5, channels=(4, 6))
    assert network.spec == get_spec(
        "unet-16", in_channels=3, num_classes=5, channels=(4, 6)
    )
    assert network(torch.zeros(1, 3, 8, 10)).shape == (1, 5, 8, 10)


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


def test_unet_plus_plus_answers_with_the_average_of_its_heads():
    spec = UNetPlusPlusSpec(channels=(2, 3, 4), num_classes=3)
    network = build(spec).eval()
    x = smallest_input(spec)
    heads = network(x, every_head=True)
    assert len(heads) == spec.num_heads == 2
    mean = torch.stack([head.softmax(1) for head in heads]).mean(0)
    torch.testing.assert_close(network(x).softmax(1), mean)


def test_unet_plus_plus_without_deep_supervision_has_one_head():
    spec = UNetPlusPlusSpec(channels=(2, 3, 4), deep_supervision=False)
    network = build(spec).eval()
    x = smallest_input(spec)
    (head,) = network(x, every_head=True)
    assert torch.equal(head, network(x))


# --- receptive field, halo

REACHES = {
    "unet": UNetSpec(channels=(1, 1, 1)),
    "unet, one convolution": UNetSpec(channels=((1,), (1,), (1,))),
    "unet, uneven levels": UNetSpec(channels=((1,), (1, 1, 1), (1, 1))),
    "unet, valid": UNetSpec(channels=(1, 1, 1), padding="valid"),
    "unet, valid, uneven levels": UNetSpec(
        channels=((1,), (1, 1, 1), (1,)), padding="valid"
    ),
    "unet++": UNetPlusPlusSpec(channels=(1, 1, 1)),
    "unet++, uneven levels": UNetPlusPlusSpec(channels=((1, 1, 1), (1,), (1, 1))),
    "unet++, four levels": UNetPlusPlusSpec(channels=((1,),) * 4),
    "3d unet": UNetSpec(ndim=3, channels=(1, 1)),
    "3d unet, valid": UNetSpec(ndim=3, channels=(1, 1), padding="valid"),
    "3d unet++": UNetPlusPlusSpec(ndim=3, channels=((1,), (1,))),
}


def with_equal_weights(spec: NetworkSpec) -> nn.Module:
    network = build(spec).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 0.3)
    return network


@pytest.mark.parametrize("spec", REACHES.values(), ids=REACHES)
def test_skips_are_cropped_about_the_centre(spec):
    # Equal weights know no direction, so the mirrored input has the mirrored answer.
    network = with_equal_weights(spec)
    x = smallest_input(spec).double()
    for axis in range(2, spec.ndim + 2):
        mirrored = network(x.flip(axis), every_head=True)[-1].flip(axis)
        torch.testing.assert_close(mirrored, network(x, every_head=True)[-1])


def dependence(spec: NetworkSpec, size: int, axis: int) -> torch.Tensor:
    """Which input planes (rows) each output plane (columns) depends on, along an axis.

    All weights are positive and so is the input: raising one plane of it raises every
    output pixel that can see that plane, through maxima too.
    """
    network = with_equal_weights(spec)
    shape = [spec.input_shape((1,) * spec.ndim)[0] + spec.divisor[0]] * spec.ndim
    shape[axis] = size
    x = torch.ones(1, 1, *shape, dtype=torch.float64)
    middle = [s // 2 for s in spec.output_shape(shape)]
    line = (0, 0, *(slice(None) if a == axis else m for a, m in enumerate(middle)))
    raised = x.repeat(size, *[1] * (spec.ndim + 1))
    for plane in range(size):
        raised[plane].select(axis + 1, plane).add_(1e6)
    with torch.inference_mode():
        before = network(x, every_head=True)[-1][line]
        after = network(raised, every_head=True)[-1][(slice(None), *line[1:])]
    return after > before


@pytest.mark.parametrize("spec", REACHES.values(), ids=REACHES)
def test_the_receptive_field_is_what_the_worst_pixel_sees(spec):
    field, step = spec.receptive_field[0], spec.divisor[0]
    size = spec.input_shape((2 * field + 2 * step,) * spec.ndim)[0]
    sees = dependence(spec, size, axis=spec.ndim - 1)
    extents = [int(c.nonzero().max() - c.nonzero().min()) + 1 for c in sees.T]
    assert max(extents) == field


@pytest.mark.parametrize(
    "spec", [s for s in REACHES.values() if not any(s.trim)], ids=str
)
def test_a_core_on_the_grid_sees_no_further_than_the_halo(spec):
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


# --- specs from elsewhere


@few
@given(spec=specs)
def test_a_spec_survives_json(spec):
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_plain_width_stands_for_two_convolutions():
    spec = UNetSpec(channels=[8, [16, 32]])
    assert spec.channels == ((8, 8), (16, 32))
    assert hash(spec) == hash(UNetSpec(channels=((8, 8), (16, 32))))


def test_a_spec_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        NETWORKS["unet"].ndim = 3
    with pytest.raises(TypeError):
        NETWORKS["mine"] = NETWORKS["unet"]


BAD_FIELDS = [
    {"ndim": 1},
    {"ndim": 4},
    {"ndim": 2.0},
    {"ndim": "2"},
    {"in_channels": 0},
    {"in_channels": 1.5},
    {"in_channels": True},
    {"in_channels": 10**9},
    {"num_classes": 0},
    {"num_classes": None},
    {"norm": "layer"},
    {"norm": None},
    {"channels": 3},
    {"channels": []},
    {"channels": [8]},
    {"channels": "ab"},
    {"channels": None},
    {"channels": [8, 0]},
    {"channels": [8, -4]},
    {"channels": [8, []]},
    {"channels": [8, [16.7]]},
    {"channels": [8, 16.7]},
    {"channels": [8, "16"]},
    {"channels": [8, [[16]]]},
    {"channels": [8, {"16": 1}]},
    {"channels": [10**9, 10**9]},
    {"channels": [10**30, 8]},
    {"channels": [1] * 1000},
    {"channels": [[1] * 1000, 1]},
    {"channels": [float("nan"), 1]},
    {"padding": "reflect"},
    {"padding": 1},
    {"dropout": 1.0},
    {"dropout": -0.1},
    {"dropout": float("nan")},
    {"dropout": "0.5"},
    {"dropout": None},
    {"up_keeps_width": "no"},
    {"up_keeps_width": 1},
    {"no such field": 1},
    {"deep_supervision": True},  # of the other family
    {1: 2},
]


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=lambda f: str(f)[:40])
def test_a_description_that_cannot_be_built_is_refused(fields):
    with pytest.raises(ConfigError):
        spec_from_dict({"family": "unet", **fields})


def test_unet_plus_plus_refuses_a_supervision_that_is_neither_on_nor_off():
    with pytest.raises(ConfigError, match="choose one of True, False"):
        UNetPlusPlusSpec(deep_supervision="no")


@pytest.mark.parametrize("family", [None, "", "unet3", 5, ["unet"], {}])
def test_an_unknown_family_is_refused_with_the_known_ones(family):
    with pytest.raises(ConfigError, match=r"builds unet, unet\+\+"):
        spec_from_dict({"family": family})


@pytest.mark.parametrize("values", [None, [], "unet", 3])
def test_a_description_that_is_no_mapping_is_refused(values):
    with pytest.raises(ConfigError, match="names and values"):
        spec_from_dict(values)


def test_an_unknown_network_is_refused_with_the_names_of_the_catalog():
    with pytest.raises(ConfigError, match="unet-2015") as caught:
        build("unet-2016")
    assert all(name in str(caught.value) for name in NETWORKS)


def test_an_unknown_change_is_refused_by_name():
    with pytest.raises(ConfigError, match="depth"):
        build("unet", depth=4)


def test_a_spec_without_a_builder_is_refused():
    with pytest.raises(ConfigError, match="NetworkSpec"):
        build(NetworkSpec())
