"""The command line, as a user types it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet_studio.core.config import field_types, help_texts
from napari_unet_studio.core.deform import DeformConfig, elastic_deform
from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.checkpoint import load_checkpoint
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.demo import FOREIGN, KNOWN, UPDATES
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.train_config import TrainConfig

COMMANDS = (
    "demo",
    "train",
    "predict",
    "evaluate",
    "weights",
    "deform",
    "models",
    "networks",
)
QUICK = ("--updates=2", "--patch=32", "--batch=1", "--device=cpu")


def squares(seed=0):
    """Draw an image of bright squares and its labels."""
    labels = np.zeros((48, 48), np.uint16)
    for number, (y, x) in enumerate(np.ndindex(3, 3), start=1):
        labels[16 * y + 4 : 16 * y + 12, 16 * x + 4 : 16 * x + 12] = number
    noise = np.random.default_rng(seed).normal(0, 5, labels.shape)
    return (np.where(labels > 0, 150, 50) + noise).astype(np.uint8), labels


@pytest.fixture
def files(tmp_path):
    """Write two images and their labels into folders."""
    for number in range(2):
        image, labels = squares(number)
        write_tiff(tmp_path / f"images/{number}.tif", image, "YX")
        write_tiff(tmp_path / f"labels/{number}.tif", labels, "YX")
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Train a model for tests that need any."""
    from napari_unet_studio.api import train

    config = {"updates": 1, "patch": 32, "batch": 1, "device": "cpu"}
    path = tmp_path_factory.mktemp("models") / "any.unet"
    return train([squares()], config, name="any").save(path)


