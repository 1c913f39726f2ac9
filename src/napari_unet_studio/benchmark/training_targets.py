"""What training wants to reach."""

from collections.abc import Iterator

from napari_unet_studio.benchmark.method import OWN
from napari_unet_studio.benchmark.targets import (
    Document,
    Row,
    Target,
    find,
    missing,
)
from napari_unet_studio.benchmark.training_peers import EAGER, EAGER_ALONE, MONAI
from napari_unet_studio.benchmark.variants import AUTO

WEIGHTED = f"{OWN}, auto, weight map"
ALONE = f"{AUTO}, one batch again"
HIDDEN = {"cpu": 10, "cuda": 5}  # per cent of a step that patches may take


def training_targets(document: Document) -> Iterator[Target]:
    """Yield what training has to reach, as far as it was measured."""
    if document["quick"]:
        return
    device = document["device"]
    for case in document["cases"]:
        rows = case["rows"]
        if device == "cuda":
            # The peer is given its patches for nothing, and ours are not.
            yield _against(rows, EAGER_ALONE, AUTO, 1.5)
        else:
            slow = "" if document["bfloat16_wins"] else "no bfloat16 gain here"
            for peer in (EAGER, MONAI):
                yield _against(rows, peer, AUTO, 3, slow)
                yield _against(rows, peer, OWN, 1.5)
        own = find(rows, AUTO)
        if own and "share" in own:
            text = f"patches of {AUTO}, of a step"
            yield Target(text, HIDDEN[device], 100 * own["share"], " %", at_most=True)


def _against(
    rows: list[Row], peer: str, own: str, wanted: float, obstacle: str = ""
) -> Target:
    """Return how many times as long as one of our ways a peer takes."""
    other, ours = find(rows, peer), find(rows, own)
    text = f"{peer}, against {own}"
    reason = obstacle or missing(other) or missing(ours)
    if reason or other is None or ours is None:
        return Target(text, wanted, 0, obstacle=reason)
    if "ms" not in other or "ms" not in ours:
        return Target(text, wanted, 0)  # it is there and failed
    return Target(text, wanted, other["ms"] / ours["ms"])
