"""The graph of a network as nodes of ONNX, without a detour through torch's exporters.

Names of weights are those of the network's state. What is random in training is left
out. Sizes stay open: no node depends on the size of the image.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.crops import crop_margins
from napari_unet_studio.core.networks.graph import Node, Ref
from napari_unet_studio.core.networks.spec import NetworkSpec

# Logits where the network is sure that there is no object, as in `Network`.
_ABSENT = 20.0


class OnnxNodes:
    """Writes nodes and constants one after the other.

    Parameters
    ----------
    spec
        The network.
    weights
        Its state, by name.
    opset
        Version of the operators.
    """

    def __init__(
        self, spec: NetworkSpec, weights: Mapping[str, NDArray[Any]], opset: int
    ) -> None:
        self.spec, self.weights, self.opset = spec, weights, opset
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._crops = crop_margins(spec)

    def write(self, image: str, answer: str, probabilities: bool) -> None:
        """Write the network from its input to its answer, both under these names."""
        graph = self.spec.graph
        found: dict[Ref, str] = {0: image}
        for ref in graph.answering:
            if ref:
                node = graph.nodes[ref]
                taken = [found[source] for source in node.inputs]
                found[ref] = self._node(ref, node, taken)
        ends = graph.heads if graph.average else graph.heads[-1:]
        logits = self._average([found[ref] for ref in ends])
        if graph.presence is not None:
            logits = self._guided(logits, found[graph.presence])
        if not probabilities:
            self._add("Identity", [logits], answer)
        elif self.spec.num_classes == 1:
            self._add("Sigmoid", [logits], answer)
        else:
            self._add("Softmax", [logits], answer, axis=1)

    def _node(self, ref: Ref, node: Node, taken: Sequence[str]) -> str:
        """Write the nodes of an operation; returns the name of its output."""
        name, x = node.name, taken[0]
        match node.op:
            case ops.Conv(groups=groups):
                return self._convolution("Conv", name, x, node.op, groups)
            case ops.UpConv():
                return self._convolution("ConvTranspose", name, x, node.op, 1)
            case ops.Norm(kind, eps):
                return self._norm(name, x, kind, eps, node.channels)
            case ops.MaxPool(kernel):
                size = list(kernel)
                return self._add("MaxPool", [x], name, kernel_shape=size, strides=size)
            case ops.Resize(factor, mode):
                times = np.array([1, 1, *factor], np.float32)
                scales = self._constant(f"{name}.scales", times)
                rule: dict[str, Any] = {
                    "mode": "linear",
                    "coordinate_transformation_mode": "half_pixel",
                }
                if mode == "nearest":
                    rule = {
                        "mode": "nearest",
                        "coordinate_transformation_mode": "asymmetric",
                        "nearest_mode": "floor",
                    }
                return self._add("Resize", [x, "", scales], name, **rule)
            case ops.Act(kind):
                return self._act(name, x, kind)
            case ops.GlobalPool(pool):
                how = "GlobalAveragePool" if pool == "mean" else "GlobalMaxPool"
                return self._add(how, [x], name)
            case ops.Concat():
                return self._add("Concat", taken, name, axis=1)
            case ops.Add():
                return self._add("Add", taken, name)
            case ops.Gate():
                return self._add("Mul", taken, name)
            case ops.Crop():
                return self._crop(name, x, self._crops[ref])
            case ops.Dropout() | ops.DropPath():
                return x
        raise ConfigError(
            f"The operation {type(node.op).__name__} of this network does not go into "
            "an ONNX file."
        )

    def _convolution(
        self, kind: str, name: str, x: str, op: ops.Conv | ops.UpConv, groups: int
    ) -> str:
        return self._add(
            kind,
            [x, *self._weights(name, ("weight", "bias"))],
            name,
            kernel_shape=list(op.kernel),
            strides=list(op.stride),
            pads=[*op.padding, *op.padding],
            group=groups,
        )

    def _act(self, name: str, x: str, kind: str) -> str:
        match kind:
            case "relu":
                return self._add("Relu", [x], name)
            case "relu6":
                low = self._constant("constant.0", np.float32(0))
                high = self._constant("constant.6", np.float32(6))
                return self._add("Clip", [x, low, high], name)
            case "silu":
                gate = self._add("Sigmoid", [x], f"{name}.gate")
                return self._add("Mul", [x, gate], name)
        return self._add("Sigmoid", [x], name)

    def _norm(self, name: str, x: str, kind: str, eps: float, width: int) -> str:
        names = ("weight", "bias")
        if kind == "batch":
            measured = ("running_mean", "running_var")
            inputs = [x, *self._weights(name, (*names, *measured))]
            return self._add("BatchNormalization", inputs, name, epsilon=eps)
        # Mean and variance step by step: runtimes lose digits in their operator for it.
        groups = width if kind == "instance" else ops.Norm.groups(width)
        shape = self._constant(f"{name}.groups", np.array([0, groups, -1]))
        flat = self._add("Reshape", [x, shape], f"{name}.flat")
        mean = self._mean(f"{name}.mean", flat)
        centred = self._add("Sub", [flat, mean], f"{name}.centred")
        square = self._add("Mul", [centred, centred], f"{name}.square")
        variance = self._mean(f"{name}.variance", square)
        least = self._constant(f"{name}.eps", np.float32(eps))
        raised = self._add("Add", [variance, least], f"{name}.raised")
        root = self._add("Sqrt", [raised], f"{name}.deviation")
        even = self._add("Div", [centred, root], f"{name}.even")
        before = self._add("Shape", [x], f"{name}.shape")
        back = self._add("Reshape", [even, before], f"{name}.back")
        scale, shift = (
            self._constant(
                f"{name}.{part}",
                self.weights[f"{name}.{part}"].reshape(-1, *(1,) * self.spec.ndim),
            )
            for part in names
        )
        scaled = self._add("Mul", [back, scale], f"{name}.scaled")
        return self._add("Add", [scaled, shift], name)

    def _mean(self, name: str, x: str) -> str:
        return self._reduce("ReduceMean", name, x, axis=2, keep=1)

    def _reduce(self, kind: str, name: str, x: str, axis: int, keep: int) -> str:
        """Write a reduction: its axes became an input with version 18."""
        if self.opset < 18:
            return self._add(kind, [x], name, axes=[axis], keepdims=keep)
        axes = self._constant(f"axis.{axis}", np.array([axis]))
        return self._add(kind, [x, axes], name, keepdims=keep)

    def _crop(self, name: str, x: str, lost: Sequence[int]) -> str:
        axes = [axis for axis, margin in enumerate(lost) if margin]
        if not axes:
            return x
        starts = np.array([lost[axis] for axis in axes])
        which = np.array([axis + 2 for axis in axes])
        inputs = [
            self._constant(f"{name}.{part}", values)
            for part, values in (("starts", starts), ("ends", -starts), ("axes", which))
        ]
        return self._add("Slice", [x, *inputs], name)

    def _average(self, heads: Sequence[str]) -> str:
        """Write the logits of the mean probability, as `average_heads` has them."""
        if len(heads) == 1:
            return heads[0]
        if self.spec.num_classes == 1:
            inside = self._log_sum(
                "inside", [self._log_sigmoid(f"{head}.inside", head) for head in heads]
            )
            outside = self._log_sum(
                "outside",
                [
                    self._log_sigmoid(
                        f"{head}.outside", self._add("Neg", [head], f"{head}.minus")
                    )
                    for head in heads
                ],
            )
            return self._add("Sub", [inside, outside], "average")
        logs = [
            self._add("LogSoftmax", [head], f"{head}.log", axis=1) for head in heads
        ]
        count = self._constant("heads.log", np.float32(np.log(len(heads))))
        return self._add("Sub", [self._log_sum("sum", logs), count], "average")

    def _log_sigmoid(self, name: str, x: str) -> str:
        minus = self._add("Neg", [x], f"{name}.neg")
        soft = self._add("Softplus", [minus], f"{name}.softplus")
        return self._add("Neg", [soft], f"{name}.log")

    def _log_sum(self, name: str, logs: Sequence[str]) -> str:
        first = self._constant("axis.0", np.array([0]))
        lifted = [
            self._add("Unsqueeze", [log, first], f"{name}.{number}")
            for number, log in enumerate(logs)
        ]
        stacked = self._add("Concat", lifted, f"{name}.stacked", axis=0)
        return self._reduce("ReduceLogSumExp", name, stacked, axis=0, keep=0)

    def _guided(self, logits: str, presence: str) -> str:
        background = np.full((1, self.spec.num_classes), -_ABSENT, np.float32)
        if self.spec.num_classes > 1:
            background[:, 0] = _ABSENT
        empty = background.reshape(*background.shape, *(1,) * self.spec.ndim)
        zero = self._constant("constant.0", np.float32(0))
        found = self._add("Greater", [presence, zero], "present")
        nothing = self._constant("constant.absent", empty)
        return self._add("Where", [found, logits, nothing], "guided")

    def _weights(self, name: str, parts: Sequence[str]) -> list[str]:
        return [
            self._constant(f"{name}.{part}", self.weights[f"{name}.{part}"])
            for part in parts
            if f"{name}.{part}" in self.weights
        ]

    def _constant(self, name: str, values: Any) -> str:
        self.constants[name] = np.asarray(values)
        return name

    def _add(self, kind: str, inputs: Sequence[str], name: str, **rule: Any) -> str:
        from onnx import helper

        make: Callable[..., Any] = helper.make_node
        self.nodes.append(make(kind, list(inputs), [name], name=name, **rule))
        return name
