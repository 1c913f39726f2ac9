"""A task in a thread: what comes back, and what is left behind."""

import threading
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QObject

from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._worker import Failure, Job

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytestqt.qtbot import QtBot

    from napari_unet_studio.tasks.progress import ShouldStop

WAIT = 30_000  # milliseconds


def counting(should_stop: "ShouldStop") -> "Generator[Progress, None, int]":
    """Count until stopped."""
    step = 0
    while not should_stop():
        step += 1
        yield Progress(step, 0, "Counting")
    return step


@pytest.fixture
def parent(qapp: Any) -> QObject:
    return QObject()


def test_a_stopped_task_still_returns_its_result(
    parent: QObject, qtbot: "QtBot"
) -> None:
    job: Job[int] = Job(counting, "Counting", parent)
    order: list[str] = []
    job.progressed.connect(lambda _: job.stop())
    job.succeeded.connect(lambda _: order.append("succeeded"))
    job.finished.connect(lambda: order.append("finished"))
    with qtbot.waitSignal(job.succeeded, timeout=WAIT) as done:
        job.start()
    qtbot.waitUntil(lambda: order == ["succeeded", "finished"], timeout=WAIT)
    assert done.args[0] >= 1


@pytest.mark.parametrize("error", [ValueError("odd"), RuntimeError("as torch does")])
def test_an_error_arrives_as_a_value(
    error: Exception, parent: QObject, qtbot: "QtBot"
) -> None:
    def task(should_stop: "ShouldStop") -> "Generator[Progress, None, None]":
        yield Progress(0, 0, "Failing")
        raise error

    job: Job[None] = Job(task, "Failing", parent)
    with qtbot.waitSignals([job.failed, job.finished], timeout=WAIT) as done:
        job.start()
    failure = done.all_signals_and_args[0].args[0]
    assert isinstance(failure, Failure)
    assert failure.error is error
    assert str(error) in failure.report


def test_a_finished_job_leaves_nothing_on_its_parent(
    parent: QObject, qtbot: "QtBot"
) -> None:
    before = parent.receivers(parent.destroyed)
    for _ in range(3):
        job: Job[int] = Job(counting, "Counting", parent)
        job.stop()
        with qtbot.waitSignal(job.finished, timeout=WAIT):
            job.start()
    qtbot.waitUntil(lambda: not parent.children(), timeout=WAIT)
    assert parent.receivers(parent.destroyed) == before


def test_a_task_is_stopped_when_its_parent_goes(qapp: Any, qtbot: "QtBot") -> None:
    parent, stopped = QObject(), threading.Event()

    def task(should_stop: "ShouldStop") -> "Generator[Progress, None, None]":
        yield from counting(should_stop)
        stopped.set()

    job: Job[None] = Job(task, "Counting", parent)
    with qtbot.waitSignal(job.progressed, timeout=WAIT):
        job.start()
    parent.deleteLater()
    qtbot.waitUntil(stopped.is_set, timeout=WAIT)
