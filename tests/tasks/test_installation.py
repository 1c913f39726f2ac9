import subprocess
import sys
from pathlib import Path

import pytest

from napari_unet_studio.tasks.installation import (
    find_installation,
    read_torch,
    remedy_for,
)
from napari_unet_studio.tasks.nvidia import CUDA_BUILDS, Gpu, Places, build_for, runs

NOWHERE = Path("/nowhere")
CPU = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n"
CUDA = "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n"
INDEX = "https://download.pytorch.org/whl/"


def torch_with(folder: Path, text: str) -> Path:
    (folder / "version.py").write_text(text)
    return folder


def smi(folder: Path, *lines: str, code: int = 0) -> Places:
    """Return places with an nvidia-smi that prints some lines."""
    script = folder / "nvidia-smi"
    body = "".join(f"print({line!r})\n" for line in lines)
    script.write_text(f"#!{sys.executable}\n{body}raise SystemExit({code})\n")
    script.chmod(0o755)
    return Places((str(script),), NOWHERE, NOWHERE)


def test_this_computer_is_described_without_loading_torch() -> None:
    code = (
        "import sys\n"
        "from napari_unet_studio.tasks.installation import find_installation\n"
        "found = find_installation()\n"
        "assert found.torch and found.build and found.text\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_says_the_same_device_as_the_rest_of_the_package() -> None:
    from napari_unet_studio.tasks.device import choose_device

    assert find_installation(ask=True).device == choose_device("auto")


@pytest.mark.parametrize(
    ("text", "system", "machine", "build"),
    [
        (CPU, "Linux", "x86_64", "CPU"),
        (CUDA, "Linux", "x86_64", "CUDA 13.0"),
        (CPU, "Windows", "AMD64", "CPU"),
        (CPU, "Darwin", "arm64", "MPS"),
        (CPU, "Darwin", "x86_64", "CPU"),
        (
            "__version__ = '2.13.0+rocm7.2'\ncuda = None\nhip = '7.2.5-ab'\n",
            "Linux",
            "x86_64",
            "ROCm 7.2.5",
        ),
    ],
)
def test_the_build_of_torch_is_read_from_its_file(
    text: str, system: str, machine: str, build: str, tmp_path: Path
) -> None:
    folder = torch_with(tmp_path, text)
    assert read_torch(folder, system, machine) == ("2.13.0", build)


@pytest.mark.parametrize("text", ["", "no python (", "__version__ = other\n"])
def test_a_strange_torch_is_no_error(text: str, tmp_path: Path) -> None:
    assert read_torch(torch_with(tmp_path, text)) == ("?", "CPU")
    assert read_torch(NOWHERE)[0] == "?"
    assert read_torch(None) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_gpu_that_a_cpu_build_cannot_use_comes_with_the_line_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    places = smi(tmp_path, "NVIDIA GeForce RTX 4090, 580.65.06, 24564, 8.9")
    folder = torch_with(tmp_path, CPU)
    found = find_installation(places=places, torch=folder, system="Windows")
    assert found.device == "cpu"
    assert found.gpus == (
        Gpu("NVIDIA GeForce RTX 4090", "580.65.06", 24564 * 2**20, (8, 9)),
    )
    assert found.remedy is not None
    assert "RTX 4090" in found.remedy.reason
    assert "CPU build" in found.remedy.reason
    assert found.remedy.command == (
        f"python -m pip install --force-reinstall torch --index-url {INDEX}cu130"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # nobody wants it
    hidden = find_installation(places=places, torch=folder)
    assert hidden.remedy is None
    assert hidden.device == "cpu"


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_gpu_that_torch_can_use_is_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    places = smi(
        tmp_path,
        "NVIDIA A100, 580.65.06, 40960, 8.0",
        "NVIDIA A40, 580.65.06, 46068, 8.6",
    )
    folder = torch_with(tmp_path, CUDA)
    found = find_installation(places=places, torch=folder)
    assert (found.device, found.name, found.remedy) == ("cuda", "NVIDIA A100", None)
    assert found.text == "NVIDIA A100, 40 GiB. torch 2.13.0, CUDA 13.0 build"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert find_installation(places=places, torch=folder).name == "NVIDIA A40"


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_driver_that_fails_is_no_gpu(tmp_path: Path) -> None:
    places = smi(tmp_path, "No devices were found", code=6)
    folder = torch_with(tmp_path, CPU)
    found = find_installation(places=places, torch=folder)
    assert found.gpus == ()
    assert found.remedy is None


def test_linux_tells_of_a_gpu_without_nvidia_smi(tmp_path: Path) -> None:
    gpu = tmp_path / "gpus" / "0000:01:00.0"
    gpu.mkdir(parents=True)
    (gpu / "information").write_text("Model: \t\t NVIDIA RTX A2000\nIRQ:   43\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    places = Places((), tmp_path, NOWHERE)
    found = find_installation(places=places, torch=torch_with(tmp_path, CPU))
    assert found.gpus == (Gpu("NVIDIA RTX A2000", "550.54.14"),)
    assert found.remedy is not None
    assert found.remedy.command.endswith(f"{INDEX}cu126")


def test_windows_tells_of_a_gpu_by_the_library_of_its_driver(tmp_path: Path) -> None:
    library = tmp_path / "nvcuda.dll"
    library.touch()
    places = Places((), NOWHERE, library)
    found = find_installation(places=places, torch=torch_with(tmp_path, CPU))
    assert found.remedy is not None
    assert "driver of 580 or newer" in found.remedy.advice
    assert found.remedy.command.endswith("cu130")


@pytest.mark.parametrize(
    ("driver", "capability", "index"),
    [
        ("580.65", (12, 0), "cu130"),
        ("572.16", (12, 0), "cu130"),  # after an update of the driver
        ("595.01", (7, 5), "cu130"),
        ("580.65", (7, 0), "cu126"),  # Volta is in no build with CUDA 13
        ("550.54", (8, 6), "cu126"),
        ("470.10", (6, 1), "cu126"),
        ("580.65", (3, 7), None),
    ],
)
def test_driver_and_gpu_decide_which_build_fits(
    driver: str, capability: tuple[int, int], index: str | None
) -> None:
    gpu = Gpu("a GPU", driver, capability=capability)
    build = build_for(gpu)
    assert (None if build is None else build.index) == index
    remedy = remedy_for("CPU", "2.13.0", (gpu,))
    assert remedy is not None
    assert remedy.command == ("" if build is None else build.command)
    old = build is not None and int(driver[:3]) < build.driver
    assert ("Update the NVIDIA driver" in remedy.advice) == old


@pytest.mark.parametrize("build", CUDA_BUILDS)
def test_what_fits_also_runs(build: object) -> None:
    for driver in range(440, 620, 5):
        for capability in ((5, 0), (6, 1), (7, 0), (7, 5), (8, 9), (9, 0), (12, 0)):
            gpu = Gpu("a GPU", f"{driver}.1", capability=capability)
            best = build_for(gpu)
            if best is None or best is not build:
                continue
            assert (runs(best.cuda, gpu) == "") == (driver >= best.driver)


def test_a_build_too_new_for_the_driver_or_the_gpu_is_exchanged() -> None:
    early = Gpu("RTX 3080", "535.104.05", capability=(8, 6))
    remedy = remedy_for("CUDA 13.0", "2.13.0", (early,))
    assert remedy is not None
    assert "driver 535.104.05 is too old for CUDA 13.0" in remedy.reason
    assert remedy.command.endswith("cu126")
    old = Gpu("Tesla P100", "580.65.06", capability=(6, 0))
    remedy = remedy_for("CUDA 13.0", "2.13.0", (old,))
    assert remedy is not None
    assert "too old for a torch built with CUDA 13.0" in remedy.reason
    assert remedy.command.endswith("cu126")
    new = Gpu("RTX 5090", "572.16", capability=(12, 0))
    remedy = remedy_for("CUDA 13.0", "2.13.0", (new,))
    assert remedy is not None
    assert remedy.command == ""  # a newer driver is all that it takes
    assert remedy_for("CUDA 12.8", "2.9.0", (new,)) is None
