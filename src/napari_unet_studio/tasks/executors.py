"""Networks on their device: batches of windows in, probabilities out.

An executor is given a batch and returns a function that waits for its answer, so that
the next batch is read while a GPU computes this one.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.fusion import fuse_norms
from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import (
    autocast,
    empty_cache,
    enough_memory,
    memory_format,
)
from napari_unet_studio.tasks.memory import keeping_thread

Pending = Callable[[], list[NDArray[np.float32]]]
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class Executor(Protocol):
    """Computes probabilities of windows of one shape at a time."""

    @property
    def ahead(self) -> int:
        """Batches that may be under way while the next one is prepared."""
        ...

    def submit(self, blocks: NDArray[np.float32], crops: Sequence[Region]) -> Pending:
        """Begin with normalised windows (N, C, *window).

        Parameters
        ----------
        blocks
            The windows; they may change once this returns.
        crops
            The part of each output that is wanted: start and stop along each axis. The
            less of it, the less is computed.

        Returns
        -------
        callable
            Waits, and returns probabilities (C', *crop) for each window.
        """
        ...

    def close(self) -> None:
        """Let go of the network and its memory."""
        ...


def output_channels(card: ModelCard) -> int:
    """Return C', the probabilities per pixel: 1 (foreground), or one per class."""
    return 1 if card.target == "objects" else card.spec.num_classes


def probabilities_of(logits: Tensor, card: ModelCard) -> Tensor:
    """Return probabilities (C', *S) of the logits (C, *S) of one image."""
    if card.spec.num_classes == 1:
        return torch.sigmoid(logits)
    probabilities = torch.softmax(logits, dim=0)
    return probabilities[1:2] if card.target == "objects" else probabilities


def inference_layout(device: str, ndim: int) -> torch.memory_format:
    """Return the layout in which networks answer fastest.

    On processors that is channels last in 3D, too; training keeps to
    :func:`.memory_format`.
    """
    if device == "cpu" and ndim == 3:
        return torch.channels_last_3d
    return memory_format(device, ndim)


def prepared(model: Model, device: str, precision: str, fast: bool) -> nn.Module:
    """Return a copy of a model's network, ready to answer on a device.

    Parameters
    ----------
    model
        It may be in use elsewhere, and stays where and as it is.
    device, precision
        Where, and the type of weights and activations.
    fast
        Let torch compile it.
    """
    with enough_memory(
        f"The memory of {device} does not suffice for the weights of {model.name!r}. "
        "Choose the device cpu or a smaller network."
    ):
        network: nn.Module = copy.deepcopy(model.network).eval().requires_grad_(False)
        if isinstance(network, Network):
            fuse_norms(network)
        layout = inference_layout(device, model.card.spec.ndim)
        network.to(device=device, dtype=DTYPES[precision], memory_format=layout)  # type: ignore[call-overload]
        if fast:
            network.compile(dynamic=False)
        return network


def _covered(crops: Sequence[Region]) -> tuple[Region, list[Region]]:
    """Return the smallest part that contains all crops, and the crops within it."""
    sides = list(zip(*crops, strict=True))
    low = [min(side.start for side in axis) for axis in sides]
    high = [max(side.stop for side in axis) for axis in sides]
    inner = [
        tuple(slice(s.start - at, s.stop - at) for s, at in zip(crop, low, strict=True))
        for crop in crops
    ]
    return tuple(map(slice, low, high)), inner


class TorchExecutor:
    """Computes with torch, each batch when it is submitted.

    Parameters
    ----------
    model
        Whose network answers.
    device, precision, fast
        See :func:`prepared`.
    """

    ahead = 0

    def __init__(
        self, model: Model, device: str, precision: str, fast: bool = False
    ) -> None:
        self.card = model.card
        self.device, self.precision = device, precision
        self._fast = fast
        self._layout = inference_layout(device, model.card.spec.ndim)
        self._network: nn.Module | None = prepared(model, device, precision, fast)
        self._thread = keeping_thread() if device == "cpu" else None

    def submit(self, blocks: NDArray[np.float32], crops: Sequence[Region]) -> Pending:
        """Compute a batch; see :class:`Executor`."""
        given = torch.from_numpy(blocks).to(self.device)
        if self._thread is None:
            found = self._answers(given, crops)
        else:
            found = self._thread.submit(self._answers, given, crops).result()
        answers = [answer.cpu().numpy() for answer in found]
        return lambda: answers

    def close(self) -> None:
        """Let go of the network."""
        self._network = None
        if self._thread is not None:
            self._thread.shutdown()
        empty_cache(self.device)

    @torch.inference_mode()
    def _answers(self, blocks: Tensor, crops: Sequence[Region]) -> list[Tensor]:
        part, crops = _covered(crops)
        logits = self._logits(blocks, part)
        return [
            probabilities_of(each[:, *crop].float(), self.card)
            for each, crop in zip(logits, crops, strict=True)
        ]

    def _logits(self, blocks: Tensor, part: Region) -> Tensor:
        assert self._network is not None, "the executor was closed"
        x = blocks.to(dtype=DTYPES[self.precision], memory_format=self._layout)
        with self._exact():
            if not self._fast:
                return self._network(x, part=part)  # type: ignore[no-any-return]
            # Compiled for each part anew, it would hardly ever be done.
            logits: Tensor = self._network(x)
            return logits[:, :, *part]

    def _exact(self) -> AbstractContextManager[Any]:
        if self.precision == "float32":
            return autocast(self.device, "float32")
        return nullcontext()
