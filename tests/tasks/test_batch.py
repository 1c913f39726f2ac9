"""Many images through one model: what fails is listed, what is done is kept."""

import csv
import json
import os
import shutil
import subprocess
import time
import weakref
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_unet_studio.core.errors import (
    ConfigError,
    DeviceError,
    InputError,
    StorageError,
)
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.folders import BatchItem, batch_items
from napari_unet_studio.io.image_file import ImageFile
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.manifest import Manifest, Run, read_record
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.ahead import ahead
from napari_unet_studio.tasks.batch import BatchConfig, batch
from napari_unet_studio.tasks.batch_read import Reading, prepare
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run

PLAIN = PredictConfig(device="cpu", precision="float32", tile=64, batch=1)
CONFIG = BatchConfig(PLAIN)
OBJECTS = ObjectConfig(min_size=0)


@pytest.fixture(scope="module")
def model():
    """Make a tiny network with random weights."""
    spec = UNetSpec(channels=(4, 8))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec).eval()
    card = ModelCard(
        name="tiny", spec=spec, normalisation=Normalisation("fixed", 0.0, 255.0)
    )
    return Model(network, card)


@pytest.fixture
def images(tmp_path):
    """Write three images into a folder."""
    for number, shape in enumerate([(60, 70), (80, 50), (64, 64)]):
        write_tiff(tmp_path / f"images/{number}.tif", drawn(shape), "YX", (0.5, 0.25))
    return tmp_path / "images"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "found"


