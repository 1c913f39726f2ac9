"""Recipes in the form: what one changes, and which one settings are."""

from dataclasses import fields, replace

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.tasks.recipes import RECIPES, recipe
from napari_unet_studio.tasks.train_config import TrainConfig

CUSTOM = "custom"

# What the user has said of images and computer stays whatever the recipe.
_OF_THE_USER = (
    "target",
    "zero",
    "background",
    "ignore",
    "split_masks",
    "device",
    "seed",
)
_OF_THE_NETWORK = ("network", "width", "fit_pooling")


def applied(name: str, config: TrainConfig) -> TrainConfig:
    """Return settings as a recipe wants them.

    Parameters
    ----------
    name
        Of the recipe.
    config
        The settings before. What they say of the data and the device stays; so does a
        network for volumes where the recipe's is for planes: the recipe's could not
        be used on what it was chosen for.

    Examples
    --------
    >>> mine = TrainConfig(network="unet-3d", target="classes", batch=9)
    >>> quick = applied("quick look", mine)
    >>> quick.network, quick.target, quick.batch, quick.minutes
    ('unet-3d', 'classes', 2, 2.0)
    >>> applied("modern", applied("paper 2015", TrainConfig())).network
    'unet-16'
    """
    wanted = recipe(name)
    kept = {field: getattr(config, field) for field in _OF_THE_USER}
    if NETWORKS[config.network].ndim != NETWORKS[wanted.network].ndim:
        kept |= {field: getattr(config, field) for field in _OF_THE_NETWORK}
        kept["patch"] = 0  # the recipe's is meant for its network
    if wanted.start and config.start:
        kept["start"] = config.start
    return replace(wanted, **kept)


def recipe_of(config: TrainConfig) -> str:
    """Return the recipe that settings follow, or `CUSTOM`.

    Examples
    --------
    >>> recipe_of(TrainConfig()), recipe_of(TrainConfig(device="cpu", ignore=9))
    ('modern', 'modern')
    >>> recipe_of(TrainConfig(batch=9))
    'custom'
    """
    for name in RECIPES:
        if same(applied(name, config), config):
            return name
    return CUSTOM


def same(one: TrainConfig, other: TrainConfig) -> bool:
    """Return whether settings are equal up to the rounding of a form."""
    for field in fields(TrainConfig):
        a, b = getattr(one, field.name), getattr(other, field.name)
        close = isinstance(a, float) and abs(a - b) <= 1e-9 * max(abs(a), abs(b))
        if not close and a != b:
            return False
    return True
