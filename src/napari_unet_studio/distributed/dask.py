"""The calls of a prediction on Dask: processes of this computer, or of a cluster."""

import time
import uuid
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from typing import Any, Self

import torch

from napari_unet_studio.core.errors import (
    ConfigError,
    DeviceError,
    InputError,
    StudioError,
)
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.distributed.cluster import (
    check_versions,
    connect,
    import_distributed,
    local_cluster,
    memory_of_each,
)
from napari_unet_studio.tasks.budget import largest_tile
from napari_unet_studio.tasks.engines import cuts
from napari_unet_studio.tasks.job import PREDICT, Step
from napari_unet_studio.tasks.progress import ShouldStop
from napari_unet_studio.tasks.worker import Worker

_POLL = 0.25  # seconds between two looks at should_stop
_COUNT = 2.0  # seconds between two looks at how many processes there are
_AHEAD = 2  # calls for each process that wait or are done
_CHANCES = 4  # how often a call is handed out before it counts as a killer
# What a process needs beside its tiles: libraries, a block and scratch space.
_BESIDE = 2**30


class DaskMapper:
    """Does the calls of a prediction into a store on Dask distributed.

    Nothing but numbers travels: image, model and result are read and written by path,
    so all processes need the same folders under the same paths. What a call came to is
    on disk before it counts, so a process that is killed loses nothing; its calls are
    done again by another one, and the result is the same.

    Each process uses the device of the prediction: what "auto" became where
    the prediction was begun. One without that device makes it fail with a DeviceError;
    what is done is kept.

    Parameters
    ----------
    workers
        Number of processes to start on this computer, which share its memory.
    scheduler
        Address of a Dask scheduler, such as "tcp://node1:8786", instead. Its workers
        need this package in the same version; more of them may come while it runs.
    threads
        With how many threads torch computes in each process. The default is as many as
        in this one, or on a cluster as many as the process has in Dask. With the same
        number the result equals that of a single process in every bit; with another
        one torch may add in another order, and a probability differ in its last digit.

    Raises
    ------
    ConfigError
        If not one of `workers` and `scheduler` is given, or the library distributed is
        not installed, here or on the cluster, or versions differ.
    DeviceError
        If no scheduler answers, or this computer has too little memory for so many.

    Notes
    -----
    Started processes import the main module of a script anew: put what it does under
    ``if __name__ == "__main__":``.

    Examples
    --------
    >>> from napari_unet_studio import predict_zarr
    >>> with DaskMapper(workers=4) as mapper:  # doctest: +SKIP
    ...     predict_zarr("slide.ome.tif", "slide.zarr", mapper=mapper)
    """

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
    ) -> None:
        if (workers is None) == (scheduler is None):
            raise ConfigError(
                "Dask needs a number of workers to start here, or the address of a "
                "scheduler; give one of the two."
            )
        for name, number in (("workers", workers), ("threads", threads)):
            if number is not None and number < 1:
                raise ConfigError(f"{name} is {number}; give 1 or more.")
        self.workers, self.scheduler, self.threads = workers, scheduler, threads
        self._name = f"unet-studio-{uuid.uuid4().hex}"
        self._open: ExitStack | None = None
        self._client: Any = None
        self._seen: tuple[weakref.ref[Worker], str] | None = None
        self._known: set[str] = set()
        self._processes, self._counted = 0, float("-inf")

    def __enter__(self) -> Self:
        import_distributed()
        from napari_unet_studio.distributed.hands import Hands

        with ExitStack() as stack:
            if self.workers is not None:
                threads = self.threads or torch.get_num_threads()
                client = stack.enter_context(local_cluster(self.workers, threads))
                hands = Hands(threads, deaf=True)
            else:
                assert self.scheduler is not None
                client = stack.enter_context(connect(self.scheduler))
                hands = Hands(self.threads, deaf=False)
                check_versions(client)
                self._known = set(client.ncores())
            client.register_plugin(hands, name=self._name)
            stack.callback(self._unregister, client)
            self._client, self._open = client, stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of networks, and end the processes that were started."""
        if self._open is not None:
            self._open.close()
        self._open = self._client = None

    def __call__(
        self,
        worker: Worker,
        stage: str,
        numbers: Sequence[int],
        should_stop: ShouldStop,
    ) -> Iterator[Step]:
        """Do the calls of a stage; see :data:`.tasks.stream.Mapper`.

        Raises
        ------
        InputError
            If the image is an array of this process.
        StudioError
            What a call raised, as in one process.
        """
        from napari_unet_studio.distributed.hands import Call, do

        if self._client is None:
            raise ConfigError(
                "A DaskMapper is open within a with block only; write: with "
                "DaskMapper(workers=4) as mapper."
            )
        if worker.job.source is None:
            raise InputError(
                "Dask's workers cannot read an array of this process; save it, as "
                "zarr or TIFF, and give the path instead."
            )
        if not numbers:
            return
        self._check_memory(worker)
        turn = uuid.uuid4().hex
        out, run = str(worker.job.out.absolute()), self._run_of(worker)
        waiting, running = deque(numbers), dict[Any, int]()
        chances = dict.fromkeys(numbers, _CHANCES)
        try:
            while waiting or running:
                if should_stop():
                    return
                while waiting and len(running) < self._room():
                    number = waiting.popleft()
                    chances[number] -= 1
                    call = Call(self._name, out, run, turn, stage, number)
                    key = f"{stage}-{number}-{uuid.uuid4().hex}"
                    running[self._client.submit(do, call, key=key, pure=False)] = number
                for future in self._done(list(running)):
                    number = running.pop(future)
                    if self._survived(future, chances[number]):
                        yield Step(number, 1.0)
                    else:
                        waiting.append(number)
        finally:
            if running:
                with suppress(CancelledError, OSError):
                    self._client.cancel(list(running), force=True)
            if running or stage == PREDICT:
                worker.notes += self._halt(turn)

    def _run_of(self, worker: Worker) -> str:
        """Return a name that is the same for all stages of one prediction."""
        if self._seen is None or self._seen[0]() is not worker:
            self._seen = weakref.ref(worker), uuid.uuid4().hex
        return self._seen[1]

    def _room(self) -> int:
        """Return how many calls may be under way at once."""
        if time.monotonic() - self._counted > _COUNT:
            found = set(self._client.ncores())
            if self.scheduler is not None and not found <= self._known:
                check_versions(self._client)
            self._known |= found
            self._processes, self._counted = len(found), time.monotonic()
        return _AHEAD * max(1, self._processes)

    def _done(self, futures: list[Any]) -> list[Any]:
        """Return those that are done, after a short time at the latest."""
        if not futures:
            time.sleep(_POLL)
            return []
        wait: Any = import_distributed().wait
        with self._client.as_current(), suppress(CancelledError, TimeoutError):
            wait(futures, timeout=_POLL, return_when="FIRST_COMPLETED")
        return [future for future in futures if future.status != "pending"]

    def _survived(self, future: Any, chances: int) -> bool:
        """Return whether a call was done, and not lost with its process."""
        from distributed.scheduler import KilledWorker

        if future.status in ("cancelled", "lost"):
            if self._client.status == "running" and chances:
                return False
            raise DeviceError(
                f"The Dask scheduler at {self.scheduler or 'this computer'} is gone; "
                "what is done is kept, and the same call goes on from there."
            )
        error = future.exception()
        if isinstance(error, KilledWorker):
            if chances:
                return False
            raise DeviceError(
                "Process after process died over the same part of the image, as a rule "
                "for want of memory; take fewer workers or a smaller tile. What is "
                "done is kept, and the same call goes on from there."
            )
        if isinstance(error, StudioError):
            raise error.with_traceback(None)
        if error is not None:
            raise error
        return True

    def _check_memory(self, worker: Worker) -> None:
        """Raise a DeviceError if tiles do not fit into a process of this computer."""
        config, card = worker.job.config, worker.model.card
        if self.workers is None or config.device != "cpu":
            return
        spec = card.spec
        shape = worker.job.store.layout.shape[-spec.ndim :]
        plan = plan_tiles(shape, spec, config.tile**spec.ndim)
        tile = largest_tile(spec, plan, cuts(config)).held
        needed, limit = _BESIDE + tile, memory_of_each(self.workers)
        if needed > limit:
            most = max(1, self.workers * limit // int(needed))
            raise DeviceError(
                f"Each of {self.workers} workers may use {limit / 1e9:.1f} GB of "
                f"memory, but needs {needed / 1e9:.1f} GB with tiles of {config.tile} "
                f"pixels; take {most} worker{'s' * (most > 1)}, or a smaller tile."
            )

    def _halt(self, turn: str) -> list[str]:
        """Stop what runs of a stage, and return what the networks had to say."""
        from napari_unet_studio.distributed.hands import halt

        with suppress(CancelledError, OSError):
            found = self._client.run(halt, self._name, turn, on_error="ignore")
            return list(
                dict.fromkeys(note for notes in found.values() for note in notes)
            )
        return []

    def _unregister(self, client: Any) -> None:
        with suppress(CancelledError, OSError):
            client.unregister_worker_plugin(self._name)
