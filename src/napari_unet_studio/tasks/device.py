"""Choosing where to compute, and with which precision."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import nn

from napari_unet_studio.core.errors import DeviceError


def available_devices() -> list[str]:
    """Return the devices of this computer, the fastest first."""
    devices = []
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(device: str = "auto") -> str:
    """Return `device`, or the fastest one for "auto".

    Raises
    ------
    DeviceError
        If this computer, or the installed torch, has no such device.
    """
    found = available_devices()
    if device == "auto":
        return found[0]
    if device.split(":")[0] not in found:
        built = torch.version.cuda or "no CUDA"
        raise DeviceError(
            f"The device {device!r} is not available; here are {', '.join(found)}. The "
            f"installed torch {torch.__version__} was built with {built}."
        )
    return device


def describe_device(device: str) -> str:
    """Return a device's name and memory for people."""
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if device == "mps":
        return "Apple GPU"
    return f"CPU, {torch.get_num_threads()} threads"


@cache
def bfloat16_wins(device: str) -> bool:
    """Return whether convolutions run faster in bfloat16 than in float32.

    Measured by a short race, because without native instructions bfloat16 is many times
    slower than float32.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    convolution = nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last)
    image = torch.zeros(1, 32, 128, 128).to(memory_format=torch.channels_last)

    def race(dtype: torch.dtype) -> float:
        best = float("inf")
        with torch.inference_mode(), torch.autocast("cpu", dtype, dtype != torch.float32):
            for _ in range(4):
                start = time.perf_counter()
                convolution(image)
                best = min(best, time.perf_counter() - start)
        return best

    return race(torch.bfloat16) < 0.8 * race(torch.float32)


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return the context for a forward pass: bfloat16 where "auto" finds it faster."""
    if precision == "auto" and bfloat16_wins(device):
        return torch.autocast(device.split(":")[0], torch.bfloat16)
    return nullcontext()


def memory_format(device: str, ndim: int) -> torch.memory_format:
    """Return the layout in which 2D convolutions are fastest."""
    if ndim == 2 and device != "mps":
        return torch.channels_last
    return torch.contiguous_format


@contextmanager
def freed(device: str) -> Iterator[None]:
    """Give the device's cached memory back when the block ends, however it ends."""
    try:
        yield
    finally:
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif device == "mps":
            torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that a device's memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )
