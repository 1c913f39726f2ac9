import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io import result_folder
from napari_unet_studio.io.images import image_levels, read_image, read_labels
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.io.pyramid import finer, halved, level_shapes
from napari_unet_studio.io.zarr_pixels import Pixels, chunk_for

VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
CASES = pytest.mark.parametrize(
    ("axes", "shape", "block"),
    [
        ("YX", (2100, 1301), (1024, 500)),
        ("ZYX", (3, 1030, 70), (2, 512, 512)),
        ("TYX", (2, 1100, 90), (1, 512, 64)),
        ("TZYX", (2, 3, 70, 90), (1, 2, 64, 64)),
    ],
)


def start(path, axes="YX", shape=(90, 70), block=(32, 32), **changes):
    values = {
        "shape": shape,
        "axes": axes,
        "channels": 2,
        "block": block,
        "spacing": (0.5,) * len(axes.replace("T", "")),
        "unit": "um",
        "name": "nuclei",
        **changes,
    }
    return ResultStore.create(path, **values)


def content(shape, channels=2):
    generator = np.random.default_rng(0)
    probabilities = generator.random((channels, *shape)).astype(np.float16)
    return probabilities, generator.integers(0, 10**6, shape).astype(np.int32)


def write(store, probabilities, labels):
    numbers = np.random.default_rng(1).permutation(len(store.grid))
    for number in numbers:
        region = store.grid.region(int(number))
        store.probabilities[(slice(None), *region)] = probabilities[:, *region]
        store.labels[region] = labels[region]


def finished(path, axes="YX", shape=(90, 70), block=(32, 32), **changes):
    store = start(path, axes, shape, block, **changes)
    write(store, *content(shape))
    for _ in store.finish({"model": "nuclei"}):
        pass
    return path


def metadata(path, version):
    """Return the attributes of a group as they are in the file."""
    if version == "0.4":
        return json.loads((path / ".zattrs").read_text())
    return json.loads((path / "zarr.json").read_text())["attributes"]


# --- what is written is read


@VERSIONS
@CASES
def test_a_finished_result_is_read_back_at_every_level(
    tmp_path, version, axes, shape, block
):
    path = finished(tmp_path / "a.ome.zarr", axes, shape, block, version=version)
    probabilities, labels = content(shape)
    levels = level_shapes(shape)
    assert image_levels(path / "labels" / "nuclei") == levels
    for level in range(len(levels)):
        found = read_image(path, level)
        assert found.axes == axes
        assert found.array.dtype == np.float16
        assert found.channel_axis == (1 if axes[0] == "T" else 0)
        pixels = np.moveaxis(np.asarray(found.array), found.channel_axis, 0)
        np.testing.assert_array_equal(pixels, probabilities)
        of_labels = read_image(path / "labels" / "nuclei", level)
        np.testing.assert_array_equal(np.asarray(of_labels.array), labels)
        assert (of_labels.axes, of_labels.channel_axis) == (axes, None)
        size = 0.5 * 2**level
        sizes = [size if axis in "YX" else 0.5 for axis in axes if axis != "T"]
        assert found.spacing == of_labels.spacing == tuple(sizes)
        probabilities, labels = halved(probabilities), labels[..., ::2, ::2]
    np.testing.assert_array_equal(
        read_labels(path / "labels" / "nuclei"), content(shape)[1]
    )


def test_without_a_pixel_size_none_is_read(tmp_path):
    path = finished(tmp_path / "a.zarr", spacing=None, unit="pixel")
    assert read_image(path).spacing is None
    path = finished(tmp_path / "b.zarr", spacing=(2.0, 2.0), unit="pixel")
    assert read_image(path).spacing is None


@pytest.mark.parametrize("dtype", ["int64", "uint32", "int32"])
def test_labels_may_be_wider(tmp_path, dtype):
    store = start(tmp_path / "a.zarr", label_type=dtype)
    store.labels[...] = np.iinfo(dtype).max
    assert ResultStore.open(tmp_path / "a.zarr").labels.dtype == dtype
    list(store.finish({}))
    labels = read_labels(tmp_path / "a.zarr" / "labels" / "nuclei")
    assert (labels.dtype, labels.min()) == (dtype, np.iinfo(dtype).max)


# --- the rules of the OME-NGFF specification


@VERSIONS
@CASES
@pytest.mark.parametrize("where", ["", "labels/nuclei"])
@pytest.mark.parametrize("translate", [None, 3.0])
def test_the_metadata_follow_the_specification(
    tmp_path, version, axes, shape, block, where, translate
):
    place = None if translate is None else (translate,) * len(axes.replace("T", ""))
    path = finished(
        tmp_path / "a.zarr", axes, shape, block, version=version, translate=place
    )
    attributes = metadata(path / where, version)
    if version == "0.5":
        assert attributes["ome"]["version"] == "0.5"
        attributes = attributes["ome"]
        assert json.loads((path / where / "zarr.json").read_text())["zarr_format"] == 3
    (multiscale,) = attributes["multiscales"]
    assert multiscale.get("version") == ("0.4" if version == "0.4" else None)

    # 2 to 5 axes: time first, then channels, then 2 or 3 of space, "zyx".
    kinds = [axis["type"] for axis in multiscale["axes"]]
    order = ["time", "channel", "space"]
    assert kinds == sorted(kinds, key=order.index)
    assert kinds.count("space") in (2, 3)
    assert max(kinds.count("time"), kinds.count("channel")) <= 1
    names = [axis["name"] for axis in multiscale["axes"]]
    stored = axes if where else ("TC" + axes[1:] if axes[0] == "T" else "C" + axes)
    assert names == list(stored.lower())
    units = {a.get("unit") for a in multiscale["axes"] if a["type"] == "space"}
    assert units == {"micrometer"}

    # The finest level first; one scale each, then at most one translation.
    previous = None
    for dataset in multiscale["datasets"]:
        scale, *more = dataset["coordinateTransformations"]
        assert scale["type"] == "scale"
        assert [step["type"] for step in more] in ([], ["translation"])
        assert len(scale["scale"]) == len(names)
        assert all(len(step["translation"]) == len(names) for step in more)
        array = zarr.open_array(path / where / dataset["path"], mode="r")
        assert array.ndim == len(names)
        if version == "0.5":
            assert list(array.metadata.dimension_names) == names
        else:
            stored_as = json.loads(
                (path / where / dataset["path"] / ".zarray").read_text()
            )
            assert stored_as["dimension_separator"] == "/"
        if previous is not None:
            assert np.prod(array.shape) < np.prod(previous)
        previous = array.shape
    assert max(previous[-2:]) <= 1024

    if where:
        label = attributes["image-label"]
        assert (path / where / label["source"]["image"]).resolve() == path.resolve()
        listed = metadata(path / "labels", version)
        assert listed.get("ome", listed)["labels"] == ["nuclei"]
        assert array.dtype.kind in "iu"
    else:
        for channel in attributes["omero"]["channels"]:
            assert channel["window"] == {"start": 0, "end": 1, "min": 0, "max": 1}
            assert int(channel["color"], 16) < 2**24
        assert len(attributes["omero"]["channels"]) == 2


@VERSIONS
def test_the_place_of_a_pixel_is_the_mean_of_those_it_is_made_of(tmp_path, version):
    path = finished(
        tmp_path / "a.zarr",
        shape=(2500, 90),
        spacing=(0.5, 0.25),
        translate=(10.0, 20.0),
        version=version,
        block=(1024, 90),
    )

    def places(group):
        content = metadata(group, version)
        return [
            dataset["coordinateTransformations"][1]["translation"][-2:]
            for dataset in content.get("ome", content)["multiscales"][0]["datasets"]
        ]

    assert places(path) == [[10, 20], [10.25, 20.125], [10.75, 20.375]]
    assert places(path / "labels" / "nuclei") == [[10, 20]] * 3


def test_provenance_and_names_of_channels_are_kept(tmp_path):
    store = start(tmp_path / "a.zarr", channel_names=("background", "nuclei"))
    list(store.finish({"model": "m", "loss": float("nan")}))
    attributes = metadata(tmp_path / "a.zarr", "0.5")
    assert attributes["napari_unet_studio"] == {"model": "m", "loss": None}
    channels = attributes["ome"]["omero"]["channels"]
    assert [channel["label"] for channel in channels] == ["background", "nuclei"]


# --- unfinished, in the way, broken


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*"))


def test_nothing_is_at_the_path_before_the_end_and_nothing_beside_it_after(tmp_path):
    path = tmp_path / "new" / "a.zarr"
    store = start(path, shape=(1500, 1100), block=(1024, 1024))
    store.scratch("seeds", "uint8")[...] = 1
    ticks = []
    for tick in store.finish({}):
        assert not path.exists()
        assert ResultStore.unfinished(path)
        ticks.append(tick)
    assert ticks == [(1, 1)]
    assert list(path.parent.iterdir()) == [path]
    assert not ResultStore.unfinished(path)
    assert not list(path.rglob("*seeds*"))


def test_an_unfinished_result_is_no_image(tmp_path):
    store = start(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="is a folder"):
        read_image(store.folder)
    with pytest.raises(StorageError, match="does not exist"):
        read_image(tmp_path / "a.zarr")


def test_an_unfinished_result_goes_on_where_it_was(tmp_path):
    probabilities, labels = content((90, 70))
    start(tmp_path / "a.zarr").probabilities[0, :32] = probabilities[0, :32]
    with pytest.raises(StorageError, match="unfinished result; go on"):
        start(tmp_path / "a.zarr")
    store = ResultStore.open(tmp_path / "a.zarr")
    np.testing.assert_array_equal(store.probabilities[0, :32], probabilities[0, :32])
    write(store, probabilities, labels)
    list(store.finish({}))
    with pytest.raises(StorageError, match="no unfinished result"):
        ResultStore.open(tmp_path / "a.zarr")


def test_a_finished_result_is_replaced_when_told_and_only_at_the_end(tmp_path):
    path = finished(tmp_path / "a.zarr")
    before = files(path)
    with pytest.raises(StorageError, match="exists already"):
        start(path)
    start(path, overwrite=True)
    store = start(path, overwrite=True)
    assert np.asarray(store.labels[...]).max() == 0
    assert files(path) == before
    assert read_labels(path / "labels" / "nuclei").max() > 0
    list(ResultStore.open(path).finish({}))
    assert read_labels(path / "labels" / "nuclei").max() == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kill_after", ["first", "second"])
