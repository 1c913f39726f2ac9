"""One update at a time: passes, averages, types, and too little memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.errors import ConfigError, DeviceError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.losses import LOSSES
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.tasks.device import is_out_of_memory
from napari_unet_studio.tasks.progress import TrainProgress, run
from napari_unet_studio.tasks.train import train
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.dataset import prepare
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.tasks.training.patches import Batch, PatchSource
from napari_unet_studio.tasks.training.precision import training_precision
from napari_unet_studio.tasks.training.steps import Steps
from napari_unet_studio.tasks.training.survey import survey
from napari_unet_studio.tasks.training.team import Alone

QUICK = TrainConfig(patch=32, batch=4, device="cpu", precision="float32", hold_out=0)
SPEC = UNetSpec(channels=(4, 8, 16))


def learner(config=QUICK, spec=SPEC):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(spec)
    return Learner(network, config, "cpu", Alone())


def source_of(pair, config=QUICK, spec=SPEC):
    surveys = run(survey([pair], config))
    data = run(prepare([pair], surveys, spec, Normalisation(), config, (0, 1)))
    batch = config.batch * config.accumulate
    return PatchSource(data.train, spec, config.patch, batch, AugmentConfig(), None, 0)


def stopped(updates, pair, config, path):
    """Train for so many updates, then stop."""
    done = []
    task = train([pair], config, checkpoint=path, should_stop=lambda: updates in done)
    run(task, lambda r: done.append(r.step if isinstance(r, TrainProgress) else 0))


def weights_of(one):
    return torch.cat([p.detach().flatten() for p in one.network.parameters()])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_batch_in_several_passes_is_the_same_batch(squares, size) -> None:
    source = source_of(Pair(*squares(), name="a"))
    whole = source(7, "cpu")
    parts = [source(7, "cpu", slice(i, i + size)) for i in range(0, 4, size)]
    for name in Batch._fields:
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name


def test_gradients_of_passes_add_up(squares) -> None:
    # Of a loss that counts pixels alike, the mean of two halves is that of the whole.
    config = replace(QUICK, loss="cross-entropy")
    source = source_of(Pair(*squares(), name="a"))
    flat = source(0, "cpu")._replace(weight_map=None)
    halves = [
        Batch(flat.images[part], flat.target[part], None)
        for part in (slice(0, 2), slice(2, 4))
    ]
    one, two = learner(config), learner(config)
    first = one.update(0, 1e-3, [flat], 4)
    second = two.update(0, 1e-3, halves, 4)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(weights_of(one), weights_of(two), atol=2e-5, rtol=0)


def test_pixels_that_are_ignored_teach_nothing(squares) -> None:
    image, labels = squares()
    source = source_of(Pair(image, labels, name="a"))
    batch = source(0, "cpu")
    hidden = batch.target.clone()
    hidden[:, :, 16:] = -1
    other = torch.where(hidden < 0, 1 - batch.target, batch.target)
    wild = torch.where(hidden < 0, 1e6, batch.weight_map)
    found = []
    for target, weights in ((hidden, batch.weight_map), (hidden, wild)):
        one = learner()
        one.update(0, 1e-3, [Batch(batch.images, target, weights)], 4)
        found.append(weights_of(one))
    assert torch.equal(*found)
    three = learner()
    three.update(0, 1e-3, [Batch(batch.images, other, wild)], 4)
    assert not torch.equal(found[0], weights_of(three))


def test_the_gradient_of_logits_is_zero_where_pixels_are_ignored(squares) -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, 1, 32, 32)).astype("f4"))
    target = torch.from_numpy((rng.random((2, 32, 32)) < 0.4).astype("i8"))
    target[:, :, 10:20] = -1
    for name, loss in LOSSES.items():
        if name in ("ssim", "ms-ssim", "unet3+"):
            continue  # of windows; what they do beside ignored pixels: test_losses
        given = logits.clone().requires_grad_()
        loss(given, target, None).backward()
        assert (given.grad[:, :, :, 10:20] == 0).all(), name
        assert (given.grad[:, :, :, :10] != 0).any(), name


def test_the_average_follows_the_weights(squares) -> None:
    source = source_of(Pair(*squares(), name="a"))
    one = learner(replace(QUICK, ema=0.9))
    states = [{k: t.clone() for k, t in one.network.state_dict().items()}]
    for step in range(3):
        one.update(step, 1e-2, [source(step, "cpu")], 4)
        states.append({k: t.clone() for k, t in one.network.state_dict().items()})
    expected = states[0]
    for step, state in enumerate(states[1:]):
        keep = min(0.9, (1 + step) / (10 + step))
        expected = {k: keep * expected[k] + (1 - keep) * state[k] for k in state}
    kept = one.kept()
    for name, value in expected.items():
        torch.testing.assert_close(kept[name], value)
    judged = one.judged().state_dict()
    assert all(torch.equal(judged[name], kept[name]) for name in kept)
    assert one.judged() is not one.network


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"optimiser": "sgd"}])
def test_a_snapshot_brings_everything_back(squares, changes) -> None:
    source = source_of(Pair(*squares(), name="a"))
    one = learner(replace(QUICK, **changes))
    one.update(0, 1e-2, [source(0, "cpu")], 4)
    snapshot = one.snapshot()
    one.update(1, 1e-2, [source(1, "cpu")], 4)
    reached, average = weights_of(one), one.kept()
    one.restore(snapshot)
    one.update(1, 1e-2, [source(1, "cpu")], 4)
    assert torch.equal(weights_of(one), reached)
    assert all(torch.equal(one.kept()[name], average[name]) for name in average)


def test_float16_is_for_gpus() -> None:
    with pytest.raises(ConfigError, match="float16 trains on NVIDIA GPUs only"):
        learner(replace(QUICK, precision="float16"))
    assert training_precision("float16", "cuda", 2) == "float16"
    assert training_precision("bfloat16", "cpu", 2) == "bfloat16"
    assert training_precision("bfloat16", "cpu", 3) == "float32"


def test_bfloat16_learns(squares) -> None:
    config = replace(QUICK, precision="bfloat16", updates=2, validations=1)
    model = run(train([Pair(*squares())], config))
    assert model.card.training["precision"] == "bfloat16"
    assert all(t.isfinite().all() for t in model.network.state_dict().values())


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_gpu_learns_in_each_type(squares, precision, ndim) -> None:
    shape = (64, 64) if ndim == 2 else (16, 32, 32)
    network = "unet-16" if ndim == 2 else "unet-3d"
    config = replace(
        QUICK,
        device="cuda",
        network=network,
        precision=precision,
        updates=20,
        accumulate=2,
        ema=0.9,
        validations=2,
    )
    pair = Pair(*squares(shape, side=4, step=8, ndim=ndim))
    judge = replace(pair, role="validate")
    model = run(train([pair, judge], config))
    losses = [e["loss"] for e in model.card.training["history"] if "loss" in e]
    assert losses[-1] < losses[0]
    assert all(t.isfinite().all() for t in model.network.state_dict().values())


@pytest.mark.cuda
def test_no_update_waits_for_the_gpu(squares) -> None:
    config = replace(QUICK, device="cuda", accumulate=2, ema=0.9)
    source = source_of(Pair(*squares(), name="a"), config)
    one = Learner(learner().network, config, "cuda", Alone())
    steps = Steps(one, source, 2)
    for step in range(2):  # layers are chosen, memory is taken
        steps.advance(step, 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps.advance(2, 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        steps.close()


@pytest.mark.cuda
def test_a_gpu_goes_on_from_a_checkpoint_in_float16(squares, tmp_path) -> None:
    path, pair = tmp_path / "a.ckpt", Pair(*squares())
    config = replace(QUICK, device="cuda", precision="float16", updates=6)
    whole = run(train([pair], config))
    stopped(3, pair, config, path)
    resumed = run(train([pair], config, resume=path))
    for a, b in zip(
        whole.network.parameters(), resumed.network.parameters(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


# -- too little memory ----------------------------------------------------------------


class Small:
    """A device on which so many pixels of one tensor have room."""

    def __init__(self, monkeypatch, most):
        self.shapes = []
        forward = torch.nn.Conv2d.forward

        def limited(layer, x):
            self.shapes.append(tuple(x.shape))
            if x.shape[0] * x.shape[2] * x.shape[3] > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(layer, x)

        monkeypatch.setattr(torch.nn.Conv2d, "forward", limited)


def test_with_too_little_memory_fewer_patches_go_at_once(squares, monkeypatch) -> None:
    source = source_of(Pair(*squares(), name="a"))
    free, tight = learner(), learner()
    steps = Steps(free, source, 4)
    for step in range(2):
        # The same passes from the start.
        steps.batch = 1
        steps.advance(step, 1e-3)
    Small(monkeypatch, 32 * 32)
    reduced = Steps(tight, source, 4)
    for step in range(2):
        reduced.advance(step, 1e-3)
    steps.close()
    reduced.close()
    assert reduced.batch == 1
    assert torch.equal(weights_of(free), weights_of(tight))
    assert "did not suffice: 2 patches at once" in reduced.notes[0]
    assert "did not suffice: 1 patch at once" in reduced.notes[1]


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_memory_may_run_out_in_the_first_step_of_the_optimiser(
    squares, monkeypatch, optimiser
) -> None:
    # The moments are made there: some are, when there is no more room.
    config = replace(QUICK, optimiser=optimiser)
    source = source_of(Pair(*squares(), name="a"))
    free, tight = learner(config), learner(config)
    steps = Steps(free, source, 2)
    steps.advance(0, 1e-3)
    calls, step = [], tight.optimiser.step

    def limited(*arguments):
        calls.append(len(tight.optimiser.state))
        if len(calls) == 1:
            first, *_ = tight.network.parameters()
            step_of = torch.zeros((), dtype=torch.float32)
            tight.optimiser.state[first] = {"step": step_of}
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(*arguments)

    monkeypatch.setattr(tight.optimiser, "step", limited)
    reduced = Steps(tight, source, 4)
    reduced.advance(0, 1e-3)
    assert calls == [0, 0]
    assert reduced.batch == 2
    assert torch.equal(weights_of(free), weights_of(tight))


@pytest.mark.parametrize(
    "text",
    ["CUDA out of memory", "GET was unable to find an engine to execute this"],
)
def test_what_memory_that_runs_out_is_called(text) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("a bug"))


def test_at_last_patches_get_smaller(squares, monkeypatch) -> None:
    config = replace(QUICK, patch=128, batch=2, updates=2)
    small = Small(monkeypatch, 32 * 32)
    model = run(train([Pair(*squares((128, 128)))], config))
    notes = model.card.training["notes"]
    assert any("patches of 64 x 64 pixels were taken" in note for note in notes)
    assert any("patches of 32 x 32 pixels were taken" in note for note in notes)
    assert model.card.training["updates"] == 2
    assert small.shapes[-1][0] == 1


def test_a_device_too_small_for_any_patch_is_said(squares, monkeypatch) -> None:
    Small(monkeypatch, 100)
    with pytest.raises(DeviceError, match="suffice for 1 patch of 32 x 32 pixels"):
        run(train([Pair(*squares())], QUICK))


def test_what_was_reduced_stays_so_when_resumed(squares, monkeypatch, tmp_path) -> None:
    path = tmp_path / "a.ckpt"
    config = replace(QUICK, patch=64, batch=2, updates=4)
    pair = Pair(*squares((128, 128)))
    Small(monkeypatch, 32 * 32)
    whole = run(train([pair], config))
    stopped(2, pair, config, path)
    resumed = run(train([pair], config, resume=path))
    for a, b in zip(
        whole.network.parameters(), resumed.network.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert resumed.card.training["notes"] == whole.card.training["notes"]
