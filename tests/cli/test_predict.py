"""``unet-studio predict``, as a user types it: folders of results, and stores."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import torch
import zarr
from PIL import Image

from napari_unet_studio.cli import main
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.manifest import Manifest, Run, read_record
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.predict_config import PredictConfig

PLAIN = ("--precision=float32", "--device=cpu", "--tile=64", "--batch=1")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Save a tiny network with random weights."""
    spec = UNetSpec(channels=(4, 8))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec).eval()
    normalisation = Normalisation("fixed", 0.0, 255.0)
    card = ModelCard(name="tiny", spec=spec, normalisation=normalisation)
    return Model(network, card).save(tmp_path_factory.mktemp("models") / "tiny.unet")


@pytest.fixture
def call(monkeypatch, capfd, tmp_path, model):
    """Run the command in an empty folder; gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        words = ["unet-studio", "predict", f"--model={model}", *PLAIN]
        monkeypatch.setattr(sys, "argv", [*words, *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def image(tmp_path):
    return drawn(tmp_path / "a.tif", (80, 120), "YX")


def drawn(path, shape, axes):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 200, [-(-size // 10) for size in shape[-2:]])
    spots = np.kron(coarse, np.ones((10, 10)))[: shape[-2], : shape[-1]]
    pixels = spots + generator.integers(0, 50, shape)
    write_tiff(path, pixels.astype(np.uint8), axes, (0.5, 0.25))
    return path


def refused(result, message):
    """Check that a command ended with one line about what was wrong."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("unet-studio: ")
    assert err.count("\n") == 1
    assert message in err


def arrays(path):
    """Return all arrays of a store by their place in it."""
    found = dict(zarr.open_group(path, mode="r").members(max_depth=None))
    return {key: a[:] for key, a in found.items() if isinstance(a, zarr.Array)}


def equal(one, other):
    first, second = arrays(one), arrays(other)
    assert first.keys() == second.keys()
    assert {"0", "labels/tiny/0"} <= first.keys()
    for key, values in first.items():
        np.testing.assert_array_equal(second[key], values, err_msg=key)


# -- the result ----------------------------------------------------------------------


def test_every_setting_of_objects_is_an_option(call, image, tmp_path) -> None:
    settings = {
        "threshold": 0.4,
        "min_size": 2,
        "fill_holes": 3,
        "close_gaps": 1,
        "split": 5.0,
        "low": 0.3,
        "max_size": 4000,
        "smooth": 0.5,
        "seeds": "probability",
        "border": "sides",
        "link": 0.2,
    }
    assert settings.keys() == ObjectConfig().to_dict().keys()
    options = [f"--{k.replace('_', '-')}={v}" for k, v in settings.items()]
    assert call("a.tif", "found.zarr", *options)[0] == 0
    made = zarr.open_group("found.zarr", mode="r").attrs["napari_unet_studio"]
    assert made["objects"] == settings
    refused(call("a.tif", "other.zarr", "--low=2"), "low is 2")


def test_an_image_becomes_a_store(call, image, tmp_path) -> None:
    code, out, err = call("a.tif", "found.zarr", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["items"]
    assert (row["image"], row["store"]) == ("a.tif", "found.zarr")
    labels = read_image(row["labels"])
    assert row["objects"] == len(np.unique(np.asarray(labels.array))) - 1
    assert row["seconds"] > 0
    assert (labels.axes, labels.spacing) == ("YX", (0.5, 0.25))
    probabilities = read_image("found.zarr")
    assert probabilities.array.shape == (80, 120)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "found.zarr"]


