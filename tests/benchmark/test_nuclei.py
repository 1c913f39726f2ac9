"""The peer learns the same patches; what is scored was seen by none of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_unet_studio.benchmark import nuclei, nuclei_objects
from napari_unet_studio.benchmark import nuclei_network as networks
from napari_unet_studio.benchmark import nuclei_peers as peers
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError, ModelFileError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.dataset import digest, prepare
from napari_unet_studio.tasks.training.pair_files import read_pairs
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.survey import survey

CONFIG = TrainConfig(updates=12, patch=32, batch=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Images with labels to train on, and others to score."""
    root = tmp_path_factory.mktemp("nuclei")
    for part, seeds in (("train", (1, 2, 3)), ("val", (4, 5))):
        for seed in seeds:
            sample = SAMPLES["nuclei_2d"]((72, 88), seed=seed)
            for name, array in (("images", sample.image), ("labels", sample.labels)):
                write_tiff(root / part / name / f"{seed}.tif", array, "YX")
    return root


@pytest.fixture(scope="module")
def pairs(folders):
    """The images to train on."""
    return read_pairs(folders / "train" / "images", folders / "train" / "labels")


@pytest.fixture(scope="module")
def source(pairs):
    """The peer's batches."""
    return run(peers.plain_source(pairs, CONFIG))


def _call(folders, *options):
    val = [str(folders / "val" / name) for name in ("images", "labels")]
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["benchmark", "nuclei", *val, *map(str, options)]
    )


def _trained(folders, name="train"):
    return (
        f"--train-images={folders / name / 'images'}",
        f"--train-labels={folders / name / 'labels'}",
        *("--updates=3", "--patch=32", "--batch=2"),
    )


@pytest.mark.slow
def test_the_peer_is_given_the_batches_of_this_package(pairs, source) -> None:
    config = replace(CONFIG, hold_out=0.0)
    card = load_model("nuclei").card
    surveys = run(survey(pairs, config))
    own = PatchSource(
        run(
            prepare(pairs, surveys, card.spec, card.normalisation, config, (0, 1))
        ).train,
        card.spec,
        config.patch,
        config.batch,
        config.augment,
        None,
        config.seed,
    )
    gaps = 0
    for step in range(8):
        ours, theirs = own(step, "cpu"), source(step, "cpu")
        assert torch.equal(ours.images, theirs.images)
        assert (ours.weight_map is None, theirs.weight_map is None) == (False, True)
        assert (theirs.target >= ours.target).all()  # but for the gaps
        gaps += int((theirs.target != ours.target).sum())
    assert gaps > 0


def test_a_killed_training_of_the_peer_goes_on(source, tmp_path, monkeypatch) -> None:
    pytest.importorskip("monai")
    monkeypatch.setattr(peers, "EVERY", 4)
    whole = run(peers.train_peer(source, CONFIG, tmp_path / "whole"))
    state = tmp_path / "state"
    training = peers.train_peer(source, CONFIG, state)
    assert "update 10 of 12" in next(training)
    training.close()
    again = run(peers.train_peer(source, CONFIG, state))
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-5)
    with pytest.raises(ModelFileError, match="another training"):
        run(peers.train_peer(source, replace(CONFIG, updates=20), state))


def test_the_peer_is_as_large_and_its_file_gives_it_back(tmp_path) -> None:
    pytest.importorskip("monai")
    network = networks.basic_unet(1, seed=3)
    own = build(load_model("nuclei").card.spec)
    sizes = [networks.size_of(net) for net in (network, own)]
    assert max(sizes) / min(sizes) < 1.01
    path = tmp_path / "peer.safetensors"
    networks.write_weights(network, path, {"updates": 7})
    read = networks.read_weights(path)
    image = np.random.default_rng(0).integers(0, 255, (32, 48)).astype(np.uint8)
    found = networks.probabilities(read, image)
    assert np.array_equal(found, networks.probabilities(network.eval(), image))
    assert networks.facts_of(path) == {"updates": 7}
    path.write_bytes(b"no weights")
    with pytest.raises(ModelFileError, match="BasicUNet"):
        networks.read_weights(path)


