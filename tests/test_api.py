"""The functions of the console and of scripts, as a user calls them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import napari_unet_studio as us
from napari_unet_studio.core.errors import (
    ConfigError,
    InputError,
    ModelFileError,
    StorageError,
)
from napari_unet_studio.io.images import read_image, read_labels, write_tiff

QUICK = {"updates": 2, "patch": 32, "batch": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def cells():
    """Draw an image of bright squares and its labels."""
    labels = np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate(np.ndindex(4, 4), start=1):
        labels[16 * y + 4 : 16 * y + 12, 16 * x + 4 : 16 * x + 12] = number
    noise = np.random.default_rng(0).normal(0, 5, labels.shape)
    return (np.where(labels > 0, 150, 50) + noise).astype(np.uint8), labels


@pytest.fixture(scope="module")
def model(cells):
    return us.train([cells], QUICK, device="cpu", name="cells")


def test_training_takes_tuples_and_a_dictionary(cells, model) -> None:
    assert isinstance(model, us.Model)
    assert model.name == "cells"
    assert model.card.training["updates"] == 2
    assert model.card.training["config"]["patch"] == 32


def test_training_takes_pairs_and_a_config_and_reports(cells) -> None:
    image, labels = cells
    records = []
    config = us.TrainConfig(updates=2, patch=32, batch=1)
    pairs = [us.Pair(image, labels, name="a"), (image, labels, "validate")]
    model = us.train(pairs, config, callback=records.append)
    assert model.card.data[1]["role"] == "validate"
    assert model.card.scores
    assert records[-1].step == records[-1].total == 2


def test_a_checkpoint_resumes_a_training_that_an_error_ended(cells, tmp_path) -> None:
    path = tmp_path / "a.ckpt"

    def give_up(progress):
        if progress.step == 3 and progress.message == "Training":
            raise KeyboardInterrupt

    config = {**QUICK, "updates": 4}
    with pytest.raises(KeyboardInterrupt):
        us.train([cells], config, callback=give_up, checkpoint=path)
    resumed = us.train([cells], config, resume=path)
    whole = us.train([cells], config)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name])


def test_training_takes_files_and_folders_too(cells, model, tmp_path) -> None:
    for part, array in zip(("images", "labels"), cells, strict=True):
        write_tiff(tmp_path / part / "cells.tif", array, "YX")
    files = tmp_path / "images" / "cells.tif", str(tmp_path / "labels" / "cells.tif")
    folders = str(tmp_path / "images"), tmp_path / "labels", "train"
    for pair in (files, folders):
        found = us.train([pair], QUICK, device="cpu")
        for name, tensor in model.network.state_dict().items():
            assert torch.equal(tensor, found.network.state_dict()[name])
    with pytest.raises(InputError, match="two files, or two arrays"):
        us.train([(files[0], cells[1])], QUICK)


@pytest.mark.parametrize(
    "wrong", ["an image and its labels", "an image", "one in a list"]
)
def test_forgotten_brackets_are_explained(cells, wrong) -> None:
    pairs = {
        "an image and its labels": cells,
        "an image": cells[0],
        "one in a list": [cells[:1]],
    }
    with pytest.raises(InputError, match=r"list of tuples \(image, labels\)"):
        us.train(pairs[wrong], QUICK)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"updates": -1}, "updates is -1; choose from 0"),
        ({"updates": 0}, "would never end"),
        ({"leniency": 5}, "TrainConfig has no setting 'leniency'"),
        ({"network": "vnet"}, "network is 'vnet'; choose one of unet-16"),
        ({"weights": {"sigma": -1}}, "sigma is -1"),
        ({"weights": 3}, "weights is 3"),
    ],
)
def test_wrong_settings_are_explained(cells, config, message) -> None:
    with pytest.raises(ConfigError, match=message):
        us.train([cells], config)


def test_a_wrong_device_is_explained(cells, model) -> None:
    with pytest.raises(ConfigError, match="device is 'gpu'; choose one of auto"):
        us.train([cells], QUICK, device="gpu")
    with pytest.raises(ConfigError, match="device is 'gpu'"):
        us.predict(cells[0], model, {"device": "gpu"})


def test_prediction_and_segmentation_agree(cells, model) -> None:
    records = []
    prediction = us.predict(
        cells[0], model, {"precision": "float32"}, callback=records.append
    )
    labels = us.segment(cells[0], model, {"precision": "float32"})
    np.testing.assert_array_equal(prediction.labels, labels)
    assert prediction.probabilities.shape == (1, 64, 64)
    assert records[-1].step == records[-1].total


def test_settings_of_objects_are_passed_on(cells, model) -> None:
    everything = us.ObjectConfig(threshold=0.01, min_size=0)
    nothing = us.ObjectConfig(min_size=10_000)
    assert us.segment(cells[0], model, objects=nothing).max() == 0
    assert (us.segment(cells[0], model, objects=everything) > 0).mean() > 0.9


def test_objects_of_many_images_take_what_differs_as_a_dict(
    cells, model, tmp_path
) -> None:
    write_tiff(tmp_path / "a.tif", cells[0], "YX")
    found = us.batch(
        tmp_path / "a.tif", tmp_path / "out", model, objects={"min_size": 10_000}
    )
    assert found.done[0].objects == 0
    with pytest.raises(ConfigError, match="no setting 'size'"):
        us.batch(tmp_path / "a.tif", tmp_path / "out", model, objects={"size": 1})


def test_axes_and_channels_are_passed_on(cells, model) -> None:
    film = np.stack([cells[0]] * 2)
    prediction = us.predict(film, model, axes="TYX")
    assert prediction.axes == "TYX"
    with pytest.raises(InputError, match="takes 1 channel but the image has 2"):
        us.predict(film, model, channel_axis=0)


def test_a_region_is_predicted_as_a_part_of_the_whole(cells, model) -> None:
    plain = {"precision": "float32", "device": "cpu"}
    whole = us.predict(cells[0], model, plain)
    region = (slice(10, 30), slice(0, 25))
    part = us.predict(cells[0], model, plain, region=region)
    np.testing.assert_allclose(
        part.probabilities, whole.probabilities[:, *region], atol=1e-5
    )
    assert part.region == region
    assert us.segment(cells[0], model, plain, region=region).shape == (20, 25)


def test_an_image_is_predicted_into_a_store(cells, model, tmp_path) -> None:
    plain = {"precision": "float32", "device": "cpu"}
    everything = us.ObjectConfig(min_size=0)
    whole = us.predict(cells[0], model, plain, objects=everything)
    records = []
    stored = us.predict_zarr(
        cells[0],
        tmp_path / "cells.zarr",
        model,
        plain,
        objects=everything,
        spacing=(0.5, 0.5),
        unit="um",
        version="0.4",
        callback=records.append,
    )
    assert isinstance(stored, us.StoredPrediction)
    assert records[-1].step == records[-1].total
    found = read_image(stored.path)
    assert found.spacing == (0.5, 0.5)
    np.testing.assert_allclose(found.array, whole.probabilities[0], atol=1e-3)
    assert stored.count == read_labels(stored.path / "labels" / "cells").max()
    with pytest.raises(StorageError, match="exists already"):
        us.predict_zarr(cells[0], stored.path, model)
    again = us.predict_zarr(cells[0], str(stored.path), model, overwrite=True)
    assert again.path == stored.path


def test_a_card_is_shown_in_a_line(model) -> None:
    assert repr(model.card) == "<ModelCard 'cells': unet, YX>"


def test_a_saved_model_predicts_as_before(cells, model, tmp_path) -> None:
    path = model.save(tmp_path / "cells.unet")
    first = us.predict(cells[0], model).probabilities
    for again in (us.load_model(path), us.load_model(str(path))):
        np.testing.assert_array_equal(us.predict(cells[0], again).probabilities, first)
    np.testing.assert_array_equal(us.predict(cells[0], path).probabilities, first)
    assert us.load_model(model) is model
    assert us.load_model(path).info()["parameters"] == model.info()["parameters"]


def test_a_pruned_model_answers_as_its_head_and_can_be_saved(cells, tmp_path) -> None:
    config = {**QUICK, "network": "unet++-16", "width": 0.25}
    whole = us.train([cells], config, device="cpu", name="nested")
    pruned = us.prune(whole, 2)
    path = pruned.save(tmp_path / "small.unet")
    assert pruned.info()["parameters"] < whole.info()["parameters"]
    assert us.load_model(path).card == pruned.card
    assert pruned.name == "nested-L2"
    assert not pruned.card.scores
    plain = {"precision": "float32", "device": "cpu"}
    small = us.predict(cells[0], us.load_model(path), plain).probabilities
    x = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        head = whole.network(x, every_head=True).logits[1]
        assert torch.equal(pruned.network(x), head)
    assert np.isfinite(small).all()
    with pytest.raises(ConfigError, match="pruning level is 9"):
        us.prune(whole, 9)


def test_a_model_that_is_not_there_is_explained(cells) -> None:
    with pytest.raises(ModelFileError, match="no model named 'nonsense'; known are"):
        us.predict(cells[0], "nonsense")


def test_scores_of_a_perfect_and_of_an_empty_segmentation(cells) -> None:
    _, labels = cells
    perfect = us.evaluate(labels * 7, labels)
    shares = {k: v for k, v in perfect.items() if isinstance(v, float)}
    assert set(shares) >= {"iou", "dice", "f1", "seg", "panoptic_quality"}
    assert {name for name in shares if name.startswith("average_precision")} == {
        "average_precision",
        *(f"average_precision_{t / 100:g}" for t in range(55, 100, 5)),
        "average_precision_mean",
    }
    assert shares.pop("pixel_error") == 0
    assert set(shares.values()) == {1.0}
    assert perfect["matched"] == len(np.unique(labels)) - 1
    assert {perfect[k] for k in ("missed", "spurious", "merges", "splits")} == {0}
    assert us.evaluate(labels * 0, labels)["f1"] == 0
    assert us.evaluate(labels * 0, labels * 0) == {"pixel_error": 0.0}


def test_touching_objects_that_merge_are_counted() -> None:
    truth = np.repeat([[1, 2, 0, 3, 4]], 4, axis=0)
    merged = np.repeat([[1, 1, 0, 3, 4]], 4, axis=0)
    assert us.evaluate(truth, truth)["pairs_kept_apart"] == 1
    assert us.evaluate(merged, truth)["pairs_kept_apart"] == 0.5


def test_time_points_are_scored_one_by_one() -> None:
    truth = np.zeros((2, 4, 8), int)
    truth[0, :, :3], truth[1, :, 5:] = 1, 2
    found = (truth > 0).astype(int)  # numbered anew in each frame
    assert us.evaluate(found, truth, "TYX")["f1"] == 1
    assert us.evaluate(found, truth)["f1"] < 1


def test_scores_refuse_what_cannot_be_compared(cells) -> None:
    _, labels = cells
    with pytest.raises(InputError, match="type float64"):
        us.evaluate(labels * 0.5, labels)
    with pytest.raises(
        InputError, match=r"different shapes, \(64, 64\) and \(63, 64\)"
    ):
        us.evaluate(labels, labels[1:])
    with pytest.raises(InputError, match="cannot have the axes 'TYX'"):
        us.evaluate(labels, labels, "TYX")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, b: us.segment("cells.tif"), "path 'cells.tif'; read it first"),
        (lambda a, b: us.compare(a, b, labels=b), 'write them as {"mine": labels}'),
        (lambda a, b: us.measure(b, a, channel_axis=7), "no axis 7 for channels"),
        (lambda a, b: us.measure(b, 3, channel_axis=0), "no axis 0 for channels"),
    ],
)
def test_what_is_given_in_the_wrong_form_is_explained(cells, call, message) -> None:
    with pytest.raises(InputError, match=message):
        call(*cells)


def test_two_files_of_one_name_are_not_chosen_from(cells, tmp_path) -> None:
    for name in ("truth/1.tif", "found/1.tif", "found/1.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_tiff(tmp_path / name, cells[1], "YX")
    files = tmp_path / "truth", {"ours": tmp_path / "found"}
    with pytest.raises(InputError, match=r"found has 2 files of the name of 1\.tif"):
        us.compare(None, files[0], labels=files[1])
    (tmp_path / "found/1.npy").unlink()
    assert us.compare(None, files[0], labels=files[1]).rows[0].scores["f1"] == 1
    (tmp_path / "found/1.tif").rename(tmp_path / "found/2.tif")
    with pytest.raises(InputError, match=r"found has no labels for 1\.tif"):
        us.compare(None, files[0], labels=files[1])


def test_components_of_a_mask_are_the_objects_to_find() -> None:
    labels = np.zeros((20, 20), int)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    with pytest.warns(UserWarning, match="connected components"):
        assert us.evaluate(labels, labels > 0)["f1"] == 1
    assert us.evaluate(labels, labels > 0, connected=True)["f1"] == 1
    assert us.evaluate(labels, labels > 0, connected=False)["f1"] == 0
    assert us.evaluate(labels == 1, labels == 1)["f1"] == 1  # one object: no doubt


def test_weights_and_deformation_are_at_hand(cells) -> None:
    image, labels = cells
    weights = us.separation_weights(labels, sigma=3, spacing=(1, 1))
    assert weights.shape == labels.shape
    assert weights.dtype == np.float32
    deformed, moved = us.elastic_deform(image, labels, sigma=2, seed=1)
    assert deformed.dtype == image.dtype
    assert set(np.unique(moved)) <= set(np.unique(labels))


def test_networks_are_data_and_can_be_built() -> None:
    assert us.NETWORKS["unet-2015"].output_shape((572, 572)) == (388, 388)
    network = us.build("unet-16", in_channels=2).eval()
    assert network.spec.in_channels == 2
    assert network(torch.zeros(1, 2, 16, 16)).shape == (1, 1, 16, 16)
    with pytest.raises(ConfigError, match="no network named 'x'"):
        us.build("x")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert us.__version__
    with pytest.raises(AttributeError, match="no attribute 'segments'"):
        _ = us.segments


@pytest.mark.slow
def test_everything_works_where_napari_cannot_be_imported(tmp_path) -> None:
    code = """
import sys
for name in "napari npe2 magicgui superqt qtpy PyQt5 PyQt6 PySide6".split():
    sys.modules[name] = None  # importing it fails
import numpy as np
import napari_unet_studio as us
image = np.random.default_rng(0).random((32, 32))
model = us.train([(image, image > 0.5)], {"updates": 1, "patch": 32, "batch": 1})
labels = us.segment(image, model.save("a.unet"))
us.evaluate(labels, image > 0.5, connected=True)
us.separation_weights(labels)
us.elastic_deform(image)
print(labels.shape)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(32, 32)\n"
