"""What measured times depend on."""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_unet_studio.core._compiled import core_count

_OWN = ("napari_unet_studio", "numpy", "scipy", "numba", "torch")


def machine(peers: Sequence[str]) -> dict[str, Any]:
    """Return the date, the processor and the versions of all that is measured.

    Parameters
    ----------
    peers
        Names under which the peers' libraries are imported; missing ones are left out.
    """
    owners = packages_distributions()
    found = {name: owners[name][0] for name in (*_OWN, *peers) if name in owners}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": core_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in dict.fromkeys(found.values())},
        "pinned": hasattr(os, "sched_setaffinity"),
        "blas_limited": find_spec("threadpoolctl") is not None,
    }


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed(library: str) -> bool:
    """Return whether a library can be imported; some are there but built for others."""
    try:
        import_module(library)
    except (ImportError, AttributeError):
        return False
    return True


@contextmanager
def using_threads(number: int) -> Iterator[None]:
    """Let the block compute with so many threads, whichever library it calls.

    torch, OpenCV and, where threadpoolctl is installed, the BLAS libraries are told.
    For one thread the process is also bound to one core where the system can do that:
    this package counts the cores it may use.
    """
    import torch

    vision = sys.modules.get("cv2")
    before = torch.get_num_threads(), vision.getNumThreads() if vision else 0
    cores = _bind(number)
    torch.set_num_threads(number)
    if vision:
        vision.setNumThreads(number)
    try:
        with _limited_blas(number):
            yield
    finally:
        torch.set_num_threads(before[0])
        if vision:
            vision.setNumThreads(before[1])
        if cores is not None:
            os.sched_setaffinity(0, cores)


def _bind(number: int) -> set[int] | None:
    """Bind this thread to its last core if it is to be one; return the cores before."""
    if number != 1 or not hasattr(os, "sched_setaffinity"):
        return None
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    return cores


@contextmanager
def _limited_blas(number: int) -> Iterator[None]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(number):
        yield
