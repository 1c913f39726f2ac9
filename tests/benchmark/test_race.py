"""Methods take turns; what is missing, broken or too slow is told, not run."""

import os
import time

import numpy as np
import pytest

from napari_unet_studio.benchmark.machine import using_threads
from napari_unet_studio.benchmark.memory import peak_memory
from napari_unet_studio.benchmark.method import OWN, Case, Method
from napari_unet_studio.benchmark.race import race
from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.core.errors import InputError

MEBIBYTE = 2**20
SMALL = (Case((8, 8), 2),)


@pytest.fixture
def meter():
    """The meter of memory, where there is one."""
    if peak_memory(lambda: None)[1] is None:
        pytest.skip("the system does not tell peaks of memory")
    return lambda call: peak_memory(call)[1] / MEBIBYTE


def test_the_peak_of_a_known_allocation(meter) -> None:
    size = 96
    np.ones(2 * size * MEBIBYTE, np.uint8)  # an earlier, higher peak does not count
    assert meter(lambda: np.ones(size * MEBIBYTE, np.uint8)) == pytest.approx(size, 0.1)
    assert meter(lambda: None) < 8


def test_memory_freed_within_the_call_counts(meter) -> None:
    def call() -> int:
        np.ones(64 * MEBIBYTE, np.uint8)
        return np.ones(64 * MEBIBYTE, np.uint8).size + len(bytes(32 * MEBIBYTE))

    assert 60 < meter(call) < 140


def test_memory_that_lies_ready_for_use_again_counts(meter) -> None:
    kept = [bytes(1 << 16) for _ in range(1000)]  # below the size that is mapped alone
    del kept
    assert meter(lambda: [b"1" * (1 << 16) for _ in range(1000)]) > 50


def _run(methods, cases=SMALL, budget=0.005):
    running = race(
        cases, methods, lambda case: case, lambda *_: {"difference": 0}, budget
    )
    while True:
        try:
            next(running)
        except StopIteration as done:
            return done.value


def _method(name, function, **options):
    return Method(name, lambda case: lambda: function(case), **options)


def test_each_method_is_measured() -> None:
    calls = []
    methods = [_method(name, lambda c, n=name: calls.append(n)) for name in (OWN, "b")]
    (found,) = _run(methods)
    first, second = found["rows"]
    assert (found["shape"], found["objects"]) == ([8, 8], 2)
    assert first["lowest_ms"] <= first["ms"] <= first["highest_ms"]
    assert "difference" not in first
    assert second["difference"] == 0
    timed = calls[4:]  # after a tiny image and a call for the memory, both methods
    turns = min(first["repeats"], second["repeats"])
    assert timed[: 2 * turns] == [OWN, "b"] * turns


def test_what_is_missing_or_broken_is_told() -> None:
    def fail(case: Case) -> None:
        raise TypeError("another interface")

    methods = [
        _method(OWN, lambda case: None),
        _method("a", lambda case: None, library="no_such_library"),
        _method("b", fail, library="json"),
    ]
    (found,) = _run(methods)
    assert [row.get("note") for row in found["rows"]] == [
        None,
        "not installed",
        "failed: TypeError",
    ]
    assert not any("ms" in row for row in found["rows"][1:])
    with pytest.raises(TypeError):
        _run([_method(OWN, fail)])


@pytest.mark.slow
def test_what_takes_too_long_is_estimated_and_marked() -> None:
    methods = [
        _method(OWN, lambda case: None),
        _method("slow", lambda c: time.sleep(0.01), cost=lambda case: case.objects),
        _method("wide", lambda c: None, memory=lambda case: 1e9 * case.objects),
    ]
    small, large = _run(methods, [Case((8, 8), 1), Case((8, 8), 10**6)])
    measured, estimated = small["rows"][1], large["rows"][1]
    assert "estimated" not in measured
    assert estimated["estimated"]
    assert estimated["ms"] == pytest.approx(1e6 * measured["ms"], rel=1e-3)
    assert "repeats" not in estimated
    if not hasattr(os, "sched_setaffinity"):
        return  # the system does not tell its free memory either
    assert large["rows"][2]["note"].startswith("would take")


@pytest.mark.slow
def test_a_pair_is_called_several_times_beyond_its_budget() -> None:
    methods = [
        _method(OWN, lambda case: time.sleep(0.01), least=3),
        _method("slow", lambda case: time.sleep(0.01)),
    ]
    (found,) = _run(methods, budget=0.005)
    assert [row["repeats"] for row in found["rows"]] == [3, 1]
    (found,) = _run(methods, budget=0.0001)  # twelve budgets are the limit
    assert found["rows"][0]["repeats"] == 1


def test_all_are_compared_with_an_exact_result_where_there_is_one() -> None:
    methods = [_method(OWN, lambda c: 1.5, about=lambda case: {"note": "a note"})]
    running = race(
        SMALL,
        methods,
        lambda case: case,
        lambda found, exact: {"difference": abs(found - exact)},
        0.005,
        exact=lambda sample: 1.0,
    )
    while True:
        try:
            next(running)
        except StopIteration as done:
            (row,) = done.value[0]["rows"]
            break
    assert row["difference"] == 0.5
    assert row["note"] == "a note"


def test_a_batch_is_told_per_image() -> None:
    methods = [
        _method(OWN, lambda case: time.sleep(0.01)),
        _method("batch", lambda case: time.sleep(0.01), images=5),
    ]
    (found,) = _run(methods)
    one, batch = (row["lowest_ms"] for row in found["rows"])
    assert batch < one
    assert batch >= 2


def test_a_method_on_other_axes_is_left_out() -> None:
    methods = [_method(OWN, lambda c: None), _method("flat", lambda c: None, axes=(2,))]
    (found,) = _run(methods, [Case((4, 4, 4), 1)])
    assert len(found["rows"]) == 1


def test_threads_are_as_before_afterwards() -> None:
    import torch

    bound = getattr(os, "sched_getaffinity", lambda _: None)
    before = torch.get_num_threads(), bound(0)
    with using_threads(1):
        assert torch.get_num_threads() == 1
        if before[1] is not None:
            assert len(bound(0)) == 1
    with using_threads(2):
        assert torch.get_num_threads() == 2
        assert bound(0) == before[1]
    assert (torch.get_num_threads(), bound(0)) == before


def test_blobs_are_as_many_as_asked_for_and_touch() -> None:
    for shape, objects in (((64, 64), 40), ((12, 40, 40), 60), ((5, 5), 25)):
        labels = blobs(shape, objects)
        assert labels.shape == shape
        assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, objects + 1))
    labels = blobs((64, 64), 40)
    pairs = labels[:, :-1], labels[:, 1:]
    assert np.any((pairs[0] != pairs[1]) & (pairs[0] > 0) & (pairs[1] > 0))
    assert np.any(labels == 0)
    assert np.array_equal(labels, blobs((64, 64), 40))
    with pytest.raises(InputError, match="26 objects do not fit"):
        blobs((5, 5), 26)
