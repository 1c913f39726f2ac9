"""What is installed here: Python, torch, the device, and a GPU that torch cannot use.

All of it is found without loading torch, so that a window can show it while it opens.
"""

import ast
import importlib.util
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from napari_unet_studio.tasks.nvidia import Gpu, Places, build_for, find_gpus, runs


@dataclass(frozen=True)
class Remedy:
    """How torch comes to use a GPU that is there.

    Parameters
    ----------
    reason
        A sentence: what hinders torch.
    advice
        A sentence: what to do.
    command
        The line for a shell that does it; empty where no line helps.
    """

    reason: str
    advice: str
    command: str = ""


@dataclass(frozen=True)
class Installation:
    """What computes here.

    Parameters
    ----------
    python
        Version of Python.
    system
        Name of the operating system, and kind of processor.
    torch
        Version of torch, without the part behind "+"; empty if there is none.
    build
        What torch was built for: "CPU", "CUDA 13.0", "ROCm 7.2", "XPU" or "MPS".
    device
        What "auto" takes: "cuda", "mps" or "cpu". Unless torch was asked, what it
        should take judging by driver and GPU.
    name
        Name of the device.
    memory
        Of the device, in bytes; of the computer where it has none of its own.
    gpus
        The NVIDIA GPUs of this computer, whether torch uses them or not.
    remedy
        How to use one of them, where torch does not; else None.
    """

    python: str
    system: str
    torch: str
    build: str
    device: str
    name: str
    memory: int
    gpus: tuple[Gpu, ...] = ()
    remedy: Remedy | None = None

    @property
    def text(self) -> str:
        """One line for people.

        Examples
        --------
        >>> Installation(
        ...     "3.13.1", "Linux", "2.13.0", "CPU", "cpu", "CPU, 8 cores", 2**34
        ... ).text
        'CPU, 8 cores, 16 GiB. torch 2.13.0, CPU build'
        """
        size = f"{self.memory / 2**30:.0f} GiB"
        torch = f"torch {self.torch}, {self.build} build" if self.torch else "no torch"
        return f"{self.name}, {size}. {torch}"


def find_installation(
    ask: bool = False,
    places: Places | None = None,
    torch: Path | None = None,
    system: str = platform.system(),
    machine: str = platform.machine(),
) -> Installation:
    """Return what is installed; this may take a second, for the driver is asked.

    Parameters
    ----------
    ask
        Load torch, which takes a few seconds, and let it say which device it takes.
    places
        Where traces of an NVIDIA driver are.
    torch
        The folder of torch; by default the one that would be imported.
    system
        Name of the operating system: "Linux", "Windows" or "Darwin".
    machine
        Kind of its processor.
    """
    version, build = read_torch(torch or _torch_folder(), system, machine)
    gpus = find_gpus(places)
    device = _asked() if ask else _expected(build, gpus)
    name, memory = _described(device, gpus)
    return Installation(
        platform.python_version(),
        f"{system} {platform.release()}, {machine}",
        version,
        build,
        device,
        name,
        memory,
        gpus,
        None if device != "cpu" or _hidden() else remedy_for(build, version, gpus),
    )


