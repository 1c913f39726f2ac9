"""The one file with threads: runs a task beside the window and reports back.

What a thread in napari must be protected from (found the hard way):

- a RuntimeError raised in a generator worker vanishes, and every torch error is one: so
  nothing is raised, a :class:`Failure` is returned;
- ``worker.quit()`` neither closes the generator nor returns a partial result: so
  stopping is an event that the task polls, and what napari asks when it closes is that
  the event is set; it waits, and a training writes its checkpoint;
- a widget may be closed while its work runs: so its callbacks are dropped with it.
"""

import threading
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, Signal

from napari_unet_studio.tasks.progress import Progress, ShouldStop

Result = TypeVar("Result")
Task = Callable[[ShouldStop], Generator[Progress, None, Result]]

# Routine records are passed on at most this often, in seconds.
_INTERVAL = 0.05


@dataclass(frozen=True)
class Failure:
    """An exception on its way to the user, as a value."""

    error: Exception
    report: str


class _OrderlyWorker(GeneratorWorker):
    """A worker whose task is asked to stop where napari would drop it half done.

    Parameters
    ----------
    function, task, stop
        The generator function, and what it is called with.
    """

    def __init__(
        self, function: Callable[..., Any], task: Task[Any], stop: threading.Event
    ) -> None:
        super().__init__(function, task, stop)
        self._stop_of_task = stop

    def quit(self) -> None:
        """Ask the task to stop; napari calls this for all workers when it closes."""
        self._stop_of_task.set()


class Job(QObject, Generic[Result]):
    """A task that runs in a thread; its signals arrive in the main thread.

    Parameters
    ----------
    task
        Called in the thread with ``should_stop``; returns the generator.
    title
        For napari's activity bar.
    parent
        The widget that the job belongs to. When it goes, the task is stopped.
    listed
        Show the job in napari's activity bar. Not for small work that comes often: two
        bars that begin at once leave napari's busy sign turning for ever.
    """

    progressed = Signal(object)
    """With each progress record; routine ones at most twenty times a second."""
    succeeded = Signal(object)
    """With the task's result; also after :meth:`stop`, with what the task returns."""
    failed = Signal(object)
    """With a :class:`Failure`."""
    finished = Signal()
    """Always last."""

    def __init__(
        self, task: Task[Result], title: str, parent: QObject, listed: bool = False
    ) -> None:
        super().__init__(parent)
        self._stop = threading.Event()
        self._worker: Any = create_worker(
            _guarded,
            task,
            self._stop,
            _worker_class=_OrderlyWorker,
            _start_thread=False,
            _progress={"total": 0, "desc": title} if listed else False,
        )
        self._worker.yielded.connect(self.progressed)
        self._worker.returned.connect(self._on_returned)
        self._worker.finished.connect(self._on_finished)
        # Bound to the event alone: it outlives widget and job.
        parent.destroyed.connect(self._stop.set)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask the task to stop at its next step; `finished` follows."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stop.is_set()

    def _on_returned(self, result: Result | Failure) -> None:
        if isinstance(result, Failure):
            self.failed.emit(result)
        else:
            self.succeeded.emit(result)

    def _on_finished(self) -> None:
        self._worker = None
        self.parent().destroyed.disconnect(self._stop.set)
        self.finished.emit()
        self.deleteLater()


def _guarded(
    task: Task[Result], stop: threading.Event
) -> Generator[Progress, None, Result | Failure]:
    """Run a task in the worker's thread; whatever happens is returned."""
    last = 0.0
    try:
        running = task(stop.is_set)
        try:
            while True:
                progress = next(running)
                now = time.monotonic()
                if not progress.routine or now - last >= _INTERVAL:
                    last = now
                    yield progress
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        finally:
            running.close()
    except Exception as error:
        return Failure(error, traceback.format_exc())
