"""How soon the live widgets redraw: measured in a napari window of another process."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_unet_studio.benchmark.machine import machine
from napari_unet_studio.benchmark.tables import short
from napari_unet_studio.benchmark.targets import Document, Target
from napari_unet_studio.core.errors import StorageError

PROGRAM = "napari_unet_studio.widgets.benchmark"
LIBRARIES = ("napari", "vispy", "PyQt6", "PySide6")
COLUMNS = ("data", "action", "median ms", "worst ms", "unchanged ms", "x", "busy ms")

_SLIDERS = ("w0", "sigma", "deform sigma")
_OBJECTS = ("threshold", "min_size")
_TABLE = "measure into the table"
_LIVE = (*_SLIDERS, *_OBJECTS, "preset", "gap", "paint")


def benchmark_window(moves: int) -> Generator[str, None, dict[str, Any]]:
    """Measure the live widgets; yields what it is about, returns the document.

    Parameters
    ----------
    moves
        Steps of each slider.

    Raises
    ------
    StorageError
        If the window ends early.

    Notes
    -----
    The process of its own keeps this package free of napari, and an end of the window
    from being the end of the command.
    """
    yield "the widgets in a napari window"
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "window.json")
        command = [sys.executable, "-m", PROGRAM, "--json", str(found)]
        code = subprocess.call(
            [*command, "--moves", str(moves)], stdout=subprocess.DEVNULL
        )
        if code or not found.exists():
            raise StorageError(
                f"The napari window ended with exit code {code} before it was measured,"
                " see above."
            )
        record: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return {"quick": False, "machine": machine(LIBRARIES), **record}


def window_lines(document: Document) -> list[dict[str, str]]:
    """Return the measured rows for people."""
    keys = ("median_ms", "worst_ms", "empty_ms", "ratio", "stall_ms")
    return [
        {
            "data": str(row["data"]),
            "action": str(row["action"]),
            **dict(zip(COLUMNS[2:], (_number(row, key) for key in keys), strict=True)),
        }
        for row in document["rows"]
    ]


def window_targets(document: Document) -> Iterator[Target]:
    """Judge the sliders, and how long the window was busy at most."""
    kinds = (
        (_SLIDERS[:2], "weights"),
        (_SLIDERS[2:], "preview"),
        (_OBJECTS, "objects"),
    )
    for data, wanted in (("1024 x 1024", 50.0), ("2048 x 2048", 100.0)):
        for actions, what in kinds:
            worst = [
                row["worst_ms"]
                for row in document["rows"]
                if row["data"] == data and row["action"] in actions
            ]
            bound = wanted if what == "weights" else 100.0
            if worst:
                text = f"worst redraw of the {what} as a slider moves, {data}"
                yield Target(text, bound, max(worst), " ms", at_most=True)
    for row in document["rows"]:
        if row["action"] == _TABLE:
            text = f"{row['data']} are measured and in the table"
            yield Target(text, 1000.0, row["median_ms"], " ms", at_most=True)
    busy = [row["stall_ms"] for row in document["rows"] if row["action"] in _LIVE]
    if busy:
        text = "longest time the window is busy, sliders, presets, gap and brush"
        yield Target(text, 100.0, max(busy), " ms", at_most=True)


def _number(row: Mapping[str, Any], key: str) -> str:
    return "–" if row[key] is None else short(row[key])