def _torch_folder() -> Path | None:
    """Return the folder of the torch that would be imported, without importing it."""
    spec = importlib.util.find_spec("torch")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def read_torch(
    folder: Path | None, system: str = "Linux", machine: str = "x86_64"
) -> tuple[str, str]:
    """Return version and build of a torch, from its file ``version.py``.

    Parameters
    ----------
    folder
        Of torch, or None if there is none: then both are empty.
    system, machine
        See :func:`find_installation`; Apple's processors have their GPU in every build.
    """
    if folder is None:
        return "", ""
    known: dict[str, object] = {}
    try:
        tree = ast.parse((folder / "version.py").read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        tree = ast.Module([], [])
    for line in tree.body:
        names = line.targets if isinstance(line, ast.Assign) else []
        if isinstance(line, ast.AnnAssign):
            names = [line.target]
        value = getattr(line, "value", None)
        for name in names:
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                known[name.id] = value.value
    version = str(known.get("__version__", "?")).partition("+")[0]
    if system == "Darwin":
        return version, "MPS" if machine == "arm64" else "CPU"
    for key, title in (("cuda", "CUDA"), ("rocm", "ROCm"), ("hip", "ROCm")):
        if known.get(key):
            return version, f"{title} {str(known[key]).partition('-')[0]}"
    return version, "XPU" if known.get("xpu") else "CPU"


def remedy_for(build: str, version: str, gpus: tuple[Gpu, ...]) -> Remedy | None:
    """Return how torch comes to use one of some GPUs; None if there is nothing to do.

    Parameters
    ----------
    build, version
        As in :class:`Installation`.
    gpus
        The GPUs that are there; the first that some build of torch runs on is meant.

    Examples
    --------
    >>> gpu = Gpu("GeForce RTX 4090", "580.65.06", capability=(8, 9))
    >>> remedy_for("CUDA 13.0", "2.13.0", (gpu,)) is None
    True
    >>> print(remedy_for("CPU", "2.13.0", (gpu,)).command)  # doctest: +ELLIPSIS
    python -m pip install --force-reinstall torch --index-url https://.../whl/cu130
    """
    fitting = [gpu for gpu in gpus if build_for(gpu) is not None]
    if not gpus or not version:
        return None
    gpu = (fitting or gpus)[0]
    if build.startswith("CUDA"):
        hindrance = runs(build.removeprefix("CUDA "), gpu)
        if not hindrance:
            return None
        reason = f"torch cannot use the {gpu.name} that is here: {hindrance}."
    else:
        reason = (
            f"This computer has an NVIDIA GPU ({gpu.name}), but the installed torch "
            f"{version} is a {build} build."
        )
    best = build_for(gpu)
    if best is None:
        return Remedy(reason, "The GPU is older than all builds of torch.")
    if gpu.branch is not None and gpu.branch < best.driver:
        # Either driver helps a torch that only waits for one.
        own = build.startswith("CUDA 13") and best.index.startswith("cu13")
        advice = (
            f"Update the NVIDIA driver ({gpu.driver}) to {best.driver} or newer"
            + (", and start again." if own else ", and then run this line in a shell:")
        )
        return Remedy(reason, advice, "" if own else best.command)
    advice = "Close napari and run this line in a shell, in the same environment:"
    if gpu.branch is None:
        advice = f"With an NVIDIA driver of {best.driver} or newer, " + (
            advice[0].lower() + advice[1:]
        )
    return Remedy(reason, advice, best.command)


def _hidden() -> bool:
    """Return whether the user hides the GPUs from torch."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1")


def _asked() -> str:
    from napari_unet_studio.tasks.device import available_devices

    return available_devices()[0]


def _expected(build: str, gpus: tuple[Gpu, ...]) -> str:
    """Return the device that a build of torch takes on a computer with some GPUs."""
    if build == "MPS":
        return "mps"
    cuda = build.removeprefix("CUDA ")
    if cuda != build and not _hidden() and any(not runs(cuda, gpu) for gpu in gpus):
        return "cuda"
    if build.startswith("ROCm") and Path("/dev/kfd").exists():
        return "cuda"
    return "cpu"


def _described(device: str, gpus: tuple[Gpu, ...]) -> tuple[str, int]:
    """Return name and memory of a device."""
    whole = int(psutil.virtual_memory().total)
    if device == "cuda":
        if not gpus:
            return "AMD GPU", whole
        first = _first_visible(gpus)
        return first.name, first.memory or whole
    if device == "mps":
        return "Apple GPU", whole
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return f"CPU, {cores} core{'s' * (cores != 1)}", whole


def _first_visible(gpus: tuple[Gpu, ...]) -> Gpu:
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip()
    number = int(first) if first.isdigit() else 0
    return gpus[number] if number < len(gpus) else gpus[0]
