"""Choosing where to compute, and with which precision."""

import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, cast

import psutil
import torch
from torch.nn import functional

from napari_unet_studio.core.errors import DeviceError, StudioError
from napari_unet_studio.io.measured import recall, remember


def available_devices() -> list[str]:
    """Return the devices of this computer, the fastest first."""
    devices = []
    if torch.cuda.is_available() and built_for(
        torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    ):
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def built_for(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Return whether a build of torch has code for an NVIDIA GPU.

    Torch offers any GPU that the driver knows, and fails at the first operation on one
    that is too old for its code.

    Parameters
    ----------
    capability
        Of the GPU, major and minor.
    architectures
        What torch was built for: "sm_86" runs on GPUs of the same major number and at
        least this minor one, "compute_90" on all later ones. ROCm's have other names
        and are taken as they are.

    Examples
    --------
    >>> built_for((8, 9), ["sm_80", "sm_90"]), built_for((6, 1), ["sm_75", "sm_80"])
    (True, False)
    >>> built_for((13, 0), ["sm_120", "compute_120"])
    True
    """
    for name in architectures:
        kind, _, digits = name.partition("_")
        number = digits.rstrip("af")  # sm_90a is code for this very GPU
        if kind not in ("sm", "compute") or not number.isdigit():
            return True
        built = int(number[:-1]), int(number[-1])
        if kind == "compute" and capability >= built:
            return True
        exact = digits != number
        if capability == built or (
            not exact and capability[0] == built[0] and capability[1] >= built[1]
        ):
            return True
    return not architectures


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
            f"installed torch {torch.__version__} was built with {built}; a GPU older "
            "than its oldest code does not count."
        )
    return device


def describe_device(device: str) -> str:
    """Return a device's name and memory for people."""
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if device == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads != 1)}"


def memory_taken(device: str) -> int:
    """Return the bytes taken by a training: of the GPU, else by this process."""
    if device.startswith("cuda"):
        return int(torch.cuda.memory_reserved(device))
    return int(psutil.Process().memory_info().rss)


@cache
def bfloat16_wins(device: str) -> bool:
    """Return whether convolutions run faster in bfloat16 than in float32.

    Measured by a short race, because without native instructions bfloat16 is many times
    slower than float32; remembered for this computer, because a race may be close, and
    the same training is to compute in the same type tomorrow.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    build = f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    key = f"bfloat16: {platform.node()}, {build}, {torch.get_num_threads()} threads"
    known = recall(key).get("wins")
    if isinstance(known, bool):
        return known
    wins = _wins_race()
    remember(key, {"wins": wins})
    return wins


def _wins_race() -> bool:
    weight = torch.zeros(32, 32, 3, 3).to(memory_format=torch.channels_last)
    image = torch.zeros(1, 32, 128, 128).to(memory_format=torch.channels_last)

    best = {True: float("inf"), False: float("inf")}
    with torch.inference_mode():
        # In turns and often: another program may have the processor now and then.
        for lap in range(20):
            enabled = lap % 2 == 0
            with torch.autocast("cpu", torch.bfloat16, enabled):
                start = time.perf_counter()
                functional.conv2d(image, weight, padding=1)
                best[enabled] = min(best[enabled], time.perf_counter() - start)
    return best[True] < 0.8 * best[False]


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return the context for a forward pass: bfloat16 where "auto" finds it faster."""
    kind = device.split(":")[0]
    if precision == "auto" and bfloat16_wins(device):
        return torch.autocast(kind, torch.bfloat16)
    if precision == "float32" and kind == "cuda":
        return _without_tf32()
    return nullcontext()


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Let convolutions keep the 24 bits of float32; TF32, torch's default, has 11."""
    switch: Any = torch.backends.cudnn
    name, exact = "allow_tf32", cast("bool | str", False)
    try:
        before = switch.allow_tf32
    except RuntimeError:  # somebody has set it for convolutions alone
        switch, name, exact = switch.conv, "fp32_precision", "ieee"
        before = switch.fp32_precision
    setattr(switch, name, exact)
    try:
        yield
    finally:
        setattr(switch, name, before)


@contextmanager
def seeded(device: str, seed: int) -> Iterator[None]:
    """Seed torch's own generators in the block, and put them back afterwards."""
    cuda, mps = device.startswith("cuda"), device == "mps"
    # fork_rng knows no Apple GPU.
    before = torch.mps.get_rng_state() if mps else None
    with torch.random.fork_rng(devices=[device] if cuda else []):
        # Not torch.manual_seed, which seeds the generators of all devices.
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        elif mps:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            if before is not None:
                torch.mps.set_rng_state(before)


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
    except BaseException as error:
        forget(error)
        raise
    finally:
        empty_cache(device)


def forget(error: BaseException) -> None:
    """Drop the variables of the calls that an exception and its causes went through.

    Tensors among them would stay on the device for as long as the exception is kept.
    """
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


def empty_cache(device: str) -> None:
    """Give the memory back to the device that torch keeps for later."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that a device's memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text
        for words in (
            "out of memory",
            "not enough memory",
            "can't allocate memory",
            "status_alloc_failed",
            # What cuDNN says where no method fits into what is left.
            "unable to find an engine",
            "unable to find a valid cudnn algorithm",
        )
    )


@contextmanager
def enough_memory(otherwise: str) -> Iterator[None]:
    """Raise a DeviceError that says `otherwise` where memory runs out in the block."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, StudioError) or not is_out_of_memory(error):
            raise
        raise DeviceError(otherwise) from error
