"""Batch normalisation folded into the convolution before it, for inference."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_unet_studio.core.networks import ops

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network

_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)


def fuse_norms(network: "Network") -> int:
    """Fold each batch norm whose input is a convolution into that convolution.

    The answer stays the same up to rounding, because in evaluation a batch norm scales
    and shifts each channel by constants. Norms before their convolution (residual
    units) stay: zeros are padded between the two.

    Parameters
    ----------
    network
        In evaluation mode; it is changed in place and cannot be trained any further.

    Returns
    -------
    int
        How many norms were folded.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import build
    >>> fuse_norms(build("unet-16").eval())
    18
    """
    graph = network.graph
    readers = Counter(ref for node in graph.nodes for ref in node.inputs)
    folded = 0
    for node in graph.nodes:
        if not (isinstance(node.op, ops.Norm) and node.op.kind == "batch"):
            continue
        (ref,) = node.inputs
        source = graph.nodes[ref]
        convolves = isinstance(source.op, ops.Conv | ops.UpConv)
        if not convolves or readers[ref] > 1:
            continue
        before: Any = network.get_submodule(source.name)
        norm: Any = network.get_submodule(node.name)
        before.weight, before.bias = fuse_conv_bn_weights(
            before.weight,
            before.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
            transpose=isinstance(before, _TRANSPOSED),
        )
        network.set_submodule(node.name, nn.Identity())
        folded += 1
    return folded
