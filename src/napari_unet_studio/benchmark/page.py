"""The page of the documentation on speed, written from stored measurements."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet_studio.benchmark import tables
from napari_unet_studio.benchmark.inference_targets import inference_targets
from napari_unet_studio.benchmark.measures import TEXT as _MEASURES
from napari_unet_studio.benchmark.measures import measure_targets
from napari_unet_studio.benchmark.race import LONGEST, MOST_REPEATS
from napari_unet_studio.benchmark.targets import (
    Document,
    Target,
    elastic_targets,
    weight_targets,
)
from napari_unet_studio.benchmark.training_page import TEXT as _TRAINING
from napari_unet_studio.benchmark.training_page import training_tables
from napari_unet_studio.benchmark.training_targets import training_targets
from napari_unet_studio.benchmark.window import (
    COLUMNS,
    window_lines,
    window_targets,
)
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import reading
from napari_unet_studio.io.markdown import markdown_table, wrapped

PAGE = Path("benchmarks.md")
FOLDER = Path("benchmarks")  # of the measurements, one file for each section

_INTRODUCTION = """\
# Benchmarks

How long this package takes, beside what else does the same work. All methods of a table
ran in turns, in one process, on the same images. Absolute times are those of one
machine, so look at the ratios. Every number of this page comes from the commands named;
they run on your machine too, with the libraries that are there.
"""
_WEIGHTS = """\
The weight map of the U-Net paper, eq. 2, with class balance, of labels with touching
objects (w0 = 10, sigma = 5 px, float32). A cell holds milliseconds and, in brackets,
how many times as long as this package on one thread that is. B/pixel is the memory that
a call adds at its peak, the result included, and the difference the largest one from
this package's map; both are the largest of the row. The OpenCV mask of 5 x 5 pixels is
an approximation. One transform of one object is no weight map; it is there for scale.
"""
_ELASTIC = """\
An image (float32) and its labels (nearest pixel) are deformed by a field from 3 x 3
points (in 3D, 3 x 3 x 3) with a standard deviation of 10 px; computing the field is
part of the work. Images are sampled cubically in a plane and linearly in a volume,
unless the name says otherwise. Where a method takes the field of this package, the
difference of the images (from 0 to 1) and the share of other labels are given for the
inner half of each side; splines and Keys' cubic are different curves, so that a
difference of about 0.01 is no mistake. "tensors" is the executor that training uses, on
the device. MONAI and albumentations draw fields of their own kind.
"""
_INFERENCE = """\
One network predicts the same image of blobs, which it has learned in a few updates from
seeded weights: a U-Net with batch norm, one channel and one class, 32 to 512 channels
wide in a plane and 16 to 256 in a volume. The first row is this package in exact
float32; "auto" takes bfloat16 where the device is faster with it. MONAI is its sliding
window with a Gaussian, as its users run it (float32, evaluation and inference mode,
tiles of 256 pixels, in a volume 128, one at a time unless the name says otherwise);
"tiles without overlap" are of the same size. ONNX Runtime and OpenVINO compute the
windows of the tiles that this package plans. "bare forwards" run the prepared network
over these tiles as this package does and neither read nor write, so that our time
divided by theirs is what the engine costs. "read" is the area of the windows per pixel
of the image. The difference is the largest one of probabilities from the network's
answer for the whole image in float32, or, where memory does not suffice for that, from
the first row. MiB is what a first call adds to the memory of the process at its peak.
Integers of 8 bits are those that were kept; a first call takes some ten seconds more.
"""
_STREAMED = """\
From file to file: a zarr image of one byte per pixel, predicted with the bundled model
for nuclei in a process of its own, probabilities and objects included. MiB is the peak
of that process beyond what it had after importing torch.
"""
_WINDOW = """\
In a real napari window a program moves the sliders of *Separation weights*, of the
preview of *Elastic deformation* and of the objects of *Segment*, as a mouse would: from
the change to the end of the drawing, the median and the worst of all steps; the same
for a layer redrawn unchanged, and the ratio of the medians. In *Segment* what is on
screen is drawn first. Of the object table it is the time from the click until it is
filled. "busy" is the longest time the window could not answer, until all was settled;
"add an image" is what napari itself takes to show any new layer.
"""


@dataclass(frozen=True)
class Section:
    """What the page tells about one benchmark.

    Parameters
    ----------
    name
        Of the stored measurement.
    title
        Of the section.
    text
        What was measured, and what the numbers mean.
    body
        Makes the tables from a measurement.
    targets
        Makes what was to be reached.
    """

    name: str
    title: str
    text: str
    body: Callable[[Document], Iterator[str]]
    targets: Callable[[Document], Iterator[Target]]


def write_page(folder: Path, name: str, document: Document) -> list[Path]:
    """Store a measurement, write the page anew from all that are stored.

    Parameters
    ----------
    folder
        The folder of the documentation.
    name
        Of the section that was measured.
    document
        Its measurement.
    """
    stored = folder / FOLDER / f"{name}.json"
    texts = {stored: json.dumps(document, indent=1) + "\n"}
    texts[folder / PAGE] = page({**read_measurements(folder), name: document})
    for path, text in texts.items():
        with atomic_write(path) as file:
            file.write(text.encode())
    return list(texts)


def read_measurements(folder: Path) -> dict[str, Document]:
    """Return the measurements that are stored for the page in a folder.

    Raises
    ------
    StorageError
        If one of them is damaged.
    """
    found = {}
    for section in SECTIONS:
        path = folder / FOLDER / f"{section.name}.json"
        if path.exists():
            with reading(path, "a measurement"):
                found[section.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def page(documents: Mapping[str, Document]) -> str:
    """Return the page; a section without a measurement is left out."""
    parts = [_INTRODUCTION]
    for section in SECTIONS:
        if section.name in documents:
            parts.extend(_section(section, documents[section.name]))
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(section: Section, document: Document) -> Iterator[str]:
    yield f"## {section.title}\n"
    yield section.text
    yield f"```console\n{document['command']}\n```\n"
    yield from section.body(document)
    targets = [tables.target(aim) for aim in section.targets(document)]
    if targets:
        yield "The targets; a ratio is how many times as long the peer takes:\n"
        head = ("against", "wanted", "measured", "")
        yield from markdown_table(head, "lrrl", targets)
    yield wrapped(_machine(document["machine"])) + "\n"


def _tables_by_objects(document: Document) -> Iterator[str]:
    shapes = dict.fromkeys(tuple(case["shape"]) for case in document["cases"])
    for shape in shapes:
        cases = [case for case in document["cases"] if tuple(case["shape"]) == shape]
        counts = [f"{case['objects']:,} objects" for case in cases]
        size = " x ".join(map(str, shape))
        yield from markdown_table(
            (size, "threads", *counts, "B/pixel", "difference"),
            "lr" + "r" * len(cases) + "rr",
            (
                (
                    tables.method_name(first),
                    first["threads"],
                    *(_cell(case["rows"][i], case["rows"]) for case in cases),
                    _largest(cases, i, "bytes_per_pixel"),
                    _largest(cases, i, "difference"),
                )
                for i, first in enumerate(cases[0]["rows"])
            ),
        )
    yield wrapped(_method(document)) + "\n"


def _cell(row: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    if "ms" not in row:
        return str(row["note"])
    return f"{tables.milliseconds(row)} ({tables.times(row, rows)})"


def _largest(cases: list[Mapping[str, Any]], row: int, key: str) -> str:
    found = [case["rows"][row].get(key) for case in cases]
    known = [value for value in found if value is not None]
    return tables.short(max(known)) if known else "–"


def _elastic_tables(document: Document) -> Iterator[str]:
    for case in document["cases"]:
        yield from tables.rows_of(case, tables.lines(case), tables.COLUMNS)
    yield wrapped(_method(document)) + "\n"


def _inference_tables(document: Document) -> Iterator[str]:
    for case in document["cases"]:
        yield from tables.rows_of(case, tables.long_lines(case), tables.LONG_COLUMNS)
    yield wrapped(_long_method(document)) + "\n"
    if document["streamed"]:
        yield _STREAMED
        rows = [list(line.values()) for line in tables.stream_lines(document)]
        columns = tables.STREAM_COLUMNS
        yield from markdown_table(columns, "l" + "r" * (len(columns) - 1), rows)


def _window_tables(document: Document) -> Iterator[str]:
    rows = [list(line.values()) for line in window_lines(document)]
    yield from markdown_table(COLUMNS, "ll" + "r" * (len(COLUMNS) - 2), rows)
    yield (
        wrapped(
            f"Each slider took {document['moves']} steps. Drawn with "
            f"{document['renderer']} on {document['binding']}, {document['platform']}."
        )
        + "\n"
    )


def _method(document: Document) -> str:
    """Tell how a race was run."""
    facts, cold = document["machine"], document["cold"]
    bound = "" if facts["pinned"] else "not "
    blas = "" if facts["blas_limited"] else " BLAS libraries chose their own threads."
    size = " x ".join(map(str, cold["shape"]))
    stored = FOLDER / f"{document['benchmark']}.json"
    return (
        "Times are medians after calls to warm up, each method for up to "
        f"{document['seconds']:g} s or {MOST_REPEATS} calls an image; their spread is "
        f"in `{stored.as_posix()}`. The number of threads is what a method may use. "
        f"Methods with one thread were {bound}bound to one core.{blas} Numbers with a "
        "tilde were not measured but extrapolated from the case before, because the "
        "method would have taken too long or too much memory. In a fresh process, with "
        "the kernels of an earlier one on disk, the import took "
        f"{cold['import_ms']:.0f} ms, the first call ({size}) "
        f"{cold['first_ms']:.0f} ms and the second {cold['second_ms']:.1f} ms."
    )


def _long_method(document: Document) -> str:
    """Tell how a race of long calls was run."""
    stored = FOLDER / f"{document['benchmark']}.json"
    longest = LONGEST * document["seconds"]
    checks = ", ".join(
        f"{check['difference']:.2g} for {' x '.join(map(str, check['shape']))}"
        for check in document["checks"]
    )
    return (
        "Times are medians; all methods of an image took turns, and a column tells how "
        f"often each ran: for up to {document['seconds']:g} s or {MOST_REPEATS} calls, "
        "a longer call once. What a target compares with MONAI, and MONAI, "
        f"ran at least three times, or for {longest:g} s. Numbers with a tilde were "
        "not measured but extrapolated from the image before, by the operations of the "
        "network, because a call would have taken longer than that. The other methods "
        "find the C library's memory as in a process of their own. All numbers are in "
        f"`{stored.as_posix()}`. The number of threads is what a method may use. In "
        "the same run, on smaller images cut into several tiles, the largest "
        "difference of the first row's method from the whole image at once was "
        f"{checks}."
    )


def _machine(facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    cores = f"{facts['cores']} core{'s' * (facts['cores'] > 1)}"
    gpu = f" and an {facts['gpu']}" if "gpu" in facts else ""
    return (
        f"Measured on {facts['date']} with {cores} of a CPU ({facts['processor']})"
        f"{gpu}, {facts['system']}, Python {facts['python']}, {versions}."
    )


SECTIONS = (
    Section(
        "weights", "Separation weights", _WEIGHTS, _tables_by_objects, weight_targets
    ),
    Section(
        "elastic", "Elastic deformation", _ELASTIC, _elastic_tables, elastic_targets
    ),
    Section("inference", "Inference", _INFERENCE, _inference_tables, inference_targets),
    Section("training", "Training", _TRAINING, training_tables, training_targets),
    Section(
        "measures",
        "Measures of objects",
        _MEASURES,
        _tables_by_objects,
        measure_targets,
    ),
    Section("window", "Live redraws", _WINDOW, _window_tables, window_targets),
)
"""The order of the page; a further benchmark is one row here."""
