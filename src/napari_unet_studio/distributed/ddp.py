"""Several processes that train one network, started by ``torchrun``."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from napari_unet_studio.core.errors import DeviceError
from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.tasks.device import choose_device
from napari_unet_studio.tasks.training.judging import Judge

# A process may wait for another one's validation, or for a slow disk.
_PATIENCE = timedelta(hours=4)


def in_torchrun() -> bool:
    """Return whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def local_device(device: str) -> str:
    """Return the device of this process, of which each has one of its own.

    Raises
    ------
    DeviceError
        If there are more processes on this host than it has GPUs.
    """
    device = choose_device(device)
    if not device.startswith("cuda"):
        return device
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise DeviceError(
            f"This host has {count} GPU{'s' * (count != 1)}, too few for process "
            f"{number + 1}; start torchrun with --nproc-per-node {count}."
        )
    return f"cuda:{number}"


class Torchrun:
    """The processes of ``torchrun``, as a :class:`.Team`.

    Notes
    -----
    Gradients are shared by DistributedDataParallel: over NCCL between GPUs, over Gloo
    between processors. All else is a few numbers, and goes over Gloo, so that no GPU is
    waited for. On GPUs batch normalisation sees the patches of all processes
    (SyncBatchNorm); torch has none for processors, where each process has its own.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._few = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def device(self, choice: str) -> str:
        """Return the device of this process."""
        return local_device(choice)

    def joined(self, network: Network, device: str) -> nn.Module:
        """Return the network with shared gradients."""
        if not device.startswith("cuda"):
            return DistributedDataParallel(network)
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network, [torch.device(device)])

    def whole(self, tensor: Tensor) -> Tensor:
        """Return (N, ...) of all processes, in order; its own part keeps gradients."""
        plain = tensor.detach().contiguous()
        found = [torch.empty_like(plain) for _ in range(self.size)]
        dist.all_gather(found, plain)
        found[self.rank] = tensor
        return torch.cat(found)

    def agreed(self, flag: bool) -> bool:
        """Return whether any process says so."""
        value = torch.tensor(int(flag))
        dist.all_reduce(value, dist.ReduceOp.MAX, self._few)
        return bool(value)

    def same(self, value: float) -> float:
        """Return the value that process 0 has."""
        found = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(found, 0, self._few)
        return float(found)

    def align(self, network: Network) -> None:
        """Give a network's running statistics those of process 0."""
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)

    def merged(self, judges: Sequence[Judge]) -> list[Judge]:
        """Return judges that have seen the frames of all processes."""
        found: list[list[Judge]] = [[] for _ in range(self.size)]
        dist.all_gather_object(found, list(judges), self._few)
        merged = found[0]
        for others in found[1:]:
            merged = [a + b for a, b in zip(merged, others, strict=True)]
        return merged


@contextmanager
def torchrun(choice: str) -> Iterator[Torchrun]:
    """Join the processes of ``torchrun``, and part at the end.

    Parameters
    ----------
    choice
        The device of the configuration.
    """
    device = local_device(choice)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", timeout=_PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Torchrun()
    finally:
        dist.destroy_process_group()
