"""How the numbers of a benchmark are written, on the screen and on the page."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from napari_unet_studio.benchmark.method import title as name_of
from napari_unet_studio.benchmark.targets import Row, Target, ratio
from napari_unet_studio.io.markdown import markdown_table

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
LONG_COLUMNS = (
    "method",
    "threads",
    "s",
    "from - to",
    "calls",
    TIMES,
    "MiB",
    "read",
    "difference",
    "note",
)
STREAM_COLUMNS = ("image", "s", "megapixels/s", "MiB")


def title(case: Mapping[str, Any]) -> str:
    """Return what was measured on."""
    return name_of(case["shape"], case["objects"])


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
        "B/pixel": or_dash(row.get("bytes_per_pixel")) if spread else "",
        "difference": _small(row.get("difference")),
        "other labels": _small(row.get("labels_differ")),
        "note": row.get("note", ""),
    }


def long_lines(case: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of a case whose calls take seconds and whole mebibytes."""
    return [_long_line(row, case) for row in case["rows"]]


def _long_line(row: Row, case: Mapping[str, Any]) -> dict[str, str]:
    told = line(row, case["rows"])
    ends = [row[key] / 1000 for key in ("lowest_ms", "highest_ms") if key in row]
    return {
        "method": told["method"],
        "threads": told["threads"],
        "s": _tilde(row) + short(row["ms"] / 1000) if "ms" in row else "",
        "from - to": " - ".join(map(short, ends)),
        "calls": str(row.get("repeats", "")),
        TIMES: told[TIMES],
        "MiB": or_dash(mebibytes(row, case)) if ends else "",
        "read": short(row["read_ratio"]) if "read_ratio" in row else "",
        "difference": told["difference"],
        "note": told["note"],
    }


def rows_of(
    case: Mapping[str, Any], rows: list[dict[str, str]], columns: Sequence[str]
) -> Iterator[str]:
    """Yield the table of a case for a page: the columns that hold something."""
    told = [name for name in columns if any(row[name] for row in rows)]
    size = " x ".join(map(str, case["shape"]))
    head = [size if name == "method" else name for name in told]
    align = "".join("l" if name in ("method", "note") else "r" for name in told)
    yield from markdown_table(head, align, ([r[name] for name in told] for r in rows))


def mebibytes(row: Row, case: Mapping[str, Any]) -> float | None:
    """Return the memory that a call adds at its peak, if it was measured."""
    per_pixel = row.get("bytes_per_pixel")
    return None if per_pixel is None else per_pixel * prod(case["shape"]) / 2**20


def stream_lines(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what was measured from file to file, for people."""
    return [
        {
            "image": f"{row['side']} x {row['side']}",
            "s": short(row["seconds"]),
            "megapixels/s": short(row["side"] ** 2 / 1e6 / row["seconds"]),
            "MiB": or_dash(row["peak_mib"]),
        }
        for row in document["streamed"]
    ]


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
    if aim.obstacle:
        wanted = f"{bound} {short(aim.wanted)}{aim.unit}"
        return aim.text, wanted, "–", f"not applicable: {aim.obstacle}"
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


def or_dash(value: float | None) -> str:
    """Return a number, or a dash where it could not be measured."""
    return "–" if value is None else short(value)


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
