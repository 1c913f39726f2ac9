"""``unet-studio measure`` writes a table of the objects of a file or a folder."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

from napari_unet_studio import api
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.sample_data import SAMPLES


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the command in a folder of its own; returns what it printed as JSON."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        result = CliRunner().invoke(app, ["measure", *arguments, "--json"])
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="module")
def cells():
    return SAMPLES["nuclei_2d"]().labels[150:240, 130:230].astype(np.uint16)


def write(path, array, axes="YX", spacing=(0.5, 0.5)):
    path.parent.mkdir(exist_ok=True)
    write_tiff(path, array, axes, spacing, "um")


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_file_with_images_becomes_a_table_with_units(call, tmp_path, cells) -> None:
    write(tmp_path / "labels.tif", cells)
    write(tmp_path / "dapi.tif", cells * 2)
    found = call("labels.tif", "--image", "dapi.tif", "-o", "t.csv")
    rows = rows_of(tmp_path / "t.csv")
    table = api.measure(cells, cells * 2, spacing=(0.5, 0.5))
    assert found["objects"] == len(rows) == len(table)
    assert found["mean_area"] == pytest.approx(table["area"].mean())
    assert found["unit"] == "um^2"
    np.testing.assert_allclose(
        [float(row["area (um^2)"]) for row in rows], table["area"]
    )
    assert [float(row["mean intensity"]) for row in rows] == list(2 * table["label"])
    assert "file" not in rows[0]


def test_folder_becomes_one_table_with_a_file_column(call, tmp_path, cells) -> None:
    for name, array in (("a", cells), ("b", cells * (cells < 9)), ("c", cells * 0)):
        write(tmp_path / "labels" / f"{name}.tif", array)
        write(tmp_path / "red" / f"{name}.tif", array)
        write(tmp_path / "green" / f"{name}.tif", array * 3)
    found = call("labels", "--image", "red", "--image", "green", "--classes", "red")
    rows = rows_of(tmp_path / "objects.csv")
    assert found["files"] == 3
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    assert {row["file"] for row in rows} == {"a.tif", "b.tif"}
    assert all(3 * float(r["max red"]) == float(r["max green"]) for r in rows)
    assert all(row["class"] == row["label"] for row in rows)


def test_files_of_one_name_are_told_apart_by_their_folders(
    call, tmp_path, cells
) -> None:
    for day in ("a", "b"):
        write(tmp_path / day / "1.tif", cells)
    call("[ab]/*.tif")
    rows = rows_of(tmp_path / "objects.csv")
    assert sorted({row["file"] for row in rows}) == ["a/1.tif", "b/1.tif"]


def test_zarr_and_spacing_and_options(call, tmp_path, cells) -> None:
    array = zarr.create_array(
        tmp_path / "cells.zarr", shape=cells.shape, chunks=(32, 32), dtype=cells.dtype
    )
    array[:] = cells
    call("cells.zarr", "--spacing", "1,0.5", "--no-shape", "--no-neighbours")
    rows = rows_of(tmp_path / "objects.csv")
    table = api.measure(cells, spacing=(1, 0.5))
    assert [float(row["x (um)"]) for row in rows] == list(table["x"])
    assert not {"major axis (um)", "neighbours"} & {*rows[0]}


def stored(path, names, cells):
    """Write an OME-Zarr image of probabilities with label images inside."""
    store = ResultStore.create(
        path,
        shape=cells.shape,
        axes="YX",
        channels=1,
        block=(64, 64),
        spacing=(0.5, 0.5),
        unit="um",
        name=names[0],
    )
    for region in map(store.grid.region, range(len(store.grid))):
        store.probabilities[(slice(None), *region)] = (cells[region] > 0)[None] * 0.5
        store.labels[region] = cells[region]
    for _ in store.finish({}):
        pass
    for name in names[1:]:
        shutil.copytree(path / "labels" / names[0], path / "labels" / name)


def test_labels_inside_a_result_are_measured(call, tmp_path, cells) -> None:
    stored(tmp_path / "result.zarr", ["nuclei"], cells)
    found = call("result.zarr", "--image", "result.zarr")
    rows = rows_of(tmp_path / "objects.csv")
    table = api.measure(cells, spacing=(0.5, 0.5))
    np.testing.assert_allclose(
        [float(row["area (um^2)"]) for row in rows], table["area"]
    )
    assert {float(row["mean intensity"]) for row in rows} == {0.5}
    assert found["labels"] == [str(Path("result.zarr", "labels", "nuclei"))]


def test_one_of_several_label_images_inside_has_to_be_chosen(
    call, tmp_path, cells
) -> None:
    stored(tmp_path / "two.zarr", ["cells", "nuclei"], cells)
    inside = [str(Path("two.zarr", "labels", name)) for name in ("cells", "nuclei")]
    with pytest.raises(InputError, match=re.escape(", ".join(inside))):
        call("two.zarr")
    assert call(inside[0])["objects"] == len(np.unique(cells)) - 1


def test_table_is_replaced_only_when_told(call, tmp_path, cells) -> None:
    write(tmp_path / "labels.tif", cells)
    call("labels.tif")
    with pytest.raises(InputError, match="exists already"):
        call("labels.tif")
    call("labels.tif", "--overwrite")


def test_what_does_not_belong_together_is_said(call, tmp_path, cells) -> None:
    write(tmp_path / "one" / "a.tif", cells)
    write(tmp_path / "one" / "b.tif", np.stack((cells, cells)), "ZYX", (2, 0.5, 0.5))
    write(tmp_path / "small.tif", cells[1:])
    write(tmp_path / "float.tif", cells.astype(np.float32))
    for arguments, text in (
        (("one",), "measure them apart"),
        (("one", "--image", "small.tif"), "two files or two folders"),
        (("one/a.tif", "--image", "small.tif"), "the labels have"),
        (("float.tif",), "float.tif: .* integer instance ids"),
        (("one/a.tif", "-o", "t.txt"), r"does not end in \.csv"),
        (("one/a.tif", "--spacing", "wide"), "numbers with commas"),
        (("nothing.tif",), "does not exist"),
    ):
        with pytest.raises(InputError, match=text):
            call(*arguments)
    assert not list(tmp_path.glob("*.csv"))


def test_columns_have_the_names_and_channels_that_are_asked_for(
    call, tmp_path, cells
) -> None:
    write(tmp_path / "labels.tif", cells)
    tifffile.imwrite(tmp_path / "pair.tif", np.stack([cells * 2, cells * 3]))
    twice = ("--image", "pair.tif", "--image", "pair.tif")
    names = ("--name", "red", "--name", "far red", "--channel", "0", "--channel", "1")
    call("labels.tif", *twice, *names, "-o", "t.csv")
    for row in rows_of(tmp_path / "t.csv"):
        assert float(row["mean red"]) == 2 * int(row["label"])
        assert float(row["mean far red"]) == 3 * int(row["label"])


def test_a_pixel_size_may_have_another_unit(call, tmp_path, cells) -> None:
    write(tmp_path / "labels.tif", cells)
    place = ("--spacing", "1,1", "--unit", "pixel")
    assert call("labels.tif", *place)["unit"] == "px^2"
    place = ("--spacing", "2,2", "--unit", "none", "--overwrite")
    assert call("labels.tif", *place)["unit"] == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "a", "--name", "b"), "--name is given 2 times but --image 1"),
        (("--channel", "red"), "The channel is 'red'"),
        (("--channel", "1"), "single channel and no channel 1"),
    ],
)
def test_names_and_channels_that_do_not_fit_are_refused(
    call, tmp_path, cells, options, message
) -> None:
    for name in ("labels", "dapi"):
        write(tmp_path / f"{name}.tif", cells)
    with pytest.raises(InputError, match=message):
        call("labels.tif", "--image", "dapi.tif", *options)