def refused(result, message):
    """Check that a command ended with one line about what was wrong."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("unet-studio: ")
    assert err.count("\n") == 1
    assert message in err


# -- help ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)])
def test_every_command_explains_itself(call, command) -> None:
    code, out, err = call(*command, "--help")
    assert code == 0
    assert "Usage" in out
    assert "--help" in out
    assert err == ""


def test_help_lists_the_commands(call) -> None:
    _, out, _ = call("--help")
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize(
    ("command", "config"), [("train", TrainConfig), ("predict", PredictConfig)]
)
def test_every_setting_is_an_option_with_help_and_default(
    call, command, config
) -> None:
    _, out, _ = call(command, "--help")
    words = " ".join(out.replace("│", " ").split())
    for name, (kind, _) in field_types(config).items():
        nested = getattr(kind, "__dataclass_fields__", None)
        options = [f"{name}-{inner}" for inner in nested] if nested else [name]
        for option in options:
            assert f"--{option.replace('_', '-')} " in words
    assert all(help_texts(config).values())
    assert f"[default: ({config().precision})]" in words


def test_an_option_that_does_not_exist_is_refused(call) -> None:
    code, out, err = call("predict", "--nonsense", "a.tif")
    assert code == 2
    assert out == ""
    assert "No such option" in err


# -- the whole way -------------------------------------------------------------------


def test_train_predict_evaluate_and_look_at_the_model(call, files) -> None:
    code, out, err = call(
        "train", "images", "labels", "-o", "cells", *QUICK, "--json",
        "--validate-images=images", "--validate-labels=labels",
    )  # fmt: skip
    assert code == 0
    result = json.loads(out)
    assert result["model"] == "cells.unet"
    assert result["updates"] == 2
    assert "held-out iou" in result
    assert err.count("update ") == 2
    assert sorted(p.name for p in files.iterdir()) == ["cells.unet", "images", "labels"]

    code, out, err = call(
        "predict", "images", "--model=cells.unet", "-o", "found", "--json",
        "--probabilities", "--min-size=0", "--threshold=0.3",
    )  # fmt: skip
    assert (code, err) == (0, "")
    rows = json.loads(out)["items"]
    assert [row["labels"] for row in rows] == ["found/0.tif", "found/1.tif"]
    for row in rows:
        labels = tifffile.imread(row["labels"])
        probability = tifffile.imread(row["labels"].replace("/", "/probabilities/"))
        assert row["objects"] == labels.max()
        assert labels.shape == (48, 48)
        assert probability.dtype == np.float32
        assert ((probability.squeeze() >= 0.3) <= (labels > 0)).all()

    code, out, err = call("evaluate", "found", "labels", "--json")
    assert (code, err) == (0, "")
    scores = json.loads(out)
    assert scores["files"] == 2
    assert 0 <= scores["iou"] <= 1
    assert scores["touching_pairs"] == 0
    assert scores["pairs_kept_apart"] is None

    code, out, err = call("models", "cells.unet", "--json")
    assert (code, err) == (0, "")
    card = json.loads(out)
    assert card["name"] == "cells"
    assert card["training"]["config"]["patch"] == 32


def test_results_are_also_written_for_people(call, files, model) -> None:
    code, out, _ = call("predict", "images/0.tif", f"--model={model}")
    assert code == 0
    assert "predicted/0.tif" in out
    _, out, _ = call("evaluate", "predicted/0.tif", "labels/0.tif")
    assert "f1: " in out
    _, out, _ = call("models", model)
    assert "name: any" in out
    _, out, _ = call("models")
    assert out.split()[:3] == ["model", "for", "axes"]
    assert "Fluorescent nuclei in 2D" in out


def test_a_trained_model_says_what_it_was_trained_on(call, files) -> None:
    assert call("train", "images", "labels", "-o", "two", *QUICK)[0] == 0
    _, out, _ = call("models", "two.unet")
    assert "description: Trained on 2 images, objects" in out


def test_a_perfect_segmentation_scores_one(call, files) -> None:
    _, out, _ = call("evaluate", "labels", "labels", "--json")
    assert json.loads(out)["f1"] == 1


def test_time_points_are_evaluated_one_by_one(call, tmp_path) -> None:
    labels = squares()[1]
    write_tiff(tmp_path / "a.tif", np.stack([labels, labels.T]), "TYX")
    truth = np.stack([labels, np.where(labels.T, labels.T + 100, 0)])
    write_tiff(tmp_path / "b.tif", truth, "TYX")
    _, out, _ = call("evaluate", "a.tif", "b.tif", "--json")
    assert json.loads(out)["f1"] == 1


def test_components_of_a_mask_can_be_the_reference(call, tmp_path) -> None:
    labels = squares()[1]
    write_tiff(tmp_path / "a.tif", labels, "YX")
    write_tiff(tmp_path / "b.tif", (labels > 0).astype(np.uint8) * 255, "YX")
    found = []
    for option in ("--json", "--connected", "--no-connected"):
        _, out, _ = call("evaluate", "a.tif", "b.tif", option, "--json")
        found.append(json.loads(out))
    assert [scores["f1"] for scores in found] == [1, 1, 0]
    assert ["notes" in scores for scores in found] == [True, False, False]
    assert "one id for all objects" in found[0]["notes"][0]


# -- settings ------------------------------------------------------------------------


def test_options_win_over_a_file_of_settings(call, files) -> None:
    settings = {"updates": 1, "patch": 48, "weights": {"sigma": 3.0, "w0": 2}}
    (files / "s.json").write_text(json.dumps(settings))
    code, *_ = call(
        "train", "images/0.tif", "labels/0.tif", "--config=s.json", "--batch=1",
        "--patch=32", "--weights-w0=7", "--no-augment-rotate", "--device=cpu",
    )  # fmt: skip
    assert code == 0
    config = load_model_file(files / "model.unet").card.training["config"]
    assert (config["updates"], config["patch"], config["batch"]) == (1, 32, 1)
    assert (config["weights"]["sigma"], config["weights"]["w0"]) == (3.0, 7.0)
    assert config["augment"]["rotate"] is False
    assert config["seed"] == TrainConfig().seed


def test_a_loss_may_be_a_sum_with_weights(call, files) -> None:
    code, *_ = call(
        "train", "images/0.tif", "labels/0.tif", *QUICK, "--loss=0.5 focal + dice"
    )
    assert code == 0
    config = load_model_file(files / "model.unet").card.training["config"]
    assert config["loss"] == "0.5 focal + dice"
    _, out, _ = call("train", "--help")
    assert "unet3+" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON document"),
        ("[1]", "holds no JSON object"),
        ('{"ages": 5}', "has no setting 'ages'"),
        ('{"weights": 5}', "weights is 5"),
        ('{"updates": "many"}', "updates is 'many'"),
        ('{"loss": "focal + fun"}', "There is no loss 'fun'; choose one of"),
    ],
)
def test_a_wrong_file_of_settings_is_explained(call, files, text, message) -> None:
    (files / "s.json").write_text(text)
    call_with = ("train", "images", "labels", "--config=s.json")
    refused(call(*call_with), message)
    refused(call(*call_with, "--weights-w0=7"), message)


def test_a_missing_file_of_settings_is_explained(call, files) -> None:
    refused(call("train", "images", "labels", "--config=none.json"), "none.json cannot")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--updates=-1", "--updates is -1; choose from 0"),
        ("--weights-sigma=0", "--weights-sigma is 0.0; choose from 0.5"),
        ("--learning-rate=nan", "--learning-rate is nan"),
    ],
)
def test_settings_out_of_range_are_explained(call, files, option, message) -> None:
    refused(call("train", "images", "labels", option), message)


# -- what is there already -----------------------------------------------------------


def test_an_existing_model_is_replaced_on_demand_only(call, files) -> None:
    (files / "model.unet").write_bytes(b"precious")
    command = ("train", "images", "labels", *QUICK, "--updates=1")
    refused(call(*command), "model.unet exists already")
    assert (files / "model.unet").read_bytes() == b"precious"
    assert call(*command, "--overwrite")[0] == 0
    assert load_model_file(files / "model.unet").name == "model"


def test_an_unfinished_training_is_not_lost_by_starting_anew(call, files) -> None:
    (files / "model.ckpt").write_bytes(b"precious")
    refused(
        call("train", "images", "labels"), "model.ckpt holds an unfinished training"
    )
    assert (files / "model.ckpt").read_bytes() == b"precious"


def test_nothing_to_resume_is_said(call, files) -> None:
    command = ("train", "images", "labels", "--resume")
    refused(call(*command), "no unfinished training model.ckpt")


def test_dots_in_the_name_of_a_model_stay(call, files) -> None:
    command = ("train", "images/0.tif", "labels/0.tif", "-o", "cells.v2", *QUICK)
    assert call(*command, "--updates=1")[0] == 0
    assert (files / "cells.v2.unet").exists()


@pytest.mark.parametrize("out", ["file/model.unet", "."])
def test_a_place_that_cannot_be_written_is_refused_before_training(
    call, files, out
) -> None:
    (files / "file").write_bytes(b"")
    began = time.monotonic()
    result = call("train", "images", "labels", "-o", out, "--updates=100000")
    refused(result, "--out")
    assert time.monotonic() - began < 30


def test_existing_results_are_replaced_on_demand_only(call, files, model) -> None:
    command = ("predict", "images", f"--model={model}", "-o", "found", "--json")
    assert call(*command)[0] == 0
    (files / "found/0.tif").write_bytes(b"precious")
    code, out, _ = call(*command)
    assert code == 2
    changed, untouched = json.loads(out)["items"]
    assert "was changed after it was made" in changed["error"]
    assert untouched["status"] == "kept"
    assert (files / "found/0.tif").read_bytes() == b"precious"
    assert call(*command, "--overwrite")[0] == 0
    assert read_image(files / "found/0.tif").array.shape == (48, 48)


def test_existing_probabilities_are_not_replaced_either(call, files, model) -> None:
    (files / "found/probabilities").mkdir(parents=True)
    (files / "found/probabilities/0.tif").write_bytes(b"precious")
    command = ("predict", "images/0.tif", f"--model={model}", "-o", "found")
    assert call(*command, "--probabilities")[0] == 2
    assert (files / "found/probabilities/0.tif").read_bytes() == b"precious"


def test_an_image_is_never_replaced_by_its_labels(call, files, model) -> None:
    before = (files / "images/0.tif").read_bytes()
    command = ("predict", "images", f"--model={model}", "-o", "images", "--overwrite")
    code, out, _ = call(*command, "--json")
    assert code == 2
    assert all(
        "choose another folder" in row["error"] for row in json.loads(out)["items"]
    )
    assert (files / "images/0.tif").read_bytes() == before


def test_images_of_one_name_do_not_replace_each_others_labels(
    call, files, model
) -> None:
    Image.fromarray(squares()[0]).save(files / "images/0.png")
    command = ("predict", "images", f"--model={model}", "--overwrite", "--json")
    code, out, _ = call(*command)
    assert code == 0
    assert len({row["labels"] for row in json.loads(out)["items"]}) == 3


@pytest.mark.parametrize("command", ["weights", "deform"])
def test_existing_maps_are_replaced_on_demand_only(call, files, command) -> None:
    (files / "x.tif").write_bytes(b"precious")
    refused(call(command, "labels/0.tif", "-o", "x.tif"), "x.tif exists already")
    assert (files / "x.tif").read_bytes() == b"precious"
    assert call(command, "labels/0.tif", "-o", "x.tif", "--overwrite")[0] == 0


@pytest.mark.parametrize("command", ["weights", "deform"])
def test_maps_never_replace_what_they_are_made_of(call, files, command) -> None:
    before = (files / "labels/0.tif").read_bytes()
    arguments = (command, "labels/0.tif", "-o", "labels/../labels/0.tif")
    refused(call(*arguments, "--overwrite"), "0.tif is an input")
    assert (files / "labels/0.tif").read_bytes() == before


def test_deformed_labels_replace_no_labels_either(call, files) -> None:
    labels = files / "a-labels.tif"
    write_tiff(labels, squares()[1], "YX")
    before = labels.read_bytes()
    command = ("deform", "images/0.tif", f"--labels={labels}", "-o", "a.tif")
    refused(call(*command, "--overwrite"), "a-labels.tif is an input")
    assert labels.read_bytes() == before
    assert not (files / "a.tif").exists()


def test_labels_without_objects_have_no_weight_map(call, tmp_path) -> None:
    write_tiff(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), "YX")
    refused(call("weights", "a.tif"), "a.tif holds no objects")
    assert not (tmp_path / "weights.tif").exists()


def test_an_image_with_nan_is_not_deformed(call, tmp_path) -> None:
    image = np.ones((8, 8), np.float32)
    image[2, 3:5] = np.nan
    write_tiff(tmp_path / "a.tif", image, "YX")
    refused(call("deform", "a.tif"), "contains 2 NaN or infinite values")
    assert not (tmp_path / "deformed.tif").exists()


@pytest.mark.parametrize("command", ["weights", "deform"])
def test_maps_are_tiffs_and_called_so(call, files, command) -> None:
    refused(call(command, "labels/0.tif", "-o", "map.png"), "does not end in .tif")


def test_a_demo_replaces_no_files_of_others(call, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/labels.tif").write_bytes(b"precious")
    refused(call("demo", "--no-window", "-o", "mine"), "mine holds other files")
    (tmp_path / "mine/report.json").write_text('{"written": ["mine/image.tif"]}')
    refused(call("demo", "--no-window", "-o", "mine"), "mine holds other files")
    assert (tmp_path / "mine/labels.tif").read_bytes() == b"precious"
    (tmp_path / "file").write_bytes(b"")
    refused(call("demo", "--no-window", "-o", "file"), "Nothing can be written")


def test_a_folder_that_cannot_be_written_is_refused_before_predicting(
    call, files, model
) -> None:
    (files / "file").write_bytes(b"")
    command = ("predict", "images", f"--model={model}", "-o", "file")
    refused(call(*command), "Nothing can be written to file")


# -- broken and odd files ------------------------------------------------------------


def test_broken_images_are_listed_and_the_others_done(call, files, model) -> None:
    whole = (files / "images/0.tif").read_bytes()
    (files / "images/cut.tif").write_bytes(whole[: len(whole) // 2])
    (files / "images/empty.tif").write_bytes(b"")
    (files / "images/text.png").write_text("no picture")
    (files / "images/pickle.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00")
    np.save(files / "images/nan.npy", np.full((20, 20), np.nan))
    np.save(files / "images/five.npy", np.zeros((1, 1, 1, 4, 4)))
    (files / "images/.hidden.tif").write_bytes(b"left by a copying program")
    (files / "images/notes.txt").write_text("no image")
    code, out, err = call("predict", "images", f"--model={model}", "--json")
    rows = {row["image"].split("/")[1]: row for row in json.loads(out)["items"]}
    assert (code, err) == (2, "")
    assert len(rows) == 8
    for name, row in rows.items():
        assert ("error" in row) == (name not in ("0.tif", "1.tif")), name
    assert "400 NaN" in rows["nan.npy"]["error"]
    written = sorted(p.name for p in (files / "predicted").iterdir())
    assert written == ["0.tif", "1.tif", "batch.json"]


def test_a_broken_image_is_listed_for_people_too(call, files, model) -> None:
    (files / "images/[bold]broken.tif").write_bytes(b"")
    code, out, err = call("predict", "images", f"--model={model}")
    assert code == 2
    assert "images/[bold]broken.tif" in err
    assert "broken" not in out
    assert out.count("\n") == 3


def test_an_error_of_many_files_is_said_once(call, files, model) -> None:
    command = ("predict", "images", f"--model={model}")
    assert call(*command)[0] == 0
    code, out, err = call(*command, "--threshold=0.9")
    assert (code, out.strip()) == (2, "")
    assert err.count("was made with other settings") == 1
    assert err.startswith("unet-studio: predicted/0.tif, predicted/1.tif: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.tif",), "none.tif does not exist"),
        ((".",), "There are no images in ."),
        (("images", "--threshold=2"), "threshold is 2"),
        (("images", "--model=nonsense"), "no model named 'nonsense'; known are"),
        (("images", "--model=none.unet"), "none.unet cannot be read"),
        (("images", "--model=images/0.tif"), "images/0.tif is not a usable model file"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(call, files, arguments, message) -> None:
    refused(call("predict", *arguments), message)


def test_a_wrong_model_for_the_image_is_listed(call, tmp_path, model) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "rgb.png")
    code, out, _ = call("predict", "rgb.png", f"--model={model}", "--json")
    assert code == 2
    assert "takes 1 channel but the image has 3" in json.loads(out)["items"][0]["error"]


def test_axes_on_the_command_line_win_over_those_of_the_file(
    call, tmp_path, model
) -> None:
    stack = np.stack([squares()[0]] * 2)
    write_tiff(tmp_path / "a.tif", stack, "ZYX", (2.0, 0.5, 0.5))
    for axes, spacing in (("ZYX", (2.0, 0.5, 0.5)), ("tyx", (0.5, 0.5))):
        command = (
            "predict",
            "a.tif",
            f"--model={model}",
            f"--axes={axes}",
            "--split=2",
        )
        code, out, _ = call(*command, "--overwrite", "--json")
        assert code == 0, out
        found = read_image(tmp_path / "predicted/a.tif")
        assert found.axes == axes.upper()
        assert found.spacing == spacing
    assert read_image(tmp_path / "predicted/a.tif").array.shape == stack.shape


def test_pixel_sizes_go_into_the_results(call, tmp_path, model) -> None:
    write_tiff(tmp_path / "a.tif", squares()[0], "YX", (0.5, 0.25))
    assert call("predict", "a.tif", f"--model={model}")[0] == 0
    assert read_image(tmp_path / "predicted/a.tif").spacing == (0.5, 0.25)


def test_images_without_labels_are_named(call, files) -> None:
    (files / "labels/1.tif").unlink()
    for command in ("train", "evaluate"):
        message = "1.tif has no file of its name in labels"
        refused(call(command, "images", "labels"), message)


def test_an_image_with_two_labels_is_named(call, files) -> None:
    np.save(files / "labels/1.npy", squares()[1])
    message = "1.tif has 2 files of its name in labels, 1.npy and 1.tif"
    refused(call("train", "images", "labels"), message)


def test_references_that_were_not_segmented_are_counted(call, files) -> None:
    write_tiff(files / "found/0.tif", squares()[1], "YX")
    _, out, _ = call("evaluate", "found", "labels", "--json")
    assert json.loads(out)["references_without_segmentation"] == 1
    _, out, _ = call("evaluate", "found/0.tif", "labels", "--json")
    assert "references_without_segmentation" not in json.loads(out)


def test_a_table_in_a_pipe_has_a_line_for_each_file(call, tmp_path, model) -> None:
    folder = tmp_path / ("long-name-" * 12)
    write_tiff(folder / "a.tif", squares()[0], "YX")
    code, out, _ = call("predict", folder, f"--model={model}")
    header, row = out.splitlines()
    assert code == 0
    assert header.split() == ["image", "labels", "objects"]
    assert str(folder / "a.tif") in row


def test_a_pair_of_zarr_stores_is_a_pair(call, tmp_path) -> None:
    import zarr

    for name, array in zip(("image", "mask"), squares(), strict=True):
        zarr.save_array(str(tmp_path / f"{name}.zarr"), array)
    assert call("train", "image.zarr", "mask.zarr", *QUICK)[0] == 0


def test_validation_needs_images_and_labels(call, files) -> None:
    command = ("train", "images", "labels", "--validate-images=images")
    refused(call(*command), "both --validate-images and --validate-labels")


def test_scores_of_other_shapes_name_the_file(call, files) -> None:
    write_tiff(files / "labels/1.tif", squares()[1][:40], "YX")
    write_tiff(files / "found/0.tif", squares()[1], "YX")
    write_tiff(files / "found/1.tif", squares()[1], "YX")
    refused(call("evaluate", "found", "labels"), "1.tif: The two label images have")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_error_shows_its_traceback_if_asked(call, place) -> None:
    words = ["predict", "none.tif"]
    code, out, err = call(*words[:place], "--debug", *words[place:])
    assert (code, out) == (2, "")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("unet-studio: none.tif does not exist")


def test_brackets_in_a_message_are_no_markup(call) -> None:
    refused(call("predict", "[red]none[/red].tif"), "[red]none[/red].tif")


# -- weights and deformation ---------------------------------------------------------


def test_weights_of_a_film_are_those_of_its_frames(call, tmp_path) -> None:
    from napari_unet_studio.core.weights import separation_weights

    labels = np.stack([squares()[1], squares()[1] // 5])
    write_tiff(tmp_path / "a.tif", labels, "TYX", (0.5, 0.25))
    code, out, err = call("weights", "a.tif", "--sigma=4", "--gap=1", "--json")
    assert (code, err) == (0, "")
    found = read_image(tmp_path / "weights.tif")
    assert json.loads(out)["largest"] == found.array.max()
    assert (found.axes, found.spacing) == ("TYX", (0.5, 0.25))
    for frame, weights in zip(labels, found.array, strict=True):
        expected = separation_weights(frame, sigma=4, spacing=(0.5, 0.25), gap=1)
        np.testing.assert_array_equal(weights, expected)


def test_weights_of_ignored_pixels_alone_are_refused(call, tmp_path) -> None:
    labels = np.full((20, 20), 255, np.uint8)
    labels[5:9] = 0
    write_tiff(tmp_path / "a.tif", labels, "YX")
    refused(call("weights", "a.tif", "--ignore=255"), "every pixel is 0 or ignored")


def test_weights_of_colours_are_refused(call, tmp_path) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "rgb.png")
    refused(call("weights", "rgb.png"), "rgb.png has channels; labels are one number")


@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX", "CYX", "TCYX", "YXS"])
def test_images_of_all_axes_are_deformed_with_their_labels(
    call, tmp_path, axes
) -> None:
    sizes = {"T": 2, "Z": 4, "C": 2, "Y": 40, "X": 44, "S": 3}
    shape = tuple(sizes[axis] for axis in axes)
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    spatial = axes.replace("C", "").replace("S", "")
    labels = np.arange(np.prod([sizes[a] for a in spatial]), dtype=np.uint32)
    labels = labels.reshape([sizes[a] for a in spatial])
    write_tiff(tmp_path / "a.tif", image, axes)
    write_tiff(tmp_path / "l.tif", labels, spatial)
    code, out, _ = call("deform", "a.tif", "--labels=l.tif", "--sigma=3", "--json")
    assert code == 0, out
    deformed = read_image(tmp_path / "deformed.tif")
    moved = read_image(tmp_path / "deformed-labels.tif")
    assert deformed.array.shape == shape
    assert deformed.array.dtype == np.uint8
    assert (deformed.axes, moved.axes) == (spatial, spatial)
    assert moved.array.shape == labels.shape
    assert (np.asarray(moved.array) != labels).any()
    if axes == "TYX":  # each time point alike
        step = 40 * 44
        np.testing.assert_array_equal(moved.array[1], moved.array[0] + step)


def test_labels_of_another_image_are_not_deformed_along(call, files) -> None:
    write_tiff(files / "other.tif", squares()[1][:40], "YX")
    refused(
        call("deform", "images/0.tif", "--labels=other.tif"),
        "labels have shape (40, 48) and the image (48, 48)",
    )
    assert not (files / "deformed.tif").exists()


def test_a_weight_map_is_deformed_along(call, files) -> None:
    weights = (squares()[1] > 0) * np.float32(2.5)
    write_tiff(files / "w.tif", weights, "YX")
    code, out, _ = call(
        *("deform", "images/0.tif", "--labels=labels/0.tif", "--weights=w.tif"),
        *("--interpolation=linear", "--sigma=4", "--json"),
    )
    assert code == 0, out
    assert list(json.loads(out)) == ["image", "labels", "weights"]
    expected = elastic_deform(
        read_image(files / "images/0.tif").array,
        read_image(files / "labels/0.tif").array,
        weight_map=weights,
        **DeformConfig(sigma=4, interpolation="linear").to_dict(),
    )
    for name, array in zip(("", "-labels", "-weights"), expected, strict=True):
        found = read_image(files / f"deformed{name}.tif").array
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_a_weight_map_of_another_image_or_of_ids_is_refused(call, files) -> None:
    write_tiff(files / "w.tif", np.ones((40, 48), np.float32), "YX")
    refused(
        call("deform", "images/0.tif", "--weights=w.tif"),
        "weights have shape (40, 48) and the image (48, 48)",
    )
    refused(
        call("deform", "images/0.tif", "--weights=labels/0.tif"),
        "A weight map holds floating numbers",
    )
    assert not (files / "deformed.tif").exists()


def test_a_model_that_cannot_be_saved_where_it_should_is_saved_elsewhere(
    call, files, monkeypatch
) -> None:
    monkeypatch.setenv("UNET_STUDIO_HOME", str(files / "home"))
    whole = Model.save

    def full(model, path):
        if path.parent != files / "home/models":
            raise StorageError("full.unet could not be written: No space left.")
        return whole(model, path)

    monkeypatch.setattr(Model, "save", full)
    code, out, err = call("train", "images", "labels", *QUICK, "-o", "full.unet")
    assert (code, out) == (2, "")
    saved = files / "home/models/full.unet"
    assert f"No space left. The trained model was saved as {saved} instead." in err
    assert load_model_file(saved).name == "full"


# -- demo ----------------------------------------------------------------------------


def test_the_demo_without_window_leaves_a_folder_of_results(call, tmp_path) -> None:
    code, out, _ = call("demo", "--no-window", "--json")
    assert code == 0
    report = json.loads((tmp_path / "unet-studio-demo/report.json").read_text())
    shown = json.loads(out)
    assert shown["f1"] == report["f1"]
    assert report["objects in truth"] > 100
    written = sorted(p.name for p in (tmp_path / "unet-studio-demo").iterdir())
    assert written == sorted(name.split("/")[1] for name in shown["written"])
    assert {"image.tif", "labels.tif", "picture.png", "report.json"} <= set(written)
    with Image.open(tmp_path / "unet-studio-demo/picture.png") as picture:
        height, width = read_image(tmp_path / "unet-studio-demo/image.tif").array.shape
        assert picture.size == (2 * width, height)


def test_the_demo_can_train_first(call, tmp_path) -> None:
    code, out, err = call("demo", "--train", "--no-window", "--updates=2", "--json")
    assert code == 0
    assert err.startswith("Training 2 updates takes about 10 seconds on a processor")
    assert 0 <= json.loads(out)["held-out iou"] <= 1
    assert load_model_file(tmp_path / "unet-studio-demo/model.unet")


@pytest.mark.parametrize("sample", FOREIGN)
def test_the_demo_of_a_sample_without_a_model_says_how_to_get_one(
    call, tmp_path, sample
) -> None:
    refused(call("demo", f"--sample={sample}", "--no-window"), "with --train")
    assert not (tmp_path / "unet-studio-demo").exists()


def test_the_demo_lists_every_sample(call) -> None:
    assert sorted((*KNOWN, *FOREIGN)) == sorted(SAMPLES)
    _, out, _ = call("demo", "--help")
    assert all(sample in out for sample in SAMPLES)
    assert f"[default: {UPDATES}]" in out


def test_a_sample_that_does_not_exist_is_refused_with_the_others(call) -> None:
    refused(call("demo", "--sample=cats", "--no-window"), "no sample 'cats'; choose")


# -- Ctrl-C --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT goes to the console")
@pytest.mark.slow
def test_ctrl_c_keeps_a_model_and_the_training_can_be_resumed(call, files) -> None:
    code = "from napari_unet_studio.cli import main; main()"
    command = ["train", "images", "labels", *QUICK, "--updates=400", "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *command],
        cwd=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 240
        while not (files / "model.ckpt").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Stopping" in err
    result = json.loads(out)
    assert 20 <= result["updates"] < 400
    assert result["checkpoint"] == "model.ckpt"
    assert load_model_file(files / "model.unet").name == "model"
    step = load_checkpoint(files / "model.ckpt").state["step"]
    assert step == result["updates"]
    command = ["train", "images", "labels", *QUICK, f"--updates={step + 1}", "--resume"]
    code, out, err = call(*command, "--json")
    assert code == 0, err
    assert json.loads(out)["updates"] == step + 1
    assert not (files / "model.ckpt").exists()


@pytest.mark.parametrize("command", ["weights", "deform"])
def test_a_missing_input_is_told_before_an_existing_output(call, command) -> None:
    for name in ("weights.tif", "deformed.tif"):
        write_tiff(Path(name), np.zeros((8, 8), np.uint8), "YX")
    code, _, err = call(command, "nothing.tif")
    assert code == 2
    assert "nothing.tif does not exist" in err
