"""The record of a batch: nothing is lost, nothing replaced, whenever it is killed."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import zarr

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.digests import digest_of_array, fingerprint
from napari_unet_studio.io.manifest import Manifest, Run, read_record, results_in

RUN = Run("predict", {"digest": "a"}, {"prediction": {"tile": 0}}, {"split": 0.0})
FILES = {"labels": "a.tif"}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "images/a.tif"
    path.parent.mkdir()
    path.write_bytes(b"image")
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "found"


def do(out, image, run=RUN, files=FILES, text="result", **options):
    """Do one image as a batch does; returns the entry, and whether it was kept."""
    manifest = Manifest(out, run, [image], **options)
    source = fingerprint(image)
    entry = manifest.kept(image.stem, source, files)
    kept = entry is not None
    if not kept:
        for file in files.values():
            manifest.staged(file).write_text(text)
        entry = manifest.done(image.stem, image, source, files, objects=3)
    manifest.close()
    return entry, kept


def stage_of(out, image):
    """Return where results of an image lie until the record tells of them."""
    return out / ".batch" / fingerprint(image).sha256[:16]


def inside(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


# -- keeping -------------------------------------------------------------------------


def test_a_result_is_kept_and_tells_what_was_told(image, out) -> None:
    first, kept = do(out, image)
    assert not kept
    assert inside(out) == ["a.tif", "batch.json"]
    again, kept = do(out, image, text="another")
    assert kept
    assert again == first
    assert (out / "a.tif").read_text() == "result"


def test_the_record_can_be_read_and_moved(image, out, tmp_path) -> None:
    do(out, image)
    record = read_record(out)
    assert record.last.config == RUN.config
    assert record.last.began <= record.last.ended
    assert record.images() == [image]
    assert results_in(out) == [out / "a.tif"]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(out, moved)
    shutil.move(image.parent, moved)
    assert read_record(moved / "found/batch.json").images() == [moved / "images/a.tif"]
    assert do(moved / "found", moved / "images/a.tif")[1]


def test_a_copy_with_another_time_is_known_by_its_content(image, out) -> None:
    do(out, image)
    (out / "a.tif").write_text("result")
    image.write_bytes(b"image")
    assert do(out, image)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda out, image: image.write_bytes(b"moved"), "result of another image"),
        (lambda out, image: (out / "a.tif").write_text("edited"), "changed after it"),
        (lambda out, image: (out / "batch.json").unlink(), "exists already"),
    ],
)
def test_what_does_not_belong_any_more_is_replaced_on_demand_only(
    image, out, change, message
) -> None:
    do(out, image)
    change(out, image)
    before = (out / "a.tif").read_text()
    with pytest.raises(InputError, match=message):
        do(out, image)
    assert (out / "a.tif").read_text() == before
    assert not do(out, image, text="new", overwrite=True)[1]
    assert (out / "a.tif").read_text() == "new"
    assert do(out, image)[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"digest": "b"}}, "other settings: the model differs"),
        ({"config": {"prediction": {"tile": 64}}}, "tile was 0, not 64"),
        ({"objects": {"split": 2.5}}, "split was 0.0, not 2.5"),
        ({"place": {"axes": "ZYX"}}, 'axes was null, not "ZYX"'),
        ({"task": "weights"}, 'task was "predict", not "weights"'),
    ],
)
def test_other_settings_replace_no_results(image, out, changes, message) -> None:
    do(out, image)
    other = replace(RUN, **changes)
    with pytest.raises(InputError, match=message):
        do(out, image, other)
    assert do(out, image)[1]  # the old settings still keep it
    # Another image may have other settings; both are told.
    second = image.with_name("b.tif")
    second.write_bytes(b"second")
    do(out, second, other, {"labels": "b.tif"})
    record = read_record(out)
    assert [record.runs[e.run].compared() for e in record.items.values()] == [
        RUN.compared(),
        other.compared(),
    ]
    assert record.images() == [second]
    assert not do(out, image, other, overwrite=True)[1]


def test_names_of_models_and_further_files_are_no_settings(image, out) -> None:
    do(out, image)
    named = replace(RUN, model={"digest": "a", "name": "mine", "path": "mine.unet"})
    assert do(out, image, named)[1]
    # What is missing is made, and what was made alike may be replaced for that.
    wider = replace(RUN, config={**RUN.config, "table": True})
    files = {**FILES, "table": "tables/a.csv"}
    entry, kept = do(out, image, wider, files)
    assert not kept
    assert entry.results.keys() == files.keys()
    assert do(out, image, wider, files)[1]
    assert do(out, image)[1]


def test_a_result_that_was_deleted_is_made_again(image, out) -> None:
    do(out, image)
    (out / "a.tif").unlink()
    assert not do(out, image)[1]
    assert do(out, image)[1]


def test_a_changed_table_is_no_reason_against_the_labels(image, out) -> None:
    files = {**FILES, "table": "tables/a.csv"}
    do(out, image, files=files)
    (out / "tables/a.csv").write_text("edited")
    assert do(out, image)[1]
    with pytest.raises(InputError, match=r"tables/a\.csv was changed after"):
        do(out, image, files=files)
    (out / "tables/a.csv").unlink()
    entry, kept = do(out, image, files=files)
    assert not kept
    # What is not asked for is remembered all the same.
    (out / "a.tif").unlink()
    again, kept = do(out, image)
    assert not kept
    assert again.results["table"] == entry.results["table"]


def test_what_lay_beside_replaced_labels_goes_with_them(image, out) -> None:
    files = {**FILES, "table": "tables/a.csv", "more": "tables/b.csv"}
    do(out, image, files=files)
    (out / "tables/b.csv").write_text("edited")
    other = replace(RUN, objects={"split": 1.0})
    do(out, image, other, text="new", overwrite=True)
    assert inside(out) == ["a.tif", "batch.json", "tables", "tables/b.csv"]
    # Labels of another kind replace none.
    do(out, image, files={"labels": "a.zarr"}, overwrite=True)
    assert (out / "a.tif").read_text() == "new"


def test_images_are_never_replaced(image) -> None:
    with pytest.raises(InputError, match=r"a\.tif is an input"):
        do(image.parent, image, overwrite=True)
    assert image.read_bytes() == b"image"


def test_an_image_is_known_by_any_of_its_names(image, out) -> None:
    out.mkdir()
    (out / "a.tif").hardlink_to(image)
    with pytest.raises(InputError, match=r"a\.tif is an input"):
        do(out, image, overwrite=True)


def test_folders_of_others_are_never_replaced(image, out) -> None:
    (out / "a.tif").mkdir(parents=True)
    (out / "a.tif/precious").write_text("")
    zarr.save_array(str(out / "a.zarr"), np.zeros((2, 2)))
    for file in ("a.tif", "a.zarr"):
        with pytest.raises(StorageError, match="is no result of this package"):
            do(out, image, files={"labels": file}, overwrite=True)
    assert (out / "a.tif/precious").exists()


def test_failures_are_told_and_take_nothing_away(image, out) -> None:
    manifest = Manifest(out, RUN)
    manifest.failed("a", image, None, "It is broken.")
    assert read_record(out).items["a"].error == "It is broken."
    do(out, image)
    manifest.failed("a", image, None, "It is broken.")
    assert read_record(out).items["a"].status == "done"


# -- killed --------------------------------------------------------------------------


def test_a_result_that_was_recorded_but_not_renamed_comes_to_its_place(
    image, out
) -> None:
    for files in (FILES, {**FILES, "table": "tables/a.csv"}):
        shutil.rmtree(out, ignore_errors=True)
        do(out, image, files=files)
        for file in files.values():
            stage = stage_of(out, image) / file
            stage.parent.mkdir(parents=True, exist_ok=True)
            (out / file).rename(stage)
        assert do(out, image, files=files, text="another")[1]
        assert (out / "a.tif").read_text() == "result"
        assert not (out / ".batch").exists()


def test_a_replacement_that_was_not_renamed_comes_to_its_place(image, out) -> None:
    do(out, image, text="old")
    other = replace(RUN, objects={"split": 1.0})
    do(out, image, other, text="new", overwrite=True)
    stage_of(out, image).mkdir(parents=True)
    (out / "a.tif").rename(stage_of(out, image) / "a.tif")
    (out / "a.tif").write_text("old")
    assert do(out, image, other)[1]
    assert (out / "a.tif").read_text() == "new"


def test_a_result_that_was_not_recorded_is_made_again(image, out) -> None:
    manifest = Manifest(out, RUN)
    manifest.kept("a", fingerprint(image), FILES)
    manifest.staged("a.tif").write_text("half a res")
    manifest.close(ended=False)
    (stage_of(out, image) / ".a.tif.12345678").write_text("left by a writer")
    assert not do(out, image)[1]
    assert inside(out) == ["a.tif", "batch.json"]
    assert (out / "a.tif").read_text() == "result"


def test_stores_come_to_their_places_too(image, out) -> None:
    files = {"labels": "a.zarr"}
    for value, options in ((1, {}), (2, {"overwrite": True})):
        manifest = Manifest(out, replace(RUN, objects={"split": value}), **options)
        source = fingerprint(image)
        assert manifest.kept("a", source, files) is None
        store = zarr.create_group(str(manifest.staged("a.zarr")))
        store.attrs["napari_unet_studio"] = {"value": value}
        manifest.done("a", image, source, files)
        manifest.close()
        found = zarr.open_group(str(out / "a.zarr"), mode="r")
        assert found.attrs["napari_unet_studio"] == {"value": value}
        assert manifest.kept("a", source, files) is not None
        manifest.close()
        assert sorted(p.name for p in out.iterdir()) == ["a.zarr", "batch.json"]


# -- broken, foreign and shared ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged or no record"),
        ('{"schema": 1, "items"', "damaged or no record"),
        ('{"schema": 1}', "damaged or no record"),
        ("[1, 2]", "damaged or no record"),
        ('{"schema": 99}', "newer version"),
        (
            '{"schema": 1, "runs": [], "latest": 0, "items": [], "shared": '
            '{"a": {"path": "../x", "sha256": "", "bytes": 0, "modified": 0}}}',
            "damaged or no record",
        ),
    ],
)
def test_a_broken_record_is_told_and_left_as_it_is(image, out, text, message) -> None:
    out.mkdir()
    (out / "batch.json").write_text(text)
    for act in (lambda: do(out, image, overwrite=True), lambda: results_in(out)):
        with pytest.raises(StorageError, match=message):
            act()
    assert (out / "batch.json").read_text() == text
    assert [path.name for path in out.iterdir()] == ["batch.json"]


def test_a_folder_that_cannot_be_made_is_told(image, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Nothing can be written"):
        do(tmp_path / "file", image)


def test_several_processes_write_one_record(tmp_path, out) -> None:
    images = []
    for number in range(24):
        path = tmp_path / f"{number}.txt"
        path.write_text(str(number))
        images.append(path)

    def some(start):
        for path in images[start::3]:
            do(out, path, files={"labels": f"{path.stem}.tif"}, text=path.stem)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(some, range(3)))
    record = read_record(out)
    assert sorted(record.items) == sorted(path.stem for path in images)
    assert len(record.runs) == 1
    for path in images:
        assert (out / f"{path.stem}.tif").read_text() == path.stem
    assert not (out / ".batch").exists()


def test_a_run_that_ends_leaves_the_places_of_others(image, out) -> None:
    other = image.with_name("b.tif")
    other.write_bytes(b"second")
    manifest = Manifest(out, RUN, [image])
    manifest.kept("a", fingerprint(image), FILES)
    place = manifest.staged(FILES["labels"])
    do(out, other, files={"labels": "b.tif"})
    place.write_text("result")
    manifest.done("a", image, fingerprint(image), FILES)
    manifest.close()
    assert inside(out) == ["a.tif", "b.tif", "batch.json"]


def test_each_image_is_a_line_however_the_record_was_laid_out(image, out) -> None:
    second = image.with_name("b.tif")
    second.write_bytes(b"second")
    first, _ = do(out, image)
    path = out / "batch.json"
    for change in (
        lambda text: json.dumps(json.loads(text), indent=3),
        lambda text: json.dumps(json.loads(text)),
        lambda text: text.replace('"items": [', '"items":\r\n['),
    ):
        path.write_text(change(path.read_text()))
        assert read_record(out).items["a"] == first
        do(out, second, files={"labels": "b.tif"})
        lines = path.read_text().splitlines()
        items = [json.loads(line.rstrip(",")) for line in lines if '"name"' in line]
        assert [item["name"] for item in items] == ["a", "b"]
    path.write_text(path.read_text().replace('{"name": "b"', '{"nam": "b"'))
    with pytest.raises(StorageError, match="damaged or no record"):
        read_record(out)


def test_the_same_images_in_several_runs_at_once_come_out_right(tmp_path, out) -> None:
    images = [tmp_path / f"{number}.txt" for number in range(8)]
    for path in images:
        path.write_text(path.stem)

    said = set()

    def all_of_them(number):
        manifest = Manifest(out, RUN)
        for path in images:
            source, files = fingerprint(path), {"labels": f"{path.stem}.tif"}
            try:
                if manifest.kept(path.stem, source, files) is not None:
                    continue
            except InputError as error:
                said.add(str(error).partition(" the result")[0])
                continue
            with atomic_write(manifest.staged(files["labels"])) as file:
                file.write(f"{path.stem} by {number}".encode())
                time.sleep(0.005)
            manifest.done(path.stem, path, source, files)
        manifest.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(all_of_them, range(3)))
    manifest = Manifest(out, RUN)
    for path in images:
        files = {"labels": f"{path.stem}.tif"}
        assert manifest.kept(path.stem, fingerprint(path), files) is not None
    manifest.close()
    assert not (out / ".batch").exists()
    assert said <= {"Another run is making"}


def test_a_file_of_all_is_written_by_one_at_a_time_with_what_all_have_done(
    tmp_path, out
) -> None:
    images = [tmp_path / f"{number}.txt" for number in range(6)]
    for path in images:
        path.write_text(path.stem)

    def one(path):
        manifest = Manifest(out, RUN)
        source, files = fingerprint(path), {"labels": f"{path.stem}.tif"}
        manifest.kept(path.stem, source, files)
        manifest.staged(files["labels"]).write_text("labels")
        manifest.done(path.stem, path, source, files)
        with manifest.of_all.alone("all.txt") as staged, atomic_write(staged) as file:
            time.sleep(0.02)
            file.write(" ".join(sorted(manifest.record.items)).encode())
        with manifest.of_all.alone("all.txt") as staged:
            staged.write_text(" ".join(sorted(manifest.record.items)))
            manifest.of_all.done("table", "all.txt")
        manifest.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, images))
    assert (out / "all.txt").read_text() == "0 1 2 3 4 5"
    assert not (out / ".batch").exists()


def test_of_two_runs_with_images_of_one_name_the_second_is_refused(
    image, out, tmp_path
) -> None:
    other = tmp_path / "other/a.tif"
    other.parent.mkdir()
    other.write_bytes(b"another image")
    first, second = Manifest(out, RUN), Manifest(out, RUN)
    assert first.kept("a", fingerprint(image), FILES) is None
    first.staged("a.tif").write_text("images")
    for path in (image, other):
        with pytest.raises(InputError, match="Another run is making the result a"):
            second.kept("a", fingerprint(path), FILES)
    # On a disk without locks both begin.
    for claim in (out / ".batch/claims").iterdir():
        claim.unlink()
    assert second.kept("a", fingerprint(other), FILES) is None
    second.staged("a.tif").write_text("other")
    first.done("a", image, fingerprint(image), FILES)
    with pytest.raises(InputError, match="Another run has written a result called a"):
        second.done("a", other, fingerprint(other), FILES)
    for manifest in (first, second):
        manifest.close()
    assert (out / "a.tif").read_text() == "images"
    assert read_record(out).items["a"].sha256 == fingerprint(image).sha256


def test_the_record_holds_nothing_of_the_computer(image, out) -> None:
    do(out, image)
    text = (out / "batch.json").read_text()
    values = json.loads(text)
    assert values["items"][0]["image"] == "../images/a.tif"
    assert str(out.parent) not in text


# -- what is known again -------------------------------------------------------------


def test_arrays_are_known_by_shape_type_and_pixels() -> None:
    import dask.array as da

    array = np.random.default_rng(0).integers(0, 255, (50, 40), dtype=np.uint8)
    digest = digest_of_array(array)
    assert digest_of_array(da.from_array(array, chunks=(7, 40))) == digest
    assert digest_of_array(np.asfortranarray(array)) == digest
    changed = array.copy()
    changed[-1, -1] ^= 1
    others = [changed, array.reshape(40, 50), array.astype(np.int16), array[:0]]
    assert len({digest, *map(digest_of_array, others)}) == 5


def test_a_store_is_known_by_its_files(tmp_path) -> None:
    store = tmp_path / "a.zarr"
    zarr.save_array(str(store), np.zeros((4, 4)))
    before = fingerprint(store)
    assert before.fits(store)
    zarr.open_array(str(store), mode="r+")[:] = 1
    assert not before.fits(store)
    assert not before.fits(tmp_path / "none")


def test_an_array_in_chunks_is_read_once_for_its_digest(monkeypatch) -> None:
    import dask.array as da

    array = np.arange(60 * 20).reshape(60, 20)
    read = []

    def chunk(block, block_info):
        read.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(array, chunks=(25, 10)).map_blocks(
        chunk, meta=np.empty((0, 0), array.dtype)
    )
    monkeypatch.setattr("napari_unet_studio.io.digests._PIECE", 7 * array[0].nbytes)
    assert digest_of_array(lazy) == digest_of_array(array)
    assert sorted(read) == [(y, x) for y in range(3) for x in range(2)]
    nothing = np.empty((0, 4))
    assert digest_of_array(da.from_array(nothing)) == digest_of_array(nothing)
