"""What can be told of a network from its file, besides what others declared."""

import hashlib
from collections.abc import Sequence

from napari_unet_studio.core.networks.foreign import Activation, ForeignSpec
from napari_unet_studio.io.foreign import load_torchscript, onnx_sizes
from napari_unet_studio.io.onnx_check import check_onnx


def parameters_of(kind: str, payload: bytes) -> int:
    """Return the number of values in a network's file."""
    if kind == "onnx":
        return check_onnx(payload, "The ONNX network").parameters
    # The program is loaded as often as its network: it is trusted by now.
    return sum(p.numel() for p in load_torchscript(payload).parameters())


def foreign_spec(
    kind: str,
    payload: bytes,
    sizes: Sequence[tuple[int, int, int, int]],
    in_channels: int,
    outputs: int,
    clip: tuple[float, float] | None,
    axes: tuple[str, str],
    activation: Activation,
) -> ForeignSpec:
    """Return the spec of a network in a file, whose channels are all classes.

    Parameters
    ----------
    kind, payload
        The file.
    sizes
        Per spatial axis: smallest size, step (0: no others), pixels that the output has
        more than the input, and halo.
    in_channels, outputs, clip, axes, activation
        As for :class:`.ForeignSpec`.
    """
    input_axes, output_axes = axes
    letters = [letter for letter in "zyx" if letter in input_axes]
    fixed = onnx_sizes(payload) if kind == "onnx" else []
    if len(fixed) != len(input_axes):
        fixed = [None] * len(input_axes)
    least, step, shrink, reach, whole = [], [], [], [], False
    for letter, (smallest, more, offset, halo) in zip(letters, sizes, strict=True):
        only = fixed[input_axes.index(letter)]
        if only is not None:
            smallest, more = only, 0
        lost = -(min(0, offset) // 2)
        if lost:  # what is not to be relied on is lost as well
            lost += halo
        # Where the context is not known, or a grid of pooling is not either.
        whole = whole or not more or not (lost or halo)
        if not more and not lost and smallest <= 2 * halo:
            halo = 0
        least.append(smallest)
        step.append(more)
        shrink.append(lost)
        reach.append(0 if lost else halo)
    return ForeignSpec(
        ndim=len(letters),  # type: ignore[arg-type]
        in_channels=in_channels,
        num_classes=outputs,
        kind=kind,  # type: ignore[arg-type]
        digest=hashlib.sha256(payload).hexdigest(),
        smallest=tuple(least),
        step=tuple(step),
        shrink=tuple(shrink),
        reach=tuple(reach),
        whole=whole,
        outputs=outputs,
        activation=activation,
        clip=clip,
        input_axes=input_axes,
        output_axes=output_axes,
        parameters_count=parameters_of(kind, payload),
    )
