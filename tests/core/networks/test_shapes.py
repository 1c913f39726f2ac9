"""Sizes by integer arithmetic: what goes in, what comes out, what is never refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.fcn import FCNSpec
from napari_unet_studio.core.networks.resunet import ResUNetSpec
from napari_unet_studio.core.networks.spec import pooling_for
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unet3p import UNet3PlusSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec

few = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def specs(draw):
    """Small members of all families whose widths are free, with any pooling."""
    family = draw(
        st.sampled_from(
            [UNetSpec, UNetPlusPlusSpec, UNet3PlusSpec, ResUNetSpec, FCNSpec]
        )
    )
    ndim = draw(st.sampled_from([2, 3]))
    levels = draw(st.integers(2, 4))
    level = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
    channels = tuple(draw(level) for _ in range(levels))
    step = st.tuples(*[st.integers(1, 3)] * ndim).filter(lambda s: max(s) > 1)
    steps = levels if family is FCNSpec else levels - 1
    pooling = draw(st.just(()) | st.tuples(*[step] * steps))
    own = {}
    if family is UNetSpec:
        own["padding"] = draw(st.sampled_from(["same", "valid"]))
        own["halving"] = draw(st.sampled_from(["up", "after", "before"]))
        padded = own["padding"] == "same"
        kinds = ["transposed", "nearest"] + ["bilinear"] * padded
        own["up"] = draw(st.sampled_from(kinds))
    if family is UNetPlusPlusSpec:
        own["deep_supervision"] = draw(st.booleans())
        own["mode"] = draw(st.sampled_from(["accurate", "fast"]))
    if family is UNet3PlusSpec:
        own["deep_supervision"] = draw(st.booleans())
        own["guided"] = draw(st.booleans())
        own["skip_channels"] = 2
    if family is FCNSpec:
        own["fc"], own["stride"] = 2, draw(st.sampled_from([8, 16, 32]))
    return family(
        ndim=ndim,
        in_channels=draw(st.integers(1, 3)),
        num_classes=draw(st.integers(1, 3)),
        channels=channels,
        pooling=pooling,
        **own,
    )


def on_meta(spec):
    with torch.device("meta"):
        return build(spec)


def answer_shape(spec, shape):
    x = torch.empty(2, spec.in_channels, *shape, device="meta")
    return on_meta(spec)(x).shape


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_output_shape_that_its_spec_promises(name):
    spec = NETWORKS[name]
    network = on_meta(spec)
    shape = spec.input_shape((20, 33, 46)[: spec.ndim])
    x = torch.empty(2, spec.in_channels, *shape, device="meta")
    expected = (2, spec.num_classes, *spec.output_shape(shape))
    assert network(x).shape == expected
    heads = network(x, every_head=True).logits
    assert {head.shape for head in heads} == {expected}
    assert len(heads) == spec.num_heads


@settings(few, max_examples=25)
@given(spec=specs(), wanted=st.tuples(*[st.integers(1, 40)] * 3))
def test_any_spec_gives_a_network_with_the_output_shape_it_promises(spec, wanted):
    shape = spec.input_shape(wanted[: spec.ndim])
    assert answer_shape(spec, shape)[2:] == spec.output_shape(shape)


@few
@given(spec=specs(), wanted=st.tuples(*[st.integers(1, 90)] * 3))
def test_the_input_shape_is_the_smallest_on_the_grid_that_covers_the_wish(spec, wanted):
    wanted = wanted[: spec.ndim]
    shape = spec.input_shape(wanted)
    assert all(c >= w for c, w in zip(spec.output_shape(shape), wanted, strict=True))
    least = spec.input_shape((1,) * spec.ndim)
    for size, low, step, trim, want in zip(
        shape, least, spec.divisor, spec.trim, wanted, strict=True
    ):
        assert (size - low) % step == 0
        assert size == low or size - step - 2 * trim < want


@few
@given(spec=specs(), extra=st.integers(0, 5))
def test_inputs_on_the_grid_follow_one_another_by_the_divisor(spec, extra):
    base = spec.input_shape((1,) * spec.ndim)
    larger = tuple(b + extra * d for b, d in zip(base, spec.divisor, strict=True))
    assert spec.input_shape(spec.output_shape(larger)) == larger


@pytest.mark.parametrize("name", NETWORKS)
def test_odd_sizes_are_taken_and_answered_in_full(name):
    spec = NETWORKS[name]
    odd = tuple(2 * t + 5 + 2 * axis for axis, t in enumerate(spec.trim))
    assert answer_shape(spec, odd)[2:] == spec.output_shape(odd)
    assert spec.output_shape(odd) == (5, 7, 9)[: spec.ndim]


@pytest.mark.parametrize(
    "spec",
    [
        UNetSpec(channels=(2, 3, 4)),
        UNetSpec(channels=(2, 3, 4), padding="valid"),
        UNetSpec(channels=(2, 3, 4), pooling=((1, 2), (2, 3))),
    ],
    ids=["same", "valid", "uneven pooling"],
)
def test_an_odd_image_is_answered_as_if_mirrored_at_its_far_ends(spec):
    network = build(spec).eval()
    shape = tuple(2 * t + 7 for t in spec.trim)
    x = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    inner = spec.input_shape(spec.output_shape(shape))
    pads = [i - s for i, s in zip(inner, shape, strict=True)]
    mirrored = torch.nn.functional.pad(x, (0, pads[1], 0, pads[0]), mode="reflect")
    with torch.inference_mode():
        expected = network(mirrored)[..., :7, :7]
        torch.testing.assert_close(network(x), expected)


def test_an_image_of_one_pixel_is_answered():
    network = build("unet-16").eval()
    assert network(torch.ones(1, 1, 1, 1)).shape == (1, 1, 1, 1)


def test_an_image_that_leaves_no_output_is_refused_with_one_that_does():
    with pytest.raises(ConfigError, match=r"use at least \(185, 185\)"):
        NETWORKS["unet-2015"].output_shape((184, 572))
    with pytest.raises(ConfigError, match=r"use at least \(1, 1\)"):
        NETWORKS["unet"].output_shape((0, 16))
    with pytest.raises(ConfigError, match="leaves no output"):
        build("unet-2015", channels=(2, 2, 2))(torch.ones(1, 1, 20, 20))


@pytest.mark.parametrize("shape", [(64,), (64, 64, 64)])
def test_a_shape_of_other_axes_is_refused(shape):
    for method in ("output_shape", "input_shape"):
        with pytest.raises(ConfigError, match=r"has 2 spatial axes"):
            getattr(NETWORKS["unet"], method)(shape)


def test_thick_slices_are_pooled_last():
    assert pooling_for((50, 4, 4), 4) == ((1, 2, 2),) * 3 + ((2, 2, 2),)
    assert pooling_for((1.9, 1, 1), 2) == ()
    spec = replace(NETWORKS["unet-3d"], pooling=pooling_for((1.0, 0.25, 0.25), 3))
    assert spec.divisor == (2, 8, 8)
    assert spec.input_shape((3, 30, 9)) == (4, 32, 16)
    assert answer_shape(spec, (4, 32, 16)) == (2, 1, 4, 32, 16)


@pytest.mark.parametrize("name", [n for n, s in NETWORKS.items() if s.ndim == 2])
def test_every_flat_network_has_a_form_for_volumes_with_thick_slices(name):
    flat = NETWORKS[name].scaled(1 / 32)
    steps = flat.levels - 1
    spec = replace(flat, ndim=3, pooling=((1, 2, 2),) + ((2, 2, 2),) * (steps - 1))
    assert spec.divisor == (2 ** (steps - 1), 2**steps, 2**steps)
    shape = spec.input_shape((1, 1, 1))
    assert answer_shape(spec, shape)[2:] == spec.output_shape(shape)
