"""The type in which a training computes."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.tasks.device import autocast, bfloat16_wins

TYPES = ("float32", "bfloat16", "float16")
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def training_precision(precision: str, device: str, ndim: int) -> str:
    """Return the type in which a training computes: what "auto" becomes.

    Raises
    ------
    ConfigError
        If the device cannot train in that type.

    Notes
    -----
    On CPUs, torch 2.13 computes wrong gradients of small volumes in bfloat16, some of
    them not even finite: volumes are trained in float32 there.

    Examples
    --------
    >>> training_precision("auto", "cpu", 3)
    'float32'
    """
    if device == "cpu" and ndim == 3 and precision in ("auto", "bfloat16"):
        return "float32"
    if precision == "float16" and not device.startswith("cuda"):
        raise ConfigError(
            f"float16 trains on NVIDIA GPUs only, and this is {device}; choose the "
            "precision auto."
        )
    if precision != "auto":
        return precision
    if bfloat16_wins(device):
        return "bfloat16"
    return "float16" if device.startswith("cuda") else "float32"


def casting(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return the context of a forward pass, from :func:`training_precision`."""
    if precision == "float32":
        return exactly(device, precision)
    return torch.autocast(device.split(":")[0], _TYPES[precision])


def exactly(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return the context of all passes where these are in float32.

    Under autocast only the forward pass belongs; float32 is meant for both.
    """
    return autocast(device, "float32") if precision == "float32" else nullcontext()
