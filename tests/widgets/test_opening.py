"""Docks open quickly: what is heavy is loaded when it is needed."""

import subprocess
import sys

from npe2 import PluginManifest


def test_opening_the_docks_loads_nothing_heavy() -> None:
    found = PluginManifest.from_distribution("napari-unet-studio").contributions
    modules = [
        command.python_name.partition(":")[0]
        for command in found.commands
        if command.id in {widget.command for widget in found.widgets}
    ]
    assert len(modules) == len(found.widgets)
    heavy = ("torch", "scipy.ndimage", "skimage.measure._label", "skimage.segmentation")
    code = (
        "import importlib, sys, napari.layers\n"
        f"before = [n for n in {heavy} if n in sys.modules]\n"
        f"[importlib.import_module(name) for name in {modules}]\n"
        f"print(*(n for n in {heavy} if n in sys.modules and n not in before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.stdout.strip()


def test_reading_a_model_card_does_not_load_scikit_image() -> None:
    code = (
        "import sys; from napari_unet_studio.io.model_file import read_card\n"
        "from napari_unet_studio.io.registry import available_models\n"
        "read_card(available_models()['nuclei']).objects\n"
        "print(*(n for n in ('skimage', 'torch') if n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not done.stdout.strip()
