"""``unet-studio info``: versions, devices and folders, for reports of bugs."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import AsJson
from napari_unet_studio.cli.panels import COMPUTING

# Packages that results, windows and file formats depend on; those that are there.
_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "numba",
    "dask",
    "distributed",
    "zarr",
    "tifffile",
    "imagecodecs",
    "napari",
    "npe2",
    "magicgui",
    "qtpy",
    "PyQt6",
    "PySide6",
    "PyQt5",
    "onnx",
    "onnxruntime",
    "openvino",
    "bioimageio.spec",
    "typer",
    "rich",
)


def info(
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="Also load torch, which takes some seconds, and let it say which "
            "device it takes.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Tell versions, devices and folders, to look at or for a report of a bug.

    Reads nothing of yours and sends nothing: it prints. If there is a GPU that torch
    cannot use, the line that installs the right torch is the last one.
    """
    from napari_unet_studio.tasks.installation import find_installation

    found = find_installation(ask)
    told: dict[str, Any] = {
        "napari-unet-studio": version("napari-unet-studio"),
        "python": found.python,
        "system": found.system,
        "device": found.text,
        "auto": found.device,
        "gpus": [str(getattr(gpu, "name", gpu)) for gpu in found.gpus],
        "folders": folders(),
        "settings": changed_settings(),
        "packages": packages(),
    }
    if found.remedy is not None:
        told["remedy"] = {
            "reason": found.remedy.reason,
            "advice": found.remedy.advice,
            "command": found.remedy.command,
        }
    if json:
        console.show(told, True)
        return
    remedy = told.pop("remedy", None)
    lists = {name: told.pop(name) for name in ("folders", "settings", "packages")}
    told["gpus"] = ", ".join(told["gpus"]) or "none of NVIDIA's"
    console.show(told, False)
    for name, values in lists.items():
        console.out.print(f"{name}:{'' if values else ' the usual ones'}")
        for key, value in values.items():
            console.out.print(f"  {key}: {value}", soft_wrap=True)
    if remedy is not None:
        console.err.print(f"{remedy['reason']} {remedy['advice']}")
        console.out.print(remedy["command"], soft_wrap=True)


def packages() -> dict[str, str]:
    """Return the versions of the packages that are there."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def folders() -> dict[str, str]:
    """Return where the package is, and where what is yours is kept."""
    from napari_unet_studio.io.places import user_folder
    from napari_unet_studio.io.registry import models_folder
    from napari_unet_studio.io.settings import settings_file

    spec = importlib.util.find_spec("napari_unet_studio")
    place = "" if spec is None or spec.origin is None else str(Path(spec.origin).parent)
    return {
        "package": place,
        "yours": str(user_folder()),
        "models": str(models_folder()),
        "settings": str(settings_file()),
    }


def changed_settings() -> dict[str, Any]:
    """Return the settings that are not the usual ones, and what is wrong with them."""
    from napari_unet_studio.io.settings import Settings, load_settings

    held, note = load_settings()
    usual = Settings().to_dict()
    told = {k: v for k, v in held.to_dict().items() if v != usual[k]}
    return {**told, "trouble": note} if note else told
