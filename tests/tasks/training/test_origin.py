"""What a training begins with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train import train
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.origin import origin_of
from napari_unet_studio.tasks.training.pairs import Pair

QUICK = TrainConfig(
    updates=2,
    patch=32,
    batch=1,
    device="cpu",
    hold_out=0,
    precision="float32",
    learning_rate=1e-7,
)


@pytest.fixture
def begun(tiny_model, tmp_path):
    """Save a model and return the settings that go on from it."""

    def begin(**changes):
        model = tiny_model(**{"norm": "batch", **changes})
        path = model.save(tmp_path / "known.unet")
        return model, replace(QUICK, start=str(path))

    return begin


def far(first, second, names):
    a, b = first.network.state_dict(), second.network.state_dict()
    return max(float((a[name] - b[name]).abs().max()) for name in names)


def test_a_model_is_gone_on_from(squares, begun) -> None:
    known, config = begun(normalisation=Normalisation("percentile", 2.0, 98.0))
    model = run(train([Pair(*squares())], config))
    names = [n for n, _ in known.network.named_parameters()]
    assert 0 < far(model, known, names) < 1e-5
    assert model.card.spec == known.card.spec
    assert model.card.normalisation == known.card.normalisation
    assert model.card.training["start"]["name"] == "tiny"
    assert len(model.card.training["start"]["weights"]) == 64


def test_other_classes_begin_the_last_layer_anew(squares, begun) -> None:
    known, config = begun()
    image, labels = squares()
    codes = np.array([0, 5, 9])[labels % 3]
    model = run(train([Pair(image, codes)], replace(config, target="classes")))
    assert model.card.spec.num_classes == 3
    head = [n for n in known.network.state_dict() if n.startswith("head")]
    body = [n for n, _ in known.network.named_parameters() if n not in head]
    assert head
    assert far(model, known, body) < 1e-5
    assert "last layer was begun anew" in model.card.training["notes"][0]


def test_the_same_classes_go_on(squares, begun) -> None:
    known, config = begun(num_classes=3, target="classes", class_values=(0, 5, 9))
    image, labels = squares()
    codes = np.array([0, 5, 9])[labels % 3]
    model = run(train([Pair(image, codes)], replace(config, target="classes")))
    names = [n for n, _ in known.network.named_parameters()]
    assert far(model, known, names) < 1e-5


def test_a_model_of_other_images_is_refused(squares, begun) -> None:
    _, config = begun()
    image, labels = squares()
    pair = Pair(np.stack([image] * 3, -1), labels, channel_axis=-1)
    with pytest.raises(
        ConfigError, match="takes images of 1 channel, and these have 3"
    ):
        run(train([pair], config))


def test_a_model_that_is_not_there_is_named(squares, tmp_path) -> None:
    config = replace(QUICK, start=str(tmp_path / "none.unet"))
    with pytest.raises(StorageError, match=r"none\.unet"):
        run(train([Pair(*squares())], config))


def test_a_new_network_depends_on_the_seed_alone() -> None:
    config = TrainConfig(network="unet++-16")
    spec = origin_of(config).spec(1, (0, 1), None)
    torch.manual_seed(1)
    first, _ = origin_of(config).network(spec)
    torch.manual_seed(2)
    second, _ = origin_of(config).network(spec)
    other, _ = origin_of(replace(config, seed=1)).network(spec)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )
