"""Networks on an NVIDIA GPU: copies beside computing, recorded kernels."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.device import empty_cache, forget, is_out_of_memory
from napari_unet_studio.tasks.executors import Pending, TorchExecutor

# Batches of a kind before its kernels are recorded, and kinds that are: one for each
# place of a tile in a plane. Each recording keeps its answer.
_OFTEN, _MOST_RECORDED = 2, 9


class CudaExecutor(TorchExecutor):
    """Computes on an NVIDIA GPU while the next batch is read and the last one written.

    Windows travel through pinned memory in a stream of their own. The kernels of a
    kind of batch that comes again are recorded once and replayed (a CUDA graph), so
    that small tiles do not wait for Python.

    Parameters
    ----------
    model, device, precision, fast
        As above.
    """

    ahead = 2

    def __init__(
        self, model: Model, device: str, precision: str, fast: bool = False
    ) -> None:
        super().__init__(model, device, precision, fast)
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # The weights may still be on their way.
        self._stream.wait_stream(torch.cuda.current_stream(device))
        # Batches come one after the other: their recordings share their memory.
        self._pool: Any = torch.cuda.graph_pool_handle()
        self._graphs: dict[str, _Recorded] = {}
        self._given: dict[tuple[int, ...], Tensor] = {}
        self._seen: Counter[str] = Counter()
        self._record = not fast  # compiled networks bring their own

    def submit(self, blocks: NDArray[np.float32], crops: Sequence[Region]) -> Pending:
        """Begin with a batch; see :class:`Executor`."""
        given = torch.from_numpy(blocks).pin_memory()
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            found = self._answers(given.to(self.device, non_blocking=True), crops)
            hosts = [torch.empty(f.shape, pin_memory=True) for f in found]
            for host, answer in zip(hosts, found, strict=True):
                host.copy_(answer, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._stream)

        def wait() -> list[NDArray[np.float32]]:
            done.synchronize()
            return [host.numpy() for host in hosts]

        return wait

    def close(self) -> None:
        """Let go of the network, its recordings and their memory."""
        self._stream.synchronize()
        self._graphs.clear()
        self._given.clear()
        super().close()

    def _logits(self, blocks: Tensor, part: Region) -> Tensor:
        # Kernels depend on the part that is wanted, too: tiles at a border want more.
        key = f"{tuple(blocks.shape)} {part}"
        if not self._record:
            return super()._logits(blocks, part)
        self._seen[key] += 1
        # The first batches of a kind run as they are, in case few others follow.
        often = self._seen[key] > _OFTEN and len(self._graphs) < _MOST_RECORDED
        replay = key in self._graphs or often
        try:
            if replay:
                return self._replayed(key, blocks, part)
            return super()._logits(blocks, part)
        except RuntimeError as error:
            if not (replay or (is_out_of_memory(error) and self._graphs)):
                raise
            forget(error)
        # Recordings hold memory, and not everything can be recorded: go on without.
        self._record = False
        self._stream.synchronize()
        self._graphs.clear()
        self._given.clear()
        empty_cache(self.device)
        return super()._logits(blocks, part)

    def _replayed(self, key: str, blocks: Tensor, part: Region) -> Tensor:
        recorded = self._graphs.get(key)
        if recorded is None:
            # Batches of one shape wait in one place, whatever is wanted of them.
            given = self._given.setdefault(tuple(blocks.shape), blocks.clone())
            compute = partial(super()._logits, part=part)
            recorded = self._graphs[key] = _Recorded(compute, given, self._pool)
        return recorded(blocks)


class _Recorded:
    """The kernels of one kind of batch, recorded to be replayed on what is given."""

    def __init__(
        self, compute: Callable[[Tensor], Tensor], given: Tensor, pool: Any
    ) -> None:
        self._given = given
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.current_stream().synchronize()
        with torch.cuda.graph(
            self._graph,
            pool=pool,
            stream=torch.cuda.current_stream(),
            capture_error_mode="thread_local",  # others may use the GPU meanwhile
        ):
            self._found = compute(self._given)

    def __call__(self, blocks: Tensor) -> Tensor:
        self._given.copy_(blocks)
        self._graph.replay()
        return self._found
