"""``unet-studio evaluate`` of objects, classes and membranes."""

import csv
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
    with pytest.raises(InputError, match="ignored among objects or classes"):
        call("a.tif", "a.tif", "--ignore=3", "--membranes")
    with pytest.raises(InputError, match="--per-object tells about objects"):
        call("a.tif", "a.tif", "--per-object=o.csv", "--classes")
    with pytest.raises(InputError, match="name the same file"):
        call("a.tif", "a.tif", "--per-object=o.csv", "--per-image=o.csv")
    with pytest.raises(InputError, match=r"ends in \.csv or \.json"):
        call("a.tif", "a.tif", "--per-image=o.txt")
    with pytest.raises(InputError, match="these are membranes"):
        call("a.tif", "a.tif", "--membranes", "--connected")


def two_images(tmp_path):
    """Write two segmentations: one perfect, one with a miss and a spurious object."""
    truth = np.zeros((40, 40), int)
    truth[5:15, 5:15], truth[20:30, 20:30] = 1, 2
    found = truth.copy()
    found[found == 2] = 0
    found[35:38, 5:15] = 7
    for name, image in (("a", truth), ("b", found)):
        write(tmp_path / "found" / f"{name}.tif", image)
        write(tmp_path / "truth" / f"{name}.tif", truth)


def test_a_table_of_images_is_written(call, tmp_path) -> None:
    two_images(tmp_path)
    scores = call("found", "truth", "--per-image=images.csv")
    assert scores["recall"] == 0.75
    with (tmp_path / "images.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a.tif", "b.tif"]
    assert [float(row["recall"]) for row in rows] == [1, 0.5]
    assert [row["missed"] for row in rows] == ["0", "1"]
    assert rows[0]["pairs_kept_apart"] == ""  # there are none
    with pytest.raises(InputError, match="exists already"):
        call("found", "truth", "--per-image=images.csv")
    call("found", "truth", "--per-image=images.csv", "--overwrite")
    call("found", "truth", "--per-image=images.json")
    written = json.loads((tmp_path / "images.json").read_text())
    assert [row["f1"] for row in written] == [1, 0.5]
    assert written[0]["pairs_kept_apart"] is None
    mean = np.mean([row["iou"] for row in written])
    assert scores["iou_mean_of_files"] == pytest.approx(mean)


def test_a_table_of_objects_is_written(call, tmp_path) -> None:
    two_images(tmp_path)
    call("found", "truth", "--per-object=objects.csv")
    with (tmp_path / "objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(row["of"], row["id"], row["verdict"]) for row in rows]
    assert told[4:] == [
        ("reference", "1", "matched"),
        ("reference", "2", "missed"),
        ("predicted", "1", "matched"),
        ("predicted", "7", "spurious"),
    ]
    assert rows[-1]["image"] == "b.tif"


def test_intervals_are_told_on_demand(call, tmp_path) -> None:
    two_images(tmp_path)
    assert "intervals" not in call("found", "truth")
    scores = call("found", "truth", "--intervals")
    assert scores["intervals_over"] == "images"
    assert scores["intervals"]["recall"] == [0.5, 1]
    one = call("found/b.tif", "truth/b.tif", "--intervals")
    assert one["intervals_over"] == "objects"
    low, high = one["intervals"]["f1"]
    assert 0 <= low <= 0.5 <= high <= 1
    classes = call("found/b.tif", "truth/b.tif", "--intervals", "--classes")
    assert "There are no intervals" in classes["notes"][0]
    shown = CliRunner().invoke(app, ["evaluate", "found", "truth", "--intervals"])
    assert "recall: 0.7500 (0.5000 to 1.0000)" in shown.stdout


def test_objects_in_ignored_pixels_do_not_count(call, tmp_path) -> None:
    truth = np.zeros((40, 40), int)
    truth[5:15, 5:15], truth[:, 30:] = 1, 255
    found = np.where(truth == 255, 0, truth)
    found[20:30, 32:38] = 2
    write(tmp_path / "found.tif", found)
    write(tmp_path / "truth.tif", truth)
    assert call("found.tif", "truth.tif")["f1"] == 0.5
    scores = call("found.tif", "truth.tif", "--ignore=255")
    assert (scores["f1"], scores["pixel_error"], scores["spurious"]) == (1, 0, 0)


def test_the_two_tables_are_two_files(call, tmp_path) -> None:
    write(tmp_path / "a.tif", np.eye(8))
    table = tmp_path / "t.csv"
    words = ("a.tif", "a.tif", "--per-image", "t.csv", "--per-object", str(table))
    with pytest.raises(InputError, match="--per-image and --per-object"):
        call(*words)
    assert not table.exists()
