"""How much memory there is, and how to keep what a network uses over and over."""

import ctypes
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

from napari_unet_studio.io.settings import read_settings

# Parameters of mallopt in glibc's malloc.h, and their defaults.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
_LARGEST, _MMAP_DEFAULT = 2**31 - 1, 65536
# Bytes that the C library takes from the pool of a thread, and threads that are tried
# until one has that of the main thread.
_PROBE, _TRIES = 5000, 64
# What glibc's own thresholds grow to where large buffers come and go. It stops growing
# them once it is told any, so these are what a process has without us.
_GROWN_TRIM, _GROWN_MMAP = 2 * 2**25, 2**25
_lock = threading.Lock()
_holders = 0


def available_memory() -> int:
    """Return the bytes that a computation may take: what is free, within the limit."""
    return within_limit(int(psutil.virtual_memory().available))


def within_limit(free: int) -> int:
    """Return the bytes of a device that a computation may take of those free there.

    The settings may set a limit.
    """
    limit = read_settings().memory_limit
    return min(free, int(limit * 1e9)) if limit else free


@contextmanager
def kept_buffers() -> Iterator[None]:
    """Keep freed memory within the block, for the next layer of a network to use.

    The C library gives large buffers back to the system after every layer, and the
    system clears each page again for the next one: a quarter of the time of large
    tiles. Only glibc can be told, and it keeps memory for the main thread and for those
    of :func:`keeping_thread`; elsewhere nothing happens. At the end the memory goes
    back to the system.
    """
    global _holders
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _holders += 1
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                library.mallopt(_MMAP_MAX, _MMAP_DEFAULT)
                library.mallopt(_MMAP_THRESHOLD, _GROWN_MMAP)
                library.mallopt(_TRIM_THRESHOLD, _GROWN_TRIM)
                library.malloc_trim(0)


def keeping_thread() -> ThreadPoolExecutor | None:
    """Return a thread for which :func:`kept_buffers` keeps memory.

    The threads of a window or of a cluster have pools of memory of their own, from
    which nothing large is kept. Once the C library is told to make no further pools,
    which lasts as long as the process, new threads share those that there are; threads
    are begun until one shares that of the main thread.

    Returns
    -------
    ThreadPoolExecutor or None
        One thread, which torch gives as many cores as this one; None where the current
        thread is as good, or none was found.
    """
    library = _glibc()
    main = threading.current_thread() is threading.main_thread()
    if main or not _holders or library is None:
        return None
    library.mallopt(_ARENA_MAX, 1)
    count = torch.get_num_threads()
    others: list[ThreadPoolExecutor] = []  # held, so that the next gets another pool
    try:
        for _ in range(_TRIES):
            thread = ThreadPoolExecutor(
                1, "unet-studio-layers", torch.set_num_threads, (count,)
            )
            if thread.submit(in_main_pool).result():
                return thread
            others.append(thread)
    finally:
        for other in others:
            other.shutdown()
    return None


def in_main_pool() -> bool:
    """Return whether the current thread has the main thread's pool of memory."""
    library = _glibc()
    if library is None:
        return False
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    place = library.malloc(_PROBE)
    library.free(place)
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            if line.endswith("[heap]"):
                first, last = (int(end, 16) for end in line.split()[0].split("-"))
                if place is not None and first <= place < last:
                    return True
    return False


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return None
    return library
