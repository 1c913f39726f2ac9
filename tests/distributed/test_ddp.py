"""Several processes train one network: as one process does with a larger batch."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from napari_unet_studio import load_model
from napari_unet_studio.io.checkpoint import load_checkpoint
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.sample_data import nuclei_2d

SETTINGS = {
    # Without normalisation by batches, of which each processor sees its own.
    "network": "unet-32",
    "width": 0.1,
    "updates": 4,
    "patch": 32,
    "batch": 2,
    "learning_rate": 1e-3,
    "validations": 2,
    "device": "cpu",
    "precision": "float32",
}


@pytest.fixture
def folder(tmp_path):
    sample = nuclei_2d((96, 96), seed=1)
    for number in range(3):
        shifted = np.roll(sample.image, 9 * number, axis=0)
        labels = np.roll(sample.labels, 9 * number, axis=0)
        write_tiff(tmp_path / f"image-{number}.tif", shifted, "YX")
        write_tiff(tmp_path / f"labels-{number}.tif", labels, "YX")
    return tmp_path


def document(folder, name, **changes):
    pairs = [
        {
            "image": str(folder / f"image-{number}.tif"),
            "labels": str(folder / f"labels-{number}.tif"),
            "role": role,
        }
        for number, role in enumerate(("train", "validate", "validate"))
    ]
    path = folder / f"{name}.json"
    config = {**SETTINGS, **changes}
    out = str(folder / f"{name}.unet")
    path.write_text(json.dumps({"config": config, "pairs": pairs, "out": out}))
    return path


def command(path, processes=1, *options):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    several = [*torchrun, str(processes)] if processes > 1 else []
    module = ["-m", "napari_unet_studio", "train", "--config", str(path), *options]
    return [sys.executable, *several, *module]


def environment():
    # One thread each: the sums of a layer are then in one order.
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def trained(path, processes=1, *options):
    done = subprocess.run(
        command(path, processes, *options),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_model(path.with_suffix(".unet")), done


@pytest.mark.slow
def test_two_processes_learn_what_one_does_with_twice_the_batch(folder) -> None:
    half, whole = {"batch": 1, "accumulate": 2}, {"batch": 2, "accumulate": 2}
    together, done = trained(document(folder, "two", **half), 2, "--json")
    alone, _ = trained(document(folder, "one", **whole))
    weights = alone.network.state_dict()
    for name, tensor in together.network.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-4, atol=1e-5)
    for name, score in alone.card.scores.items():
        assert together.card.scores[name] == pytest.approx(score, abs=1e-3)
    ours, theirs = (m.card.training["history"] for m in (together, alone))
    assert [e["step"] for e in ours] == [e["step"] for e in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.get("loss", 0) == pytest.approx(b.get("loss", 0), rel=1e-3)
    assert together.card.training["processes"] == 2
    assert json.loads(done.stdout)["updates"] == 4  # one of the two speaks


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(folder) -> None:
    path = document(folder, "two", updates=5000, validations=1)
    checkpoint = path.with_suffix(".ckpt")
    running = subprocess.Popen(
        command(path, 2), env=environment(), start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert checkpoint.exists()
        os.killpg(running.pid, signal.SIGINT)
        running.wait(60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    reached = load_checkpoint(checkpoint).state["step"]
    assert 0 < reached < 5000
    model, _ = trained(
        document(folder, "two", updates=reached + 3, validations=1), 2, "--resume"
    )
    assert model.card.training["updates"] == reached + 3
    assert not checkpoint.exists()
