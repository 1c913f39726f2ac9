"""What does the calls of a job in a process of Dask; needs the library distributed."""

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any, NamedTuple

import torch

from distributed import WorkerPlugin, get_worker
from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.tasks.job import Job
from napari_unet_studio.tasks.worker import Worker


class Call(NamedTuple):
    """One call: everything that travels to the process that does it.

    Parameters
    ----------
    hands
        Name of the plugin that does it.
    out
        Path of the result.
    run
        Names the prediction; a process keeps image and network for one at a time.
    turn
        Names the stage of it, which may be halted.
    stage, number
        See :class:`.Job`.
    """

    hands: str
    out: str
    run: str
    turn: str
    stage: str
    number: int


class Hands(WorkerPlugin):
    """Does calls on one process of a cluster, one at a time.

    It keeps image and network from call to call, and lets go of them with the plugin.

    Parameters
    ----------
    threads
        Of torch while it computes; None is the number that the process has in Dask.
    deaf
        Leave Ctrl-C to the process that started this one.
    """

    def __init__(self, threads: int | None, deaf: bool) -> None:
        self.threads = threads
        self.deaf = deaf

    def setup(self, worker: Any) -> None:
        """Begin, in the process."""
        self._lock = threading.Lock()
        self._halted: set[str] = set()
        self._run = ""
        self._worker: Worker | None = None
        self._notes: list[str] = []
        if self.threads is None:
            self.threads = worker.state.nthreads
        if self.deaf and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def teardown(self, worker: Any) -> None:
        """End: stop what is under way, and let go of the network."""
        self._halted.add(self._run)
        await asyncio.to_thread(self._let_go)

    async def halt(self, turn: str) -> list[str]:
        """Stop the calls of a stage and let go of the network; returns its notes."""
        self._halted.add(turn)
        return await asyncio.to_thread(self._let_go)

    def do(self, call: Call) -> None:
        """Do a call, unless it was halted."""
        with self._lock:
            if self._stopped(call):
                return
            before = torch.get_num_threads()
            torch.set_num_threads(self.threads or before)
            try:
                worker = self._worker_of(call)
                for _ in worker.call(
                    call.stage, call.number, lambda: self._stopped(call)
                ):
                    pass
            finally:
                torch.set_num_threads(before)

    def _stopped(self, call: Call) -> bool:
        return call.turn in self._halted or call.run in self._halted

    def _worker_of(self, call: Call) -> Worker:
        if self._worker is None or self._run != call.run:
            if self._worker is not None:
                self._worker.close()
            try:
                job = Job.load(Path(call.out))
            except FileNotFoundError as error:
                raise StorageError(
                    f"The worker {get_worker().address} finds no {call.out}.part; "
                    "workers need the same folders under the same paths as the process "
                    "that asks them."
                ) from error
            self._worker, self._run, self._notes = Worker(job), call.run, []
        return self._worker

    def _let_go(self) -> list[str]:
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._notes = self._worker.notes
                self._worker = None
            return self._notes


def do(call: Call) -> int:
    """Do a call where Dask wants it done; returns its number."""
    hands = get_worker().plugins[call.hands]
    assert isinstance(hands, Hands)
    hands.do(call)
    return call.number


async def halt(hands: str, turn: str, dask_worker: Any = None) -> list[str]:
    """Stop the calls of a stage on one process, and return the notes of the network."""
    plugin = dask_worker.plugins.get(hands)
    return [] if plugin is None else await plugin.halt(turn)