def test_a_store_holds_what_the_tiffs_hold(call, image, tmp_path) -> None:
    assert call("a.tif", "-o", "found.zarr", "--min-size=0")[0] == 0
    command = ("a.tif", "-o", "tiffs", "--probabilities", "--min-size=0")
    assert call(*command)[0] == 0
    labels = np.asarray(read_image("found.zarr/labels/tiny").array)
    probabilities = np.asarray(read_image("found.zarr").array)
    exact = tifffile.imread("tiffs/probabilities/a.tif").squeeze()
    np.testing.assert_array_equal(probabilities, exact.astype(np.float16))
    # Labels of a store follow from what is stored, rounded to 11 bits.
    stored = probabilities.astype(np.float32)
    expected = label_objects(stored, ObjectConfig(min_size=0), (0.5, 0.25))
    np.testing.assert_array_equal(labels > 0, expected > 0)
    assert labels.max() == expected.max()


def test_a_store_may_be_of_the_older_version(call, image, tmp_path) -> None:
    assert call("a.tif", "found.zarr", "--ome=0.4")[0] == 0
    assert "0.4" in (tmp_path / "found.zarr/.zattrs").read_text()


def test_a_store_is_reported_for_people_too(call, image) -> None:
    code, out, _err = call("a.tif", "found.zarr")
    assert code == 0
    header, row = out.splitlines()
    assert header.split() == ["image", "store", "objects", "seconds"]
    assert row.split()[:2] == ["a.tif", "found.zarr"]


def test_classes_have_no_number_of_objects(call, image, tmp_path) -> None:
    spec = UNetSpec(channels=(4, 8), num_classes=3)
    card = ModelCard(name="tiny", spec=spec, target="classes", class_values=(0, 1, 2))
    file = Model(build(spec).eval(), card).save(tmp_path / "classes.unet")
    for out in ("found", "found.zarr"):
        code, told, _ = call("a.tif", f"--model={file}", "-o", out, "--json")
        (row,) = json.loads(told)["items"]
        assert (code, row["objects"]) == (0, None)
        _, told, _ = call("a.tif", f"--model={file}", "-o", f"again {out}")
        assert "objects" not in told
        assert "None" not in told


def test_a_resolution_of_a_store_can_be_chosen(call, tmp_path) -> None:
    drawn(tmp_path / "a.tif", (1100, 40), "YX")
    assert call("a.tif", "one.zarr")[0] == 0
    assert call("one.zarr", "two.zarr", "--resolution=1")[0] == 0
    assert read_image("two.zarr").array.shape == (550, 20)
    assert call("one.zarr", "--resolution=1")[0] == 0  # a folder of TIFFs
    assert tifffile.imread("predicted/one.tif").shape == (550, 20)


# -- channels ------------------------------------------------------------------------


def test_colours_become_grey_or_one_of_them(call, tmp_path) -> None:
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 255, (60, 70, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    for number in range(3):
        Image.fromarray(colours[..., number]).save(tmp_path / f"{number}.png")
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)
    write_tiff(tmp_path / "grey.tif", grey, "YX")
    for option, alike in (("1", "1.png"), ("grey", "grey.tif")):
        assert call("rgb.png", f"--channel={option}", "-o", f"{option}.zarr")[0] == 0
        assert call(alike, "-o", f"{option}-alike.zarr")[0] == 0
        one, other = (
            arrays(f"{option}{end}.zarr")["0"].astype(float) for end in ("", "-alike")
        )
        np.testing.assert_allclose(one, other, atol=1e-3)
        command = ("rgb.png", f"--channel={option}", "-o", "tiffs", "--overwrite")
        assert call(*command)[0] == 0
        assert tifffile.imread("tiffs/rgb.tif").shape == (60, 70)


def test_grey_is_that_of_pillow(call, tmp_path) -> None:
    from napari_unet_studio.core.channels import pick_channel

    colours = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L"), float)
    found = pick_channel(colours, 2, "grey")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.51)
    np.testing.assert_array_equal(
        pick_channel(np.moveaxis(colours, 2, 0), 0, "grey"), found
    )


