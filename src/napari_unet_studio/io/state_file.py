"""State dicts: the tensors of a network by name, for programs with PyTorch."""

import io
from pathlib import Path

import torch
from torch import nn

from napari_unet_studio.core.errors import StorageError

# How a Python file that this package wrote begins.
_SIGN = "Written by napari-unet-studio;"


def state_bytes(network: nn.Module, suffix: str) -> bytes:
    """Return the state of a network as a file.

    Parameters
    ----------
    network
        In single precision.
    suffix
        ".safetensors" is that format, any other that of ``torch.save``.
    """
    state = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in network.state_dict().items()
    }
    if suffix.lower() == ".safetensors":
        from safetensors.torch import save

        return save(state)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def check_own_source(path: Path, source: bytes) -> None:
    """Raise a StorageError if a file of somebody else's would be replaced.

    Parameters
    ----------
    path
        Where the Python file of the network goes.
    source
        What it will hold.
    """
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}. Choose another name."
        ) from error
    if there != source and _SIGN.encode() not in there[:500]:
        raise StorageError(
            f"{path} is not a file of napari-unet-studio, and the network would be "
            "written there; choose another name for the weights."
        )
