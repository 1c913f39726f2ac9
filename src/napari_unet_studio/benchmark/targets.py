"""What this package wants to reach, and whether a measurement shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from napari_unet_studio.benchmark.method import OWN

Document = Mapping[str, Any]
Row = Mapping[str, Any]

MEGAPIXEL = 10**6  # below it, memory is told too coarsely to be judged


@dataclass(frozen=True)
class Target:
    """One number that was wanted, and the one that was measured.

    Parameters
    ----------
    text
        What is counted.
    wanted
        The bound.
    reached
        The measured number.
    unit
        Of both, such as "x" for ratios.
    at_most
        Whether less is better.
    estimated
        Whether the number rests on an estimate.
    obstacle
        Why nothing could be reached here; such a target is neither met nor missed.
    """

    text: str
    wanted: float
    reached: float
    unit: str = "x"
    at_most: bool = False
    estimated: bool = False
    obstacle: str = ""

    @property
    def met(self) -> bool:
        """Whether the measured number is on the right side of the bound."""
        if self.obstacle:
            return False
        if self.at_most:
            return self.reached <= self.wanted
        return self.reached >= self.wanted


def ratio(row: Row, rows: list[Row]) -> float | None:
    """Return how many times as long as this package, on one thread, a method takes."""
    own = find(rows, OWN)
    if own is None or "ms" not in own or "ms" not in row:
        return None
    return float(row["ms"] / own["ms"])


def find(rows: list[Row], method: str) -> Row | None:
    """Return the first row of a method: of the processor, with the fewest threads."""
    return next((row for row in rows if row["method"] == method), None)


def missing(row: Row | None) -> str:
    """Return why a row could have no time; empty if it has one, or failed."""
    if row is None:
        return "not measured"
    if "ms" in row or row["note"].startswith("failed"):
        return ""
    return f"{row['method']}: {row['note']}"


def weight_targets(document: Document) -> Iterator[Target]:
    """Yield what the weight map has to reach, as far as it was measured."""
    running = "scipy EDT per object, running minimum"
    for objects, wanted in ((300, 300), (3000, 5000)):
        rows = _rows(document, [1024, 1024], objects)
        text = f"{running}, 1024 x 1024, {objects:,} objects, against one thread"
        yield from _times(rows, running, wanted, text)
    every = [case["rows"] for case in document["cases"]]
    single = [
        found
        for rows in every
        if (row := find(rows, "one scipy EDT of one label, for scale"))
        and (found := ratio(row, rows))
    ]
    if single and not document["quick"]:
        text = "one scipy EDT of one label, in the worst case, against one thread"
        yield Target(text, 1, min(single))
    differences = [
        row["difference"]
        for rows in every
        for row in rows
        if row["exact"] and "difference" in row
    ]
    if differences:
        text = "largest difference from the exact methods that were run"
        yield Target(text, 1e-5, max(differences), "", at_most=True)
    memory = [
        row["bytes_per_pixel"]
        for case in document["cases"]
        if prod(case["shape"]) >= MEGAPIXEL
        if (row := find(case["rows"], OWN)) and row["bytes_per_pixel"] is not None
    ]
    if memory:
        text = "peak memory of one thread, images of a megapixel or more"
        yield Target(text, 16, max(memory), " B/pixel", at_most=True)
    large = [
        row["ms"]
        for row in _rows(document, [4096, 4096], 20_000)
        if row["method"] == OWN
    ]
    if large:
        text = "4096 x 4096, 20,000 objects, all cores"
        yield Target(text, 500, min(large), " ms", at_most=True)


def elastic_targets(document: Document) -> Iterator[Target]:
    """Yield what elastic deformation has to reach, as far as it was measured."""
    plane = {
        "scipy order 3, field by zoom": 12.0,
        "elasticdeform": 12.0,
        "torch grid_sample": 2.0,
        "OpenCV remap": 1.2,
        "MONAI": 20.0,
    }
    volume = {"scipy order 3, field by zoom": 40.0, "torch grid_sample": 5.0}
    for case in document["cases"]:
        size = " x ".join(map(str, case["shape"]))
        for method, wanted in (plane if len(case["shape"]) == 2 else volume).items():
            if not document["quick"]:
                yield from _times(case["rows"], method, wanted, f"{method}, {size}")


def _times(rows: list[Row], method: str, wanted: float, text: str) -> Iterator[Target]:
    row = find(rows, method)
    found = ratio(row, rows) if row else None
    if row and found:
        yield Target(text, wanted, found, estimated=row.get("estimated", False))


def _rows(document: Document, shape: list[int], objects: int) -> list[Row]:
    for case in document["cases"]:
        if case["shape"] == shape and case["objects"] == objects:
            return list(case["rows"])
    return []
