"""What a measurement of the widgets says, and what it depends on."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from qtpy import API_NAME
from qtpy.QtGui import QGuiApplication

from napari_unet_studio.core._compiled import core_count

PACKAGES = (
    "napari-unet-studio",
    "napari",
    "vispy",
    "PyQt6",
    "PySide6",
    "numpy",
    "numba",
)


@dataclass(frozen=True)
class Row:
    """What one action took, in milliseconds.

    Parameters
    ----------
    data
        What was on display.
    action
        What was done.
    redraws
        How many times the canvas was drawn anew for it.
    median_ms, worst_ms
        From the change to the end of the drawing; None where the action waits for the
        user to pause before it redraws.
    empty_ms
        Median of redrawing the layer unchanged.
    ratio
        Of the medians.
    stall_ms
        Longest time the window's event loop was busy, until all was settled.
    """

    data: str
    action: str
    redraws: int
    median_ms: float | None
    worst_ms: float | None
    empty_ms: float
    ratio: float | None
    stall_ms: float


def machine() -> dict[str, Any]:
    """Return what the times depend on, but for what else the machine does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    installed = {d.metadata["Name"]: d.version for d in distributions()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": names[0] if names else platform.processor(),
        "cores": core_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "binding": API_NAME,
        "platform": QGuiApplication.platformName(),
        "versions": {name: installed[name] for name in PACKAGES if name in installed},
    }


def table(record: dict[str, Any]) -> str:
    """Return a record as text."""
    lines = [
        f"{record['machine']['processor']}, load {record['machine']['load']}",
        f"OpenGL: {record['renderer']}, {record['machine']['platform']}",
        f"{'data':18}{'action':14}{'median':>8}{'worst':>8}{'empty':>8}{'ratio':>7}"
        f"{'stall':>8}  ms",
    ]
    for row in record["rows"]:
        keys = ("median_ms", "worst_ms", "empty_ms", "ratio", "stall_ms")
        texts = ["-" if row[key] is None else f"{row[key]:.4g}" for key in keys]
        widths = (8, 8, 8, 7, 8)
        numbers = "".join(f"{t:>{w}}" for t, w in zip(texts, widths, strict=True))
        lines.append(f"{row['data']:18}{row['action']:14}{numbers}")
    return "\n".join(lines)