def test_a_replacement_that_is_killed_between_two_steps_loses_nothing(
    tmp_path, kill_after
):
    path = finished(tmp_path / "a.zarr")
    store = start(path, overwrite=True)
    path.rename(store.folder / "old")
    if kill_after == "first":
        assert ResultStore.unfinished(path)
        list(ResultStore.open(path).finish({}))
        assert read_labels(path / "labels" / "nuclei").max() == 0
    else:  # what is left of the folder is swept away by the next run
        list(store.fill_all())
        (store.folder / "result").rename(path)
        assert not ResultStore.unfinished(path)
        with pytest.raises(StorageError, match="exists already"):
            start(path)
        ResultStore.discard(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_earlier_result_comes_back_when_its_replacement_is_discarded(tmp_path):
    path = finished(tmp_path / "a.zarr")
    store = start(path, overwrite=True)
    path.rename(store.folder / "old")
    ResultStore.discard(path)
    assert read_labels(path / "labels" / "nuclei").max() > 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_whose_deletion_was_killed_is_not_gone_on_with(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    start(path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            ResultStore.discard(path)
    assert not ResultStore.unfinished(path)
    start(path)
    assert ResultStore.unfinished(path)


@pytest.mark.parametrize("kind", ["file", "folder", "foreign zarr", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_result_is_never_replaced(tmp_path, kind, overwrite):
    path = tmp_path / "a.zarr"
    if kind == "file":
        path.write_text("text")
    elif kind == "folder":
        path.mkdir()
        (path / "notes.txt").touch()
    elif kind == "foreign zarr":
        zarr.create_array(path, shape=(4, 4), dtype="uint8")
    else:
        path.symlink_to(finished(tmp_path / "b.zarr"))
    before = files(tmp_path)
    with pytest.raises(StorageError, match="another place"):
        start(path, overwrite=overwrite)
    assert files(tmp_path) == before


def test_a_foreign_folder_in_the_place_of_the_unfinished_is_left_alone(tmp_path):
    (tmp_path / "a.zarr.part").mkdir()
    (tmp_path / "a.zarr.part" / "notes.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(StorageError, match="move it away"):
            start(tmp_path / "a.zarr", overwrite=overwrite)
    assert (tmp_path / "a.zarr.part" / "notes.txt").exists()


def test_what_comes_to_the_path_meanwhile_is_not_replaced(tmp_path):
    store = start(tmp_path / "a.zarr")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        list(store.finish({}))
    (tmp_path / "a.zarr").rmdir()
    assert ResultStore.open(tmp_path / "a.zarr").publish({}).exists()


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        start(tmp_path / "file" / "a.zarr")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    store = start(tmp_path / "a.zarr")
    (store.folder / "result" / "0" / "c").touch()  # where chunks would go
    with pytest.raises(StorageError, match=r"a\.zarr\.part could not be written"):
        store.probabilities[...] = 1


FULL = """
import resource, sys
import numpy as np
from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.ome_zarr import ResultStore
store = ResultStore.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
noise = np.random.default_rng(0).random(store.probabilities.shape)
try:
    store.probabilities[...] = noise
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="no limits to the length of files")
def test_a_disk_without_space_is_one_clear_error(tmp_path):
    start(tmp_path / "a.zarr", shape=(200, 200), block=(200, 200))
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.zarr")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be written: File too large" in found.stdout


@pytest.mark.parametrize("text", ["", "{", "{}", '{"layout": {}, "overwrite": 0}'])
def test_an_unfinished_result_that_is_broken_is_one_clear_error(tmp_path, text):
    store = start(tmp_path / "a.zarr")
    (store.folder / "store.json").write_text(text)
    with pytest.raises(StorageError, match="cannot be read as an unfinished result"):
        ResultStore.open(tmp_path / "a.zarr")
    start(tmp_path / "a.zarr", overwrite=True)


def test_a_broken_chunk_is_one_clear_error(tmp_path):
    store = start(tmp_path / "a.zarr")
    store.labels[...] = 5
    for chunk in (store.folder / "result" / "labels" / "nuclei" / "0" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(StorageError, match="cannot be read"):
        store.labels[:32, :32]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"axes": "XY"}, "not XY"),
        ({"axes": "CYX", "shape": (2, 9, 9), "block": (1, 9, 9)}, "not CYX"),
        ({"shape": (9, 9, 9)}, "do not fit"),
        ({"shape": (0, 9)}, "do not fit"),
        ({"block": (9, 9, 9)}, "do not fit"),
        ({"spacing": (1.0,)}, "a size per axis of space"),
        ({"translate": (1.0,)}, "a size per axis of space"),
        ({"name": "a/b"}, "cannot be named"),
        ({"name": ".."}, "cannot be named"),
        ({"name": ""}, "cannot be named"),
        ({"channels": 0}, "at least one channel"),
        ({"channel_names": ("a",)}, "a name for each"),
        ({"version": "0.3"}, "choose 0.4 or 0.5"),
        ({"label_type": "float32"}, "whole numbers"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path, changes, sentence
):
    with pytest.raises(InputError, match=sentence):
        start(tmp_path / "a.zarr", **changes)
    assert list(tmp_path.iterdir()) == []


def test_the_suffix_says_that_it_is_a_zarr_store(tmp_path):
    with pytest.raises(InputError, match=r"ends with \.zarr"):
        start(tmp_path / "a.tif")


# --- blocks, chunks, several processes


@given(
    st.sampled_from(["YX", "ZYX", "TZYX"]).flatmap(
        lambda axes: st.tuples(
            st.just(axes),
            *[st.tuples(*[st.integers(1, 5000)] * len(axes)) for _ in ("block", "all")],
        )
    )
)
def test_blocks_never_share_a_chunk(case):
    axes, block, shape = case
    chunk = chunk_for(block, shape, axes)
    for length, c, size in zip(block, chunk, shape, strict=True):
        assert 1 <= c <= size
        assert length >= size or length % c == 0


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.integers(100, 700),
)
def test_the_pieces_of_a_level_need_each_pixel_of_the_finer_one_once(z, y, x, side):
    levels = level_shapes((z, y, x))
    assert max(levels[-1][1:]) <= 1024
    assert all(max(shape[1:]) > 1024 for shape in levels[:-1])
    for fine, coarse in pairwise(levels):
        regions = [finer(r, fine) for r in BlockGrid(coarse, (z, 4 * side, 4 * side))]
        sizes = [np.prod([part.stop - part.start for part in r]) for r in regions]
        assert sum(sizes) == np.prod(fine)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10))
def test_halving_keeps_the_range_and_for_even_sides_the_mean(y, x, seed):
    pixels = np.random.default_rng(seed).random((2, y, x)).astype(np.float32)
    small = halved(pixels)
    assert small.shape == (2, -(-y // 2), -(-x // 2))
    assert pixels.min() - 1e-6 <= small.min() <= small.max() <= pixels.max() + 1e-6
    if y % 2 == x % 2 == 0:
        np.testing.assert_allclose(small.mean(), pixels.mean(), rtol=1e-5)


def test_writing_a_part_of_a_chunk_is_refused(tmp_path):
    store = start(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="cut chunks"):
        store.labels[:31, :32] = 1
    with pytest.raises(InputError, match="cut chunks"):
        store.probabilities[:, 5:32] = 1
    store.labels[64:90, 64:70] = 1  # to the end
    assert store.labels[...].sum() == 26 * 6


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_channels_come_first_wherever_they_are_stored(tmp_path, channel):
    values = np.random.default_rng(0).random((3, 4, 5))
    stored = zarr.create_array(
        tmp_path / "a.zarr",
        shape=np.moveaxis(values, 0, channel).shape,
        chunks=np.moveaxis(values[:1], 0, channel).shape,
        dtype="float64",
    )
    pixels = Pixels(stored, tmp_path, channel)
    assert pixels.shape == (3, 4, 5)
    pixels[...] = values
    np.testing.assert_array_equal(np.moveaxis(stored[...], channel, 0), values)
    for key in (1, (1, 2), (-1, slice(1, 3)), (..., 0), (slice(0, 2), ..., 4), ()):
        np.testing.assert_array_equal(pixels[key], values[key])
    pixels[1] = 7
    values[1] = 7
    np.testing.assert_array_equal(pixels[...], values)


def test_scratch_arrays_are_opened_again_and_keep_their_type(tmp_path):
    store = start(tmp_path / "a.zarr")
    store.scratch("seeds", "int64")[:32] = 7
    again = ResultStore.open(tmp_path / "a.zarr").scratch("seeds", np.int64)
    assert (again.shape, again[...].max()) == ((90, 70), 7)
    with pytest.raises(StorageError, match="its type is int64, not uint8"):
        store.scratch("seeds", "uint8")


WORKER = """
import sys
from napari_unet_studio.io.ome_zarr import ResultStore
store = ResultStore.open(sys.argv[1])
seeds = store.scratch("seeds", "int32")
for number in range(int(sys.argv[2]), len(store.grid), 3):
    region = store.grid.region(number)
    store.probabilities[(slice(None), *region)] = number / 64
    store.labels[region] = seeds[region] = number + 1
"""


@VERSIONS
def test_processes_write_blocks_at_the_same_time(tmp_path, version):
    path = tmp_path / "a.zarr"
    store = start(path, "TYX", (2, 90, 70), (1, 20, 18), version=version)
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(first)])
        for first in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    for number, region in enumerate(store.grid):
        assert np.all(store.labels[region] == number + 1)
        assert np.all(store.scratch("seeds", "int32")[region] == number + 1)
        assert np.all(store.probabilities[(slice(None), *region)] == number / 64)


def test_paths_may_be_text_and_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished("a.zarr")
    assert Path("a.zarr").is_dir()
    assert not result_folder.part_of(Path("a.zarr")).exists()
    assert read_image("a.zarr/labels/nuclei").levels == ((90, 70),)
