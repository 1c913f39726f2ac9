"""What a measurement of the widgets says."""

from dataclasses import dataclass
from typing import Any


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


def table(record: dict[str, Any]) -> str:
    """Return a record as text."""
    lines = [
        f"{record['renderer']}, {record['binding']}, {record['platform']}",
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
