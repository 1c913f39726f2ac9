"""Layers for the operations of a graph; the only place that knows 2D from 3D."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.ops import Op


class _Sampling:
    """A convolution of single pixels that takes every n-th one first.

    The same numbers as a strided convolution with a 1x1 kernel. Those of torch 2.13
    write beyond their memory in the backward pass on CPUs (float32, channels last), and
    end in a crash or in silence.
    """

    stride: tuple[int, ...]
    weight: Tensor
    bias: Tensor | None
    groups: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (N, C, *S)."""
        for axis, step in enumerate(self.stride, start=2):
            x = x[(slice(None),) * axis + (slice(None, None, step),)]
        convolve = functional.conv2d if x.ndim == 4 else functional.conv3d
        return convolve(x, self.weight, self.bias, groups=self.groups)


class SampledConv2d(_Sampling, nn.Conv2d):
    """See the base class."""


class SampledConv3d(_Sampling, nn.Conv3d):
    """See the base class."""


class _Instance:
    """An instance normalisation that takes single pixels: 0, scaled and shifted.

    Torch refuses them, but the coarsest level of a small image has no more.
    """

    def forward(self: Any, x: Tensor) -> Tensor:
        """Return x (N, C, *S), each channel of each image normalised."""
        fast = torch.backends.cudnn.enabled
        return torch.instance_norm(
            x, self.weight, self.bias, None, None, True, 0.0, self.eps, fast
        )


class InstanceNorm2d(_Instance, nn.InstanceNorm2d):
    """See the base class."""


class InstanceNorm3d(_Instance, nn.InstanceNorm3d):
    """See the base class."""


class Layers(NamedTuple):
    """The layers of one number of spatial axes."""

    conv: Callable[..., nn.Module]
    sampled: Callable[..., nn.Module]
    up: Callable[..., nn.Module]
    pool: Callable[..., nn.Module]
    batch: Callable[..., nn.Module]
    instance: Callable[..., nn.Module]
    linear: str


LAYERS = {
    2: Layers(
        nn.Conv2d,
        SampledConv2d,
        nn.ConvTranspose2d,
        nn.MaxPool2d,
        nn.BatchNorm2d,
        InstanceNorm2d,
        "bilinear",
    ),
    3: Layers(
        nn.Conv3d,
        SampledConv3d,
        nn.ConvTranspose3d,
        nn.MaxPool3d,
        nn.BatchNorm3d,
        InstanceNorm3d,
        "trilinear",
    ),
}


class Resize(nn.Module):
    """Interpolation by whole factors."""

    def __init__(self, factor: Sequence[int], mode: str) -> None:
        super().__init__()
        self.factor, self.mode = tuple(factor), mode

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, *S) enlarged."""
        size = [s * f for s, f in zip(x.shape[2:], self.factor, strict=True)]
        align = None if self.mode == "nearest" else False
        return functional.interpolate(x, size, mode=self.mode, align_corners=align)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"{self.factor}, {self.mode!r}"


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): whole branches of single images vanish."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, *S), in training with some images zero, others raised."""
        if not self.training:
            return x
        keep = 1 - self.probability
        alive = x.new_empty((len(x),) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (alive / keep)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"{self.probability}"


class GlobalPool(nn.Module):
    """Mean or maximum over all spatial axes, which stay with length 1."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, 1, ...) of x (N, C, *S)."""
        axes = tuple(range(2, x.ndim))
        return x.mean(axes, True) if self.mode == "mean" else x.amax(axes, True)


def centre_crop(x: Tensor, like: Tensor) -> Tensor:
    """Crop the spatial axes of `x` (N, C, *S) around the centre to those of `like`."""
    for axis in range(2, x.ndim):
        excess = x.shape[axis] - like.shape[axis]
        if excess:
            x = x.narrow(axis, excess // 2, like.shape[axis])
    return x


def layer(op: Op, given: Sequence[int], ndim: int, in_place: bool) -> nn.Module | None:
    """Return the layer of an operation with one input, or None if it has several.

    Parameters
    ----------
    op
        The operation.
    given
        Channels of its inputs.
    ndim
        Number of spatial axes.
    in_place
        Whether a ReLU may overwrite its input.
    """
    kinds = LAYERS[ndim]
    match op:
        case ops.Conv(width, kernel, stride, padding, groups, bias):
            pixels = max(kernel) == 1 < max(stride)
            return (kinds.sampled if pixels else kinds.conv)(
                given[0],
                width,
                kernel,
                stride,
                padding,
                groups=groups,
                bias=bias,
            )
        case ops.UpConv(width, kernel, stride):
            return kinds.up(given[0], width, kernel, stride, op.padding)
        case ops.MaxPool(kernel):
            return kinds.pool(kernel)
        case ops.Resize(factor, mode):
            return Resize(factor, mode if mode == "nearest" else kinds.linear)
        case ops.Norm("batch", eps):
            return kinds.batch(given[0], eps)
        case ops.Norm("instance", eps):
            return kinds.instance(given[0], eps, affine=True)
        case ops.Norm(_, eps):
            return nn.GroupNorm(op.groups(given[0]), given[0], eps)
        case ops.Act("relu"):
            return nn.ReLU(inplace=in_place)
        case ops.Act("relu6"):
            return nn.ReLU6()
        case ops.Act("silu"):
            return nn.SiLU()
        case ops.Act(_):
            return nn.Sigmoid()
        case ops.Dropout(probability):
            return nn.Dropout(probability)
        case ops.DropPath(probability):
            return DropPath(probability)
        case ops.GlobalPool(mode):
            return GlobalPool(mode)
    return None


def join(op: Op, inputs: Sequence[Tensor]) -> Tensor:
    """Apply an operation with several inputs."""
    match op:
        case ops.Concat():
            return torch.cat(tuple(inputs), dim=1)
        case ops.Add():
            return inputs[0] + inputs[1]
        case ops.Gate():
            return inputs[0] * inputs[1]
        case ops.Crop():
            return centre_crop(inputs[0], inputs[1])
    raise NotImplementedError(type(op).__name__)


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
        inside = torch.logsumexp(functional.logsigmoid(stacked), dim=0)
        outside = torch.logsumexp(functional.logsigmoid(-stacked), dim=0)
        return inside - outside
    mean = torch.logsumexp(functional.log_softmax(stacked, dim=2), dim=0)
    return mean - math.log(len(logits))
