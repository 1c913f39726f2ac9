"""What an exported network answers, beside what ours does."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.architecture import architecture_source
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.bioimageio_write import ONNX, SCRIPT, STATE
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.onnx_file import OnnxRunner
from napari_unet_studio.io.state_tensors import read_tensors
from napari_unet_studio.io.torchscript_file import network_from_text, read_torchscript

# The largest difference that an exported network may have.
TOLERANCE = 1e-4

Compared = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class ExportError(StudioError, ArithmeticError):
    """An exported network computes something else than ours."""


def answer_of(
    own: Model, tile: NDArray[np.float32], probabilities: bool
) -> NDArray[np.float32]:
    """Return what our network answers to images (N, C, *S): (N, K, *S')."""
    with torch.inference_mode():
        logits: Tensor = own.network(torch.from_numpy(tile))
        if probabilities:
            single = logits.shape[1] == 1
            logits = logits.sigmoid() if single else logits.softmax(dim=1)
    return logits.numpy()


def runner(spec: NetworkSpec, name: str, data: bytes) -> Compared | None:
    """Return what computes with a file, or None if it holds no weights."""
    if name == ONNX:
        return OnnxRunner(data)
    if name == SCRIPT:
        script = read_torchscript(data)
        return lambda tile: script(torch.from_numpy(tile)).numpy()
    if name == STATE:
        source = architecture_source(spec)
        network = network_from_text(source)
        network.load_state_dict(read_tensors(data, "the state dict"))
        network.eval().requires_grad_(False)
        return lambda tile: network(torch.from_numpy(tile)).numpy()
    return None


def difference_of(
    expected: NDArray[np.float32], found: NDArray[np.float32], model: str, name: str
) -> float:
    """Return the largest difference, as part of the largest value if that exceeds 1.

    Raises
    ------
    ExportError
        If it is too large, or not a number.
    """
    if expected.shape != found.shape:
        raise ExportError(
            f"The exported network ({name}) answers with the shape {found.shape} "
            f"where {model!r} has {expected.shape}; nothing was written."
        )
    unit = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(expected - found).max()) / unit
    if not difference <= TOLERANCE:
        raise ExportError(
            f"The exported network ({name}) differs by {difference:.1e} from "
            f"{model!r}, more than {TOLERANCE:g}, so nothing was written. Give an "
            "image of the kind that the model was trained on, or export it as a state "
            "dict."
        )
    return difference
