"""Recipes: named settings to start from."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.train_config import TrainConfig

MODERN = "modern"

# Small networks, batches of large patches: what an hour of a processor teaches most.
_MODERN = TrainConfig()

# Ronneberger, Fischer, Brox, MICCAI 2015. The rate is ours, for the paper gives none,
# and its energy is divided by the total weight here, see core.losses.
_PAPER = TrainConfig(
    network="unet-2015",
    updates=20_000,
    batch=1,
    patch=388,
    optimiser="sgd",
    learning_rate=1e-3,
    schedule="constant",
    loss="cross-entropy",
    weights=WeightConfig(balance="image", gap=1, inside=True),
    augment=AugmentConfig(
        rotate=True,
        flip=False,
        zoom=0.0,
        elastic=10.0,
        grid=3,
        noise=0.0,
    ),
    precision="float32",
)

RECIPES: Mapping[str, TrainConfig] = MappingProxyType(
    {
        MODERN: _MODERN,
        "paper 2015": _PAPER,
        "fine-tune": replace(_MODERN, start="nuclei", updates=300, learning_rate=2e-4),
        "quick look": replace(
            _MODERN, updates=0, minutes=2.0, batch=2, learning_rate=2e-3
        ),
    }
)

ABOUT: Mapping[str, str] = MappingProxyType(
    {
        MODERN: "A small network, AdamW with warm-up and cosine, cross-entropy + Dice.",
        "paper 2015": "The U-Net paper: valid network, dropout, SGD with "
        "momentum 0.99, weight map, elastic deformation. Slow without a GPU.",
        "fine-tune": "Goes on from a trained model, with small steps: for a few images "
        "that resemble what it knows.",
        "quick look": "Two minutes, to see whether labels and images fit together.",
    }
)


def recipe(name: str) -> TrainConfig:
    """Return the settings of a recipe.

    Raises
    ------
    ConfigError
        If there is none of that name.

    Examples
    --------
    >>> recipe("quick look").minutes
    2.0
    """
    if name not in RECIPES:
        raise ConfigError(
            f"There is no recipe {name!r:.80}; choose one of {', '.join(RECIPES)}."
        )
    return RECIPES[name]
