"""Predictions by several processes equal those of one, whatever happens to them."""

import multiprocessing
import os
import pickle
import signal
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
import torch
import zarr

from napari_unet_studio.core import errors
from napari_unet_studio.core.errors import ConfigError, DeviceError, InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.distributed import DaskMapper
from napari_unet_studio.distributed.cluster import check_versions
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks import begin, stream
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import run

pytestmark = pytest.mark.slow
CONFIG = PredictConfig(device="cpu", precision="float32", tile=64, batch=1)


@pytest.fixture(scope="module")
def model():
    """Build a tiny network with random weights."""
    spec = UNetSpec(channels=(4, 8, 16))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec).eval()
    with torch.no_grad():  # about half of the pixels are foreground
        network.head.weight *= 8
    normalisation = Normalisation("fixed", 0.0, 255.0)
    return Model(
        network, ModelCard(name="tiny", spec=spec, normalisation=normalisation)
    )


@pytest.fixture(scope="module")
def mapper():
    """Start two processes, and see that none is left in the end."""
    with DaskMapper(workers=2) as mapper:
        yield mapper
    assert not multiprocessing.active_children()


@pytest.fixture
def small_blocks(monkeypatch):
    """Cut images into blocks of some thousand pixels instead of millions."""
    monkeypatch.setattr(begin, "_BLOCK", 2**13)


@pytest.fixture
def image(tmp_path, small_blocks):
    """Write an image of noise in spots, of several blocks and two levels."""
    return drawn(tmp_path / "image.tif", (1100, 70), "YX")


