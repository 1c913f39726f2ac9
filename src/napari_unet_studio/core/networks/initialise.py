"""How the weights of a network begin, by the rules of the papers."""

import math

import torch
from torch import Tensor, nn

from napari_unet_studio.core.networks.ops import InitKind

_Convs = nn.Conv2d | nn.Conv3d
_Ups = nn.ConvTranspose2d | nn.ConvTranspose3d


def initialise(network: nn.Module, kind: InitKind) -> None:
    """Draw all weights from N(0, sqrt(2 / N)) and set the biases to zero.

    Parameters
    ----------
    network
        Its layers are changed in place.
    kind
        "he": N is the number of incoming nodes of one neuron (Ronneberger et al. 2015,
        section 3; He et al. 2015): channels of a group times kernel volume for a
        convolution. An output of a transposed convolution sees one input pixel per
        stride and axis. "he-fan-out": N is the number of outgoing nodes of a
        convolution instead, kernel volume times channels of a group, as in
        EfficientNet's code. "he-bilinear": as "he", but transposed convolutions begin
        as linear interpolation of each channel (Long et al. 2015, section 3.3).
    """
    # On the meta device there is nothing to draw, and drawing loads torch's compiler,
    # which takes seconds.
    if all(weight.is_meta for weight in network.parameters()):
        return
    for module in network.modules():
        if isinstance(module, _Ups):
            if kind == "he-bilinear":
                with torch.no_grad():
                    module.weight.copy_(interpolation(module))
            else:
                volume = math.prod(module.kernel_size) / math.prod(module.stride)
                _draw(module.weight, module.in_channels * volume)
        elif isinstance(module, _Convs):
            if kind == "he-fan-out":
                area = math.prod(module.kernel_size)
                _draw(module.weight, module.out_channels * area / module.groups)
            else:
                _draw(module.weight, module.weight[0].numel())
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _draw(weight: Tensor, nodes: float) -> None:
    nn.init.normal_(weight, std=math.sqrt(2 / nodes))


def interpolation(layer: nn.ConvTranspose2d | nn.ConvTranspose3d) -> Tensor:
    """Return the weights with which a layer interpolates each channel linearly.

    A layer with other widths in and out spreads its channels evenly: output channel c
    takes the input channels that are c modulo the outputs, on average.

    Examples
    --------
    >>> up = nn.ConvTranspose2d(1, 1, (1, 4), (1, 2), (0, 1))
    >>> interpolation(up).flatten().tolist()
    [0.25, 0.75, 0.75, 0.25]
    """
    kernel = torch.ones(())
    for size, step in zip(layer.kernel_size, layer.stride, strict=True):
        kernel = kernel[..., None] * _triangle(size, step)
    given, width = layer.in_channels, layer.out_channels
    source, target = torch.arange(given), torch.arange(width)
    # The shorter list of channels goes round in the longer one.
    pairs = (source[:, None] - target[None, :]) % min(given, width) == 0
    shares = pairs / pairs.sum(dim=0, keepdim=True)
    axes = (1,) * len(layer.kernel_size)
    return shares.reshape(given, width, *axes) * kernel


def _triangle(size: int, step: int) -> Tensor:
    """Return linear interpolation as a kernel; nearest if it is as wide as its step."""
    if size == step:
        return torch.ones(size)
    centre = (size - 1) / 2
    away = torch.tensor([abs(i - centre) for i in range(size)], dtype=torch.float32)
    return (1 - away / step).clamp_min(0)
