"""What automatic settings become: precision by a race and a check, tiles by trials."""

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.io import measured
from napari_unet_studio.tasks import engines, setup, speed, trials
from napari_unet_studio.tasks.executors import TorchExecutor, prepared
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run

GIB = 2**30


def noise(shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def sample(shape, count):
    return [noise((1, *shape)) for _ in range(count)]


# -- tiles ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_default_tiles_fit_into_the_memory_that_tiles_may_take(name) -> None:
    spec = NETWORKS[name]
    side = speed.default_side(spec, "cpu")
    if side > (128 if spec.ndim == 2 else 64):
        cap = side**spec.ndim
        window = plan_tiles((4 * side,) * spec.ndim, spec, cap).window
        costs = spec.costs(window)
        # What a window is rounded up to on the network's grid comes on top.
        assert (
            costs.inference_bytes - 4 * costs.parameters
            < (1 if spec.ndim == 2 else 3) * GIB
        )
    assert side <= max(1280, 5 * max(spec.halo))


def test_slow_large_tiles_are_not_chosen() -> None:
    spec = NETWORKS["unet-32"]
    tried = []

    def slower_when_large(window):
        tried.append(window)
        return np.prod(window) * (2e-5 if np.prod(window) > 600**2 else 1e-6)

    side = speed.tuned_side(spec, "cpu", (9000, 9000), 1, slower_when_large, {})
    assert side < 700
    assert len(tried) >= 2


def test_fast_large_tiles_are_chosen() -> None:
    spec, points = NETWORKS["unet-32"], {}
    side = speed.tuned_side(
        spec, "cpu", (9000, 9000), 1, lambda w: np.prod(w) * 1e-6, points
    )
    default = speed.default_side(spec, "cpu")
    few = plan_tiles((9000, 9000), spec, side**2).read_ratio
    assert few < plan_tiles((9000, 9000), spec, default**2).read_ratio
    again = speed.tuned_side(spec, "cpu", (9000, 9000), 1, pytest.fail, points)
    assert again == side


def test_short_work_is_not_tried_out() -> None:
    spec, tried = NETWORKS["unet-32"], []

    def seconds(window):
        tried.append(window)
        return 1e-6 * np.prod(window)

    side = speed.tuned_side(spec, "cpu", (2000, 2000), 1, seconds, {})
    assert side == speed.default_side(spec, "cpu")
    assert len(tried) == 1


# -- precision -----------------------------------------------------------------------


class Racing(TorchExecutor):
    """An executor whose half precision is as fast, and as wrong, as it is told."""

    quicker, wrong = 10.0, 0.0

    def __init__(self, model, device, precision, fast=False) -> None:
        super().__init__(model, device, "float32", fast)
        self.half = precision != "float32"

    def submit(self, blocks, crops):
        answers = super().submit(blocks, crops)()
        if self.half:
            return lambda: [answer + self.wrong for answer in answers]
        for _ in range(int(self.quicker)):
            super().submit(blocks, crops)()
        return lambda: answers


@pytest.mark.parametrize(
    ("quicker", "wrong", "chosen"),
    [(10, 0.0, "bfloat16"), (0, 0.0, "float32"), (10, 0.2, "float32")],
    ids=["faster", "not faster", "faster but wrong"],
)
def test_half_precision_has_to_be_faster_and_as_good(
    tiny_model, monkeypatch, quicker, wrong, chosen
) -> None:
    # Whether this processor has bfloat16 is not the question here.
    monkeypatch.setattr(trials, "bfloat16_wins", lambda device: True)
    monkeypatch.setattr(engines, "TorchExecutor", Racing)
    monkeypatch.setattr(Racing, "quicker", quicker)
    monkeypatch.setattr(Racing, "wrong", wrong)
    name = f"race {quicker} {wrong}"  # not one that was measured before
    model = tiny_model(name=name)
    found = setup.set_up(model, PredictConfig(device="cpu"), (64, 64), 1, sample)
    assert found.config.precision == chosen


def test_what_was_measured_is_remembered(tiny_model, monkeypatch) -> None:
    model = tiny_model(name="remembered")
    first = setup.set_up(model, PredictConfig(device="cpu"), (64, 64), 1, sample)
    monkeypatch.setattr(setup, "raced", pytest.fail)
    again = setup.set_up(model, PredictConfig(device="cpu"), (64, 64), 1, sample)
    assert again.config == first.config


def test_a_damaged_memory_of_times_is_no_obstacle(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(measured, "_file", lambda: tmp_path / "measured.json")
    (tmp_path / "measured.json").write_text("{damaged", encoding="utf-8")
    assert measured.recall("key") == {}
    measured.remember("key", {"precision": "float32"})
    assert measured.recall("key") == {"precision": "float32"}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_precision_that_is_asked_for_is_taken(tiny_model, precision) -> None:
    model, image = tiny_model(norm="batch"), noise((64, 60))
    exact = run(predict(image, model, PredictConfig(precision="float32")))
    found = run(predict(image, model, PredictConfig(precision=precision)))
    assert found.config.precision == precision
    assert 0 < np.abs(found.probabilities - exact.probabilities).max() < 0.05


# -- the rest ------------------------------------------------------------------------


def test_the_settings_of_a_prediction_repeat_it(tiny_model) -> None:
    model, image = tiny_model(), noise((150, 140))
    first = run(predict(image, model, PredictConfig(tile=80)))
    assert "auto" not in first.config.to_dict().values()
    assert first.config.tile
    assert first.config.batch
    again = run(predict(image, model, first.config))
    np.testing.assert_array_equal(first.probabilities, again.probabilities)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int8"}, "needs the engine openvino"),
        ({"engine": "openvino", "device": "cuda"}, "computes on the processor"),
        ({"engine": "openvino", "precision": "float16"}, "not in float16"),
        ({"engine": "openvino", "compile": True}, "for the engine torch only"),
    ],
)
def test_settings_that_exclude_each_other_are_named(changes, message) -> None:
    with pytest.raises(ConfigError, match=message):
        PredictConfig(**changes)


@pytest.mark.parametrize("changes", [{"level": 1}, {"heads": "fast"}])
def test_levels_are_for_nested_networks(tiny_model, changes) -> None:
    with pytest.raises(ConfigError, match="no U-Net\\+\\+ with several heads"):
        run(predict(noise((40, 40)), tiny_model(), PredictConfig(**changes)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch's compiler
def test_a_compiled_network_gives_the_same_answer(tiny_model) -> None:
    model, image = tiny_model(norm="batch"), noise((48, 48))
    plain = run(predict(image, model, PredictConfig(precision="float32")))
    config = PredictConfig(precision="float32", compile=True)
    compiled = run(predict(image, model, config))
    np.testing.assert_allclose(compiled.probabilities, plain.probabilities, atol=1e-5)


def test_preparing_a_network_leaves_the_model_as_it_is(tiny_model) -> None:
    model = tiny_model(norm="batch")
    ready = prepared(model, "cpu", "float32", fast=False)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.network.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in ready.modules())


def test_kept_buffers_may_be_nested() -> None:
    with kept_buffers(), kept_buffers():
        assert np.ones(10**7).sum() == 10**7
    assert np.ones(10**7).sum() == 10**7