def drawn(shape, seed=0):
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 200, [-(-size // 10) for size in shape[-2:]])
    spots = np.kron(coarse, np.ones((10, 10)))[: shape[-2], : shape[-1]]
    return (spots + generator.integers(0, 50, shape)).astype(np.uint8)


def do(images, out, model, config=CONFIG, report=None, **settings):
    """Run a batch over paths."""
    items = images if isinstance(images, list) else batch_items([images])
    settings.setdefault("objects", OBJECTS)
    return run(batch(items, out, model, config, **settings), report)


def statuses(result):
    return [outcome.status for outcome in result.outcomes]


def alone(model, array, **settings):
    """Predict one image by itself."""
    return run(predict(array, model, PLAIN, objects=OBJECTS, **settings))


def files(folder):
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    )


# -- results -------------------------------------------------------------------------


def test_each_image_has_the_labels_of_its_prediction(images, out, model) -> None:
    result = do(images, out, model)
    assert statuses(result) == ["done"] * 3
    assert files(out) == ["0.tif", "1.tif", "2.tif", "batch.json"]
    for outcome in result.outcomes:
        image = read_image(outcome.image)
        expected = alone(model, image.array, spacing=image.spacing).labels
        found = read_image(outcome.labels)
        np.testing.assert_array_equal(np.asarray(found.array), expected)
        assert (found.axes, found.spacing) == ("YX", (0.5, 0.25))
        assert outcome.objects == len(np.unique(expected)) - 1
        assert outcome.seconds > 0
        assert outcome.prediction is None


def test_the_record_tells_inputs_results_and_settings(images, out, model) -> None:
    do(images, out, model, loaded_from="tiny.unet", channel=0, spacing=(1, 2))
    record = read_record(out)
    run_ = record.last
    assert BatchConfig.from_dict(run_.config) == CONFIG
    assert ObjectConfig.from_dict(run_.objects) == OBJECTS
    assert run_.model["digest"] == model.digest
    assert run_.model["path"] == "tiny.unet"
    assert run_.place == {"channel": 0, "level": 0, "spacing": [1, 2]}
    assert run_.began <= run_.ended
    assert record.images() == sorted(images.iterdir())
    for entry in record.items.values():
        assert entry.fingerprint.fits(record.path_of(entry))
        assert entry.results["labels"].fingerprint.fits(
            out / entry.results["labels"].path
        )


def test_probabilities_and_tables_come_beside(images, out, model) -> None:
    config = replace(CONFIG, probabilities=True, table=True)
    result = do(images, out, model, config)
    names = [f"{folder}{n}" for n in range(3) for folder in ("probabilities/",)]
    assert {f"{name}.tif" for name in names} <= set(files(out))
    image = read_image(images / "0.tif")
    expected = alone(model, image.array).probabilities
    found = tifffile.imread(out / "probabilities/0.tif")
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    assert result.table == out / "objects.csv"
    with result.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for outcome in result.outcomes:
        own = [row for row in rows if row["image"] == outcome.name]
        assert len(own) == outcome.objects
        labels = tifffile.imread(outcome.labels)
        pixels = read_image(outcome.image).array
        for row in own:
            where = labels == int(row["label"])
            assert float(row["area (um^2)"]) == pytest.approx(0.125 * where.sum())
            assert float(row["mean intensity"]) == pytest.approx(pixels[where].mean())


def test_a_name_that_is_no_text_goes_into_the_table(tmp_path, out, model) -> None:
    path = tmp_path / os.fsdecode(b"\xff.tif")
    try:
        path.touch()
    except OSError:
        pytest.skip("the disk takes text only")
    write_tiff(path, drawn((60, 70)), "YX")
    result = do(path, out, model, replace(CONFIG, table=True))
    assert statuses(result) == ["done"]
    assert "\\udcff,1," in result.table.read_text()


def test_tables_of_unlike_images_become_one(images, out, model) -> None:
    write_tiff(images / "film.tif", drawn((2, 40, 40)), "TYX")
    result = do(images, out, model, replace(CONFIG, table=True))
    with result.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        film = row["image"] == "film"
        assert (row["t"] != "") == film
        assert (row["area (um^2)"] == "") == film
        assert (row["area (px^2)"] == "") == (not film)
    assert result.outcomes[-1].objects == sum(row["image"] == "film" for row in rows)


def test_stores_hold_what_tiffs_hold(images, out, model) -> None:
    config = replace(CONFIG, store=True, table=True)
    result = do(images, out, model, config)
    assert sorted(p.name for p in out.iterdir()) == [
        "0.zarr",
        "1.zarr",
        "2.zarr",
        "batch.json",
        "objects.csv",
        "tables",
    ]
    for outcome in result.outcomes:
        assert outcome.labels == out / f"{outcome.name}.zarr/labels/tiny"
        stored = read_image(outcome.labels)
        assert stored.spacing == (0.5, 0.25)
        assert len(np.unique(np.asarray(stored.array))) - 1 == outcome.objects
        probabilities = np.asarray(read_image(out / f"{outcome.name}.zarr").array)
        expected = alone(model, read_image(outcome.image).array).probabilities
        np.testing.assert_allclose(probabilities, expected[0], atol=1e-3)
    assert statuses(do(images, out, model, config)) == ["kept"] * 3


def test_regions_channels_and_axes_are_those_of_all_images(out, model) -> None:
    stack = np.stack([drawn((3, 40, 50), seed) for seed in (1, 2)], axis=1)
    item = BatchItem("a", ImageFile(stack, "ZYX", 1, (2.0, 1.0, 1.0), "um"))
    region = (slice(1, 3), slice(0, 20), slice(10, 50))
    config = replace(CONFIG, table=True)
    result = do([item], out, model, config, channel=1, axes="TCYX", region=region)
    (outcome,) = result.done
    expected = alone(model, stack[:, 1], axes="TYX", region=region).labels
    found = read_image(outcome.labels)
    np.testing.assert_array_equal(np.asarray(found.array), expected)
    assert found.axes == "TYX"
    counts = [len(np.unique(frame)) - 1 for frame in expected]
    assert outcome.objects == sum(counts)


def test_images_in_memory_are_kept_too(out, model) -> None:
    def item(array, spacing=(1.0, 1.0)):
        return [BatchItem("cells 1/a", ImageFile(array, "YX", None, spacing))]

    array = drawn((40, 40))
    assert statuses(do(item(array), out, model)) == ["done"]
    assert files(out) == ["batch.json", "cells 1/a.tif"]
    assert statuses(do(item(array.copy()), out, model)) == ["kept"]
    for other in (item(array + 1), item(array, (2.0, 1.0))):
        (outcome,) = do(other, out, model).outcomes
        assert "is the result of another image" in outcome.error


def test_without_a_folder_predictions_are_handed_over(images, model) -> None:
    given = []
    result = do(
        images, None, model, report=lambda p: p.outcome and given.append(p.outcome)
    )
    assert [outcome.prediction.labels.shape for outcome in given] == [
        (60, 70),
        (80, 50),
        (64, 64),
    ]
    assert result.manifest is None
    assert all(outcome.prediction is None for outcome in result.outcomes)
    assert not (images.parent / "found").exists()
    with pytest.raises(InputError, match="Files need a folder"):
        do(images, None, model, replace(CONFIG, table=True))


# -- what fails ----------------------------------------------------------------------


def test_bad_files_are_listed_and_the_rest_goes_on(images, out, model) -> None:
    whole = (images / "0.tif").read_bytes()
    (images / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (images / "empty.tif").write_bytes(b"")
    (images / "text.tif").write_text("no image")
    np.save(images / "five.npy", np.zeros((1, 1, 1, 4, 4)))
    np.save(images / "line.npy", np.zeros(9))
    np.save(images / "nan.npy", np.full((20, 20), np.nan))
    np.save(images / "rgb.npy", np.zeros((20, 20, 3), complex))
    (images / "folder.tif").mkdir()
    (images / "gone.tif").symlink_to("nowhere.tif")
    items = batch_items([images])
    result = do(items, out, model)
    assert len(result.done) == 3
    assert len(result.failed) == len(items) - 3
    for outcome in result.failed:
        assert outcome.error.endswith(".")
        assert outcome.labels is None
    assert files(out) == ["0.tif", "1.tif", "2.tif", "batch.json"]
    record = read_record(out)
    told = {entry.name: entry.error for entry in record.items.values() if entry.error}
    assert told == {outcome.name: outcome.error for outcome in result.failed}
    assert not (out / ".batch").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have other rights here")
def test_files_and_folders_without_rights_are_told(images, out, monkeypatch) -> None:
    monkeypatch.chdir(images)
    Path("closed").mkdir(mode=0)
    Path("1.tif").chmod(0)
    images.chmod(0o777)
    manifest = Manifest(out, Run("predict"))
    administrator = os.geteuid() == 0
    if administrator:
        os.seteuid(65534)
    try:
        errors = [
            prepare(BatchItem("a", Path(name)), Reading(), manifest, {}).error
            for name in ("1.tif", "closed")
        ]
    finally:
        if administrator:
            os.seteuid(0)
    for name, error in zip(("1.tif", "closed"), errors, strict=True):
        assert error.startswith(f"{name} cannot be read: Permission denied.")


def test_results_of_one_name_do_not_replace_each_other(images, out, model) -> None:
    items = [BatchItem("a", images / "0.tif"), BatchItem("A", images / "1.tif")]
    result = do(items, out, model, overwrite=True)
    assert statuses(result) == ["done", "failed"]
    assert "would be its result and that of another image" in result.failed[0].error
    same = [BatchItem("b", images / f"{n}.tif") for n in range(2)]
    result = do(same, None, model)
    assert statuses(result) == ["done", "failed"]
    for name in ("../b", "/b", ""):
        (outcome,) = do([BatchItem(name, images / "0.tif")], out, model).outcomes
        assert "cannot be called" in outcome.error
    assert files(out) == ["a.tif", "batch.json"]


def test_a_result_that_does_not_come_to_its_place_is_not_done(
    images, out, model
) -> None:
    items = [BatchItem(f"{n}/a", images / f"{n}.tif") for n in range(2)]
    result = do(items, out, model, report=lambda _: (out / "0").touch())
    assert statuses(result) == ["failed", "done"]
    assert result.failed[0].labels is None
    assert result.failed[0].error
    (out / "0").unlink()
    assert statuses(do(items, out, model)) == ["done", "kept"]


def test_images_are_never_replaced(images, model) -> None:
    before = {path: path.read_bytes() for path in images.iterdir()}
    result = do(images, images, model, overwrite=True)
    assert statuses(result) == ["failed"] * 3
    for path, content in before.items():
        assert path.read_bytes() == content


def test_what_all_would_fail_with_is_raised_at_once(images, out, model) -> None:
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    device = replace(CONFIG, prediction=replace(PLAIN, device=absent))
    with pytest.raises(DeviceError):
        do(images, out, model, device)
    with pytest.raises(ConfigError, match="no levels"):
        do(images, out, model, replace(CONFIG, prediction=replace(PLAIN, level=1)))
    region = (slice(0, 9), slice(0, 9))
    with pytest.raises(InputError, match="A region is not written"):
        do(images, out, model, replace(CONFIG, store=True), region=region)
    with pytest.raises(InputError, match="no images"):
        do([], out, model)
    assert not out.exists()


@pytest.fixture
def small_disk(tmp_path):
    """Make a disk of some kilobytes, where that is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command).returncode != 0:
        pytest.skip("no disk can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("store", [False, True], ids=["tiffs", "stores"])
def test_a_full_disk_stops_the_batch_and_what_is_done_is_kept(
    images, small_disk, model, store
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900))
    np.save(images / "3.npy", noise.astype(np.uint8))
    np.save(images / "4.npy", noise[:40, :40].astype(np.uint8))
    config = replace(CONFIG, probabilities=True, store=store)
    with pytest.raises(StorageError, match=r"No space left.* The 3 images before are"):
        do(images, small_disk / "found", model, config)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    result = do(images, small_disk / "found", model, config)
    assert statuses(result) == ["kept"] * 3 + ["done"] * 2
    assert not (small_disk / "found/.batch").exists()


# -- going on ------------------------------------------------------------------------


def test_the_same_call_keeps_what_is_done(images, out, model) -> None:
    first = do(images, out, model)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tif")}
    (out / "1.tif").unlink()
    write_tiff(images / "4.tif", drawn((40, 40)), "YX")
    again = do(images, out, model)
    assert statuses(again) == ["kept", "done", "kept", "done"]
    assert again.kept[0].objects == first.outcomes[0].objects
    assert again.kept[0].labels == out / "0.tif"
    for name in ("0.tif", "2.tif"):
        assert (out / name).stat().st_mtime_ns == times[name]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objects": ObjectConfig(min_size=5)}, "min_size was 0, not 5"),
        ({"config": replace(CONFIG, prediction=replace(PLAIN, average="flips"))},
         'average was "none", not "flips"'),
        ({"axes": "YX"}, 'axes was null, not "YX"'),
        ({"level": 0, "spacing": (2.0, 2.0)}, "spacing was null, not"),
    ],
)  # fmt: skip
def test_other_settings_replace_nothing_unless_told(
    images, out, model, settings, message
) -> None:
    do(images, out, model)
    before = (out / "0.tif").read_bytes()
    refused = do(images, out, model, **settings)
    assert statuses(refused) == ["failed"] * 3
    assert message in refused.failed[0].error
    assert (out / "0.tif").read_bytes() == before
    assert statuses(do(images, out, model)) == ["kept"] * 3
    assert statuses(do(images, out, model, overwrite=True, **settings)) == ["done"] * 3
    assert statuses(do(images, out, model, **settings)) == ["kept"] * 3
    # What is done with these settings is not done again for the asking.
    assert statuses(do(images, out, model, overwrite=True, **settings)) == ["kept"] * 3


def test_another_model_replaces_nothing_unless_told(images, out, model) -> None:
    do(images, out, model)
    assert statuses(do(images, out, model.renamed("mine"))) == ["kept"] * 3
    card = replace(model.card, normalisation=Normalisation("fixed", 0.0, 99.0))
    refused = do(images, out, Model(model.network, card))
    assert "the model differs" in refused.failed[0].error


def test_a_table_is_added_later_without_asking(images, out, model) -> None:
    do(images, out, model)
    labels = tifffile.imread(out / "0.tif")
    result = do(images, out, model, replace(CONFIG, table=True))
    assert statuses(result) == ["done"] * 3
    np.testing.assert_array_equal(tifffile.imread(out / "0.tif"), labels)
    (out / "objects.csv").write_text("edited")
    with pytest.raises(InputError, match=r"objects\.csv was changed after"):
        do(images, out, model, replace(CONFIG, table=True))
    assert statuses(do(images, out, model)) == ["kept"] * 3


def test_tables_tell_of_the_labels_that_are_there(images, out, model) -> None:
    wanted = replace(CONFIG, table=True)
    do(images, out, model, wanted)
    # One that somebody broke is listed, and neither stops the rest nor is taken.
    (out / "tables/1.csv").write_text("broken")
    result = do(images, out, model, wanted)
    assert statuses(result) == ["kept", "failed", "kept"]
    assert "changed after it was made" in result.failed[0].error
    with result.table.open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} <= {"0", "2"}
    # Other labels without tables leave no tables of the old ones behind.
    (out / "tables/1.csv").unlink()
    result = do(images, out, model, objects=ObjectConfig(min_size=9), overwrite=True)
    assert statuses(result) == ["done"] * 3
    assert result.table is None
    assert files(out) == ["0.tif", "1.tif", "2.tif", "batch.json"]


@pytest.mark.parametrize("store", [False, True], ids=["tiffs", "stores"])
def test_a_stopped_batch_goes_on_where_it_was(images, out, model, store) -> None:
    whole = out.with_name("whole")
    config = replace(CONFIG, store=store)
    expected = do(images, whole, model, config)
    stopped = []
    for steps in (1, 2, 3, 5, 8):
        seen = []
        result = do(
            images,
            out,
            model,
            config,
            seen.append,
            should_stop=lambda seen=seen, steps=steps: len(seen) >= steps,
        )
        stopped.append(result.stopped)
        assert len(result.failed) == 0
        assert read_record(out).last.ended == "" or not result.stopped
    assert stopped[0]
    result = do(images, out, model, config)
    assert not result.stopped
    assert [o.objects for o in result.outcomes] == [
        o.objects for o in expected.outcomes
    ]
    for one, other in zip(result.outcomes, expected.outcomes, strict=True):
        np.testing.assert_array_equal(
            np.asarray(read_image(one.labels).array),
            np.asarray(read_image(other.labels).array),
        )
    assert not (out / ".batch").exists()


def test_an_unfinished_store_is_gone_on_with(images, out, model) -> None:
    write_tiff(images / "film.tif", drawn((6, 100, 100)), "TYX")
    items = [BatchItem("film", images / "film.tif")]
    config = replace(CONFIG, store=True)
    seen = []
    result = do(
        items, out, model, config, seen.append, should_stop=lambda: len(seen) > 12
    )
    assert result.stopped
    assert next((out / ".batch").glob("*/film.zarr.part")).is_dir()
    (outcome,) = do(items, out, model, config).done
    assert "its blocks were kept" in " ".join(outcome.notes)
    assert not (out / ".batch").exists()


def test_a_store_that_was_finished_but_not_measured_is_not_predicted_again(
    images, out, model
) -> None:
    items = [BatchItem("a", images / "0.tif")]
    config = replace(CONFIG, store=True, table=True)

    def stored():
        return list((out / ".batch").glob("*/a.zarr"))

    assert do(items, out, model, config, should_stop=lambda: bool(stored())).stopped
    (store,) = stored()
    made = store.stat().st_ino
    assert not (out / "a.zarr").exists()
    (outcome,) = do(items, out, model, config).done
    assert (out / "a.zarr").stat().st_ino == made
    assert outcome.objects == len((out / "objects.csv").read_text().splitlines()) - 1
    assert sorted(p.name for p in out.iterdir()) == [
        "a.zarr",
        "batch.json",
        "objects.csv",
        "tables",
    ]


def test_an_unfinished_store_of_other_settings_is_dropped_if_told(
    images, out, model
) -> None:
    write_tiff(images / "film.tif", drawn((6, 100, 100)), "TYX")
    items = [BatchItem("film", images / "film.tif")]
    config = replace(CONFIG, store=True)
    seen = []
    do(items, out, model, config, seen.append, should_stop=lambda: len(seen) > 12)
    other = ObjectConfig(min_size=9)
    (outcome,) = do(items, out, model, config, objects=other).outcomes
    assert "made with other settings: objects.min_size was 0, not 9" in outcome.error
    (outcome,) = do(items, out, model, config, objects=other, overwrite=True).outcomes
    assert outcome.status == "done"


def test_closing_the_task_leaves_nothing_open(images, out, model) -> None:
    with closing(batch(batch_items([images]), out, model, CONFIG)) as task:
        next(task)
    assert files(out) == ["batch.json"]
    assert statuses(do(images, out, model)) == ["done"] * 3


# -- progress ------------------------------------------------------------------------


@pytest.mark.parametrize("table", [False, True])
def test_progress_counts_to_the_end_and_tells_each_outcome_once(
    images, out, model, table
) -> None:
    (images / "text.tif").write_text("no image")
    seen = []
    result = do(images, out, model, replace(CONFIG, table=table), seen.append)
    steps = [record.step for record in seen]
    assert steps == sorted(steps)
    assert steps[-1] == seen[-1].total
    told = [record.outcome for record in seen if not record.routine]
    assert [o.name for o in told] == [o.name for o in result.outcomes]
    assert [record.number for record in seen if record.outcome] == [0, 1, 2, 3]
    assert seen[-1].seconds_left == 0
    assert all(record.seconds_left is not None for record in seen[-3:])


def test_a_record_of_a_batch_is_plain_json(images, out, model) -> None:
    do(images, out, model, region=(slice(0, 30), slice(0, 30)))
    values = json.loads((out / "batch.json").read_text())
    assert values["runs"][0]["place"]["region"] == [[0, 30], [0, 30]]
    assert [item["name"] for item in values["items"]] == ["0", "1", "2"]


def test_images_that_were_read_ahead_do_not_pile_up() -> None:
    reading = ahead(lambda number: np.zeros(number), [3, 3, 3], depth=1)
    with closing(reading):
        _, pixels = next(reading)
        known = weakref.ref(pixels)
        del pixels
        for _ in range(200):  # the thread lets go of it a moment later
            if known() is None:
                break
            time.sleep(0.01)
        assert known() is None
