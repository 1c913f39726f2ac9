"""A network over one frame, tile by tile, in as much memory as there is."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import DeviceError, InputError
from napari_unet_studio.core.geometry import Tile, TilePlan, plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.device import empty_cache, forget, is_out_of_memory
from napari_unet_studio.tasks.executors import Executor, Pending
from napari_unet_studio.tasks.reading import Windows
from napari_unet_studio.tasks.seams import Seams, meet


class TileRunner:
    """Covers regions of frames with tiles; a context manager that lets go at the end.

    Parameters
    ----------
    spec
        The network.
    channels
        Probabilities per pixel, C'.
    make
        Makes the executor for a device: the one given, "cpu" where its memory does not
        suffice for the smallest tile.
    device
        Where to compute.
    cap
        Largest number of pixels of a tile.
    batch
        Tiles at once.
    margin
        See :func:`.plan_tiles`.

    Attributes
    ----------
    cap, batch, device
        What is used now: less where memory ran out.
    notes
        Sentences for the user about what happened.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        channels: int,
        make: Callable[[str], Executor],
        device: str,
        cap: int,
        batch: int = 1,
        margin: Shape | None = None,
    ) -> None:
        self.spec, self.channels, self.margin = spec, channels, margin
        self.device, self.cap, self.batch = device, cap, batch
        self.notes: list[str] = []
        self._make = make
        self._reduced = False
        self._executor: Executor | None = make(device)
        self._seams = Seams()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
        if self._seams.found:
            self.notes.append(self._seams.sentence())

    def _release(self) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    @property
    def executor(self) -> Executor:
        """What computes now."""
        assert self._executor is not None, "the runner was left"
        return self._executor

    def plan(self, shape: Shape, region: Region | None = None) -> TilePlan:
        """Return the tiles that cover a region of a frame."""
        return plan_tiles(shape, self.spec, self.cap, region, self.margin)

    def fill(
        self,
        result: NDArray[np.float32],
        windows: Windows,
        region: Region | None = None,
        first: Region | None = None,
    ) -> Iterator[tuple[int, int]]:
        """Write the probabilities of a region of a frame, tile by tile.

        Parameters
        ----------
        result
            Array (C', *region) to write to.
        windows
            The frame.
        region
            The pixels wanted; all by default.
        first
            Pixels whose tiles come first.

        Yields
        ------
        tuple of int
            Tiles begun and tiles in all, before each batch.

        Raises
        ------
        InputError
            If the frame, or the network's answer, is not finite.
        DeviceError
            If the memory is too small for even the smallest tile.
        """
        plan = self.plan(windows.shape, region)
        tiles = sorted(plan, key=lambda tile: not meet(tile.core, first))
        batches = [tiles[i : i + self.batch] for i in range(0, len(tiles), self.batch)]
        origin = tuple(part.start for part in plan.region)
        if plan.blended:
            result[:] = 0
        self._seams.watch(plan)
        waiting: deque[tuple[Sequence[Tile], NDArray[np.float32], Pending]] = deque()

        def put() -> None:
            batch, blocks, pending = waiting.popleft()
            for tile, answer in self._answers(batch, blocks, pending, windows):
                self._seams.compare(tile, answer)
                tile.add(result, answer, origin)

        begun = 0
        for batch, blocks in windows.ahead(batches):
            yield begun, len(tiles)
            begun += len(batch)
            pending = self._begin(batch, blocks, windows)
            waiting.append((batch, blocks, pending))
            while len(waiting) > self.executor.ahead:
                put()
        while waiting:
            put()

    def _begin(
        self, batch: Sequence[Tile], blocks: NDArray[np.float32], windows: Windows
    ) -> Pending:
        """Submit a batch; what goes wrong is raised when its answer is asked for."""
        if self._reduced and self._divides(batch[0], blocks.shape[2:], windows):
            return _failing(MemoryError("a tile of this size did not fit before"))
        try:
            return self.executor.submit(blocks, [tile.crop for tile in batch])
        except (RuntimeError, MemoryError) as error:
            return _failing(error)

    def _answers(
        self,
        batch: Sequence[Tile],
        blocks: NDArray[np.float32],
        pending: Pending,
        windows: Windows,
    ) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """Yield the answer (C', *core) of each tile, however little memory there is."""
        try:
            answers = pending()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            forget(error)  # or the tensors of the failed attempt could not be freed
        else:
            for tile, block, answer in zip(batch, blocks, answers, strict=True):
                _check(answer, block)
                yield tile, answer
            return
        empty_cache(self.device)
        if len(batch) > 1:
            self._step_down_batch(len(batch))
            size = self.batch  # which may shrink on the way
            for i in range(0, len(batch), size):
                part, some = batch[i : i + size], blocks[i : i + size]
                begun = self._begin(part, some, windows)
                yield from self._answers(part, some, begun, windows)
            return
        (tile,) = batch
        yield tile, self._in_parts(tile, blocks.shape[2:], windows)

    def _step_down_batch(self, size: int) -> None:
        if size <= self.batch:
            self.batch = size // 2
            self.notes.append(
                f"Memory ran out: {size} tiles at once became {self.batch}."
            )

    def _in_parts(
        self, tile: Tile, window: Shape, windows: Windows
    ) -> NDArray[np.float32]:
        """Return the answer of a tile by smaller ones, or by the processor."""
        self._step_down(tile, window, windows)
        plan = self.plan(windows.shape, tile.core)
        sizes = [part.stop - part.start for part in tile.core]
        result = np.zeros((self.channels, *sizes), np.float32)
        origin = tuple(part.start for part in tile.core)
        for part in plan:
            block = windows.read([part])
            pending = self._begin([part], block, windows)
            for small, answer in self._answers([part], block, pending, windows):
                small.add(result, answer, origin)
        return result

    def _divides(self, tile: Tile, window: Shape, windows: Windows) -> bool:
        """Return whether the cap is below a window, and smaller ones are to be had.

        The smallest possible window may exceed the cap.
        """
        if self.cap >= prod(window):
            return False
        return prod(self.plan(windows.shape, tile.core).window) < prod(window)

    def _step_down(self, tile: Tile, window: Shape, windows: Windows) -> None:
        """Make tiles smaller than `window`, or go to the processor."""
        if self._divides(tile, window, windows):
            return  # already, for an earlier tile
        half = prod(window) // 2
        smaller = plan_tiles(windows.shape, self.spec, half, tile.core, self.margin)
        if prod(smaller.window) < prod(window):
            self.cap, self._reduced = prod(smaller.window), True
            self.notes.append(
                f"Memory ran out: tiles reduced from {sides(window)} to "
                f"{sides(smaller.window)} pixels."
            )
            return
        if self.device == "cpu":
            raise DeviceError(
                f"The memory of cpu does not suffice for a tile of {sides(window)} "
                "pixels, the smallest possible. Choose a smaller network."
            )
        self.notes.append(
            f"Memory ran out: {self.device} cannot hold a tile of {sides(window)} "
            "pixels, the smallest possible; the rest was computed on cpu."
        )
        self._release()
        empty_cache(self.device)
        self.device = "cpu"
        self._executor = self._make("cpu")


def _failing(error: BaseException) -> Pending:
    def fail() -> list[NDArray[np.float32]]:
        raise error

    return fail


def _check(answer: NDArray[np.float32], block: NDArray[np.float32]) -> None:
    if not np.isfinite(answer).all():
        raise InputError(
            "The network's answer is not a number: grey values reach "
            f"{np.abs(block).max():g} times the image's usual range. Clip such values, "
            "for example with numpy.clip."
        )


def sides(window: Sequence[int]) -> str:
    """Return the lengths of a window for people."""
    return " x ".join(map(str, window))