def test_channels_of_lazy_arrays_stay_lazy(tmp_path) -> None:
    import dask.array as da

    from napari_unet_studio.core.channels import pick_channel

    pixels = np.random.default_rng(0).integers(0, 256, (4, 40, 50)).astype(np.uint8)
    stored = zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 20, 20))
    for array in (stored, da.from_array(pixels, chunks=(2, 20, 20))):
        for choice in (3, "grey"):
            found = pick_channel(array, 0, choice)
            assert isinstance(found, da.Array)
            np.testing.assert_array_equal(found, pick_channel(pixels, 0, choice))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--channel=5",), "no channel 5; choose a number from 0 to 2 or grey"),
        (("--channel=blue",), "The channel is 'blue'; give a number from 0, or grey"),
        ((), "takes 1 channel but the image has 3"),
    ],
)
def test_channels_that_cannot_be_used_are_explained(
    call, tmp_path, options, message
) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "rgb.png")
    refused(call("rgb.png", "found.zarr", *options), message)


# -- what is there already, and what cannot work -------------------------------------


def test_a_result_is_replaced_on_demand_only(call, image) -> None:
    command = ("a.tif", "found.zarr")
    assert call(*command)[0] == 0
    refused(call(*command), "found.zarr exists already")
    assert call(*command, "--overwrite", "--threshold=0.9")[0] == 0


def test_an_image_that_ends_in_zarr_is_read_and_not_replaced(call, tmp_path) -> None:
    pixels = np.random.default_rng(0).random((40, 50))
    for name in ("a", "b"):
        zarr.save_array(str(tmp_path / f"{name}.zarr"), pixels)
    code, out, _ = call("a.zarr", "b.zarr", "--json")
    assert code == 0
    assert [row["labels"] for row in json.loads(out)["items"]] == [
        "predicted/a.tif",
        "predicted/b.tif",
    ]
    command = ("a.zarr", "-o", "b.zarr")
    refused(call(*command), "b.zarr exists already")
    refused(call(*command, "--overwrite"), "is no result of this package")
    np.testing.assert_array_equal(zarr.open_array("b.zarr")[:], pixels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.zarr",), "a.zarr does not exist"),
        (("b.tif", "a.zarr"), "b.tif does not exist"),
        (("a.tif", "a.tif/a.zarr"), "a.tif"),
        (("a.tif", ".", "a.zarr"), "holds the result of one image, but there are 2"),
        (("a.tif", "a.zarr", "--resolution=1"), "has no resolution level 1"),
        (("a.tif", "a.zarr", "--axes=ZYX"), "cannot have the axes 'ZYX'"),
        (("a.tif", "a.zarr", "--region=0:9,0:9"), "A region is not written"),
        (("a.tif", "--region=0-9"), "The region is '0-9'"),
        (("a.tif", "--spacing=1"), "The spacing has 1 number for"),
        (("a.tif", "a.zarr", "--workers=0"), "workers is 0"),
        (("a.tif", "a.zarr", "--workers=1", "--scheduler=x"), "give one of the two"),
        (("a.tif", "a.zarr", "--scheduler=pigeon://a"), "no address of a Dask"),
        (("a.tif", "--workers=2"), "leave --workers out, or give an --out that ends"),
        (("a.tif", "--ome=0.4"), "leave --ome out"),
        (("a.tif", "a.zarr", "--pixel-size=model"), "does not know the pixel size"),
    ],
)
def test_what_cannot_be_stored_is_one_line(call, image, arguments, message) -> None:
    drawn(image.with_name("c.tif"), (20, 20), "YX")
    refused(call(*arguments), message)


# -- many images ---------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    for number, shape in enumerate([(40, 50), (60, 40), (48, 48)]):
        drawn(tmp_path / f"images/{number}.tif", shape, "YX")
    return tmp_path / "images"


def rows_of(result):
    """Return what a command told as JSON, by image."""
    return {row["image"]: row for row in json.loads(result[1])["items"]}


