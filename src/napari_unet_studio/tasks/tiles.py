"""The network on its device, over one frame tile by tile."""

import copy
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_unet_studio.core.errors import DeviceError, InputError
from napari_unet_studio.core.geometry import (
    Tile,
    TilePlan,
    plan_tiles,
    read_mirrored,
)
from napari_unet_studio.core.intensity import Normalisation, check_finite
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import (
    autocast,
    empty_cache,
    enough_memory,
    forget,
    is_out_of_memory,
    memory_format,
)

# Side of a tile by device and number of axes: on CPUs larger ones are not faster.
_TILE = {("cpu", 2): 512, ("cpu", 3): 128, ("gpu", 2): 1536, ("gpu", 3): 192}


class TileRunner:
    """Runs a copy of a model's network; a context manager that lets go of it.

    Parameters
    ----------
    model
        It may be in use elsewhere, and stays where and as it is.
    device, precision
        As in :class:`.PredictConfig`, the device chosen.

    Attributes
    ----------
    cap
        Largest number of pixels of a tile; halved where memory runs out.
    pixel, constant
        The first pixel read, (C, 1, ...), and whether all others were equal to it.
    notes
        Sentences for the user about what happened.
    """

    def __init__(self, model: Model, device: str, precision: str) -> None:
        self.card = model.card
        self.device, self.precision = device, precision
        self.cap = default_cap(device, model.card.spec.ndim)
        self.pixel: NDArray[Any] | None = None
        self.constant = True
        self.notes: list[str] = []
        self._layout = memory_format(device, model.card.spec.ndim)
        with enough_memory(
            f"The memory of {device} does not suffice for the weights of "
            f"{model.name!r}. Choose the device cpu or a smaller network."
        ):
            network = copy.deepcopy(model.network).eval()
            network.to(device=device, memory_format=self._layout)  # type: ignore[call-overload]
        self._network: nn.Module | None = network

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._network = None

    def fill(
        self,
        result: NDArray[np.float32],
        frame: Any,
        offset: NDArray[np.floating],
        scale: NDArray[np.floating],
    ) -> Iterator[tuple[int, int]]:
        """Write the probabilities of a frame, tile by tile.

        Parameters
        ----------
        result
            Array (C', *S) to write to, with :func:`output_channels`.
        frame
            Grey values (C, *S); numpy or lazy.
        offset, scale
            Normalisation of each channel.

        Yields
        ------
        tuple of int
            Tiles done and tiles in all, before each tile. The count begins anew with
            smaller tiles where memory runs out.

        Raises
        ------
        InputError
            If the frame, or the network's answer, is not finite.
        DeviceError
            If the memory is too small for even the smallest tile.
        """
        shape = result.shape[1:]
        done = False
        while not done:
            plan = plan_tiles(shape, self.card.spec, self.cap)
            try:
                for number, tile in enumerate(plan):
                    yield number, len(plan)
                    block = read_mirrored(frame, tile.read)
                    check_finite(block)
                    self._compare(block)
                    block = Normalisation.apply(block, offset, scale)
                    result[:, *tile.core] = self(block, tile)
                done = True
                self._tell_of_seams(len(plan))
            except (RuntimeError, MemoryError) as error:
                self._shrink(plan, shape, error)

    def _tell_of_seams(self, tiles: int) -> None:
        note = (
            "The network looks at a whole tile at once, so probabilities may differ a "
            "little between tiles."
        )
        if tiles > 1 and not self.card.spec.local and note not in self.notes:
            self.notes.append(note)

    def _compare(self, block: NDArray[Any]) -> None:
        if self.pixel is None:
            self.pixel = block[:, *(slice(0, 1),) * (block.ndim - 1)].copy()
        self.constant = self.constant and bool((block == self.pixel).all())

    @torch.inference_mode()
    def __call__(self, block: NDArray[np.float32], tile: Tile) -> NDArray[np.float32]:
        """Return the probabilities (C', *core) of a normalised block (C, *read)."""
        assert self._network is not None, "the runner was left"
        x = torch.from_numpy(np.ascontiguousarray(block))[None].to(self.device)
        with autocast(self.device, self.precision):
            logits: Tensor = self._network(x.to(memory_format=self._layout))
        found = probabilities_of(logits[0][:, *tile.crop].float(), self.card)
        answer: NDArray[np.float32] = found.cpu().numpy()
        if not np.isfinite(answer).all():
            raise InputError(
                "The network's answer is not a number: grey values reach "
                f"{np.abs(block).max():g} times the image's usual range. Clip such "
                "values, for example with numpy.clip."
            )
        return answer

    def _shrink(
        self, plan: TilePlan, shape: Shape, error: RuntimeError | MemoryError
    ) -> None:
        """Halve the tiles after running out of memory, or raise."""
        if not is_out_of_memory(error):
            raise error
        forget(error)  # or the tensors of the failed attempt could not be freed
        empty_cache(self.device)
        self.cap = int(np.prod(plan.window)) // 2
        window = plan_tiles(shape, self.card.spec, self.cap).window
        if window == plan.window:
            raise DeviceError(
                f"The memory of {self.device} does not suffice for a tile of "
                f"{_sides(window)} pixels, the smallest possible. Choose the device "
                "cpu or a smaller network."
            ) from error
        self.notes.append(
            f"Memory ran out: tiles reduced from {_sides(plan.window)} to "
            f"{_sides(window)} pixels."
        )


def default_cap(device: str, ndim: int) -> int:
    """Return the pixels of a tile that suit a device."""
    return int(_TILE["cpu" if device == "cpu" else "gpu", ndim] ** ndim)


def output_channels(card: ModelCard) -> int:
    """Return C', the probabilities per pixel: 1 (foreground), or one per class."""
    return 1 if card.target == "objects" else card.spec.num_classes


def probabilities_of(logits: Tensor, card: ModelCard) -> Tensor:
    """Return probabilities (C', *S) of the logits (C, *S) of one image."""
    if card.spec.num_classes == 1:
        return torch.sigmoid(logits)
    probabilities = torch.softmax(logits, dim=0)
    return probabilities[1:2] if card.target == "objects" else probabilities


def _sides(window: Shape) -> str:
    return " x ".join(map(str, window))
