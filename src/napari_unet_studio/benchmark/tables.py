"""How the numbers of a benchmark are written, on the screen and on the page."""

from collections.abc import Mapping
from typing import Any

from napari_unet_studio.benchmark.targets import Row, Target, ratio

TIMES = "x as long as ours"
COLUMNS = (
    "method",
    "threads",
    "ms",
    "from - to",
    TIMES,
    "B/pixel",
    "difference",
    "other labels",
    "note",
)


def title(case: Mapping[str, Any]) -> str:
    """Return what was measured on."""
    return f"{' x '.join(map(str, case['shape']))}, {case['objects']:,} objects"


def lines(case: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of a case for people; estimates bear a tilde."""
    return [line(row, case["rows"]) for row in case["rows"]]


def line(row: Row, rows: list[Row]) -> dict[str, str]:
    """Return one row, among those of its case, for people."""
    spread = "lowest_ms" in row
    return {
        "method": method_name(row),
        "threads": "" if row["device"] == "cuda" else str(row["threads"]),
        "ms": milliseconds(row),
        "from - to": f"{short(row['lowest_ms'])} - {short(row['highest_ms'])}"
        if spread
        else "",
        TIMES: times(row, rows),
        "B/pixel": _or_dash(row.get("bytes_per_pixel")) if spread else "",
        "difference": _small(row.get("difference")),
        "other labels": _small(row.get("labels_differ")),
        "note": row.get("note", ""),
    }


def method_name(row: Row) -> str:
    """Return the name of a method, and its device if that is no processor."""
    return f"{row['method']}, CUDA" if row["device"] == "cuda" else str(row["method"])


def milliseconds(row: Row) -> str:
    """Return the median time, with a tilde if it is an estimate."""
    return _tilde(row) + short(row["ms"]) if "ms" in row else ""


def times(row: Row, rows: list[Row]) -> str:
    """Return how many times as long as this package, on one thread, a method takes."""
    found = ratio(row, rows)
    return "" if found is None else _tilde(row) + short(found)


def target(aim: Target) -> tuple[str, str, str, str]:
    """Return what was counted, wanted and reached, and the judgement."""
    bound = "at most" if aim.at_most else "at least"
    reached = f"{'~' * aim.estimated}{short(aim.reached)}{aim.unit}"
    verdict = ("met" if aim.met else "missed") + ", estimated" * aim.estimated
    return aim.text, f"{bound} {short(aim.wanted)}{aim.unit}", reached, verdict


def short(value: float) -> str:
    """Return a number with three digits that count, without an exponent if large."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _tilde(row: Row) -> str:
    return "~" if row.get("estimated") else ""


def _or_dash(value: float | None) -> str:
    return "–" if value is None else short(value)


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
