"""Training from the shell: pairs from a file, recipes, checks, and repeating a run."""

import json
import shlex

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.sample_data import nuclei_2d

QUICK = (
    "--network=unet++-16",
    "--updates=2",
    "--patch=32",
    "--batch=1",
    "--device=cpu",
    "--precision=float32",
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    sample = nuclei_2d((96, 96), seed=1)
    for name, turn in (("a", 0), ("b", 1)):
        for part, array in (("images", sample.image), ("labels", sample.labels)):
            write_tiff(tmp_path / part / f"{name}.tif", np.rot90(array, turn), "YX")
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def run_file(files, **document):
    path = files / "run.json"
    path.write_text(json.dumps(document))
    return path


def rows(*roles):
    names = zip("ab", roles, strict=False)
    return [
        {"image": f"images/{name}.tif", "labels": f"labels/{name}.tif", "role": role}
        for name, role in names
    ]


def same(first, second):
    a, b = (load_model_file(path).network.state_dict() for path in (first, second))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_file_lists_pairs_with_their_roles(files) -> None:
    path = run_file(files, pairs=rows("train", "validate"), out="listed.unet")
    call("--config", path, *QUICK)
    card = load_model_file(files / "listed.unet").card
    assert [(row["name"], row["role"]) for row in card.data] == [
        ("a", "train"),
        ("b", "validate"),
    ]
    assert card.scores


def test_a_pair_of_a_file_may_be_folders(files) -> None:
    path = run_file(files, pairs=[{"image": "images", "labels": "labels"}])
    call("--config", path, *QUICK)
    assert len(load_model_file(files / "model.unet").card.data) == 2


def test_settings_of_a_file_are_those_of_its_config(files) -> None:
    path = run_file(files, config={"updates": 1, "ema": 0.5}, pairs=rows("train"))
    call("--config", path, *QUICK[:1], *QUICK[2:])
    config = load_model_file(files / "model.unet").card.training["config"]
    assert (config["updates"], config["ema"], config["patch"]) == (1, 0.5, 32)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"pairs": [{"image": "images"}]}, 'paths of its "image" and "labels"'),
        (
            {"pairs": [{"image": "a", "labels": "b", "rôle": "train"}]},
            "lists .* as a pair",
        ),
        ({"pairs": 3}, "lists 3 as a pair"),
        ({"pairs": []}, "nothing to train on"),
        ({"pairs": rows("train"), "epochs": 3}, "an entry 'epochs' beside its pairs"),
        ({"pairs": rows("judge")}, "The role of 'a' is 'judge'"),
        ({"config": {"updates": -1}, "pairs": rows("train")}, "updates is -1"),
        ({"config": 3, "pairs": rows("train")}, "config of the settings file is 3"),
        ({"out": 5, "pairs": rows("train")}, "model in the settings file is 5; give"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(files, document, message) -> None:
    with pytest.raises(StudioError, match=message):
        call("--config", run_file(files, **document))


def test_images_without_labels_are_refused(files) -> None:
    with pytest.raises(StudioError, match="both images and labels"):
        call("images")
    with pytest.raises(StudioError, match="nothing to train on: give images"):
        call()


def test_a_recipe_is_where_settings_start(files) -> None:
    call("images", "labels", "--recipe=quick look", *QUICK, "--out=a.unet")
    config = load_model_file(files / "a.unet").card.training["config"]
    assert config["minutes"] == 2
    assert config["learning_rate"] == 2e-3
    assert config["updates"] == 2
    with pytest.raises(StudioError, match="no recipe 'slow look'; choose one of"):
        call("images", "labels", "--recipe=slow look")


def test_a_file_changes_single_settings_of_a_recipe(files) -> None:
    path = run_file(files, config={"weights": {"gap": 2}, "augment": {"noise": 0.1}})
    options = ("--recipe=paper 2015", "--config", path, *QUICK)
    call("images", "labels", *options)
    config = load_model_file(files / "model.unet").card.training["config"]
    assert config["weights"]["gap"] == 2
    assert config["weights"]["balance"] == "image"
    assert config["weights"]["inside"]
    assert config["augment"]["elastic"] == 10
    assert config["augment"]["noise"] == 0.1


def test_the_last_network_is_kept_on_request(files) -> None:
    result = call("images", "labels", *QUICK, "--keep-last", "--json", "-o", "a.unet")
    found = json.loads(result.stdout)
    assert found["last"] == "a-last.unet"
    last = load_model_file(files / "a-last.unet")
    assert last.name == "a-last"
    assert not last.card.scores
    assert not (files / "a.ckpt").exists()


def test_a_model_repeats_its_own_training(files) -> None:
    options = (*QUICK, "--seed=3", "--ema=0.5", "--weights-sigma=3")
    call("images", "labels", *options, "--out=first.unet")
    call("images", "labels", "--config=first.unet", "--out=second.unet")
    call("--config=first.unet", "--out=third.unet")
    assert same(files / "first.unet", files / "second.unet")
    assert same(files / "first.unet", files / "third.unet")


def test_a_card_holds_the_command_that_repeats_the_training(files) -> None:
    call("images", "labels", *QUICK, "--out=first.unet")
    training = load_model_file(files / "first.unet").card.training
    assert training["pairs"] == [
        {"image": "images", "labels": "labels", "role": "train"}
    ]
    program, *words = shlex.split(training["command"].replace("first", "second"))
    assert program == "unet-studio"
    call(*words[1:])
    assert same(files / "first.unet", files / "second.unet")


def test_axes_and_pixel_size_of_a_pair_may_be_told(files) -> None:
    (row,) = rows("train")
    row |= {"axes": "YX", "spacing": [2, 0.5]}
    path = run_file(files, pairs=[row], out="a.unet")
    call("--config", path, *QUICK)
    card = load_model_file(files / "a.unet").card
    assert card.spacing == (2.0, 0.5)
    first, *lines, end, last = card.training["command"].splitlines()
    assert (first, end) == ("cat > a.json <<'END'", "END")
    assert last == "unet-studio train --config a.json"
    assert json.loads("\n".join(lines))["pairs"] == [row]


def test_a_check_says_what_is_doubtful_and_trains_nothing(files) -> None:
    result = call("images", "labels", *QUICK, "--check", "--json")
    found = json.loads(result.stdout)
    assert found["minutes"] > 0
    assert found["more_memory_mb"] > 0
    assert all(
        text.split(":")[0] in ("error", "doubt", "note") for text in found["findings"]
    )
    told = call("images", "labels", *QUICK, "--check").stdout
    assert "takes about" in told
    assert "more memory" in told
    assert "findings" not in told
    assert not list(files.glob("*.unet"))
    write_tiff(files / "labels" / "a.tif", np.zeros((96, 96), np.uint8), "YX")
    result = call("images/a.tif", "labels/a.tif", *QUICK, "--check", "--json", code=2)
    assert any(
        text.startswith("error:") for text in json.loads(result.stdout)["findings"]
    )


def test_curves_go_to_tensorboard(files) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    call("images", "labels", *QUICK, "--tensorboard=curves")
    assert list((files / "curves").glob("events.*"))


def test_without_tensorboard_a_sentence_says_what_to_install(
    files, monkeypatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(StudioError, match=r"napari-unet-studio\[tensorboard\]"):
        call("images", "labels", *QUICK, "--tensorboard=curves")


def test_minutes_end_a_training(files) -> None:
    options = ("--updates=0", "--minutes=0.03", "--validations=2")
    call("images", "labels", *QUICK, *options)
    training = load_model_file(files / "model.unet").card.training
    assert training["updates"] > 0
    assert training["finished"]
    assert training["seconds"] >= 1.8
