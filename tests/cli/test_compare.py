"""``unet-studio compare``: a table, CSV files, JSON."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.sample_data import nuclei_2d


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the command in a folder with two images and their labels."""
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        sample = nuclei_2d((80, 80), seed=seed)
        labels = sample.labels.astype(np.uint16)
        shifted = np.roll(labels, 3, axis=0)
        for folder, pixels in (
            ("images", sample.image),
            ("truth", labels),
            ("moved", shifted),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_tiff(tmp_path / folder / f"{seed}.tif", pixels, "YX")
    return lambda *words: CliRunner().invoke(app, ["compare", *words])


def test_models_and_labels_stand_side_by_side(call):
    result = call("images", "truth", "-m", "nuclei", "-s", "moved", "--csv", "t.csv")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:2] == ["name", "f1"]
    assert [line[0] for line in lines[1:]] == ["nuclei", "moved"]
    assert "*" in lines[1]
    with Path("t.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["nuclei", "moved"]
    assert int(rows[0]["parameters"]) > 10_000
    assert float(rows[0]["seconds"]) > 0
    assert rows[1]["seconds"] == ""


def test_json_holds_every_image(call):
    result = call("images", "truth", "-s", "truth", "-s", "moved", "--json")
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["rows"]] == ["truth", "moved"]
    assert found["best"]["seg"] == ["truth"]
    assert [image["image"] for image in found["rows"][1]["images"]] == [
        "1.tif",
        "2.tif",
    ]


def test_a_model_that_fails_does_not_end_the_others(call):
    result = call("images", "truth", "-m", "gone.unet", "-s", "moved")
    assert result.exit_code == 2
    assert "moved" in result.stdout
    assert "gone.unet" in result.stderr


def test_without_any_scores_there_is_no_table(call):
    result = call("images", "truth", "-m", "nope")
    assert result.exit_code == 2
    assert not result.stdout.strip()
    assert "nope" in result.stderr


def test_specks_are_left_out(call):
    mask = np.zeros((40, 40), np.uint8)
    mask[5:20, 5:20] = mask[25:35, 25:35] = 1
    found = mask.copy()
    mask[1, 1:3] = 1
    write_tiff("mask.tif", mask, "YX")
    write_tiff("found.tif", found, "YX")
    for words, missed in (((), 1), (("--specks", "3"), 0)):
        result = call("mask.tif", "mask.tif", "-s", "found.tif", "--json", *words)
        (row,) = json.loads(result.stdout)["rows"]
        assert row["missed"] == missed


def test_scores_of_each_image_go_to_a_file(call):
    call("images", "truth", "-s", "moved", "--csv-images", "each.csv")
    with Path("each.csv").open(encoding="utf-8") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["1.tif", "2.tif"]
    again = call("images", "truth", "-s", "moved", "--csv-images", "each.csv")
    assert isinstance(again.exception, InputError)
    assert "--overwrite" in str(again.exception)


def test_something_has_to_be_compared(call):
    result = call("images", "truth")
    assert isinstance(result.exception, InputError)


def test_the_two_tables_are_two_files(call):
    words = ("images", "truth", "-s", "moved", "--csv", "t.csv")
    result = call(*words, "--csv-images", "./t.csv")
    assert isinstance(result.exception, InputError)
    assert "--csv and --csv-images" in str(result.exception)
    assert not Path("t.csv").exists()
