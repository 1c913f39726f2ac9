"""A training that is killed at any moment loses little, and breaks nothing."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from napari_unet_studio.io.checkpoint import load_checkpoint
from napari_unet_studio.io.model_file import load_model_file

# Rounds, and with them checkpoints, are dense: one is being written most of the time.
CODE = """
import sys
from pathlib import Path
import napari_unet_studio as us
from napari_unet_studio.sample_data import nuclei_2d

out, checkpoint = map(Path, sys.argv[1:])
sample = nuclei_2d((96, 192), seed=2)
config = {
    "network": "unet++-16", "updates": 40, "validations": 40, "patch": 32, "batch": 2,
    "hold_out": 0.3, "device": "cpu", "precision": "float32", "ema": 0.9,
}
resume = checkpoint if checkpoint.exists() else None
model = us.train(
    [(sample.image, sample.labels)], config, resume=resume, checkpoint=checkpoint
)
model.save(out)
"""


def started(out, checkpoint):
    # The order of sums depends on the number of threads.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, str(out), str(checkpoint)]
    return subprocess.Popen(command, env=environment)


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path) -> None:
    whole, out = tmp_path / "whole.unet", tmp_path / "killed.unet"
    checkpoint = tmp_path / "killed.ckpt"
    assert started(whole, tmp_path / "whole.ckpt").wait(300) == 0
    moments, kills, reached = random.Random(0), 0, 0
    while not out.exists():
        running = started(out, checkpoint)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 120
        while running.poll() is None and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                if kills < 3:
                    time.sleep(moments.uniform(0, 0.2))
                    running.send_signal(signal.SIGKILL)
                    kills += 1
                break
            time.sleep(0.01)
        running.wait(120)
        step = load_checkpoint(checkpoint).state["step"]  # never half a file
        assert step > reached or out.exists()
        reached = step
    assert kills == 3
    first, second = load_model_file(whole), load_model_file(out)
    weights = second.network.state_dict()
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert first.card.scores == second.card.scores
    assert first.card.threshold == second.card.threshold
    histories = [m.card.training["history"] for m in (first, second)]
    assert histories[0] == histories[1]
