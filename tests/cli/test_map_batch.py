"""``weights``, ``deform`` and ``inspect`` of several files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_unet_studio as us
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.record import read_record
from napari_unet_studio.sample_data import nuclei_2d

SAMPLES = [nuclei_2d((64, 72), seed=seed) for seed in (1, 2, 3)]
LABELS = [sample.labels.astype(np.uint16) for sample in SAMPLES]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for number, sample in enumerate(SAMPLES):
        write_tiff(tmp_path / f"images/{number}.tif", sample.image, "YX")
        write_tiff(tmp_path / f"labels/{number}.tif", LABELS[number], "YX")
    return tmp_path


def rows_of(result: tuple[int, str, str]) -> dict[str, Any]:
    """Return the rows that JSON tells, by the name of the image."""
    return {Path(row["image"]).stem: row for row in json.loads(result[1])["items"]}


def pixels(path: str | Path) -> Any:
    return np.asarray(read_image(Path(path)).array)


def test_a_folder_is_weighed_file_by_file(call: Any, files: Path) -> None:
    result = call("weights", "labels", "--gap=1", "-o", "maps", "--json")
    assert (result[0], result[2]) == (0, "")
    rows = rows_of(result)
    for number, labels in enumerate(LABELS):
        expected = us.separation_weights(labels, gap=1)
        np.testing.assert_array_equal(pixels(rows[str(number)]["weights"]), expected)
        assert rows[str(number)]["largest"] == expected.max()
    assert json.loads(result[1])["manifest"] == "maps/batch.json"


def test_patterns_and_single_files_are_taken_alike(call: Any, files: Path) -> None:
    call("weights", "labels/[01].tif", "-o", "maps")
    call("weights", "labels/0.tif", "labels/1.tif", "-o", "others")
    call("weights", "labels/0.tif", "-o", "one.tif")
    for name in ("0.tif", "1.tif"):
        np.testing.assert_array_equal(pixels(f"maps/{name}"), pixels(f"others/{name}"))
    np.testing.assert_array_equal(pixels("maps/0.tif"), pixels("one.tif"))
    assert not Path("maps/2.tif").exists()


def test_bad_files_are_listed_and_the_others_done(call: Any, files: Path) -> None:
    (files / "labels/bad.tif").write_text("no picture")
    write_tiff(files / "labels/empty.tif", np.zeros((8, 8), np.uint8), "YX")
    code, out, err = call("weights", "labels", "-o", "maps")
    assert code == 2
    assert out.count("done") == 3
    assert "labels/bad.tif: " in err
    assert "labels/empty.tif: holds no objects" in err
    told = json.loads(Path("maps/batch.json").read_text("utf-8"))
    assert {i["name"]: i["status"] for i in told["items"]} == {
        **dict.fromkeys("012", "done"),
        "bad": "failed",
        "empty": "failed",
    }


def test_the_same_command_goes_on_and_another_one_replaces_nothing(
    call: Any, files: Path
) -> None:
    command = ("weights", "labels", "-o", "maps", "--json")
    call(*command)
    before = {n: Path(f"maps/{n}.tif").stat().st_mtime_ns for n in range(3)}
    Path("maps/1.tif").unlink()
    rows = rows_of(call(*command))
    assert [rows[n]["status"] for n in "012"] == ["kept", "done", "kept"]
    code, out, _ = result = call(*command, "--sigma=3")
    assert code == 2
    assert "was made with other settings: sigma was null, not 3.0" in out
    assert set(rows_of(result)) == {"0", "1", "2"}
    assert Path("maps/0.tif").stat().st_mtime_ns == before[0]
    assert call(*command, "--sigma=3", "--overwrite")[0] == 0
    np.testing.assert_array_equal(
        pixels("maps/0.tif"), us.separation_weights(LABELS[0], sigma=3)
    )


def test_results_never_replace_what_they_come_from(call: Any, files: Path) -> None:
    before = [Path(f"labels/{n}.tif").read_bytes() for n in range(3)]
    code, out, _ = call("weights", "labels", "-o", "labels", "--overwrite", "--json")
    assert code == 2
    assert out.count("is an input") == 3
    assert [Path(f"labels/{n}.tif").read_bytes() for n in range(3)] == before


def test_several_do_not_go_into_one_file(call: Any, files: Path) -> None:
    code, out, err = call("weights", "labels", "-o", "one.tif")
    assert (code, out) == (2, "")
    assert "one.tif is a file, but there are several to write" in err


def test_a_record_holds_the_settings_for_other_files(call: Any, files: Path) -> None:
    classes = files / "classes.json"
    classes.write_text(json.dumps({str(id_): 1 for id_ in np.unique(LABELS)}))
    said = ("--sigma=3", "--preset=none", "--planes", "--connected", "--spacing=2,1")
    assert call("weights", "labels", *said, "-o", "maps")[0] == 0
    again = ("labels/0.tif", "labels/1.tif", "--config=maps/batch.json")
    assert call("weights", *again, "-o", "again")[0] == 0
    told = read_record(files / "maps").last, read_record(files / "again").last
    assert told[0].compared() == told[1].compared()
    assert call("weights", *again, "--gap=1", "-o", "other")[0] == 0
    assert read_record(files / "other").last.config["gap"] == 1
    assert call("weights", "labels", "--classes=classes.json", "-o", "kinds")[0] == 0
    few = ("labels/0.tif", "labels/1.tif", "--config=kinds/batch.json", "-o", "one")
    assert call("weights", *few)[0] == 0
    assert read_record(files / "one").last.config["classes"]["1"] == 1

    assert call("deform", "images", "--seed=4", "--planes", "-o", "moved")[0] == 0
    again = ("images", "--config=moved/batch.json", "-o", "moved2")
    assert call("deform", *again)[0] == 0
    found = [pixels(files / f"{folder}/1.tif") for folder in ("moved", "moved2")]
    np.testing.assert_array_equal(*found)
    assert read_record(files / "moved2").last.config["planes"]
    code, _, err = call("deform", "images", "--config=maps/batch.json")
    assert code == 2
    assert (
        "is the record of unet-studio weights; choose one of unet-studio deform" in err
    )


def test_images_are_deformed_with_the_labels_of_their_names(
    call: Any, files: Path
) -> None:
    command = ("deform", "images", "--labels", "labels", "--seed", 5, "-o", "moved")
    assert call(*command)[0] == 0
    for number, sample in enumerate(SAMPLES):
        image, labels = us.elastic_deform(sample.image, LABELS[number], seed=5)
        np.testing.assert_array_equal(pixels(f"moved/{number}.tif"), image)
        np.testing.assert_array_equal(pixels(f"moved/labels/{number}.tif"), labels)
    # What lies there is a training set at once.
    code, out, _ = call("evaluate", "moved/labels", "moved/labels", "--json")
    assert (code, json.loads(out)["files"]) == (0, 3)


def test_other_labels_are_no_reason_to_keep_a_result(call: Any, files: Path) -> None:
    command = ("deform", "images", "--labels", "labels", "-o", "moved", "--json")
    call(*command)
    write_tiff(files / "labels/1.tif", LABELS[1][::-1].copy(), "YX")
    rows = rows_of(call(*command))
    assert "is the result of another image" in rows["1"]["error"]
    assert rows["0"]["status"] == "kept"


def test_an_image_without_labels_is_told_before_the_work(
    call: Any, files: Path
) -> None:
    (files / "labels/1.tif").unlink()
    code, _, err = call("deform", "images", "--labels", "labels", "-o", "moved")
    assert code == 2
    assert "1.tif has no file of its name in labels" in err
    assert not Path("moved").exists()


def test_maps_of_several_images_go_into_a_folder(call: Any, files: Path) -> None:
    (files / "images/bad.tif").write_text("no picture")
    code, out, err = call(
        "inspect", "images", "--node=encoder.1", "--count=2", "-o", "maps"
    )
    assert code == 2
    assert "images/bad.tif: " in err
    assert "maps/0.tif" in out
    found = us.feature_maps(SAMPLES[0].image, "nuclei", "encoder.1", {"count": 2})
    np.testing.assert_array_equal(pixels("maps/0.tif"), found.maps)


def test_files_of_a_pattern_are_scored_and_measured(call: Any, files: Path) -> None:
    for words in (["labels/[01].tif"], ["labels/0.tif", "labels/1.tif"]):
        code, out, _ = call("evaluate", *words, "labels", "--json")
        assert (code, json.loads(out)["files"], json.loads(out)["f1"]) == (0, 2, 1)
        code, out, _ = call(
            "measure", *words, "--image", "images", "--overwrite", "--json"
        )
        assert (code, json.loads(out)["files"]) == (0, 2)
        code, out, _ = call(
            "compare", *words, "labels", "--segmentation", "labels", "--json"
        )
        assert code == 0, out


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs rights"
)
def test_a_folder_without_rights_is_told(call: Any, files: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    code, _, err = call("weights", "labels", "-o", "locked")
    assert code == 2
    assert "locked" in err
    shutil.rmtree("locked")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT goes to the console")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_or_killed_is_gone_on_with(
    call: Any, files: Path, ending: signal.Signals
) -> None:
    for number in range(3, 40):
        shutil.copy(files / "labels/0.tif", files / f"labels/{number}.tif")
    code = "from napari_unet_studio.cli import main; main()"
    command = ["weights", "labels", "-o", "maps", "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *command],
        cwd=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while len(list(files.glob("maps/*.tif"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
    if ending == signal.SIGINT:
        assert process.returncode == 130
        assert json.loads(out)["stopped"]
        assert "The same command goes on from there." in err
    result = call(*command)
    assert result[0] == 0
    states = [row["status"] for row in rows_of(result).values()]
    assert states.count("kept") >= 3
    assert len(states) == 40
    assert "done" in states
    assert not list(files.glob("maps/.batch/*.tif"))


def test_a_file_that_memory_does_not_hold_is_listed(call: Any, files: Path) -> None:
    import zarr

    side = 2**24
    sizes = {"shape": (side, side), "chunks": (2**20, 2**20), "dtype": "uint8"}
    zarr.create_array("images/0.zarr", compressors=None, **sizes)
    result = call("deform", "images", "-o", "moved", "--json")
    assert result[0] == 2
    errors = {name: row.get("error", "") for name, row in rows_of(result).items()}
    assert "not enough memory" in errors["0"]
    assert Path("moved/1.tif").exists()
    assert Path("moved/2.tif").exists()
    code, _, said = call("deform", "images/0.zarr", "-o", "moved.tif")
    assert (code, said.count("\n")) == (2, 1)
    assert "not enough memory" in said


def test_labels_that_memory_does_not_hold_are_not_read(call: Any, files: Path) -> None:
    import zarr

    sizes = {"shape": (2**24, 2**24), "chunks": (2**9, 2**9), "dtype": "uint8"}
    zarr.create_array("labels/0.zarr", compressors=None, **sizes)
    code, _, said = call("weights", "labels/0.zarr", "-o", "weights.tif")
    assert (code, said.count("\n")) == (2, 1)
    assert "labels/0.zarr take 281475 GB of memory" in said
