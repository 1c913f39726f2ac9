"""Networks on CPUs through OpenVINO, in float32, bfloat16 or 8-bit integers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import ConfigError, DeviceError, StudioError
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.io.kept import keep, kept
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.agreement import (
    MOST_FLIPS,
    MOST_FOREGROUND_FLIPS,
    Agreement,
)
from napari_unet_studio.tasks.executors import Pending, probabilities_of
from napari_unet_studio.tasks.openvino_model import (
    convert,
    explained,
    import_nncf,
    import_openvino,
    key_of,
    quantise,
)

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network

Block = NDArray[np.float32]

_KEPT = "network.xml"
# Each compiled window keeps its own weights and workspace: one in use, one before it.
_MOST_WINDOWS = 2
# One calibration block in four measures what the others have set.
_HELD_BACK = 4


class InaccurateError(ConfigError):
    """Quantisation changes the answer too much: compute in float32 instead."""


class OpenVinoExecutor:
    """Runs batches of windows on the CPU.

    Parameters
    ----------
    network
        In eval mode and on the CPU. Its weights are shared, not copied.
    card
        Says what its logits mean.
    precision
        Of the convolutions. Which one is fastest depends on the CPU.
    calibration
        For "int8": at least two normalised blocks (C, *window) of one shape, like those
        that will come. Three in four set the ranges of the integers, the others are
        held back and measure what rounding does to the answer. Integers are kept in the
        user's cache, and taken for later images too where that measurement allows it.

    Attributes
    ----------
    check
        For "int8": a sentence for the user with the measured differences from float32;
        else empty.

    Raises
    ------
    ConfigError
        If a library is missing, OpenVINO cannot take the network, or the calibration
        does not suffice.
    InaccurateError
        If integers change the answer too much; see :attr:`.Agreement.good`.
    DeviceError
        If memory runs out.

    Notes
    -----
    Operations are fused and laid out by OpenVINO. Threads are as many as torch's, and
    are not bound to cores, so that several processes can share a machine.
    """

    ahead = 1

    def __init__(
        self,
        network: "Network",
        card: ModelCard,
        precision: Literal["float32", "bfloat16", "int8"],
        calibration: Sequence[Block] = (),
    ) -> None:
        self.check = ""
        self._card, self._spec = card, network.spec
        self._hint = "bf16" if precision == "bfloat16" else "f32"
        openvino = import_openvino()
        self._core = openvino.Core()
        self._compiled: dict[Shape, Any] = {}
        self._model: Any = None
        if precision == "int8":
            self._quantise(openvino, network, calibration)
            return
        with explained(f"this {network.spec.family} network"):
            self._model = convert(openvino, network)

    def submit(self, blocks: NDArray[np.float32], crops: Sequence[Region]) -> Pending:
        """Start a batch and return the function that waits for its answers.

        Parameters
        ----------
        blocks
            Normalised windows (N, C, *window) of a size on the network's grid, see
            :meth:`.NetworkSpec.input_shape`. They are copied.
        crops
            For each block the part of the network's output to keep.

        Returns
        -------
        callable
            It waits and returns the probabilities (C', *core) of each block, as
            :func:`.probabilities_of` defines them.

        Raises
        ------
        ConfigError
            If the window is off the grid or OpenVINO cannot compile the network for it.
        DeviceError
            If memory runs out, here or in the function returned.
        """
        assert self._model is not None, "the executor was closed"
        window: Shape = blocks.shape[2:]
        _check_grid(window, self._spec)
        with self._explained(window):
            compiled = self._compile(window)
            requests = [compiled.create_infer_request() for _ in blocks]
            for request, block in zip(requests, blocks, strict=True):
                request.start_async({0: np.ascontiguousarray(block[None])})

        def wait() -> list[NDArray[np.float32]]:
            with self._explained(window):
                for request in requests:
                    request.wait()
            return [
                self._answer(request, crop)
                for request, crop in zip(requests, crops, strict=True)
            ]

        return wait

    def close(self) -> None:
        """Let go of the network and its memory; nothing can be submitted any more."""
        self._compiled.clear()
        self._model = None

    def _answer(self, request: Any, crop: Region) -> NDArray[np.float32]:
        logits = torch.from_numpy(request.get_output_tensor(0).data)[0]
        found = probabilities_of(logits[:, *crop], self._card)
        return np.ascontiguousarray(found.numpy())

    def _compile(self, window: Shape) -> Any:
        """Return the network compiled for a window, kept from the last time if new."""
        found = self._compiled.pop(window, None)
        if found is None:
            while len(self._compiled) >= _MOST_WINDOWS:
                del self._compiled[next(iter(self._compiled))]
            self._model.reshape([1, self._spec.in_channels, *window])
            settings = {
                "INFERENCE_PRECISION_HINT": self._hint,
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
            }
            found = self._core.compile_model(self._model, "CPU", settings)
        self._compiled[window] = found  # the last one used is the last to go
        return found

    @contextmanager
    def _explained(self, window: Shape) -> Iterator[None]:
        """Turn OpenVINO's errors into ours, and free memory where it ran out."""
        sides = " x ".join(map(str, window))
        try:
            with explained(f"this {self._spec.family} network on {sides} pixels"):
                yield
        except DeviceError:
            self._compiled.clear()
            raise

    def _quantise(
        self, openvino: Any, network: "Network", calibration: Sequence[Block]
    ) -> None:
        """Take the network in integers, if it answers nearly the same on these blocks.

        Its ranges were set by an earlier image, or are set by these blocks if that does
        not do.
        """
        key = f"int8-{key_of(network, openvino.__version__)}"
        folder = kept(key)
        nncf = None if folder else import_nncf()
        shared, held = _divided(calibration)
        exact = _exact(network, self._card, held)
        if folder is not None:
            with suppress(StudioError):  # a damaged file is made anew
                with explained("what was kept of this network"):
                    self._model = self._core.read_model(folder / _KEPT)
                found = self._agreement(held, exact)
                if found.good:
                    ranges = " Its ranges were set by an image before."
                    self.check = _checked(found, held) + ranges
                    return
            nncf = import_nncf()
            self._compiled.clear()
        window: Shape = held.shape[2:]
        with self._explained(window):
            self._model = convert(openvino, network)
            self._model.reshape([1, self._spec.in_channels, *window])
            self._model = quantise(nncf, self._model, shared)
        found = self._agreement(held, exact)
        if not found.good:
            raise InaccurateError(
                f"In int8 {found}, measured on {_count(held)}, where at most "
                f"{100 * MOST_FLIPS:g} % ({100 * MOST_FOREGROUND_FLIPS:g} %) may; "
                "choose the precision float32."
            )
        self.check = _checked(found, held)
        model = self._model

        def write(folder: Path) -> None:
            try:
                openvino.save_model(model, folder / _KEPT, compress_to_fp16=False)
            except RuntimeError as error:
                raise OSError(str(error)) from error

        keep(key, write)

    def _agreement(self, held: Block, exact: Block) -> Agreement:
        """Return how near the answers for some blocks are to the exact ones."""
        whole = (slice(None),) * (held.ndim - 2)
        quick = [self.submit(block[None], [whole])()[0] for block in held]
        return Agreement.between(exact, np.stack(quick, axis=1), self._card.threshold)


@torch.inference_mode()
def _exact(network: "Network", card: ModelCard, blocks: Block) -> Block:
    """Return the probabilities (C', B, *S) of blocks in float32, by torch."""
    found = []
    for block in blocks:
        logits = cast("torch.Tensor", network(torch.from_numpy(block[None])))
        found.append(probabilities_of(logits[0], card).numpy())
    return np.stack(found, axis=1)


def _checked(found: Agreement, held: Block) -> str:
    return f"In int8 {found}, measured against float32 on {_count(held)}."


def _count(held: Block) -> str:
    return f"{len(held)} block{'s' * (len(held) > 1)}"


def _divided(
    calibration: Sequence[Block],
) -> tuple[Block, Block]:
    """Return the blocks that set the ranges and those held back, each (B, C, *S)."""
    shapes = {block.shape for block in calibration}
    if len(calibration) < 2 or len(shapes) > 1:
        raise ConfigError(
            "The precision int8 needs at least two blocks of one size for its "
            f"calibration, not {len(calibration)} of {len(shapes)} sizes; choose "
            "smaller tiles or the precision float32."
        )
    blocks = np.stack(calibration)
    first = min(_HELD_BACK, len(blocks)) - 1
    held = np.zeros(len(blocks), bool)
    held[first::_HELD_BACK] = True
    return blocks[~held], blocks[held]


def _check_grid(window: Shape, spec: NetworkSpec) -> None:
    """Refuse windows that the network would mirror: reshaping cannot follow it."""
    best = spec.input_shape(spec.output_shape(window))
    if best != window:
        raise ConfigError(
            f"A window of {window} pixels is off the network's grid; use {best}."
        )
