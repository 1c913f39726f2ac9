"""Update after update: patches are read ahead, and fewer at once if memory is short."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from torch import Tensor

from napari_unet_studio.core.errors import DeviceError, StudioError
from napari_unet_studio.tasks.ahead import ahead
from napari_unet_studio.tasks.device import empty_cache, forget, is_out_of_memory
from napari_unet_studio.tasks.memory import keeping_thread
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.patches import Batch, PatchSource, Windows
from napari_unet_studio.tasks.training.schedule import parts

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# Smallest sides that patches are halved to.
_LEAST = {2: 32, 3: 16}


class Steps:
    """Does the updates of a training, one by one.

    Parameters
    ----------
    learner
        The network.
    source
        Of the patches of all processes.
    batch
        Patches in one pass of this process.

    Attributes
    ----------
    source, batch
        What is used now: smaller ones where memory ran out. Fewer patches in a pass
        only mean more passes for an update; smaller patches are other ones.
    notes
        Sentences for the user about that.
    """

    def __init__(self, learner: Learner, source: PatchSource, batch: int) -> None:
        self.learner, self.source, self.batch = learner, source, batch
        self.notes: list[str] = []
        self.patches = source.batch // learner.team.size
        self._ahead: Iterator[tuple[tuple[int, slice], Windows]] | None = None
        self._next = -1
        self._thread: ThreadPoolExecutor | None = None

    def begin(self) -> None:
        """Make ready; within :func:`.kept_buffers`."""
        if self.learner.device == "cpu":
            self._thread = keeping_thread()

    def close(self) -> None:
        """Stop reading, and let go of the thread."""
        self._stop_reading()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def advance(self, step: int, rate: float) -> Tensor:
        """Do the update after `step` others and return its loss, on the device.

        Raises
        ------
        DeviceError
            If the memory does not suffice for the smallest patch.
        """
        if step != self._next:
            self._stop_reading()
        while True:
            try:
                loss = self._update(step, rate)
                self._next = step + 1
                return loss
            except (RuntimeError, MemoryError) as error:
                if isinstance(error, StudioError) or not is_out_of_memory(error):
                    raise
                # Of several processes, the others wait for this one as it was.
                if self.learner.team.size > 1 or not self._can_take_less():
                    raise self._too_little() from error
                forget(error)
            self._take_less()

    def _update(self, step: int, rate: float) -> Tensor:
        update, batches = self.learner.update, self._batches(step)
        # No closure: an error kept by somebody would keep the network through it.
        if self._thread is None:
            return update(step, rate, batches, self.patches)
        return self._thread.submit(update, step, rate, batches, self.patches).result()

    def _batches(self, step: int) -> Iterator[Batch]:
        if self._ahead is None:
            self._ahead = ahead(self._read, self._arguments(step))
        for _ in parts(self.patches, self.batch):
            _, windows = next(self._ahead)
            yield self.source.finish(windows, self.learner.device)

    def _arguments(self, first: int) -> Iterator[tuple[int, slice]]:
        """Yield which patches come next, without an end.

        Those of all processes in one pass are neighbours, as they are for one process
        with larger passes.
        """
        team = self.learner.team
        for step in count(first):
            for part in parts(self.patches, self.batch):
                number = part.stop - part.start
                start = part.start * team.size + number * team.rank
                yield step, slice(start, start + number)

    def _read(self, argument: tuple[int, slice]) -> Windows:
        return self.source.read(*argument)

    def _stop_reading(self) -> None:
        if self._ahead is not None:
            self._ahead.close()  # type: ignore[attr-defined]
            self._ahead = None

    # -- too little memory ------------------------------------------------------------

    def _can_take_less(self) -> bool:
        return self.batch > 1 or self._smaller() is not None

    def _take_less(self) -> None:
        """Use fewer patches at once; where it is one already, a smaller one."""
        self._stop_reading()
        self.learner.recover()
        empty_cache(self.learner.device)
        device = self.learner.device
        if self.batch > 1:
            self.batch = -(-self.batch // 2)
            self.notes.append(
                f"The memory of {device} did not suffice: {self.batch} "
                f"patch{'es' * (self.batch > 1)} at once, and gradients averaged."
            )
            return
        self.source = self._smaller() or self.source
        shape = " x ".join(map(str, self.source.output_shape))
        self.notes.append(
            f"The memory of {device} did not suffice for one patch: patches of {shape} "
            "pixels were taken."
        )

    def _smaller(self) -> PatchSource | None:
        """Return a source of patches of half the side, None if there are none."""
        source, before = self.source, self.source.input_shape
        patch = min(source.patch, max(source.output_shape))
        while patch > _LEAST[source.spec.ndim]:
            patch = max(_LEAST[source.spec.ndim], patch // 2)
            smaller = replace(source, patch=patch)
            if smaller.input_shape != before:
                return smaller
        return None

    def _too_little(self) -> DeviceError:
        shape = " x ".join(map(str, self.source.input_shape))
        return DeviceError(
            f"The memory of {self.learner.device} does not suffice for {self.batch} "
            f"patch{'es' * (self.batch > 1)} of {shape} pixels. Choose a smaller "
            "batch, patch or network."
        )
