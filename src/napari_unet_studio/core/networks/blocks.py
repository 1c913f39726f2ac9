"""Building blocks of the networks; the only place that knows 2D from 3D."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn


class Ops(NamedTuple):
    """The operators of one number of spatial axes."""

    conv: type[nn.Conv2d] | type[nn.Conv3d]
    up: type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]
    pool: type[nn.MaxPool2d] | type[nn.MaxPool3d]
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]


OPS = {
    2: Ops(nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.BatchNorm2d),
    3: Ops(nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d, nn.BatchNorm3d),
}


def convolutions(
    ndim: int,
    in_channels: int,
    widths: Sequence[int],
    *,
    padding: Literal["same", "valid"] = "same",
    norm: Literal["none", "batch"] = "none",
) -> nn.Sequential:
    """Return 3-wide convolutions of the given widths, each with norm and ReLU."""
    ops = OPS[ndim]
    layers: list[nn.Module] = []
    for before, after in pairwise((in_channels, *widths)):
        layers.append(ops.conv(before, after, 3, padding=int(padding == "same")))
        if norm == "batch":
            layers.append(ops.norm(after))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def centre_crop(x: Tensor, like: Tensor) -> Tensor:
    """Crop the spatial axes of `x` (N, C, *S) around the centre to those of `like`."""
    for axis in range(2, x.ndim):
        excess = x.shape[axis] - like.shape[axis]
        if excess:
            x = x.narrow(axis, excess // 2, like.shape[axis])
    return x


def average_heads(logits: Sequence[Tensor]) -> Tensor:
    """Average the probabilities of several heads, returned as logits again.

    Parameters
    ----------
    logits
        One tensor (N, C, *S) per head; with C = 1 sigmoid logits, else softmax logits.

    Notes
    -----
    "Accurate mode" of U-Net++ (Zhou et al. 2018) averages the outputs of all heads. A
    mean of logits would be another function; here softmax (or sigmoid) of the result is
    exactly the mean of the heads' probabilities.
    """
    if len(logits) == 1:
        return logits[0]
    stacked = torch.stack(tuple(logits))  # (heads, N, C, *S)
    if stacked.shape[2] == 1:
        inside = torch.logsumexp(nn.functional.logsigmoid(stacked), dim=0)
        outside = torch.logsumexp(nn.functional.logsigmoid(-stacked), dim=0)
        return inside - outside
    mean = torch.logsumexp(nn.functional.log_softmax(stacked, dim=2), dim=0)
    return mean - math.log(len(logits))


def initialise(network: nn.Module) -> None:
    """Draw all weights from N(0, sqrt(2 / N)) and set the biases to zero.

    N is the number of incoming nodes of one neuron (Ronneberger et al. 2015, section 3;
    He et al. 2015): channels times kernel volume for a convolution. Each output of a
    2-wide transposed convolution of stride 2 sees one input pixel, so there N is the
    number of input channels.
    """
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
            incoming = module.in_channels
        elif isinstance(module, nn.Conv2d | nn.Conv3d):
            incoming = module.weight[0].numel()
        else:
            continue
        nn.init.normal_(module.weight, std=math.sqrt(2 / incoming))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
