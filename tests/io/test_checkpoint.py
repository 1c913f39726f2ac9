import copy
import json
import math
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from napari_unet_studio.core.errors import ModelFileError, StorageError, StudioError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from napari_unet_studio.io.model import Model, ModelCard

SPEC = UNetSpec(channels=(2, 3), norm="batch")
OPTIMISERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=1e-4),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-2),
    "momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.99),
}
STATE = {"step": 3, "best": 0.5, "history": [{"step": 1, "loss": 0.25}], "scores": {}}


def update(network, optimiser, steps=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x = torch.rand(2, 1, 8, 8, generator=generator)
        optimiser.zero_grad()
        network.train()(x).square().mean().backward()
        optimiser.step()


def begun(make=OPTIMISERS["adamw"], steps=3):
    torch.manual_seed(0)
    network = build(SPEC)
    optimiser = make(network.parameters())
    update(network, optimiser, steps)
    return network, optimiser


def saved(path, network, optimiser, best=None, state=STATE):
    model = Model(network, ModelCard(name="unfinished", spec=SPEC))
    save_checkpoint(Checkpoint(model, best, optimiser.state_dict(), state), path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    network, optimiser = begun()
    best = {k: v.clone() for k, v in network.state_dict().items()}
    path = tmp_path_factory.mktemp("checkpoint") / "training.ckpt"
    return saved(path, network, optimiser, best).read_bytes()


@pytest.fixture
def path(tmp_path, checkpoint):
    path = tmp_path / "training.ckpt"
    path.write_bytes(checkpoint)
    return path


def rewrite(path, changes):
    with zipfile.ZipFile(path) as archive:
        entries = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (entries | changes).items():
            if data is not None:
                archive.writestr(name, data)


def read_entry(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


# --- going on


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_a_resumed_training_goes_on_as_if_never_stopped(make, steps, tmp_path):
    network, optimiser = begun(make, steps)
    path = saved(tmp_path / "a.ckpt", network, optimiser)
    loaded = load_checkpoint(path)
    again = loaded.model.network
    resumed = make(again.parameters())
    resumed.load_state_dict(loaded.optimiser)
    update(network, optimiser, 3, seed=1)
    update(again, resumed, 3, seed=1)
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_the_state_comes_back_as_json_types(path):
    loaded = load_checkpoint(path)
    assert loaded.state == STATE
    assert loaded.model.card == ModelCard(name="unfinished", spec=SPEC)


def test_a_state_without_a_score_is_valid_json(tmp_path):
    state = STATE | {"best": -math.inf}
    saved(tmp_path / "a.ckpt", *begun(), state=state)
    assert b"Infinity" not in read_entry(tmp_path / "a.ckpt", "state.json")
    assert load_checkpoint(tmp_path / "a.ckpt").state["best"] is None


def test_the_best_weights_come_back_beside_the_last_ones(tmp_path):
    network, optimiser = begun()
    best = copy.deepcopy(network.state_dict())
    update(network, optimiser)
    loaded = load_checkpoint(saved(tmp_path / "a.ckpt", network, optimiser, best))
    assert loaded.best.keys() == best.keys()
    assert all(torch.equal(loaded.best[k], best[k]) for k in best)
    last = loaded.model.network.state_dict()
    assert all(torch.equal(last[k], v) for k, v in network.state_dict().items())


def test_without_best_weights_none_come_back(tmp_path):
    assert load_checkpoint(saved(tmp_path / "a.ckpt", *begun())).best is None


def test_a_moment_that_an_optimiser_has_not_begun_is_left_out(tmp_path):
    network, optimiser = begun(OPTIMISERS["momentum"])
    values = optimiser.state_dict()
    values["state"][0] = {"momentum_buffer": None}
    model = Model(network, ModelCard(name="unfinished", spec=SPEC))
    save_checkpoint(Checkpoint(model, None, values, STATE), tmp_path / "a.ckpt")
    loaded = load_checkpoint(tmp_path / "a.ckpt").optimiser["state"]
    assert loaded.keys() == values["state"].keys() - {0}


def test_saving_does_not_disturb_the_training(tmp_path):
    (network, optimiser), (other, plain) = begun(), begun()
    saved(tmp_path / "a.ckpt", network, optimiser)
    update(network, optimiser)
    update(other, plain)
    assert all(
        torch.equal(v, other.state_dict()[k]) for k, v in network.state_dict().items()
    )


# --- disks


def test_a_failing_write_leaves_the_old_checkpoint(path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        saved(path, *begun(steps=5))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_missing_checkpoint_is_refused_by_its_path(tmp_path):
    with pytest.raises(StorageError, match=r"checkpoint .*a\.ckpt cannot be read"):
        load_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_checkpoint_is_refused(path, tenth):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * tenth // 10])
    with pytest.raises(ModelFileError, match="is not a usable checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_with_flipped_bytes_is_read_or_refused_and_never_more(path):
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        broken = bytearray(data)
        for _ in range(3):
            broken[generator.integers(len(data))] = generator.integers(256)
        path.write_bytes(bytes(broken))
        try:
            load_checkpoint(path)
        except StudioError:
            refused += 1
    assert refused > 80


def test_a_finished_model_is_no_checkpoint(tmp_path):
    model = Model(build(SPEC), ModelCard(name="finished", spec=SPEC))
    with pytest.raises(ModelFileError, match=r"holds no moments\.safetensors"):
        load_checkpoint(model.save(tmp_path / "a"))


class Exploit:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_in_a_checkpoint_is_executed(path, tmp_path):
    mark = tmp_path / "executed"
    bomb = pickle.dumps(Exploit(str(mark)))
    torch.save({"a": Exploit(str(mark))}, tmp_path / "torch.ckpt")
    path.write_bytes(bomb)
    for file in (path, tmp_path / "torch.ckpt"):
        with pytest.raises(ModelFileError):
            load_checkpoint(file)
    saved(path, *begun())
    rewrite(path, {"moments.safetensors": bomb})
    with pytest.raises(ModelFileError):
        load_checkpoint(path)
    assert not mark.exists()


# --- contents that do not fit

MISSING = ["card.json", "state.json", "optimiser.json", "weights.safetensors"]


@pytest.mark.parametrize("name", [*MISSING, "moments.safetensors"])
def test_a_checkpoint_without_a_part_is_refused_by_its_name(path, name):
    rewrite(path, {name: None})
    with pytest.raises(ModelFileError, match=f"holds no {name}"):
        load_checkpoint(path)


@pytest.mark.parametrize("part", ["weights", "best"])
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.clear(),
        lambda t: t.update(more=torch.zeros(1)),
        lambda t: t.update({"encoder.0.0.weight": torch.zeros(9, 1, 3, 3)}),
        lambda t: t["encoder.0.0.weight"].fill_(float("nan")),
    ],
    ids=["none", "more", "shape", "nan"],
)
def test_weights_that_do_not_fit_the_network_are_refused(path, part, change):
    tensors = from_safetensors(read_entry(path, f"{part}.safetensors"))
    change(tensors)
    rewrite(path, {f"{part}.safetensors": to_safetensors(tensors)})
    with pytest.raises(ModelFileError, match="weights"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "moments",
    [
        {"x.exp_avg": torch.zeros(3)},
        {"-1.exp_avg": torch.zeros(3)},
        {"999.exp_avg": torch.zeros(3)},
        {"exp_avg": torch.zeros(3)},
        {"0.exp_avg": torch.zeros(2, 1, 3, 4)},
        {"9" * 5000 + ".exp_avg": torch.zeros(3)},
        {"\u0660.exp_avg": torch.zeros(2, 1, 3, 3)},
    ],
    ids=lambda m: next(iter(m))[:20],
)
def test_moments_that_do_not_fit_the_network_are_refused(path, moments):
    rewrite(path, {"moments.safetensors": to_safetensors(moments)})
    with pytest.raises(ModelFileError, match="optimiser does not fit"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"param_groups": None},
        {"param_groups": []},
        {"param_groups": {"params": [0]}},
        {"param_groups": [5]},
        {"param_groups": ["ab"]},
        {"param_groups": [{"lr": 1.0}]},
        {"param_groups": [{"params": None}]},
        {"param_groups": [{"params": [0, 1]}]},
        {"param_groups": [{"params": [["a"]]}]},
    ],
    ids=str,
)
def test_an_optimiser_of_other_parameters_is_refused(path, document):
    rewrite(path, {"optimiser.json": json.dumps(document)})
    with pytest.raises(ModelFileError, match="other parameters than its network"):
        load_checkpoint(path)
