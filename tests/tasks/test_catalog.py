"""Every network of the catalog, tile by tile against the whole image."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_unet_studio as us
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run

LOCAL = [name for name, spec in NETWORKS.items() if spec.local]
OTHERS = ["unet3+-guided", "eff-unet-b0"]


def model_of(name, width):
    spec = NETWORKS[name].scaled(width)
    torch.manual_seed(0)
    network = build(spec).eval()
    for module in network.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    classes = tuple(range(max(2, spec.num_classes)))
    card = ModelCard(
        name=name,
        spec=spec,
        normalisation=Normalisation("fixed", 0.0, 1.0),
        target="classes",
        class_values=classes,
    )
    return Model(network, card)


def image_for(spec):
    """Draw an image that is a little longer than two margins and thin otherwise."""
    step, halo = spec.divisor[-1], max(spec.halo[-1], spec.trim[-1])
    shape = (*(step + 3,) * (spec.ndim - 1), 2 * halo + 3 * step + 5)
    image = np.random.default_rng(0).random((*shape, spec.in_channels), np.float32)
    return image * 4 - 2


def probabilities(model, image=None, **changes):
    config = PredictConfig(device="cpu", precision="float32", **changes)
    image = image_for(model.card.spec) if image is None else image
    return run(predict(image, model, config, channel_axis=-1))


@pytest.mark.parametrize("name", LOCAL)
def test_tiles_equal_the_whole_image_where_the_network_is_local(name) -> None:
    # One reads 99 x 99 x 205 voxels: a few channels are enough, and three tiles.
    width, tile = (1 / 32, 128) if name == "unet-3d-2016" else (1 / 8, 1)
    model = model_of(name, width)
    whole = probabilities(model, tile=4096).probabilities
    tiled = probabilities(model, tile=tile).probabilities
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
    assert np.ptp(whole) > 1e-3


@pytest.mark.parametrize("name", OTHERS)
def test_networks_that_look_at_whole_tiles_are_blended_and_say_so(name) -> None:
    model = model_of(name, 0.125)
    found = probabilities(model, tile=64)
    (note,) = found.notes
    assert re.search(r"blended; neighbouring ones differ by up to \S+, \S+ on", note)
    assert np.isfinite(found.probabilities).all()
    assert probabilities(model, tile=4096).notes == ()


@pytest.mark.parametrize("name", ["unet-16", "unet-3d"])
def test_half_of_the_margin_is_an_approximation_that_is_measured(name) -> None:
    model = model_of(name, 0.25)
    exact = probabilities(model, tile=1).probabilities
    fast = probabilities(model, tile=1, margin="fast")
    apart = float(np.abs(fast.probabilities - exact).max())
    (note,) = fast.notes
    assert "pixels around them instead of" in note
    said = float(re.search(r"by up to ([\d.e-]+),", note)[1])
    assert apart > 0
    assert 0 < said <= 1


def test_half_of_the_margin_hardly_matters_to_a_network_that_has_learned() -> None:
    image = SAMPLES["nuclei_2d"]().image[:300]
    settings = {"device": "cpu", "precision": "float32", "tile": 256}
    exact = us.predict(image, "nuclei", settings)
    fast = us.predict(image, "nuclei", {**settings, "margin": "fast"})
    apart = np.abs(fast.probabilities - exact.probabilities)
    assert apart.mean() < 1e-3
    assert 0 < apart.max() < 0.2
    assert "probabilities differ by up to" in fast.notes[0]


@pytest.mark.parametrize("name", ["unet++-16", "unet++-3d"])
@pytest.mark.parametrize("heads", ["fast", "accurate"])
def test_the_levels_of_a_nested_network_are_chosen_at_prediction(name, heads) -> None:
    from napari_unet_studio.core.networks.unetpp import prune

    model = model_of(name, 0.25)
    image = image_for(model.card.spec)
    for level in range(1, model.card.spec.num_heads + 1):
        found = probabilities(model, image, tile=4096, level=level, heads=heads)
        small = prune(model.network, level, heads)
        part = Model(small, replace(model.card, spec=small.spec))
        expected = probabilities(part, image, tile=4096)
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=1e-6
        )
        assert found.config.level == level


def test_the_heads_of_a_whole_nested_network_are_averaged_or_not() -> None:
    model = model_of("unet++-16", 0.25)
    accurate = probabilities(model, heads="accurate").probabilities
    fast = probabilities(model, heads="fast").probabilities
    as_made = probabilities(model).probabilities
    np.testing.assert_array_equal(accurate, as_made)
    assert np.abs(fast - accurate).max() > 1e-3
