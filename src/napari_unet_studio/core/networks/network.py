"""The module of any network: a graph of operations, run node by node."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.initialise import initialise
from napari_unet_studio.core.networks.lifetimes import in_place, last_readers
from napari_unet_studio.core.networks.modules import average_heads, join, layer
from napari_unet_studio.core.networks.parts import (
    Box,
    Portion,
    divisible,
    portion,
    within,
)

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.spec import NetworkSpec

# Logits where the network is sure that there is no object: a probability of 2e-9.
_ABSENT = 20.0


class Heads(NamedTuple):
    """Everything that a loss may ask for.

    Parameters
    ----------
    logits
        (N, num_classes, *S) of each supervised head, the finest last.
    presence
        (N, 1): logit of "there is an object", or None for networks without.
    """

    logits: tuple[Tensor, ...]
    presence: Tensor | None = None


class Network(nn.Module):
    """A network built from its spec.

    Parameters
    ----------
    spec
        It draws the graph that this module runs.

    Notes
    -----
    Layers are registered under the names of their nodes. An output is let go of as soon
    as no later node reads it, which is what keeps the memory of inference low.
    """

    def __init__(self, spec: "NetworkSpec") -> None:
        super().__init__()
        self.spec = spec
        graph = self.graph = spec.graph
        _ = spec.axes  # found now, so that `torch.compile` need not trace the search
        overwriting = in_place(graph)
        # Where each node's layer is registered, and not the layer itself, so that a
        # layer put in its place (by `set_submodule`, say) is the one that runs.
        self._places: list[tuple[nn.Module, str] | None] = []
        for ref, node in enumerate(graph.nodes):
            module = layer(node.op, graph.given(node), graph.ndim, ref in overwriting)
            place = None if module is None else self._register(node.name, module)
            self._places.append(place)
        self._all = _plan(graph, range(1, len(graph.nodes)))
        self._answering = _plan(graph, [ref for ref in graph.answering if ref])
        initialise(self, spec.init)

    def _register(self, name: str, module: nn.Module) -> tuple[nn.Module, str]:
        parent: nn.Module = self
        *path, last = name.split(".")
        for part in path:
            if part not in parent._modules:
                parent.add_module(part, nn.ModuleDict())
            parent = parent.get_submodule(part)
        parent.add_module(last, module)
        return parent, last

    def forward(
        self,
        x: Tensor,
        every_head: bool = False,
        part: Sequence[slice] | None = None,
    ) -> Tensor | Heads:
        """Return the logits (N, num_classes, *spec.output_shape(S)) of x (N, C, *S).

        Parameters
        ----------
        x
            Images of any size that leaves an output: what is off the network's grid is
            mirrored up to it, and cropped again from the answer.
        every_head
            Return :class:`Heads` for the loss instead of the one answer.
        part
            For the one answer in evaluation mode, start and stop of the pixels that are
            wanted along each axis; all by default. No more is computed than they need
            (:mod:`.parts`): they are the same but for rounding.

        Raises
        ------
        ConfigError
            If nothing would be left of the images, or the part leaves the answer or is
            asked of a network in training.
        """
        shape = tuple(x.shape[2:])
        wanted = self.spec.output_shape(shape)
        inner = self.spec.input_shape(wanted)
        graph = self.graph
        found = {0: mirrored(x, inner)}
        whole = box = tuple((0, size) for size in wanted)
        cuts = None
        if part is not None:
            box = self._checked(part, wanted, every_head)
            cuts = portion(graph, inner, box) if divisible(graph) else None
        self._run(found, self._all if every_head else self._answering, cuts)
        ends = graph.heads if every_head or graph.average else graph.heads[-1:]
        held = [whole if cuts is None else cuts.boxes[head] for head in ends]
        logits = tuple(
            _narrowed(found[head], within(box, outer))
            for head, outer in zip(ends, held, strict=True)
        )
        presence = None
        if graph.presence is not None:
            presence = found[graph.presence].flatten(1)
        if every_head:
            return Heads(logits, presence)
        answer = average_heads(logits) if graph.average else logits[-1]
        return answer if presence is None else _guided(answer, presence)

    def _checked(
        self, part: Sequence[slice], wanted: Sequence[int], every_head: bool
    ) -> Box:
        """Return the pixels of a part."""
        box = tuple((p.start, p.stop) for p in part)
        inside = len(box) == len(wanted) and all(
            0 <= low < high <= size
            for (low, high), size in zip(box, wanted, strict=False)
        )
        if every_head or self.training or not inside:
            raise ConfigError(
                f"The part {box} is not one of an answer of {tuple(wanted)} pixels in "
                "evaluation mode; give start and stop inside it for each axis."
            )
        return box

    def _run(
        self,
        found: dict[Ref, Tensor],
        plan: Sequence[tuple[Ref, tuple[Ref, ...]]],
        cuts: Portion | None,
    ) -> None:
        """Add the outputs of a plan's nodes to those found, and drop the spent ones."""
        for ref, gone in plan:
            node, place = self.graph.nodes[ref], self._places[ref]
            taken = [found[source] for source in node.inputs]
            if cuts is not None:
                taken = [
                    _narrowed(tensor, cuts.cut(ref, source))
                    for tensor, source in zip(taken, node.inputs, strict=True)
                ]
            if place is not None:
                found[ref] = getattr(*place)(taken[0])
            else:
                found[ref] = join(node.op, taken)
            del taken  # the spent ones are to be freed now
            for source in gone:
                del found[source]


def digest(network: nn.Module, about: str) -> str:
    """Return the weights of a network, and what else counts, as one word."""
    found = hashlib.sha256(about.encode())
    for name, tensor in network.state_dict().items():
        found.update(name.encode())
        data = tensor.detach().cpu().reshape(-1).contiguous()
        found.update(data.view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _plan(graph: Graph, refs: Sequence[Ref]) -> list[tuple[Ref, tuple[Ref, ...]]]:
    """Return the nodes to run, each with the outputs that nobody needs after it."""
    gone = last_readers(graph, refs)
    return [(ref, gone[ref]) for ref in refs]


def mirrored(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Mirror x (N, C, *S) at the far end of each axis up to `shape`."""
    for axis, size in enumerate(shape, start=2):
        have = x.shape[axis]
        if size > have:
            # ... 0 1 2 1 0 1 2 ...: back and forth, however small the image.
            period = max(1, 2 * (have - 1))
            index = torch.arange(size, device=x.device) % period
            x = x.index_select(axis, torch.minimum(index, period - index) % have)
    return x


def _narrowed(x: Tensor, part: Sequence[slice]) -> Tensor:
    """Return a part of x (N, C, *S), as a view."""
    for axis, piece in enumerate(part, start=2):
        size = piece.stop - piece.start
        if x.shape[axis] > size:
            x = x.narrow(axis, piece.start, size)
    return x


def _guided(logits: Tensor, presence: Tensor) -> Tensor:
    """Answer "background" for the images in which no object is present.

    UNet 3+ (Huang et al. 2020, section 2.4) multiplies the side outputs by the decision
    of the classification-guided module.
    """
    background = torch.full_like(logits, -_ABSENT)
    if logits.shape[1] > 1:
        background[:, 0] = _ABSENT
    found = (presence > 0).reshape(-1, *(1,) * (logits.ndim - 1))
    return torch.where(found, logits, background)
