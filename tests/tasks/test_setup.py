"""What automatic settings become: precision by a race and a check, tiles by trials."""

import platform
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.io import measured
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks import budget, engines, setup, speed, trials
from napari_unet_studio.tasks.executors import TorchExecutor, prepared
from napari_unet_studio.tasks.memory import in_main_pool, keeping_thread, kept_buffers
from napari_unet_studio.tasks.predict import PredictConfig, predict
from napari_unet_studio.tasks.progress import run

GIB = 2**30


def noise(shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def sample(shape, count):
    return [noise((1, *shape)) for _ in range(count)]


def automatic(model):
    """All that is chosen for a small image."""
    return run(setup.set_up(model, PredictConfig(device="cpu"), (64, 64), 1, sample))


# -- tiles ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_default_tiles_fit_into_the_memory_that_tiles_may_take(name) -> None:
    spec = NETWORKS[name]
    side = budget.default_side(spec, "cpu")
    if side > (128 if spec.ndim == 2 else 64):
        smallest = spec.output_shape(spec.input_shape((1,) * spec.ndim))
        inside = [
            max(side - 2 * t, s) for t, s in zip(spec.trim, smallest, strict=True)
        ]
        costs = spec.costs(spec.input_shape(inside))
        # What a window is rounded up to on the network's grid comes on top.
        most = 1 if spec.ndim == 2 else 1.5
        assert costs.inference_bytes - 4 * costs.parameters < most * GIB
    assert side <= max(1280, 5 * max(spec.halo))


LOCAL = [n for n, s in NETWORKS.items() if s.local]


@pytest.fixture
def roomy(monkeypatch) -> None:
    """Have 24 GiB free, whatever this computer has."""
    monkeypatch.setattr(budget, "available_memory", lambda: 24 * GIB)


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "whole"])
def test_tiles_are_as_wide_as_memory_allows(name, cut) -> None:
    spec = NETWORKS[name]
    shape = (4000, 4000) if spec.ndim == 2 else (30, 1000, 1000)
    side = budget.default_side(spec, "cpu")
    wider = budget.wider_side(spec, "cpu", shape, side, cut)
    first = plan_tiles(shape, spec, side**spec.ndim)
    plan = plan_tiles(shape, spec, wider**spec.ndim)
    work = budget.flops_of(spec, plan, cut)
    assert work <= budget.flops_of(spec, first, cut)
    held = budget.largest_tile(spec, plan, cut).held
    assert held <= max(5 * GIB, budget.largest_tile(spec, first, cut).held)
    if name in ("unet-3d", "unet++", "resunet-3d"):
        assert wider > side


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize("name", ["unet-3d", "unet++-3d", "resunet-3d"])
def test_tiles_of_volumes_are_so_wide_that_margins_do_not_count_most(name) -> None:
    spec, shape = NETWORKS[name], (192, 1008, 1008)
    side = budget.default_side(spec, "cpu")
    wider = budget.wider_side(spec, "cpu", shape, side, True)
    plan = plan_tiles(shape, spec, wider**3)
    assert budget.flops_of(spec, plan, True) < 1.6 * spec.costs(shape).flops
    narrow = plan_tiles(shape, spec, side**3)
    assert budget.flops_of(spec, narrow, True) > 1.6 * spec.costs(shape).flops


def test_kinds_of_tiles_are_all_tiles() -> None:
    spec = NETWORKS["unet-16"]
    plan = plan_tiles((1900, 700), spec, 400**2)
    kinds = {str(crop): n for crop, n in budget.kinds_of_tiles(spec, plan, True)}
    assert kinds == Counter(str(tile.crop) for tile in plan)
    assert len(kinds) < len(plan)
    ((crop, count),) = budget.kinds_of_tiles(spec, plan, False)
    assert count == len(plan)
    assert tuple(side.stop for side in crop) == plan.window


def tuned(shape, seconds, paces, default=700):
    spec = NETWORKS["unet-32"]
    sides = default, 1280
    return run(speed.tuned_side(spec, shape, 1, sides, True, seconds, paces))


