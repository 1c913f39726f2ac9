"""What inference wants to reach."""

from collections.abc import Iterator, Mapping
from typing import Any

from napari_unet_studio.benchmark.inference_peers import BARE, MONAI
from napari_unet_studio.benchmark.method import OWN
from napari_unet_studio.benchmark.tables import mebibytes
from napari_unet_studio.benchmark.targets import Document, Target, find, missing
from napari_unet_studio.benchmark.variants import AUTO, INT8

CAP = (
    2048  # mebibytes that an image of any size may take, all that is imported included
)
LARGE = (2048, 2048)
STACK = (64, 512, 512)


def inference_targets(document: Document) -> Iterator[Target]:
    """Yield what inference has to reach, as far as it was measured."""
    if document["quick"]:
        return
    for case in document["cases"]:
        shape = tuple(case["shape"])
        if document["device"] == "cuda":
            yield from _against_monai(case, OWN, 2)
            continue
        if len(shape) == 2:
            yield from _against_monai(case, OWN, 2)
        if shape in (LARGE, STACK):
            wanted = 4.5 if shape == LARGE else 4
            wins = document["bfloat16_wins"]
            obstacle = "" if wins else "no bfloat16 gain here"
            yield from _against_monai(case, AUTO, wanted, obstacle)
        if shape == LARGE:
            yield from _against_monai(case, INT8, 6)
        yield from _overhead(case)
        yield from _memory(case)
    differences = [check["difference"] for check in document["checks"]]
    text = f"{OWN} in float32, largest difference from the whole image"
    yield Target(text, 1e-5, max(differences), "", at_most=True)
    for row in document["streamed"]:
        if row["peak_mib"] is not None:
            size = f"{row['side']} x {row['side']}"
            text = f"peak memory from file to file, {size}"
            yield Target(text, CAP, row["peak_mib"], " MiB", at_most=True)


def _against_monai(
    case: Mapping[str, Any], name: str, wanted: float, obstacle: str = ""
) -> Iterator[Target]:
    """Yield how many times as long as one of our ways MONAI takes."""
    peer, own = find(case["rows"], MONAI), find(case["rows"], name)
    text = f"{MONAI}, {_size(case)}, against {name}"
    reason = obstacle or missing(peer) or missing(own)
    if reason or peer is None or own is None:
        yield Target(text, wanted, 0, obstacle=reason)
    elif "ms" not in own or "ms" not in peer:
        yield Target(text, wanted, 0)  # it is there and failed
    else:
        estimated = any(row.get("estimated", False) for row in (peer, own))
        yield Target(text, wanted, peer["ms"] / own["ms"], estimated=estimated)


def _overhead(case: Mapping[str, Any]) -> Iterator[Target]:
    bare, own = find(case["rows"], BARE), find(case["rows"], OWN)
    if bare and own and "ms" in bare and "ms" in own:
        text = f"{OWN} against the {BARE}, {_size(case)}"
        reached = own["ms"] / bare["ms"]
        estimated = bare.get("estimated", False)
        yield Target(text, 1.1, reached, at_most=True, estimated=estimated)


def _memory(case: Mapping[str, Any]) -> Iterator[Target]:
    own = find(case["rows"], OWN)
    reached = mebibytes(own, case) if own else None
    if reached is not None:
        text = f"peak memory of {OWN}, {_size(case)}"
        yield Target(text, CAP, reached, " MiB", at_most=True)


def _size(case: Mapping[str, Any]) -> str:
    return " x ".join(map(str, case["shape"]))