def test_an_image_of_any_size_has_an_answer_for_each_pixel() -> None:
    pytest.importorskip("monai")
    network = networks.basic_unet(1, seed=0).eval()
    image = np.random.default_rng(0).normal(size=(37, 50)).astype(np.float32)
    found = networks.probabilities(network, image)
    assert found.shape == image.shape
    assert found.dtype == np.float32
    assert ((found > 0) & (found < 1)).all()


def test_otsu_finds_objects_bright_or_dark() -> None:
    sample = SAMPLES["nuclei_2d"]((160, 160))
    truth = sample.labels > 0
    for image in (sample.image, sample.image.max() - sample.image):
        mask = nuclei_objects.otsu_mask(image)
        assert (mask & truth).sum() / (mask | truth).sum() > 0.75
        found = nuclei_objects.separated(mask)
        assert np.array_equal(found > 0, mask)
        assert found.max() > nuclei_objects.components(mask).max()


@pytest.mark.slow
def test_one_table_shows_all_methods(folders, tmp_path) -> None:
    pytest.importorskip("monai")
    weights = tmp_path / "peer.safetensors"
    option = f"--weights-file={weights}"
    first = _call(folders, option, "--json", *_trained(folders))
    assert first.exit_code == 0, first.output
    assert "update 3 of 3" in first.stderr
    document = json.loads(first.stdout)
    names = [row["method"] for row in document["rows"]]
    peer = [nuclei.PIECES, nuclei.WATERSHED]
    assert names == [nuclei.OTSU, *peer, "unet-studio, nuclei"]
    for row in document["rows"]:
        assert set(nuclei.SCORES) < set(row)
        assert 0 <= row["IoU"] <= 1
        assert (row["parameters"] is None) == (row["method"] == nuclei.OTSU)
    assert (document["images"], document["trained"]["updates"]) == (2, 3)
    assert document["rows"][1]["note"] == "3 updates, 3 images"
    assert [path.name for path in tmp_path.iterdir()] == [weights.name]
    again = _call(folders, option, *_trained(folders))
    assert "update" not in again.stderr  # the weights are there
    for line in nuclei.lines(document):
        assert " ".join(line.values()).split() in [
            shown.split() for shown in again.stdout.splitlines()
        ]


@pytest.mark.slow
def test_without_weights_and_training_the_peer_has_a_note(folders, tmp_path) -> None:
    result = _call(folders, f"--weights-file={tmp_path / 'none'}", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert ["IoU" in row for row in rows] == [True, False, False, True]
    assert rows[0]["note"] == ""
    assert all(row["note"].startswith("not ") for row in rows[1:3])


def test_what_is_scored_may_not_be_learnt(folders, tmp_path) -> None:
    pytest.importorskip("monai")
    weights = f"--weights-file={tmp_path / 'none'}"
    result = _call(folders, weights, *_trained(folders, "val"))
    assert isinstance(result.exception, InputError)
    assert "2 of the images to train on are scored" in str(result.exception)
    alone = _call(folders, weights, _trained(folders)[0])
    assert "--train-labels" in str(alone.exception)


def test_a_row_tells_what_its_model_has_seen(folders, tmp_path) -> None:
    pairs = read_pairs(folders / "val" / "images", folders / "val" / "labels")
    data = (digest(pairs[0]), {**digest(pairs[1]), "role": "validate"})
    known = load_model("nuclei")
    path = tmp_path / "seen.unet"
    Model(known.network, replace(known.card, data=data)).save(path)
    options = f"--weights-file={tmp_path / 'none'}", f"--model={path}", "--json"
    *_, row = json.loads(_call(folders, *options).stdout)["rows"]
    assert row["method"] == "unet-studio, seen"
    updates = known.card.training["updates"]
    assert row["note"] == (
        f"{updates} updates, 1 images, trained on 1 of these images, chosen by 1 of "
        "these images"
    )
