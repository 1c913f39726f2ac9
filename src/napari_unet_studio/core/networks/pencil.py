"""The pencil that draws the graph of a network, node after node."""

from collections.abc import Sequence

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.graph import Graph, Node, Ref
from napari_unet_studio.core.networks.ops import (
    ActKind,
    NormKind,
    Op,
    ResizeKind,
    Sizes,
    UpKind,
)


class Pencil:
    """Draws a graph, node after node.

    Parameters
    ----------
    ndim
        Number of spatial axes; plain kernels and strides hold for each.
    in_channels
        Width of the image.
    norm
        What :meth:`norm` draws.
    """

    def __init__(self, ndim: int, in_channels: int, norm: NormKind = "none") -> None:
        self.ndim, self.kind = ndim, norm
        self._nodes: list[Node] = []
        self._block, self._count = "", 0
        self.image = self._add(ops.Input(in_channels), name="image")

    def block(self, name: str) -> None:
        """Begin a block: the layers from here on are numbered inside it."""
        self._block, self._count = name, 0

    def width(self, x: Ref) -> int:
        """Return the channels of a node."""
        return self._nodes[x].channels

    def conv(
        self,
        x: Ref,
        width: int,
        kernel: int | Sizes = 3,
        *,
        stride: int | Sizes = 1,
        valid: bool = False,
        groups: int = 1,
        bias: bool = True,
        name: str = "",
    ) -> Ref:
        """Draw a convolution with an odd kernel, zero-padded unless it is `valid`."""
        size = self._each(kernel)
        padding = tuple(0 if valid else k // 2 for k in size)
        op = ops.Conv(width, size, self._each(stride), padding, groups, bias)
        return self._layer(op, x, name)

    def norm(self, x: Ref, *, eps: float = 1e-5) -> Ref:
        """Draw the normalisation of this network, if it has one."""
        if self.kind == "none":
            return x
        return self._layer(ops.Norm(self.kind, eps), x)

    def act(self, x: Ref, kind: ActKind = "relu") -> Ref:
        """Draw a nonlinearity."""
        return self._layer(ops.Act(kind), x)

    def unit(
        self,
        x: Ref,
        width: int,
        kernel: int | Sizes = 3,
        *,
        stride: int | Sizes = 1,
        valid: bool = False,
        groups: int = 1,
        bias: bool = True,
        act: ActKind | None = "relu",
        eps: float = 1e-5,
    ) -> Ref:
        """Draw a convolution, its normalisation and its nonlinearity."""
        x = self.conv(
            x, width, kernel, stride=stride, valid=valid, groups=groups, bias=bias
        )
        x = self.norm(x, eps=eps)
        return x if act is None else self.act(x, act)

    def pool(self, x: Ref, kernel: int | Sizes = 2) -> Ref:
        """Draw a maximum over blocks; none where the blocks are single pixels."""
        size = self._each(kernel)
        return x if max(size) == 1 else self._add(ops.MaxPool(size), x)

    def up(
        self,
        x: Ref,
        width: int,
        factor: Sizes,
        kind: UpKind = "transposed",
        name: str = "",
    ) -> Ref:
        """Draw an up-convolution: transposed, or interpolation and a 1x1 convolution.

        The kernel of the transposed one is its stride: outputs do not overlap.
        """
        if kind == "transposed":
            return self._layer(ops.UpConv(width, factor, factor), x, name)
        return self.conv(self.resize(x, factor, kind), width, 1, name=name)

    def up_bilinear(self, x: Ref, width: int, factor: Sizes, name: str = "") -> Ref:
        """Draw a transposed convolution whose kernels can interpolate linearly."""
        kernel = tuple(2 * f - f % 2 for f in factor)
        return self._layer(ops.UpConv(width, kernel, factor), x, name)

    def resize(self, x: Ref, factor: Sizes, mode: ResizeKind = "bilinear") -> Ref:
        """Draw an interpolation to `factor` times the size."""
        if max(factor) == 1:
            return x
        return self._add(ops.Resize(factor, mode), x)

    def dropout(self, x: Ref, probability: float) -> Ref:
        """Draw dropout of single values."""
        return self._add(ops.Dropout(probability), x) if probability else x

    def drop_path(self, x: Ref, probability: float) -> Ref:
        """Draw the random omission of a branch."""
        return self._add(ops.DropPath(probability), x) if probability else x

    def concat(self, *xs: Ref) -> Ref:
        """Draw a concatenation of channels."""
        return xs[0] if len(xs) == 1 else self._add(ops.Concat(), *xs)

    def add(self, x: Ref, y: Ref) -> Ref:
        """Draw a sum."""
        return self._add(ops.Add(), x, y)

    def crop(self, x: Ref, like: Ref) -> Ref:
        """Draw a crop of `x` about its centre."""
        return self._add(ops.Crop(), x, like)

    def squeeze_excite(self, x: Ref, hidden: int, act: ActKind) -> Ref:
        """Draw a gate per channel, from the means of all channels (Hu et al. 2018)."""
        mean = self._add(ops.GlobalPool("mean"), x)
        gate = self.act(self.conv(mean, hidden, 1), act)
        gate = self.act(self.conv(gate, self.width(x), 1), "sigmoid")
        return self._add(ops.Gate(), x, gate)

    def global_max(self, x: Ref) -> Ref:
        """Draw the maximum over all pixels."""
        return self._add(ops.GlobalPool("max"), x)

    def foreign(self, x: Ref, op: ops.Foreign) -> Ref:
        """Draw a network that was not drawn here, as one operation."""
        return self._layer(op, x, "head.network")

    def graph(
        self,
        heads: Sequence[Ref],
        *,
        average: bool = False,
        presence: Ref | None = None,
    ) -> Graph:
        """Return the drawing."""
        return Graph(self.ndim, tuple(self._nodes), tuple(heads), average, presence)

    def _each(self, value: int | Sizes) -> Sizes:
        return (value,) * self.ndim if isinstance(value, int) else value

    def _layer(self, op: Op, x: Ref, name: str = "") -> Ref:
        if not name:
            name = f"{self._block}.{self._count}"
            self._count += 1
        return self._add(op, x, name=name)

    def _add(self, op: Op, *inputs: Ref, name: str = "") -> Ref:
        number = len(self._nodes)
        given = [self._nodes[ref].channels for ref in inputs]
        name = name or f"step{number}"
        self._nodes.append(Node(op, inputs, op.channels(given), name, self._block))
        return number