def test_slow_large_tiles_are_not_chosen() -> None:
    tried = []

    def slower_when_large(window, crop):
        tried.append(window)
        return np.prod(window) * (2e-5 if np.prod(window) > 600**2 else 1e-6)

    assert tuned((9000, 9000), slower_when_large, {}) < 700
    assert len(tried) >= 2


def test_fast_large_tiles_are_chosen() -> None:
    paces = {}
    side = tuned((9000, 9000), lambda window, crop: np.prod(window) * 1e-6, paces)
    assert side > 1000
    again = tuned((9000, 9000), lambda window, crop: pytest.fail("timed again"), paces)
    assert again == side


def test_tiles_that_take_too_long_are_not_chosen() -> None:
    side = tuned((9000, 9000), lambda window, crop: np.prod(window) * 5e-6, {})
    assert side**2 * 5e-6 < 5


def test_short_work_is_not_tried_out() -> None:
    tried = []

    def seconds(window, crop):
        tried.append(window)
        return 1e-6 * np.prod(window)

    assert tuned((2000, 2000), seconds, {}) == 700
    assert len(tried) == 1


# -- precision -----------------------------------------------------------------------


class Racing(TorchExecutor):
    """An executor whose half precision is as fast, and as wrong, as it is told."""

    quicker, wrong = 10, 0.0

    def __init__(self, model, device, precision, fast=False) -> None:
        super().__init__(model, device, "float32", fast)
        self.half = precision != "float32"

    def submit(self, blocks, crops):
        answers = super().submit(blocks, crops)()
        slower = not self.half if self.quicker > 0 else self.half
        for _ in range(slower * abs(self.quicker)):
            super().submit(blocks, crops)()
        return lambda: [answer + self.half * self.wrong for answer in answers]


@pytest.mark.parametrize(
    ("quicker", "wrong", "chosen"),
    [(10, 0.0, "bfloat16"), (-10, 0.0, "float32"), (10, 0.2, "float32")],
    ids=["faster", "slower", "faster but wrong"],
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
    found = automatic(model)
    assert found.config.precision == chosen


def test_what_was_measured_is_remembered(tiny_model, monkeypatch) -> None:
    model = tiny_model(name="remembered")
    first = automatic(model)
    monkeypatch.setattr(setup, "raced", pytest.fail)
    again = automatic(model)
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


def test_other_threads_predict_like_the_main_one_and_leave_none(tiny_model) -> None:
    model, image = tiny_model(), noise((150, 140))
    config = PredictConfig(precision="float32", tile=80)
    here = run(predict(image, model, config))
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(lambda: run(predict(image, model, config))).result()
    np.testing.assert_array_equal(here.probabilities, there.probabilities)
    assert set(threading.enumerate()) == before


def test_an_error_in_another_thread_is_that_of_the_network(tiny_model) -> None:
    class Broken(torch.nn.Module):
        def forward(self, x, part):
            raise RuntimeError("a bug")

    broken = Model(Broken(), tiny_model().card)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: run(predict(noise((20, 24)), broken)))
    with pytest.raises(RuntimeError, match="a bug"):
        future.result()


def test_only_threads_whose_memory_is_not_kept_need_another() -> None:
    with kept_buffers(), ThreadPoolExecutor(1) as pool:
        assert keeping_thread() is None
        found = pool.submit(keeping_thread).result()
    kept = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
    assert (found is not None) == kept
    if found is not None:
        with found:
            assert found.submit(in_main_pool).result()
            count = found.submit(torch.get_num_threads).result()
        assert count == torch.get_num_threads()


def test_a_prediction_can_be_stopped_during_the_trials(tiny_model, monkeypatch) -> None:
    monkeypatch.setattr(trials, "bfloat16_wins", lambda device: True)
    seen = []
    task = predict(
        noise((40, 44)),
        tiny_model(name="stopped"),
        should_stop=lambda: seen[-1].message == "Trying bfloat16",
    )
    assert run(task, seen.append) is None
    assert [record.message for record in seen] == ["Trying float32", "Trying bfloat16"]
    assert {record.total for record in seen} == {1}
