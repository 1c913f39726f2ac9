"""Processes that train one network together; alone by default.

A training asks its team at the few places where several processes have to agree. Each
reads its own patches, and all take part in one loss over the batch of all, so that a
team of two with a batch of four learns what one process learns with a batch of eight.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from torch import Tensor, nn

from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.tasks.device import choose_device
from napari_unet_studio.tasks.training.judging import Judge

Value = TypeVar("Value")


class Team(Protocol):
    """What a training asks of the processes that share it."""

    @property
    def rank(self) -> int:
        """Number of this process; 0 writes the files."""
        ...

    @property
    def size(self) -> int:
        """Number of processes."""
        ...

    def device(self, choice: str) -> str:
        """Return the device of this process, as :func:`.choose_device` would."""
        ...

    def joined(self, network: Network, device: str) -> nn.Module:
        """Return what is called in place of the network, to share gradients."""
        ...

    def whole(self, tensor: Tensor) -> Tensor:
        """Return (N, ...) of all processes, in order; its own part keeps gradients."""
        ...

    def agreed(self, flag: bool) -> bool:
        """Return whether any process says so."""
        ...

    def same(self, value: float) -> float:
        """Return the value that process 0 has."""
        ...

    def align(self, network: Network) -> None:
        """Give a network's running statistics those of process 0."""
        ...

    def merged(self, judges: Sequence[Judge]) -> list[Judge]:
        """Return judges that have seen the frames of all processes."""
        ...


class Alone:
    """A single process."""

    rank = 0
    size = 1

    def device(self, choice: str) -> str:
        """Return the device that was chosen."""
        return choose_device(choice)

    def joined(self, network: Network, device: str) -> nn.Module:
        """Return the network."""
        return network

    def whole(self, tensor: Tensor) -> Tensor:
        """Return the tensor."""
        return tensor

    def agreed(self, flag: bool) -> bool:
        """Return the flag."""
        return flag

    def same(self, value: float) -> float:
        """Return the value."""
        return value

    def align(self, network: Network) -> None:
        """Leave the network as it is."""

    def merged(self, judges: Sequence[Judge]) -> list[Judge]:
        """Return the judges."""
        return list(judges)
