"""Feature maps and saliency, against plain forward hooks and finite differences."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.places import field_of
from napari_unet_studio.core.networks.points import named_nodes
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks import inspect as inspect_module
from napari_unet_studio.tasks import inspect_maps
from napari_unet_studio.tasks.inspect import feature_maps
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.saliency import saliency

RAW = Normalisation("fixed", 0, 1)
PADDED = UNetSpec(channels=(4, 6, 8), norm="batch")
VALID = UNetSpec(channels=(4, 6, 8), padding="valid")
VOLUME = UNetSpec(ndim=3, channels=(2, 3))
COLOUR = UNetSpec(channels=(4, 6), in_channels=3, num_classes=3)
NESTED = UNetPlusPlusSpec(channels=(4, 6, 8))


def model_of(spec, **card):
    torch.manual_seed(3)
    network = build(spec).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    classes = max(2, spec.num_classes)
    target = "objects" if spec.num_classes == 1 else "classes"
    values = {"class_values": tuple(range(classes)), "target": target}
    made = {"normalisation": RAW, **values, **card}
    return Model(network, ModelCard(name="m", spec=spec, **made))


def picture(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def hooked(model, image, name):
    """Return what a module of the network puts out for a whole image (C, *S)."""
    kept = []
    module = model.network.get_submodule(name)
    hook = module.register_forward_hook(lambda _, __, out: kept.append(out.clone()))
    with torch.inference_mode():
        model.network(torch.from_numpy(image[None]))
    hook.remove()
    return kept[0][0].numpy()


def maps(image, model, node, count=0, **options):
    config = InspectConfig(count=count, device="cpu", **options.pop("config", {}))
    return run(feature_maps(image, model, node, config, **options))


def in_order(found):
    """Return maps by the numbers of their channels."""
    return found.maps[np.argsort([c.number for c in found.channels])]


# -- values ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 48), (61, 50)])
@pytest.mark.parametrize("node", ["encoder.0.0", "encoder.1.2", "encoder.2.5"])
def test_maps_are_those_of_a_forward_hook(node, shape) -> None:
    model, image = model_of(PADDED), picture(*shape)
    found = in_order(maps(image, model, node))
    wanted = hooked(model, image[None], node)
    part = tuple(slice(0, n) for n in found.shape[1:])
    np.testing.assert_allclose(found, wanted[:, *part], atol=1e-5)
    step = {"0": 1, "1": 2, "2": 4}[node[8]]
    assert found.shape[1:] == tuple(-(-n // step) for n in shape)


def test_a_box_is_its_last_operation() -> None:
    model, image = model_of(PADDED), picture(32, 32)
    box, layer = maps(image, model, "encoder.1"), maps(image, model, "encoder.1.5")
    np.testing.assert_array_equal(box.maps, layer.maps)


@pytest.mark.parametrize("spec", [PADDED, VALID, NESTED])
def test_maps_of_a_region_are_cut_out_of_those_of_the_image(spec) -> None:
    model, image = model_of(spec), picture(90, 77)
    region = (slice(21, 58), slice(33, 70))
    for node in named_nodes(spec.graph):
        whole, part = maps(image, model, node), maps(image, model, node, region=region)
        first = [
            (a - b) / s
            for a, b, s in zip(part.start, whole.start, part.step, strict=True)
        ]
        low = [round(f) for f in first]
        np.testing.assert_allclose(first, low)
        cut = [slice(a, a + n) for a, n in zip(low, part.maps.shape[1:], strict=True)]
        np.testing.assert_allclose(in_order(part), in_order(whole)[:, *cut], atol=1e-5)


def test_blocks_give_the_same_as_one_piece(monkeypatch) -> None:
    model, image = model_of(VALID), picture(150, 130)
    wanted = maps(image, model, "decoder.1")
    monkeypatch.setattr(inspect_module, "default_side", lambda *_: 96)
    monkeypatch.setattr(inspect_maps, "_KEPT", 1000)
    steps = []
    task = feature_maps(image, model, "decoder.1", InspectConfig(count=3))
    found = run(task, steps.append)
    assert steps[-1].total > 4
    np.testing.assert_allclose(found.maps, wanted.maps[:3], atol=1e-5)
    assert [c[:2] for c in found.channels] == [c[:2] for c in wanted.channels[:3]]


def test_the_strongest_come_first_and_channels_may_be_named() -> None:
    model, image = model_of(PADDED), picture(40, 40)
    every = maps(image, model, "encoder.2")
    deviations = every.maps.std(axis=(1, 2), dtype=float)
    np.testing.assert_allclose([c.strength for c in every.channels], deviations)
    assert (np.diff(deviations) <= 1e-7).all()
    few = maps(image, model, "encoder.2", count=2)
    assert few.total == 8
    np.testing.assert_array_equal(few.maps, every.maps[:2])
    named = maps(image, model, "encoder.2", channels=[5, 1])
    assert [c.number for c in named.channels] == [5, 1]
    np.testing.assert_array_equal(named.maps, in_order(every)[[5, 1]])


def test_heads_are_probabilities_and_nodes_lie_side_by_side() -> None:
    model, image = model_of(NESTED), picture(40, 36)
    heads = maps(image, model, "heads", count=1)
    assert [c.node for c in heads.channels] == ["heads.0", "heads.1"]
    for number, found in enumerate(heads.maps):
        logits = hooked(model, image[None], f"heads.{number}")[0]
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-5)
    row = maps(image, model, "nodes.0", count=2)
    assert row.maps.shape == (6, 40, 36)
    assert [c.node for c in row.channels] == [f"nodes.0.{j // 2}" for j in range(6)]
    assert row.total == 12


def test_heads_of_classes_and_of_enlarged_sides() -> None:
    model = model_of(COLOUR)
    found = maps(picture(24, 24, 3), model, "heads", channel_axis=2)
    np.testing.assert_allclose(found.maps.sum(axis=0), 1, atol=1e-5)
    spec = NETWORKS["unet3+-deep"].scaled(1 / 32)
    deep = maps(picture(40, 40), model_of(spec), "heads")
    assert deep.maps.shape == (5, 40, 40)
    assert Counter(c.node for c in deep.channels) == Counter(
        f"heads.{i}" for i in range(5)
    )


def test_frames_channels_and_normalisation_are_those_of_predict() -> None:
    model = model_of(COLOUR, normalisation=Normalisation("percentile", 2, 98))
    series = picture(3, 24, 20, 3)
    found = maps(series, model, "encoder.0.0", axes="TYX", channel_axis=3)
    assert found.axes == "TYX"
    assert found.maps.shape == (4, 3, 24, 20)
    rule = model.card.normalisation
    first = np.moveaxis(series, 3, 0)
    given = rule.apply(first, *rule.fit(first))
    for time in range(3):
        wanted = hooked(model, given[:, time], "encoder.0.0")
        np.testing.assert_allclose(in_order(found)[:, time], wanted, atol=1e-5)
    one = maps(
        series,
        model,
        "encoder.0.0",
        axes="TYX",
        channel_axis=3,
        region=(slice(1, 2), slice(0, 24), slice(0, 20)),
    )
    assert one.start == (1, 0, 0)
    np.testing.assert_array_equal(in_order(one)[:, 0], in_order(found)[:, 1])


def test_volumes() -> None:
    model, image = model_of(VOLUME), picture(12, 20, 18)
    found = maps(image, model, "encoder.1.3")
    assert found.step == (2, 2, 2)
    wanted = hooked(model, image[None], "encoder.1.3")
    np.testing.assert_allclose(in_order(found), wanted, atol=1e-5)


# -- places ----------------------------------------------------------------------------


def with_middles(spec):
    """Return a model whose convolutions pass on the middle of their kernel."""
    model = model_of(spec)
    with torch.no_grad():
        for name, value in model.network.named_parameters():
            value.zero_()
            if not name.endswith("bias"):
                value[(slice(None), 0, *(n // 2 for n in value.shape[2:]))] = 1
    return model


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_ramp_lies_where_it_is(padding, level) -> None:
    """Pixel i of a pooled level tells the largest value of the block it lies on."""
    spec = UNetSpec(channels=((1,), (1,), (1,)), padding=padding)
    model = with_middles(spec)
    ramp = np.add.outer(np.arange(83.0), 100 * np.arange(70.0)).astype(np.float32)
    found = maps(ramp, model, f"encoder.{level}")
    size = 2**level
    assert found.step == (size, size)
    last = (size - 1) / 2  # from the middle of a block to its last pixel
    places = [
        start + size * np.arange(n)
        for start, n in zip(found.start, found.maps.shape[1:], strict=True)
    ]
    inside = [
        (p >= last) & (p + last <= n - 1)
        for p, n in zip(places, ramp.shape, strict=True)
    ]
    wanted = np.add.outer(places[0] + last, 100 * (places[1] + last))
    np.testing.assert_array_equal(
        found.maps[0][np.ix_(*inside)], wanted[np.ix_(*inside)]
    )
    for p, n in zip(places, ramp.shape, strict=True):  # all of the image is covered
        assert p[0] - size / 2 <= -0.5
        assert p[-1] + size / 2 >= n - 0.5


def test_the_models_pixel_size_moves_maps_to_the_same_place() -> None:
    spec = UNetSpec(channels=((1,), (1,)))
    model = with_middles(spec)
    card = ModelCard(
        name="m", spec=spec, normalisation=RAW, spacing=(2.0, 2.0), unit="um"
    )
    model = Model(model.network, card)
    image = np.zeros((96, 96), np.float32)
    image[40:44, 60:64] = 1
    image = ndimage.gaussian_filter(image, 2)
    config = {"pixel_size": "model"}
    found = maps(image, model, "encoder.0", spacing=(1.0, 1.0), config=config)
    assert found.step == (2, 2)
    assert found.start == (0.5, 0.5)
    top = np.unravel_index(found.maps[0].argmax(), found.maps.shape[1:])
    at = [s + 2 * p for s, p in zip(found.start, top, strict=True)]
    assert abs(at[0] - 41.5) <= 1
    assert abs(at[1] - 61.5) <= 1


def test_images_smaller_than_the_network_needs_are_mirrored() -> None:
    for spec in (PADDED, VALID):
        found = maps(picture(3, 5), model_of(spec), "encoder.2")
        assert np.isfinite(found.maps).all()
        assert min(found.maps.shape) > 0


# -- errors ----------------------------------------------------------------------------


def test_what_does_not_fit_is_told() -> None:
    model = model_of(PADDED)
    with pytest.raises(ConfigError, match="no node named"):
        maps(picture(9, 9), model, "encoder.9")
    with pytest.raises(ConfigError, match="no channel 4; choose from 0 to 3"):
        maps(picture(9, 9), model, "encoder.0", channels=[4])
    with pytest.raises(InputError, match="takes 1 channel but the image has 3"):
        maps(picture(9, 9, 3), model, "encoder.0", channel_axis=2)
    with pytest.raises(InputError, match="the network is 3D"):
        maps(picture(9, 9), model_of(VOLUME), "encoder.0")
    with pytest.raises(InputError, match=r"not one of the image of shape \(9, 9\)"):
        run(saliency(picture(9, 9), model, (9, 0)))
    with pytest.raises(ConfigError, match="no output 1"):
        run(saliency(picture(9, 9), model, (0, 0), output=1))
    with pytest.raises(ConfigError, match="pixels of different sizes"):
        maps(picture(9, 9), model, "encoder")


def test_stopping_returns_nothing() -> None:
    model = model_of(PADDED)
    for task in (
        feature_maps(picture(9, 9), model, "encoder.0", should_stop=lambda: True),
        saliency(picture(9, 9), model, (0, 0), should_stop=lambda: True),
    ):
        assert run(task) is None


# -- saliency --------------------------------------------------------------------------


def answer(model, image, pixel, output=0):
    """Return the logit at a pixel of an image (C, *S), mirrored as predict does."""
    spec = model.card.spec
    wide = [(0, 0), *((t, t) for t in spec.trim)]
    given = np.pad(image, wide, mode="reflect")
    with torch.inference_mode():
        network = model.network.double()
        return float(network(torch.from_numpy(given[None]))[(0, output, *pixel)])


@pytest.mark.parametrize(
    "spec", [PADDED, VALID, NESTED, VOLUME], ids=lambda s: s.family
)
def test_saliency_equals_finite_differences(spec) -> None:
    model = model_of(spec)
    shape = (34, 41) if spec.ndim == 2 else (10, 14, 12)
    image = picture(1, *shape).astype(float)
    pixel = tuple(n // 3 for n in shape)
    found = run(saliency(image[0], model, pixel, InspectConfig(device="cpu")))
    np.testing.assert_allclose(found.logit, answer(model, image, pixel), atol=1e-4)
    start = [round(s) for s in found.start]
    rng = np.random.default_rng(1)
    size = 1e-6
    for _ in range(25):
        place = tuple(rng.integers(0, shape))
        inner = tuple(p - s for p, s in zip(place, start, strict=True))
        known = all(
            0 <= p < n for p, n in zip(inner, found.gradient.shape[1:], strict=True)
        )
        told = float(found.gradient[(0, *inner)]) if known else 0.0
        moved = image.copy()
        moved[(0, *place)] += size
        change = (answer(model, moved, pixel) - answer(model, image, pixel)) / size
        assert abs(change - told) < 1e-4


def test_saliency_is_zero_outside_of_the_receptive_field() -> None:
    model, image = model_of(PADDED), picture(120, 120)
    found = run(saliency(image, model, (70, 61)))
    (low, high), (left, right) = field_of(PADDED, (70, 61))
    assert found.start == (low, left)
    assert found.map.shape == (high - low, right - left)
    assert found.map[0].any()
    given = torch.from_numpy(image[None, None]).requires_grad_()
    model.network(given)[0, 0, 70, 61].backward()
    whole = given.grad[0, 0].numpy()
    inner = np.s_[low:high, left:right]
    np.testing.assert_allclose(found.gradient[0], whole[inner], atol=1e-6)
    whole[inner] = 0
    assert not whole.any()


def test_saliency_of_colours_takes_the_most_probable_class() -> None:
    model, image = model_of(COLOUR), picture(2, 24, 20, 3)
    options = {"axes": "TYX", "channel_axis": 3}
    found = run(saliency(image, model, (1, 12, 3), **options))
    with torch.inference_mode():
        given = torch.from_numpy(np.moveaxis(image[1], 2, 0)[None])
        logits = model.network(given)[0, :, 12, 3]
    assert found.output == int(logits.argmax())
    assert abs(found.logit - float(logits.max())) < 1e-4
    assert found.gradient.shape[0] == 3
    np.testing.assert_allclose(found.map, np.abs(found.gradient).sum(axis=0))
    other = run(saliency(image, model, (1, 12, 3), output=0, **options))
    assert abs(other.logit - float(logits[0])) < 1e-4


def test_networks_that_look_at_everything_are_given_everything() -> None:
    spec = NETWORKS["eff-unet-b0"].scaled(0.1)
    model, image = model_of(spec), picture(40, 52)
    assert not spec.local
    found = run(saliency(image, model, (20, 20)))
    assert found.map.shape == (40, 52)
    shown = maps(image, model, "decoder.4")
    part = maps(image, model, "decoder.4", region=(slice(8, 24), slice(4, 20)))
    np.testing.assert_allclose(
        in_order(part), in_order(shown)[:, 8:24, 4:20], atol=1e-5
    )
    assert not shown.notes