def drawn(path, shape, axes):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 200, [-(-size // 10) for size in shape[-2:]])
    spots = np.kron(coarse, np.ones((10, 10)))[: shape[-2], : shape[-1]]
    pixels = spots + generator.integers(0, 50, shape)
    return write_tiff(path, pixels.astype(np.uint8), axes) or path


def predict(image, out, model, report=None, **changes):
    return run(stream.predict_zarr(image, out, model, CONFIG, **changes), report)


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
    assert first["labels/tiny/0"].any()


def test_several_processes_find_what_one_finds(tmp_path, image, model, mapper) -> None:
    serial = predict(image, tmp_path / "serial.zarr", model)
    records = []
    parallel = predict(
        image, tmp_path / "dask.zarr", model, records.append, mapper=mapper
    )
    equal(serial.path, parallel.path)
    assert {"1", "labels/tiny/1"} <= arrays(parallel.path).keys()
    assert parallel.count == serial.count > 1
    steps = [record.step for record in records]
    assert steps == sorted(steps)
    assert steps[-1] == records[-1].total
    assert not (tmp_path / "dask.zarr.part").exists()


def test_time_points_are_found_by_several_processes(
    tmp_path, small_blocks, model, mapper
) -> None:
    film = drawn(tmp_path / "film.tif", (3, 70, 90), "TYX")
    serial = predict(film, tmp_path / "serial.zarr", model, version="0.4")
    parallel = predict(
        film, tmp_path / "dask.zarr", model, version="0.4", mapper=mapper
    )
    equal(serial.path, parallel.path)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed_loses_nothing(tmp_path, image, model, mapper) -> None:
    predict(image, tmp_path / "serial.zarr", model)
    before = {process.pid for process in multiprocessing.active_children()}
    assert len(before) == 2
    alive = sorted(before)

    def kill(record):
        if record.step and len(alive) == 2:
            os.kill(alive.pop(), signal.SIGKILL)

    predict(image, tmp_path / "dask.zarr", model, kill, mapper=mapper)
    assert len(alive) == 1
    equal(tmp_path / "serial.zarr", tmp_path / "dask.zarr")


def test_what_is_stopped_goes_on_in_one_process(tmp_path, image, model, mapper) -> None:
    predict(image, tmp_path / "serial.zarr", model)
    records = []
    stopped = predict(
        image,
        tmp_path / "dask.zarr",
        model,
        records.append,
        mapper=mapper,
        should_stop=lambda: bool(records),
    )
    assert stopped is None
    assert not (tmp_path / "dask.zarr").exists()
    resumed = predict(image, tmp_path / "dask.zarr", model)
    assert "were kept" in resumed.notes[0]
    equal(tmp_path / "serial.zarr", tmp_path / "dask.zarr")


def test_an_error_is_that_of_one_process(tmp_path, small_blocks, model, mapper) -> None:
    pixels = np.random.default_rng(0).random((200, 300)).astype(np.float32)
    pixels[190, 290] = np.nan
    np.save(tmp_path / "nan.npy", pixels)
    said = []
    for number, options in enumerate(({}, {"mapper": mapper})):
        with pytest.raises(InputError) as raised:
            predict(tmp_path / "nan.npy", tmp_path / f"{number}.zarr", model, **options)
        said.append(str(raised.value))
    assert said[0] == said[1]
    assert "NaN" in said[0]


def test_an_array_of_this_process_is_refused(tmp_path, model, mapper) -> None:
    with pytest.raises(InputError, match="save it, as zarr or TIFF"):
        predict(np.zeros((64, 64)), tmp_path / "a.zarr", model, mapper=mapper)


def test_too_many_processes_for_the_memory_are_refused(
    tmp_path, image, model, mapper, monkeypatch
) -> None:
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 2**30 + 2**29)
    with pytest.raises(DeviceError, match="take 1 worker, or a smaller tile"):
        predict(image, tmp_path / "a.zarr", model, mapper=mapper)


def test_a_scheduler_that_runs_is_used_and_left_as_it_was(
    tmp_path, image, model
) -> None:
    from distributed import Client, LocalCluster

    predict(image, tmp_path / "serial.zarr", model)
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        with DaskMapper(scheduler=address, threads=torch.get_num_threads()) as mapper:
            predict(image, tmp_path / "dask.zarr", model, mapper=mapper)
        with Client(cluster) as client:
            plugins = client.run(lambda dask_worker: list(dask_worker.plugins))
        assert not any("unet" in name for names in plugins.values() for name in names)
    equal(tmp_path / "serial.zarr", tmp_path / "dask.zarr")


# -- what cannot work ----------------------------------------------------------------


def test_a_scheduler_that_is_not_there_is_told_soon() -> None:
    with (
        pytest.raises(DeviceError, match="No Dask scheduler answers at tcp://127"),
        DaskMapper(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


def test_what_is_no_address_is_explained() -> None:
    with (
        pytest.raises(ConfigError, match="is no address of a Dask scheduler"),
        DaskMapper(scheduler="pigeon://node1:8786"),
    ):
        pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give one of the two"),
        ({"workers": 2, "scheduler": "tcp://a:1"}, "give one of the two"),
        ({"workers": 0}, "workers is 0; give 1 or more"),
        ({"workers": 1, "threads": 0}, "threads is 0; give 1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_explained(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        DaskMapper(**settings)


def test_a_mapper_outside_of_its_block_is_explained(tmp_path, image, model) -> None:
    with pytest.raises(ConfigError, match="within a with block"):
        predict(image, tmp_path / "a.zarr", model, mapper=DaskMapper(workers=1))


def test_a_missing_library_is_named_with_its_remedy(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'napari-unet-studio\[distr"),
        DaskMapper(workers=1),
    ):
        pass


class Cluster:
    """Answers as a client of Dask whose workers have other versions."""

    def __init__(self, versions):
        self.versions = versions

    def run(self, function, name, on_error):
        found = {"napari-unet-studio": version("napari-unet-studio"), **self.versions}
        return {"tcp://node1:99": found.get(name, version(name))}


def test_other_versions_are_named_with_their_remedy() -> None:
    check_versions(Cluster({}))
    built_for_gpus = version("torch").partition("+")[0] + "+cu128"
    check_versions(Cluster({"torch": built_for_gpus}))
    with pytest.raises(ConfigError, match=r"node1:99 has torch 2\.5\.0, and this proc"):
        check_versions(Cluster({"torch": "2.5.0"}))
    missing = PackageNotFoundError("napari-unet-studio")
    with pytest.raises(ConfigError, match=r"has no napari-unet-studio; .* 'torch=="):
        check_versions(Cluster({"napari-unet-studio": missing}))


@pytest.mark.parametrize(
    "kind", [e for e in vars(errors).values() if isinstance(e, type)]
)
def test_errors_travel_whole(kind) -> None:
    error = pickle.loads(pickle.dumps(kind("The image is empty.")))
    assert type(error) is kind
    assert str(error) == "The image is empty."
