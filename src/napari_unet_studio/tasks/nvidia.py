"""NVIDIA's GPUs as the driver tells of them, and the builds of torch that run there.

Nothing here loads torch: a torch that was built for the CPU knows of no GPU.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SMI = (
    "nvidia-smi",
    "/usr/lib/wsl/lib/nvidia-smi",
    r"C:\Windows\System32\nvidia-smi.exe",
    r"C:\Program Files\NVIDIA Corporation\NVSMI\nvidia-smi.exe",
)
_QUERIES = (
    "name,driver_version,memory.total,compute_cap",
    "name,driver_version,memory.total",  # for drivers that know no compute_cap
)
_PATIENCE = 10.0  # seconds; a sleeping GPU takes one or two to wake


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU.

    Parameters
    ----------
    name
        As the driver calls it.
    driver
        Version of the driver, like "580.65.06"; empty if it is not known.
    memory
        In bytes; 0 if it is not known.
    capability
        Compute capability, major and minor; None if it is not known.
    """

    name: str = "NVIDIA GPU"
    driver: str = ""
    memory: int = 0
    capability: tuple[int, int] | None = None

    @property
    def branch(self) -> int | None:
        """First number of the driver's version."""
        first = self.driver.split(".")[0]
        return int(first) if first.isdigit() else None


@dataclass(frozen=True)
class CudaBuild:
    """A build of torch on PyTorch's own index.

    Parameters
    ----------
    index
        Its last part, like "cu130".
    driver
        First number of the oldest driver that runs it; from NVIDIA's table of minor
        version compatibility.
    oldest, newest
        Compute capabilities of the GPUs that it has code for.
    """

    index: str
    driver: int
    oldest: tuple[int, int]
    newest: tuple[int, int]

    @property
    def cuda(self) -> str:
        """Version of CUDA, like "13.0"."""
        return f"{self.index[2:-1]}.{self.index[-1]}"

    @property
    def command(self) -> str:
        """The line that installs it in place of another build, on Linux and Windows."""
        return (
            "python -m pip install --force-reinstall torch "
            f"--index-url https://download.pytorch.org/whl/{self.index}"
        )

    def fits(self, gpu: Gpu) -> bool:
        """Return whether it has code for a GPU."""
        known = gpu.capability
        return known is None or self.oldest <= known <= self.newest


CUDA_BUILDS = (
    CudaBuild("cu130", 580, (7, 5), (99, 0)),
    CudaBuild("cu126", 525, (5, 0), (9, 0)),
)
"""The builds that every torch since 2.11 has, the better one first: CUDA 13.0 for GPUs
since Turing (2018), CUDA 12.6 for older ones and for older drivers."""


def build_for(gpu: Gpu) -> CudaBuild | None:
    """Return the best build for a GPU, or None if none has code for it.

    The driver decides among those that have: if it is too old for all of them, the one
    that asks least is returned, and the driver must be updated.

    Examples
    --------
    >>> build_for(Gpu("GeForce RTX 4090", "580.65.06", capability=(8, 9))).index
    'cu130'
    >>> build_for(Gpu("GeForce RTX 3080", "550.54", capability=(8, 6))).index
    'cu126'
    >>> build_for(Gpu("GeForce RTX 5090", "572.16", capability=(12, 0))).driver
    580
    """
    fitting = [build for build in CUDA_BUILDS if build.fits(gpu)]
    for build in fitting:
        if gpu.branch is None or gpu.branch >= build.driver:
            return build
    return fitting[-1] if fitting else None


def runs(cuda: str, gpu: Gpu) -> str:
    """Return why a GPU does not run a torch built with a CUDA, or "" if it does.

    Parameters
    ----------
    cuda
        Version of CUDA, like "12.8".
    gpu
        The GPU; what is not known about it is taken as fitting.
    """
    numbers = [int(part) for part in cuda.split(".") if part.isdigit()]
    major, minor = (*numbers, 0, 0)[:2]
    driver = {11: 450, 12: 525, 13: 580}.get(major, 0)
    if gpu.branch is not None and gpu.branch < driver:
        return (
            f"its driver {gpu.driver} is too old for CUDA {cuda}, which asks for "
            f"{driver} or newer"
        )
    # Turing and newer since CUDA 12.8; nothing newer than Hopper before.
    newer = (major, minor) >= (12, 8)
    oldest, newest = ((7, 5), (99, 0)) if newer else ((5, 0), (9, 0))
    if gpu.capability is not None and not oldest <= gpu.capability <= newest:
        age = "old" if gpu.capability < oldest else "new"
        return f"it is too {age} for a torch built with CUDA {cuda}"
    return ""


@dataclass(frozen=True)
class Places:
    """Where traces of an NVIDIA driver are looked for.

    Parameters
    ----------
    programs
        Names or paths of ``nvidia-smi``, the first that runs is taken.
    proc
        Folder of the Linux driver.
    library
        What the Windows driver brings.
    """

    programs: Sequence[str] = _SMI
    proc: Path = Path("/proc/driver/nvidia")
    library: Path = field(
        default_factory=lambda: (
            Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32/nvcuda.dll"
        )
    )


def find_gpus(places: Places | None = None) -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs of this computer; this may take a second.

    ``nvidia-smi`` is asked; where there is none, the files that a driver leaves tell
    that there is a GPU, and on Linux which one.
    """
    places = places or Places()
    for name in places.programs:
        program = shutil.which(name)
        found = () if program is None else _asked(program)
        if found:
            return found
    found = _from_proc(places.proc)
    if not found and places.library.is_file():
        found = (Gpu(),)
    return found


def _asked(program: str) -> tuple[Gpu, ...]:
    """Return what ``nvidia-smi`` says; nothing if it fails."""
    for query in _QUERIES:
        command = [program, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_PATIENCE,
                encoding="utf-8",
                errors="replace",
                # No console flashes up over a window on Windows.
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.SubprocessError):
            return ()
        if answer.returncode == 0:
            lines = [line.split(", ") for line in answer.stdout.splitlines()]
            return tuple(_read(line) for line in lines if len(line) >= 3)
    return ()


def _read(parts: Sequence[str]) -> Gpu:
    """Return a GPU from one line of ``nvidia-smi``; memory is in MiB there."""
    name, driver, memory, *rest = (part.strip() for part in parts)
    capability = None
    digits = rest[0].split(".") if rest else []
    if len(digits) == 2 and all(digit.isdigit() for digit in digits):
        capability = int(digits[0]), int(digits[1])
    size = int(memory) * 2**20 if memory.isdigit() else 0
    return Gpu(name or Gpu.name, driver, size, capability)


def _from_proc(folder: Path) -> tuple[Gpu, ...]:
    """Return what the files of the Linux driver say."""
    try:
        words = (folder / "version").read_text("utf-8", "replace").split()
        files = sorted((folder / "gpus").glob("*/information"))
        texts = [file.read_text("utf-8", "replace") for file in files]
    except OSError:
        return ()
    numbers = [word for word in words if word.replace(".", "").isdigit()]
    driver = next((word for word in numbers if "." in word), "")
    names = []
    for text in texts:
        lines = (line.partition(":") for line in text.splitlines())
        known = {key.strip(): value.strip() for key, _, value in lines}
        names.append(known.get("Model") or Gpu.name)
    return tuple(Gpu(name, driver) for name in names)
