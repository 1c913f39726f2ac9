"""What the page tells of the benchmark of training."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_unet_studio.benchmark import tables
from napari_unet_studio.benchmark.race import LONGEST
from napari_unet_studio.benchmark.targets import Document
from napari_unet_studio.io.markdown import wrapped

COLUMNS = (
    "method",
    "threads",
    "ms",
    "from - to",
    "steps",
    tables.TIMES,
    "batch ms",
    "share",
    "MiB",
    "note",
)
TEXT = """\
One step of training: 8 patches of an image of blobs are cut and deformed, go through
the U-Net 32..512 without norm (one channel, one class) and back, and AdamW changes the
weights. Times are those of a step. The first row is this package in float32; "auto"
takes bfloat16 or float16 where the device is faster with it; both take the
cross-entropy of plain loops, the row with the weight map takes what is the default. Our
patches are also turned, zoomed and varied in grey values; the others are mirrored and
deformed only. The eager loop is what one writes in a few lines: float32, torch's own
layout, each patch deformed with scipy. MONAI takes its transforms and its loss, with
the same network or with its own U-Net of the same widths. "one batch again" makes no
patches. "batch ms" is what it takes to make a batch while nothing else is done, and
"share" its part of a step; on a GPU, where our patches are made meanwhile, the part by
which a step is longer than with one batch again. MiB is what a first call adds to the
memory at its peak.
"""


def training_tables(document: Document) -> Iterator[str]:
    """Yield the tables of a measurement and how it was made."""
    for case in document["cases"]:
        lines = training_lines(document, case)
        yield from tables.rows_of(case, lines, COLUMNS)
    stored = Path("benchmarks") / "training.json"
    steps, batch = document["steps"], document["batch"]
    longest = LONGEST * document["seconds"]
    told = (
        "Times are medians; all methods took turns, and each ran for up to "
        f"{document['seconds']:g} s, at least three times or for {longest:g} s, "
        f"{steps} steps of {batch} patches at once: the first of them finds neither "
        "patches read ahead nor memory kept. The other loops find the C library's "
        "memory as in a process of their own. All numbers are in "
        f"`{stored.as_posix()}`."
    )
    yield wrapped(told) + "\n"


def training_lines(document: Document, case: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of a case for people."""
    steps = document["steps"]
    return [_line(row, case["rows"], steps) for row in case["rows"]]


def _line(row: Mapping[str, Any], rows: list[Any], steps: int) -> dict[str, str]:
    told = tables.line(row, rows)
    found = {
        **told,
        "steps": str(row["repeats"] * steps) if "repeats" in row else "",
        "batch ms": tables.short(row["batch_ms"]) if "batch_ms" in row else "",
        "share": f"{100 * row['share']:.2g} %" if "share" in row else "",
        "MiB": tables.or_dash(row["mib"]) if "mib" in row else "",
    }
    return {name: found[name] for name in COLUMNS}
