"""Predictions into a store: block by block, stopped, killed and resumed."""

from dataclasses import replace
from functools import partial
from math import prod

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.channels import LUMINANCE
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.linking import link_objects
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.zarr_images import read_offsets
from napari_unet_studio.tasks import begin
from napari_unet_studio.tasks.begin import label_name
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.setup import Setup
from napari_unet_studio.tasks.stream import predict_zarr

TILES = PredictConfig(device="cpu", precision="float32", tile=32)
OBJECTS = ObjectConfig(min_size=3, fill_holes=9)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Cut images of the tests into several blocks."""
    monkeypatch.setattr(begin, "_BLOCK", 32 * 32)


@pytest.fixture
def tiny_model(tiny_model):
    """Build a network of two levels, whose margin leaves half of a small tile."""
    return partial(tiny_model, channels=(4, 8))


@pytest.fixture
def threshold_model(threshold_model):
    """Build one that finds what is brighter than 0.5."""
    return partial(threshold_model, channels=(4, 8))


def blobs(shape, seed=0):
    from scipy import ndimage

    noise = np.random.default_rng(seed).random(shape)
    image = ndimage.gaussian_filter(noise, [0] * (len(shape) - 2) + [2, 2])
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


def stored(image, out, model, config=TILES, **options):
    options.setdefault("objects", OBJECTS)
    return run(predict_zarr(image, out, model, config, **options))


def pixels(path):
    return np.asarray(read_image(path).array)


def check_labels(result, axes, spacing=None):
    """Compare labels with those of the stored probabilities as a whole."""
    found = pixels(result.path)
    labels = pixels(result.path / "labels" / result.name)
    frames = [(found, labels)] if "T" not in axes else zip(found, labels, strict=True)
    count = 0
    for probability, ids in frames:
        expected = label_objects(probability, result.objects, spacing)
        np.testing.assert_array_equal(ids, expected)
        count += int(expected.max(initial=0))
    assert result.count == count
    assert count > 3


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plane_becomes_a_store_with_the_same_answer(
    threshold_model, tmp_path, version
) -> None:
    image, model = blobs((133, 150)), threshold_model()
    result = stored(image, tmp_path / "out.zarr", model, version=version)
    expected = run(predict(image, model, TILES, objects=OBJECTS))
    np.testing.assert_allclose(
        pixels(result.path), expected.probabilities[0], atol=6e-4
    )
    check_labels(result, "YX")
    assert result.notes == ()
    assert list(tmp_path.iterdir()) == [result.path]


@pytest.mark.parametrize(
    ("shape", "axes", "spacing"),
    [
        ((5, 70, 61), "ZYX", (2.0, 1.0, 1.0)),
        ((4, 70, 61), "TYX", None),
        ((2, 3, 50, 61), "TZYX", None),
    ],
)
def test_stacks_and_time_series_keep_their_objects_apart_in_time_only(
    threshold_model, tmp_path, shape, axes, spacing
) -> None:
    objects = replace(OBJECTS, split=0.5, close_gaps=2)
    result = stored(
        blobs(shape),
        tmp_path / "out.zarr",
        threshold_model(),
        objects=objects,
        axes=axes,
        spacing=spacing,
        unit="um",
    )
    check_labels(result, axes, spacing)
    read = read_image(result.path)
    assert read.axes == axes
    assert read.spacing == spacing


def test_a_result_lies_where_its_image_lies(threshold_model, tmp_path) -> None:
    steps = [
        {"type": "scale", "scale": [0.5, 0.25]},
        {"type": "translation", "translation": [10.0, -3.0]},
    ]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    scales = {"version": "0.4", "axes": axes, "datasets": datasets}
    group = zarr.open_group(str(tmp_path / "in.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=blobs((70, 61)))
    group.attrs["multiscales"] = [scales]
    result = stored(tmp_path / "in.zarr", tmp_path / "out.zarr", threshold_model())
    for path in (result.path, result.path / "labels" / result.name):
        assert read_image(path).spacing == (0.5, 0.25)
        offsets = read_offsets(path)
        assert (offsets["Y"], offsets["X"]) == pytest.approx((20, -12))


def drifting(frames, shape=(70, 61)):
    """Blobs that move by two pixels from one time point to the next."""
    wide = blobs((shape[0], shape[1] + 2 * frames))
    return np.stack([wide[:, 2 * t : 2 * t + shape[1]] for t in range(frames)])


LINKED = replace(OBJECTS, close_gaps=2, low=0.4, link=0.1)


def linked_labels(result):
    """Return the ids that the stored probabilities as a whole would have."""
    found = pixels(result.path)
    frames = [label_objects(frame, result.objects) for frame in found]
    return link_objects(np.stack(frames), result.objects.link)


def test_ids_are_linked_over_time_as_in_memory(threshold_model, tmp_path) -> None:
    image, model = drifting(4), threshold_model()
    out = tmp_path / "out.zarr"
    result = stored(image, out, model, objects=LINKED, axes="TYX")
    labels = pixels(result.path / "labels" / result.name)
    np.testing.assert_array_equal(labels, linked_labels(result))
    shared = set(np.unique(labels[0])) & set(np.unique(labels[-1])) - {0}
    assert len(shared) > 3
    counts = [len(np.unique(frame)) - 1 for frame in labels]
    assert result.count == sum(counts) > labels.max()
    expected = run(predict(image, model, TILES, objects=LINKED, axes="TYX"))
    assert np.mean(labels == expected.labels) > 0.99


def test_a_stack_and_a_single_time_point_link_nothing(
    threshold_model, tmp_path
) -> None:
    for axes in ("ZYX", "TYX"):
        image, out = drifting(1), tmp_path / f"{axes}.zarr"
        result = stored(image, out, threshold_model(), objects=LINKED, axes=axes)
        labels = pixels(result.path / "labels" / result.name)[0]
        assert set(np.unique(labels)) == set(range(labels.max() + 1))


def test_linking_goes_on_where_it_was_stopped(threshold_model, tmp_path) -> None:
    image, model = drifting(3), threshold_model()
    task = partial(predict_zarr, image, model=model, config=TILES, objects=LINKED)
    whole = run(task(out=tmp_path / "whole.zarr", axes="TYX"))
    out, stops, result = tmp_path / "out.zarr", 0, None
    while result is None:
        asked = iter([False] * 8)  # few calls each time: it stops in every stage
        result = run(task(out=out, axes="TYX", should_stop=partial(next, asked, True)))
        stops += 1
    assert stops > 5
    same(whole.path, out)


def test_volumes_of_a_3d_network(threshold_model, tmp_path) -> None:
    model, image = threshold_model(ndim=3, channels=(2, 4)), blobs((20, 50, 45))
    config = replace(TILES, tile=24)
    objects = replace(OBJECTS, threshold=0.98)
    result = stored(image, tmp_path / "out.zarr", model, config, objects=objects)
    expected = run(predict(image, model, config, objects=objects))
    np.testing.assert_allclose(
        pixels(result.path), expected.probabilities[0], atol=6e-4
    )
    check_labels(result, "ZYX")


def test_classes_are_stored_with_their_values(tiny_model, tmp_path) -> None:
    classes = {"num_classes": 3, "target": "classes", "class_values": (0, 5, 9)}
    model = tiny_model(channels=(4, 8, 16), **classes)
    image, config = blobs((70, 61)), replace(TILES, tile=64)
    result = stored(image, tmp_path / "out.zarr", model, config)
    expected = run(predict(image, model, config))
    labels = pixels(result.path / "labels" / result.name)
    assert np.mean(labels == expected.labels) > 0.99
    assert set(np.unique(labels)) <= {0, 5, 9}
    assert pixels(result.path).shape == (3, 70, 61)


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_views_and_blended_tiles_do_not_see_blocks(tiny_model, tmp_path, norm) -> None:
    model, image = tiny_model(norm=norm), blobs((90, 75))
    config = replace(TILES, average="flips")
    result = stored(image, tmp_path / "out.zarr", model, config)
    expected = run(predict(image, model, config))
    np.testing.assert_allclose(
        pixels(result.path), expected.probabilities[0], atol=6e-4
    )


def test_the_paper_s_rotations_do_not_see_blocks(tiny_model, tmp_path) -> None:
    model, image = tiny_model(), blobs((70, 61))
    config = replace(TILES, average="paper", tile=80)
    result = stored(image, tmp_path / "out.zarr", model, config)
    expected = run(predict(image, model, config))
    np.testing.assert_allclose(
        pixels(result.path), expected.probabilities[0], atol=6e-4
    )


# -- stopping and going on -----------------------------------------------------------


def same(one, two):
    """Compare all arrays of two stores, chunk for chunk."""
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    for name in names:
        if name.name != "zarr.json":
            assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize("after", [1, 9, 60, 140])
def test_a_stopped_prediction_goes_on_where_it_was(
    threshold_model, tmp_path, after
) -> None:
    image, model = blobs((133, 150)), threshold_model()
    whole = stored(image, tmp_path / "whole.zarr", model)
    out = tmp_path / "out.zarr"
    asked = []

    def stop():
        asked.append(0)
        return len(asked) > after

    assert stored(image, out, model, should_stop=stop) is None
    assert not out.exists()
    records = []
    task = predict_zarr(image, out, model, TILES, objects=OBJECTS)
    result = run(task, records.append)
    assert result.notes == ("An unfinished result was there: its blocks were kept.",)
    assert after < 5 or records[0].step > 0
    same(whole.path, out)


def test_other_settings_do_not_go_on_with_a_result(threshold_model, tmp_path) -> None:
    image, model, out = blobs((133, 150)), threshold_model(), tmp_path / "out.zarr"
    asked = iter([False] * 9 + [True] * 99)
    assert stored(image, out, model, should_stop=lambda: next(asked)) is None
    with pytest.raises(
        StorageError, match=r"network\.tile was 32, not 48.*--overwrite"
    ):
        stored(image, out, model, replace(TILES, tile=48))
    with pytest.raises(StorageError, match="pixels was"):
        stored(1 - image, out, model)
    changed = image.copy()
    changed[-1, 0] += 1
    with pytest.raises(StorageError, match="pixels was"):
        stored(changed, out, model)
    with pytest.raises(StorageError, match="model was"):
        stored(image, out, Model(model.network, replace(model.card, threshold=0.4)))
    result = stored(image, out, model, replace(TILES, tile=48), overwrite=True)
    assert result.config.tile == 48


def test_a_result_that_exists_is_replaced_only_when_told(
    threshold_model, tmp_path
) -> None:
    image, model, out = blobs((60, 50)), threshold_model(), tmp_path / "out.zarr"
    stored(image, out, model)
    before = pixels(out)
    with pytest.raises(StorageError, match="exists"):
        stored(1 - image, out, model)
    np.testing.assert_array_equal(pixels(out), before)
    stored(1 - image, out, model, overwrite=True)
    assert not np.array_equal(pixels(out), before)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_runs_do_not_write_into_one_result(
    threshold_model, tmp_path, overwrite
) -> None:
    image, model, out = blobs((133, 150)), threshold_model(), tmp_path / "out.zarr"
    first = predict_zarr(image, out, model, TILES, objects=OBJECTS)
    for _ in range(5):
        next(first)
    with pytest.raises(InputError, match=r"Another run is making .*out\.zarr just now"):
        stored(image, out, model, overwrite=overwrite)
    check_labels(run(first), "YX")
    assert list(tmp_path.iterdir()) == [out]


# -- wrong input ---------------------------------------------------------------------


def test_an_unreadable_chunk_is_one_sentence_and_no_result(
    threshold_model, tmp_path
) -> None:
    source = tmp_path / "in.zarr"
    array = zarr.create_array(
        source, shape=(133, 150), chunks=(32, 32), dtype="float32"
    )
    array[:] = blobs((133, 150))
    (source / "c" / "3" / "3").write_bytes(b"damaged")
    out = tmp_path / "out.zarr"
    model = threshold_model()
    with pytest.raises(StorageError, match=r"in\.zarr cannot be read"):
        stored(source, out, model)
    assert not out.exists()
    array[96:128, 96:128] = blobs((133, 150))[96:128, 96:128]
    result = stored(source, out, model)
    check_labels(result, "YX")


def test_a_failure_at_the_very_start_leaves_nothing_behind(
    threshold_model, tmp_path
) -> None:
    image = blobs((60, 50))
    image[3, 3] = np.nan
    with pytest.raises(InputError, match="NaN"):
        stored(image, tmp_path / "out.zarr", threshold_model())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["in.zarr", "in.zarr/out.zarr"])
def test_a_result_never_replaces_its_image(threshold_model, tmp_path, place) -> None:
    array = zarr.create_array(tmp_path / "in.zarr", shape=(40, 40), dtype="uint8")
    array[:] = 3
    with pytest.raises(InputError, match="would replace the image or lie within it"):
        stored(tmp_path / "in.zarr", tmp_path / place, threshold_model())
    assert (array[:] == 3).all()


def test_wrong_channels_are_said_before_anything_is_written(
    tiny_model, tmp_path
) -> None:
    with pytest.raises(InputError, match="takes 2 channels but the image has 1"):
        stored(blobs((40, 40)), tmp_path / "out.zarr", tiny_model(in_channels=2))
    assert list(tmp_path.iterdir()) == []


# -- memory --------------------------------------------------------------------------


class Stored:
    """An image on a disk that notes how many pixels are read each time."""

    def __init__(self, array):
        self.array, self.read = array, []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        part = self.array[index]
        self.read.append(part.size)
        return part


def test_a_large_image_is_read_block_by_block(
    threshold_model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(begin, "_BLOCK", 2**13)
    stored, between = Stored(blobs((640, 640))), []

    def note(record):
        between.append(sum(stored.read))
        stored.read.clear()

    image = da.from_array(stored, chunks=(32, 32), name=False)
    config = replace(TILES, tile=64)
    task = predict_zarr(
        image, tmp_path / "out.zarr", threshold_model(), config, objects=OBJECTS
    )
    result = run(task, note)
    assert sum(between) >= stored.array.size
    assert max(between) < 0.2 * stored.array.size
    check_labels(result, "YX")


def test_blocks_are_smaller_where_the_network_sees_finer_pixels(tiny_model) -> None:
    frames = Frames.of(np.zeros((1000, 1000), np.uint8), 2)
    setup = Setup(tiny_model(), replace(TILES, pixel_size="model"))
    for factor in (1.0, 0.5, 0.2):
        block = begin.block_of(frames, setup, (factor, factor))
        assert prod(block) / factor**2 <= 2 * 32 * 32


def test_names_of_labels_are_names_of_folders() -> None:
    assert label_name("cells: 40x/60x") == "cells- 40x-60x"
    assert label_name("...") == "labels"


def test_one_channel_of_a_file_is_taken(threshold_model, tmp_path) -> None:
    colours = np.stack([blobs((60, 50), seed) for seed in range(3)], axis=-1)
    source = tmp_path / "in.tif"
    write_tiff(source, colours, "YXS")
    model = threshold_model()
    for channel, plane in ((1, colours[..., 1]), ("grey", colours @ LUMINANCE)):
        out = tmp_path / f"{channel}.zarr"
        result = stored(source, out, model, channel=channel)
        expected = run(predict(plane.astype(np.float32), model, TILES))
        np.testing.assert_allclose(
            pixels(result.path), expected.probabilities[0], atol=6e-4
        )


def test_a_channel_of_an_image_without_channels_is_refused(
    threshold_model, tmp_path
) -> None:
    with pytest.raises(InputError, match="no channels, of which 1"):
        stored(blobs((60, 50)), tmp_path / "o.zarr", threshold_model(), channel=1)
    assert list(tmp_path.iterdir()) == []
