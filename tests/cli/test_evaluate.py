"""``unet-studio evaluate`` of objects, classes and membranes."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_unet_studio import api
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import write_tiff


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the command in a folder of its own; returns what it printed as JSON."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        result = CliRunner().invoke(app, ["evaluate", *arguments, "--json"])
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout)

    return run


def write(path, labels, axes="YX"):
    path.parent.mkdir(exist_ok=True)
    write_tiff(path, np.asarray(labels).astype(np.uint16), axes)


def test_objects_have_seg_and_average_precisions(call, tmp_path) -> None:
    truth = np.zeros((40, 40), int)
    truth[5:15, 5:15], truth[20:30, 20:30] = 1, 2
    found = truth.copy()
    found[5:7, 5:15] = 0  # 8 rows of 10
    write(tmp_path / "found" / "a.tif", found)
    write(tmp_path / "truth" / "a.tif", truth)
    scores = call("found", "truth")
    assert scores["seg"] == pytest.approx(0.9)
    assert scores["average_precision"] == scores["average_precision_0.7"] == 1
    assert scores["average_precision_0.8"] == pytest.approx(1 / 3)
    assert scores["files"] == 1
    told = api.evaluate(found, truth)
    assert {name: scores[name] for name in told} == pytest.approx(told)


def test_classes_are_scored_over_all_files(call, tmp_path) -> None:
    truth = np.repeat([[0, 64, 159, 255]], 8, axis=0)
    found = truth.copy()
    found[:4, 3] = 0
    for name, image in (("a", found), ("b", truth)):
        write(tmp_path / "found" / f"{name}.tif", image)
        write(tmp_path / "truth" / f"{name}.tif", truth)
    write(tmp_path / "truth" / "c.tif", truth)
    scores = call("found", "truth", "--classes")
    assert scores["files"] == 2
    assert scores["references_without_segmentation"] == 1
    assert scores["iou 255"] == pytest.approx(12 / 16)
    assert scores["iou 0"] == pytest.approx(16 / 20)
    assert scores["mean_iou"] == pytest.approx((0.75 + 0.8 + 1 + 1) / 4)
    assert "f1" not in scores
    ignored = call("found", "truth", "--classes", "--ignore=255")
    assert ignored["pixel_error"] == 0
    assert "iou 255" not in ignored


def test_membranes_are_scored_plane_by_plane(call, tmp_path) -> None:
    truth = np.full((3, 40, 40), 255)
    truth[:, :, 20] = 0
    found = truth.copy()
    found[2] = 255  # one of three planes is merged
    write(tmp_path / "found.tif", found, "ZYX")
    write(tmp_path / "truth.tif", truth, "ZYX")
    scores = call("found.tif", "truth.tif", "--membranes")
    assert scores["pixel_error"] == pytest.approx(1 / 120)
    assert scores["warping_error"] == scores["splits_and_mergers"]
    assert scores["splits_and_mergers"] == pytest.approx(1 / 120)
    merged = api.evaluate(found[2], truth[2], kind="membranes")
    assert scores["v_rand"] == pytest.approx((2 + merged["v_rand"]) / 3)
    assert scores["v_info"] == pytest.approx(2 / 3)
    assert scores["rand_error"] == pytest.approx(merged["rand_error"] / 3)


def test_options_that_contradict_each_other_are_refused(call, tmp_path) -> None:
    write(tmp_path / "a.tif", np.eye(4))
    with pytest.raises(InputError, match="one of --membranes and --classes"):
        call("a.tif", "a.tif", "--membranes", "--classes")
    with pytest.raises(InputError, match="ignored among classes"):
        call("a.tif", "a.tif", "--ignore=3")
    with pytest.raises(InputError, match="these are membranes"):
        call("a.tif", "a.tif", "--membranes", "--connected")
