"""The C library's memory as a program finds it that is alone in its process."""

import ctypes

# Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The largest activation of a peer's tile that is below glibc's own limit of 32 MiB.
_LARGEST = 16 * 2**20 + 4096


def as_alone() -> None:
    """Set the thresholds that glibc arrives at by itself with a peer's tiles.

    It raises them whenever a larger buffer is freed, but never again once a program
    has set one, as this package's engine does: a peer that runs after it would find
    memory slower than in a process of its own. Other C libraries are left as they are.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
