"""Networks small enough to reason about, and images with known objects."""

import numpy as np
import pytest
import torch

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import Model, ModelCard

AS_IT_IS = Normalisation("fixed", 0.0, 1.0)


def _tiny_model(**changes):
    card = {"name": "tiny", "normalisation": AS_IT_IS}
    for name in ("name", "normalisation", "target", "class_values", "threshold"):
        if name in changes:
            card[name] = changes.pop(name)
    spec = UNetSpec(**{"channels": (4, 8, 16), **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec)
    return Model(network.eval(), ModelCard(spec=spec, **card))


def _threshold_model(**changes):
    """Model whose probability is above 0.5 exactly where the first channel is."""
    model = _tiny_model(**changes)
    network = model.network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        centre = (1,) * model.card.spec.ndim
        for block in (network.encoder["0"], [*network.decoder.values()][-1]):
            for layer in block.values():
                if hasattr(layer, "weight"):
                    layer.weight[0, 0][centre] = 1
        network.head.weight[-1, 0] = 20
        network.head.bias[-1] = -10
    return model


def _squares(shape=(64, 64), side=8, step=16, ndim=2):
    """Image and labels of bright squares (cubes) on a dark ground."""
    labels = np.zeros(shape, np.int32)
    corners = [range(step // 4, size - side, step) for size in shape[-ndim:]]
    grid = np.stack(np.meshgrid(*corners, indexing="ij"), -1).reshape(-1, ndim)
    for number, corner in enumerate(grid, start=1):
        labels[(..., *(slice(c, c + side) for c in corner))] = number
    noise = np.random.default_rng(0).normal(0, 5, shape)
    image = np.where(labels > 0, 150, 50) + noise
    return image.round().astype(np.uint8), labels


@pytest.fixture
def tiny_model():
    """Build a model of three levels with fixed random weights."""
    return _tiny_model


@pytest.fixture
def threshold_model():
    """Build a model that finds what is brighter than 0.5."""
    return _threshold_model


@pytest.fixture
def squares():
    """Draw an image with labels."""
    return _squares
