"""How much memory a call takes at its peak."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def peak_memory(call: Callable[[], Result]) -> tuple[Result, int | None]:
    """Call a function; return its result and the bytes it added at its peak.

    Notes
    -----
    The kernel keeps the highest resident memory of a process; it is set back before the
    call and read after it, so that all allocators and threads count, and the result
    too. What earlier calls freed is given back to the system first: memory that is
    still there would be used again unseen. Only Linux tells; elsewhere the number is
    None.

    Examples
    --------
    >>> result, peak = peak_memory(lambda: 5)
    >>> result
    5
    """
    _give_back()
    if not _reset_peak():
        return call(), None
    before = _resident("VmRSS")
    result = call()
    return result, max(0, _resident("VmHWM") - before)


def peak_gpu_memory(call: Callable[[], Result]) -> tuple[Result, int]:
    """Call a function; return its result and the bytes it added on the CUDA device."""
    import torch

    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = call()
    torch.cuda.synchronize()
    return result, torch.cuda.max_memory_allocated() - before


def _give_back() -> None:
    """Return freed memory to the system, as far as the C library can."""
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim  # of glibc
    except (AttributeError, OSError, TypeError):
        return
    trim(0)


def _reset_peak() -> bool:
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _resident(key: str) -> int:
    return _kibibytes(_STATUS, key) or 0


def _kibibytes(path: Path, key: str) -> int | None:
    """Return the bytes of a line such as ``VmRSS:  1234 kB``."""
    for line in path.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return 1024 * int(value.split()[0])
    return None
