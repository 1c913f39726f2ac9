"""The layers of a network as Python source."""

from collections.abc import Sequence

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.ops import Op, Sizes


def sizes_code(sizes: Sizes) -> str:
    """Return one number where all axes are alike, else a list of them.

    Examples
    --------
    >>> sizes_code((2, 2)), sizes_code((1, 2, 2))
    ('2', '[1, 2, 2]')
    """
    return str(sizes[0]) if len(set(sizes)) == 1 else str(list(sizes))


def layer_code(op: Op, given: Sequence[int], ndim: int) -> str | None:
    """Return the code of an operation's layer, or None if it has no state.

    Examples
    --------
    >>> layer_code(ops.Conv(8, (3, 3), (1, 1), (1, 1), bias=False), [4], 2)
    'nn.Conv2d(4, 8, 3, padding=1, bias=False)'
    """

    def sizes(values: Sizes) -> str:
        return sizes_code(values).replace("[", "(").replace("]", ")")

    match op:
        case ops.Conv(width, kernel, stride, padding, groups, bias):
            # Of single pixels every n-th one is taken before: see `forward`.
            step = max(kernel) > 1 and max(stride) > 1
            parts = (
                f"{given[0]}, {width}, {sizes(kernel)}",
                f"stride={sizes(stride)}" if step else "",
                f"padding={sizes(padding)}" if any(padding) else "",
                f"groups={groups}" if groups > 1 else "",
                "" if bias else "bias=False",
            )
            return f"nn.Conv{ndim}d({', '.join(filter(None, parts))})"
        case ops.UpConv(width, kernel, stride):
            size = f"{sizes(kernel)}, {sizes(stride)}"
            if any(op.padding):
                size += f", {sizes(op.padding)}"
            return f"nn.ConvTranspose{ndim}d({given[0]}, {width}, {size})"
        case ops.Norm("group", eps):
            return f"nn.GroupNorm({op.groups(given[0])}, {given[0]}{_eps(eps)})"
        case ops.Norm("instance", eps):
            return f"nn.InstanceNorm{ndim}d({given[0]}{_eps(eps)}, affine=True)"
        case ops.Norm(_, eps):
            return f"nn.BatchNorm{ndim}d({given[0]}{_eps(eps)})"
    return None


def _eps(eps: float) -> str:
    return "" if eps == 1e-5 else f", eps={eps}"
