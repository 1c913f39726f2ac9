"""The outputs of single nodes of a network, from one pass over an image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.graph import Ref
from napari_unet_studio.core.networks.lifetimes import in_place, last_readers
from napari_unet_studio.core.networks.modules import join
from napari_unet_studio.core.networks.places import towards

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network

_JOINS = (ops.Concat, ops.Add, ops.Gate, ops.Crop)  # they have no layer


def node_outputs(
    network: "Network", x: Tensor, refs: Sequence[Ref]
) -> dict[Ref, Tensor]:
    """Return the outputs (N, C, *S') of some nodes for images x (N, C, *S).

    No more is computed than they need, and what no later node reads is let go of.

    Parameters
    ----------
    network
        In evaluation mode.
    x
        Images of a size on the network's grid, see :meth:`.NetworkSpec.input_shape`.
    refs
        Numbers of the nodes.

    Examples
    --------
    >>> import torch
    >>> from napari_unet_studio.core.networks.catalog import build
    >>> network = build("unet-16").eval()
    >>> with torch.inference_mode():
    ...     found = node_outputs(network, torch.zeros(1, 1, 32, 32), [7])
    >>> found[7].shape
    torch.Size([1, 16, 16, 16])
    """
    whole = network.graph
    part = towards(whole, refs)
    overwriting = in_place(whole)
    gone = last_readers(part, part.answering)
    wanted = set(refs)
    found: dict[Ref, Tensor] = {0: x}
    for ref in part.answering:
        node = whole.nodes[ref]
        if node.inputs:
            taken = [found[source] for source in node.inputs]
            if isinstance(node.op, _JOINS):
                found[ref] = join(node.op, taken)
            else:
                first = taken[0]
                if ref in overwriting and node.inputs[0] in wanted:
                    first = first.clone()
                found[ref] = network.get_submodule(node.name)(first)
            del taken
        for source in gone[ref]:
            if source not in wanted:
                found.pop(source, None)
    return {ref: found[ref] for ref in refs}
