"""The benchmark of images that are predicted from file to file, in a fresh process."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_unet_studio.benchmark.samples import write_mosaic
from napari_unet_studio.core.errors import StorageError

MODEL = "nuclei"

# What torch itself takes is there before; all else that is imported counts.
_PROGRAM = """
import json, time
import torch
from napari_unet_studio.benchmark.memory import peak_memory

def work():
    from napari_unet_studio.api import PredictConfig, predict_zarr
    begin = time.perf_counter()
    config = PredictConfig(device={device!r})
    predict_zarr({image!r}, {out!r}, model={model!r}, config=config)
    return time.perf_counter() - begin

print(json.dumps(peak_memory(work)))
"""


def stream(side: int, device: str) -> Generator[str, None, dict[str, Any]]:
    """Predict a synthetic image of side x side pixels by the bundled model.

    Parameters
    ----------
    side
        Pixels of each side of a square image, of one byte each.
    device
        "cpu" or "cuda".

    Yields
    ------
    str
        What is done.

    Returns
    -------
    dict
        The seconds of the call, and the mebibytes that the process took at its peak
        beyond what it had after importing torch; None where the system does not tell.
    """
    with TemporaryDirectory(prefix="unet-studio-") as folder:
        image, out = Path(folder, "image.zarr"), Path(folder, "out.zarr")
        yield f"{side} x {side}: writing the image"
        write_mosaic(image, side)
        yield f"{side} x {side}: from file to file, in a fresh process"
        seconds, peak = _in_fresh_process(image, out, device)
    return {
        "side": side,
        "model": MODEL,
        "seconds": round(seconds, 3),
        "peak_mib": None if peak is None else round(peak / 2**20, 1),
    }


def _in_fresh_process(image: Path, out: Path, device: str) -> tuple[float, int | None]:
    program = _PROGRAM.format(
        image=str(image), out=str(out), model=MODEL, device=device
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise StorageError(
            f"The image in {image} could not be predicted in a fresh "
            f"{sys.executable}: {' '.join(last)}."
        )
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak
