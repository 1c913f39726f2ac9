import json

import pytest

from napari_unet_studio import train
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.tasks.recipes import ABOUT, RECIPES, recipe
from napari_unet_studio.tasks.train_config import TrainConfig


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_settings_that_json_keeps(name) -> None:
    config = recipe(name)
    text = json.dumps(config.to_dict())
    assert TrainConfig.from_dict(json.loads(text)) == config
    assert ABOUT[name].endswith(".")
    assert config.network in NETWORKS


def test_the_paper_is_followed() -> None:
    config = recipe("paper 2015")
    spec = NETWORKS[config.network]
    assert spec.padding == "valid"
    assert spec.dropout > 0
    assert spec.output_shape(spec.input_shape((config.patch, config.patch))) == (
        388,
        388,
    )
    assert spec.input_shape((388, 388)) == (572, 572)  # figure 1
    assert (config.optimiser, config.batch) == ("sgd", 1)
    assert config.loss == "cross-entropy"
    weights = config.weights
    assert (weights.preset, weights.w0, weights.sigma) == ("2015", 10, 5)
    assert weights.balance != "none"
    assert weights.inside  # eq. 2 weighs all pixels
    augment = config.augment
    assert (augment.elastic, augment.grid, augment.rotate) == (10, 3, True)


def test_an_unknown_recipe_names_those_there_are(squares) -> None:
    with pytest.raises(ConfigError, match="no recipe 'best'; choose one of modern, "):
        train([squares()], "best")
