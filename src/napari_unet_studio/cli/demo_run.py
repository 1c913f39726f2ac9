"""The demonstration: in a window where there is one, else into a folder."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from napari_unet_studio.api import evaluate, predict, train
from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import check_writable
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.picture import captioned, middle_plane, outlined
from napari_unet_studio.core.weights import separation_weights
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.images import write_json, write_tiff
from napari_unet_studio.io.model_file import encode_png
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.sample_data import SAMPLES
from napari_unet_studio.tasks.demo import (
    MODEL,
    check_sample,
    expected_time,
    training_of,
)


def run_demo(
    name: str, with_training: bool, window: bool | None, out: Path, updates: int
) -> dict[str, Any] | None:
    """Run the demonstration; returns what was written, or None after a window.

    Raises
    ------
    InputError
        If there is no such sample, or no model that knows it and none is trained.
    """
    check_sample(name, with_training)
    if with_training:
        console.err.print(expected_time(name, updates))
    reason = why_no_window()
    if window or (window is None and reason is None):
        # Another process: nothing on this side of the arrows knows napari, and a window
        # system that aborts takes only that process with it.
        command = [sys.executable, "-m", "napari_unet_studio.widgets.demo"]
        command += ["--sample", name]
        if with_training:
            command += ["--train", "--updates", str(updates)]
        code = subprocess.call(command)
        if code == 0:
            return None
        reason = f"the napari window ended with exit code {code}, see above"
        if window:
            raise InputError(f"{reason.capitalize()}. Use --no-window to do without.")
    if window is None:
        console.err.print(f"Working without a window: {reason}.", highlight=False)
    return headless(name, with_training, out, updates)


def why_no_window() -> str | None:
    """Return why napari cannot open here, or None if it can."""
    if importlib.util.find_spec("napari") is None:
        return "napari is not installed"
    if not any(importlib.util.find_spec(qt) for qt in ("PyQt6", "PySide6", "PyQt5")):
        return "no Qt binding is installed"
    windowing = sys.platform in ("win32", "darwin")
    if not windowing and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        return "there is no display"
    return None


def headless(name: str, with_training: bool, out: Path, updates: int) -> dict[str, Any]:
    """Segment a sample and write its layers, a picture and a report to a folder.

    Raises
    ------
    InputError
        If the folder holds files that are not those of an earlier demonstration.
    StorageError
        If it cannot be written to.
    """
    if out.is_dir() and not _earlier(out).issuperset(out.iterdir()):
        raise InputError(
            f"The folder {out} holds other files, which the demonstration might "
            "replace; choose an empty one with --out."
        )
    sample = SAMPLES[name]()
    check_writable(out / "report.json")
    channel_axis = -1 if sample.rgb else None
    spatial = sample.spacing[-sum(a in "ZYX" for a in sample.axes) :]
    trained: dict[str, Any] = {}
    written: list[Path] = []
    notes: list[str] = []
    with console.progress_bar("Segmenting") as report:
        if with_training:
            from napari_unet_studio.api import Pair

            pair = Pair(
                sample.image,
                sample.labels,
                name=sample.name,
                axes=sample.axes,
                channel_axis=channel_axis,
                spacing=spatial,
                unit=sample.unit,
            )
            config = training_of(sample.axes, updates)
            model = train([pair], config, callback=report, name=f"demo {name}")
            written.append(model.save(out / "model.unet"))
            scores = model.card.scores.items()
            trained = {f"held-out {score}": value for score, value in scores}
            notes += model.card.training["notes"]
        else:
            model = load_model(MODEL)
        prediction = predict(
            sample.image,
            model,
            axes=sample.axes,
            channel_axis=channel_axis,
            spacing=spatial,
            callback=report,
        )
    image_axes = sample.axes + ("S" if sample.rgb else "")
    written.append(write_tiff(out / "image.tif", sample.image, image_axes, spatial))
    layers = {
        "labels": prediction.labels,
        "truth": sample.labels,
        "probabilities": prediction.probabilities[0],
    }
    if sample.axes in ("YX", "ZYX"):
        layers["weights"] = separation_weights(sample.labels, spacing=spatial)
    for key, layer in layers.items():
        written.append(write_tiff(out / f"{key}.tif", layer, sample.axes, spatial))
    plane = middle_plane(sample.image, 3 if sample.rgb else 2)
    halves = {"segmentation": prediction.labels, "truth": sample.labels}
    picture = np.concatenate(
        [captioned(outlined(plane, middle_plane(h)), key) for key, h in halves.items()],
        axis=1,
    )
    written.append(out / "picture.png")
    with atomic_write(written[-1]) as file:
        file.write(encode_png(picture))
    result = {
        "sample": sample.name,
        "model": model.name,
        "network": model.card.spec.to_dict(),
        "objects": int(prediction.labels.max(initial=0)),
        "objects in truth": int(sample.labels.max()),
        **trained,
        **evaluate(prediction.labels, sample.labels, sample.axes),
        "notes": [*notes, *prediction.notes],
        "written": [str(path) for path in (*written, out / "report.json")],
    }
    write_json(out / "report.json", result)
    return {key: value for key, value in result.items() if key != "network"}


def _earlier(folder: Path) -> set[Path]:
    """Return the files that an earlier demonstration wrote into a folder."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return {folder / Path(file).name for file in report["written"]}
    except (OSError, KeyError, TypeError, ValueError):
        return set()
