"""How long the outputs of a network's nodes live, and in whose memory."""

from collections.abc import Sequence

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.graph import Graph, Ref


def in_place(graph: Graph) -> frozenset[Ref]:
    """Return the ReLUs that may overwrite their input.

    Nobody else reads it, and no gradient needs it. Those of the other nonlinearities do
    need it, and torch would copy it first.
    """
    readers = [0] * len(graph.nodes)
    for node in graph.nodes:
        for ref in node.inputs:
            readers[ref] += 1
    safe = (ops.Conv, ops.UpConv, ops.Norm, ops.Add)
    return frozenset(
        ref
        for ref, node in enumerate(graph.nodes)
        if isinstance(node.op, ops.Act)
        and node.op.kind == "relu"
        and readers[node.inputs[0]] == 1
        and isinstance(graph.nodes[node.inputs[0]].op, safe)
    )


def last_readers(graph: Graph, refs: Sequence[Ref]) -> dict[Ref, tuple[Ref, ...]]:
    """Return, for each node of `refs`, which outputs nobody needs after it."""
    last = {source: ref for ref in refs for source in graph.nodes[ref].inputs}
    kept = {*graph.heads, graph.presence}
    gone: dict[Ref, tuple[Ref, ...]] = dict.fromkeys(refs, ())
    for source, ref in last.items():
        if source not in kept:
            gone[ref] += (source,)
    return gone


def live_peak(graph: Graph, volume: Sequence[int]) -> int:
    """Return the most bytes alive at once while the answer is computed."""
    overwriting = in_place(graph)
    gone = last_readers(graph, graph.answering)
    live = peak = 0
    for ref in graph.answering:
        live += volume[ref]
        peak = max(peak, live - (volume[ref] if ref in overwriting else 0))
        live -= sum(volume[source] for source in gone[ref])
    return peak


def bytes_saved(graph: Graph, volume: Sequence[int], pixels: Sequence[int]) -> int:
    """Return the bytes that a backward pass keeps."""
    overwriting = in_place(graph)
    kept: set[Ref] = set()
    extra = 0
    place = list(range(len(graph.nodes)))  # where a node's output is stored
    for ref, node in enumerate(graph.nodes):
        op = node.op
        if ref in overwriting:
            place[ref] = place[node.inputs[0]]
        if isinstance(op, ops.Conv | ops.UpConv | ops.Norm | ops.MaxPool | ops.Gate):
            kept.update(place[source] for source in node.inputs)
        if isinstance(op, ops.MaxPool):
            extra += 8 * pixels[ref] * node.channels  # positions of the maxima
        if isinstance(op, ops.Dropout):
            extra += pixels[ref] * node.channels
        if isinstance(op, ops.Act):
            kept.add(place[node.inputs[0] if op.kind in ("relu6", "silu") else ref])
    return sum(volume[ref] for ref in kept) + extra
