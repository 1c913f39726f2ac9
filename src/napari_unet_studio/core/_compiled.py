"""How this package compiles kernels and shares their work among threads.

Kernels are serial and release the GIL; Python threads call them for parts of an array.
numba's own ``parallel=True`` aborts the process when two Python threads call it.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

MOST_THREADS = 8


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile without the GIL, with fused multiply-add, and cached on disk.

    Where no cache folder can be written, every process compiles for itself.
    """
    compiler = partial(numba.njit, nogil=True, fastmath={"contract"})
    try:
        kernel = compiler(cache=True)(function)
    except RuntimeError:  # numba finds no place for the cache
        kernel = compiler()(function)
    return cast("Callable[P, R]", kernel)


def core_count() -> int:
    """Return how many cores this process may use, at most eight."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    return min(os.cpu_count() or 1, MOST_THREADS)


def for_each(
    function: Callable[[int], None], parts: Iterable[int], threads: int
) -> None:
    """Call a function for every part of an array, in threads if there are several."""
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(function, parts))
    else:
        for part in parts:
            function(part)