def test_a_pattern_and_a_folder_make_labels_of_the_same_names(call, images) -> None:
    drawn(images / "day 2/0.tif", (40, 40), "YX")
    result = call("images/**/*.tif", "--out=found", "--json")
    rows = rows_of(result)
    assert result[0] == 0
    assert rows["images/day 2/0.tif"]["labels"] == "found/day 2/0.tif"
    rows = rows_of(call("images", "--out=found", "--json"))
    assert {row["status"] for row in rows.values()} == {"kept"}


def test_results_that_a_pattern_matches_are_no_images(call, images) -> None:
    for _ in range(2):
        code, out, _err = call("**/*.tif", "--json")
        assert code == 0
        assert len(json.loads(out)["items"]) == 3


def test_bad_files_are_listed_and_the_others_done(call, images) -> None:
    whole = (images / "0.tif").read_bytes()
    (images / "[bold]cut.tif").write_bytes(whole[: len(whole) // 2])
    (images / "text.png").write_text("no picture")
    np.save(images / "nan.npy", np.full((20, 20), np.nan))
    result = call("images", "--json")
    assert (result[0], result[2]) == (2, "")
    told = json.loads(result[1])
    assert told["manifest"] == "predicted/batch.json"
    assert not told["stopped"]
    rows = rows_of(result)
    assert "400 NaN" in rows["images/nan.npy"]["error"]
    assert [row["status"] for row in rows.values()].count("done") == 3
    code, out, err = call("images", "--overwrite")
    assert code == 2
    header, *lines = out.splitlines()
    assert header.split() == ["status", "image", "labels", "objects"]
    assert len(lines) == 3
    assert all(line.split()[0] == "kept" for line in lines)
    assert "unet-studio: images/[bold]cut.tif: cannot be read as an image" in err
    assert err.endswith("3 kept, 3 failed. The record is predicted/batch.json.\n")


def test_an_error_of_many_files_is_said_once(call, images) -> None:
    assert call("images")[0] == 0
    code, out, err = call("images", "--threshold=0.9")
    assert (code, out) == (2, "")
    assert err == (
        "unet-studio: predicted/0.tif, predicted/1.tif, predicted/2.tif: was made with "
        "other settings: threshold was 0.5, not 0.9; choose another folder with --out, "
        "or allow --overwrite.\n"
    )


def test_images_of_one_name_have_results_of_their_own(call, images) -> None:
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(images / "0.png")
    rows = rows_of(call("images", "--json"))
    assert rows["images/0.png"]["labels"] == "predicted/0.png.tif"
    assert rows["images/0.tif"]["labels"] == "predicted/0.tif.tif"


def test_a_table_holds_the_objects_of_all_images(call, images) -> None:
    code, out, err = call("images", "--table", "--min-size=0", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    lines = (images.parent / told["table"]).read_text().splitlines()
    assert len(lines) == 1 + sum(row["objects"] for row in told["items"])
    assert lines[0].startswith("image,label,area (um^2),")


def test_a_store_of_each_image(call, images) -> None:
    code, out, _ = call("images", "--store", "--json")
    assert code == 0
    for number, row in enumerate(json.loads(out)["items"]):
        assert row["labels"] == f"predicted/{number}.zarr/labels/tiny"
        assert read_image(row["labels"]).axes == "YX"
    refused(call("images", "--store", "--region=0:9,0:9"), "A region is not written")


def test_on_a_terminal_each_image_is_told_when_it_is_done(
    call, images, monkeypatch
) -> None:
    (images / "text.png").write_text("no picture")
    monkeypatch.setattr("napari_unet_studio.cli.console.out._force_terminal", True)
    code, out, err = call("images")
    assert code == 2
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert [line.split()[:2] for line in plain.splitlines()] == [
        ["done", "images/0.tif"],
        ["done", "images/1.tif"],
        ["done", "images/2.tif"],
        ["failed", "images/text.png:"],
    ]
    assert err == "3 done, 1 failed. The record is predicted/batch.json.\n"


# -- settings from a file ------------------------------------------------------------


def test_settings_of_the_network_or_of_a_batch_are_read(call, images, tmp_path) -> None:
    file = tmp_path / "settings.json"
    for document in (
        PredictConfig(average="flips").to_dict(),
        BatchConfig(PredictConfig(average="flips"), probabilities=True).to_dict(),
    ):
        file.write_text(json.dumps(document))
        out = f"found {len(document)}"
        assert call("images/0.tif", "--config", file, "-o", out)[0] == 0
        run = read_record(tmp_path / out).last
        assert run.config["prediction"]["average"] == "flips"
        assert run.config["prediction"]["tile"] == 64  # options win
        assert run.config["probabilities"] == document.get("probabilities", False)
        assert (tmp_path / out / "probabilities").exists() == ("table" in document)
    for text, message in (
        ('{"average": "none", "blur": 1}', "has no setting 'blur'"),
        ('{"table": true, "blur": 1}', "has no setting 'blur'"),
        ('{"runs": []}', "damaged or no record"),
    ):
        file.write_text(text)
        refused(call("images", "--config", file), message)


def test_a_record_repeats_its_batch(call, images, tmp_path, monkeypatch) -> None:
    options = ("--min-size=7", "--table", "--axes=YX", "--region=0:30,0:30")
    assert call("images/**/*.tif", "-o", "found", *options)[0] == 0
    # The same once more, into the same folder: all is done.
    rows = rows_of(call("--config=found/batch.json", "--json"))
    assert [row["status"] for row in rows.values()] == ["kept"] * 3
    assert call("--config=found/batch.json", "-o", "again")[0] == 0
    for number in range(3):
        one, other = (tifffile.imread(f"{f}/{number}.tif") for f in ("found", "again"))
        np.testing.assert_array_equal(one, other)
    old, new = (read_record(tmp_path / name) for name in ("found", "again"))
    assert old.last.compared() == new.last.compared()
    assert (tmp_path / "again/objects.csv").exists()
    # Other images with these settings.
    drawn(tmp_path / "b.tif", (40, 40), "YX")
    assert call("b.tif", "--config=found/batch.json", "-o", "more")[0] == 0
    assert read_record(tmp_path / "more").last.objects["min_size"] == 7


def test_a_record_of_one_image_may_become_a_store(call, images, tmp_path) -> None:
    assert call("images/0.tif", "--min-size=7", "--axes=YX", "-o", "found")[0] == 0
    assert call("--config=found/batch.json", "-o", "found.zarr")[0] == 0
    assert read_image(tmp_path / "found.zarr/labels/tiny").array.ndim == 2
    refused(call("-o", "more.zarr"), "There are no images; give")


def test_the_record_of_other_work_is_refused(call, images, tmp_path) -> None:
    Manifest(tmp_path / "maps", Run("weights")).close()
    result = call("--config=maps/batch.json")
    refused(result, "is the record of unet-studio weights")


def test_a_model_as_settings_is_that_model(call, images, model, tmp_path) -> None:
    card = Model(load_model(model).network, load_model(model).card).renamed("mine")
    card.save(tmp_path / "mine.unet")
    # The fixture names a model, which wins; so without it.
    words = [*PLAIN, "images", "--config=mine.unet", "-o", "found"]
    assert bare(words) == 0
    assert read_record(tmp_path / "found").last.model["name"] == "mine"


def bare(words):
    """Run the command with these words alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["unet-studio", "predict", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code or 0


def test_nothing_to_do_is_told(call, tmp_path) -> None:
    refused(call(), "There are no images; give files")
    refused(call("none*.tif"), "Nothing matches none*.tif")
    drawn(tmp_path / "a.tif", (20, 20), "YX")
    refused(call("a.tif", "b.zarr", "--table"), "--table is for results in a folder")


# -- stopped and killed --------------------------------------------------------------

FRAMES = 12


@pytest.fixture
def film(tmp_path):
    """Write a film, whose frames are blocks, and the result of an undisturbed run."""
    return drawn(tmp_path / "film.tif", (FRAMES, 150, 150), "TYX")


@pytest.fixture
def start(tmp_path, model):
    """Start the command as another process, and wait until some blocks are done."""
    code = "from napari_unet_studio.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", f"--model={model}", *PLAIN]

    def start(*arguments):
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        marks = tmp_path / "found.zarr.part/ledger/predict"
        deadline = time.monotonic() + 120
        while not marks.is_dir() or len(list(marks.glob("[0-9]*"))) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return process, len(list(marks.glob("[0-9]*")))

    return start


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "afterwards"),
    [((), ()), (("--workers=2",), ("--workers=1",))],
    ids=["serial", "dask"],
)
def test_a_run_that_is_killed_goes_on_and_finds_the_same(
    call, start, film, tmp_path, workers, afterwards
) -> None:
    command = ("film.tif", "found.zarr", "--average=flips")
    process, done = start(*command, *workers)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 0 < done < FRAMES
    assert not (tmp_path / "found.zarr").exists()
    # It may go on with another number of processes; each takes seconds to start.
    code, out, _ = call(*command, *afterwards, "--json")
    assert code == 0
    assert "were kept" in json.loads(out)["items"][0]["notes"]
    assert call("film.tif", "whole.zarr", "--average=flips")[0] == 0
    equal("whole.zarr", "found.zarr")
    assert not (tmp_path / "found.zarr.part").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT goes to the console")
@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("--workers=1",)], ids=["serial", "dask"])
def test_ctrl_c_stops_and_says_how_to_go_on(start, film, workers) -> None:
    process, _ = start("film.tif", "found.zarr", "--average=flips", *workers)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == (
        "\nStopping when this tile is done; what is done is kept. Ctrl-C again: at "
        "once.\nStopped. The same command goes on from there.\n"
    )
    assert film.with_name("found.zarr.part").is_dir()


@pytest.fixture
def many(tmp_path):
    for number in range(8):
        drawn(tmp_path / f"images/{number}.tif", (300, 300), "YX")
    return tmp_path / "images"


def begun(tmp_path, model, *options):
    """Start a batch as another process, and wait until it has done two images."""
    code = "from napari_unet_studio.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", f"--model={model}", *PLAIN]
    process = subprocess.Popen(
        [*command, "images", "--average=flips", *options],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("predicted/*.tif"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.slow
def test_a_batch_that_is_killed_goes_on(call, many, tmp_path, model) -> None:
    process = begun(tmp_path, model)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    rows = rows_of(call("images", "--average=flips", "--json"))
    found = [row["status"] for row in rows.values()]
    assert found.count("kept") >= 1
    assert set(found) == {"kept", "done"}
    assert call("images", "--average=flips", "-o", "whole")[0] == 0
    for number in range(8):
        one, other = (
            tifffile.imread(f"{folder}/{number}.tif")
            for folder in ("predicted", "whole")
        )
        np.testing.assert_array_equal(one, other)
    names = {path.name for path in (tmp_path / "predicted").iterdir()}
    assert names == {"batch.json", *(f"{n}.tif" for n in range(8))}


@pytest.mark.skipif(sys.platform == "win32", reason="there SIGINT goes to the console")
@pytest.mark.slow
def test_ctrl_c_stops_a_batch_and_the_same_command_goes_on(
    call, many, tmp_path, model
) -> None:
    process = begun(tmp_path, model, "--json")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = json.loads(out)
    assert told["stopped"]
    assert 2 <= len(told["items"]) < 8
    assert err.endswith("Stopped. The same command goes on from there.\n")
    assert read_record(tmp_path / "predicted").last.ended == ""
    rows = rows_of(call("images", "--average=flips", "--json"))
    kept = [image for image, row in rows.items() if row["status"] == "kept"]
    assert kept == [row["image"] for row in told["items"]]
    assert read_record(tmp_path / "predicted").last.ended
