"""A network as Python source that needs PyTorch alone.

The file is for those who have no napari-unet-studio: one class, whose layers have the
names of :class:`.Network`, so that its state fits, and whose ``forward`` is the graph
written out line by line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.crops import crop_margins
from napari_unet_studio.core.networks.graph import Node, Ref
from napari_unet_studio.core.networks.layer_code import layer_code, sizes_code
from napari_unet_studio.core.networks.lifetimes import last_readers
from napari_unet_studio.core.networks.network_sources import (
    AVERAGE_CLASSES,
    AVERAGE_ONE,
    DROP_PATH,
    GUIDED,
    HEADER,
)
from napari_unet_studio.core.networks.spec import NetworkSpec

# What the class in the file is called.
CLASS = "Network"
_WIDTH = 88

Tree = dict[str, "str | Tree"]


def architecture_source(spec: NetworkSpec) -> str:
    """Return a Python module with the class ``Network``, which takes no arguments.

    Its answer is that of :class:`.Network` in evaluation mode, for inputs on the grid
    of :meth:`.NetworkSpec.input_shape`; it does not mirror others up to it. It can be
    trained, and ``torch.jit.script`` takes it.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> source = architecture_source(UNetSpec(channels=(4, 8)))
    >>> "nn.ConvTranspose2d(8, 4, 2, 2)" in source
    True
    """
    graph = spec.graph
    ends = graph.heads if graph.average else graph.heads[-1:]
    lines = list(_forward(spec, ends))
    helpers = []
    if any("drop_path(" in line for line in lines):
        helpers.append(DROP_PATH)
    if len(ends) > 1:
        one = AVERAGE_ONE if spec.num_classes == 1 else AVERAGE_CLASSES
        helpers.append(one.format(log=repr(log(len(ends)))))
    if graph.presence is not None:
        helpers.append(GUIDED)
    first = "" if spec.num_classes == 1 else "    background[:, 0] = 20.0\n"
    text = "".join(f"\n\n\n{helper}" for helper in helpers).replace("{first}", first)
    init = "".join(
        f"        self.{name} = {_code(value, 8, len(f'self.{name} = '))}\n"
        for name, value in _tree(spec).items()
    )
    body = "".join(f"        {line}\n" for line in lines)
    title = f"{spec.family} network of napari-unet-studio, {spec.ndim}D"
    return HEADER.format(
        title=title,
        helpers=text,
        name=CLASS,
        shape="N, {}, {}".format(spec.in_channels, ", ".join("ZYX"[-spec.ndim :])),
        answers=spec.num_classes,
        sizes=_sizes(spec),
        init=init,
        body=body,
    )


def _sizes(spec: NetworkSpec) -> str:
    """Say which inputs the network takes."""
    parts = [
        f"{axis.smallest} + {axis.divisor} k"
        for axis in (spec.axes[:1] if len(set(spec.axes)) == 1 else spec.axes)
    ]
    text = f"{', '.join(parts)} pixels along each axis, k = 0, 1, 2, ..."
    if any(spec.trim):
        lost = ", ".join(map(str, spec.trim))
        text += f"\n    The answer has {lost} pixels less on each side."
    return text


def _tree(spec: NetworkSpec) -> Tree:
    """Return the code of all layers with a state, by the parts of their names."""
    tree: Tree = {}
    for node in spec.graph.nodes:
        code = layer_code(node.op, spec.graph.given(node), spec.ndim)
        if code is None:
            continue
        *path, last = node.name.split(".")
        place = tree
        for part in path:
            inner = place.setdefault(part, {})
            assert isinstance(inner, dict)  # no layer holds another one
            place = inner
        place[last] = code
    return tree


def _code(value: "str | Tree", indent: int, used: int) -> str:
    """Return the code of a layer or a container, with what black would add to it."""
    space = " " * indent
    if isinstance(value, str):
        if indent + used + len(value) < _WIDTH:  # a comma may follow
            return value
        head, arguments = value.split("(", 1)
        inner = f"{space}    "
        text = f"{inner}{arguments[:-1]}"
        if len(text) > _WIDTH:
            text = inner + arguments[:-1].replace(", ", f",\n{inner}") + ","
        return f"{head}(\n{text}\n{space})"
    items = "".join(
        f'{space}        "{name}": {_code(part, indent + 8, len(name) + 4)},\n'
        for name, part in value.items()
    )
    return f"nn.ModuleDict(\n{space}    {{\n{items}{space}    }}\n{space})"


def _forward(spec: NetworkSpec, ends: Sequence[Ref]) -> Iterator[str]:
    """Yield the statements that compute the answer."""
    graph = spec.graph
    order = [ref for ref in graph.answering if ref]
    names = _Names(last_readers(graph, order), {*ends, graph.presence})
    crops = crop_margins(spec)
    for ref in order:
        node = graph.nodes[ref]
        taken = [names.of[source] for source in node.inputs]
        code = _statement(node, taken, graph.ndim, crops.get(ref))
        name = names.after(ref, node)
        if code != name:
            yield from _wrapped(f"{name} = {code}")
    if len(ends) > 1:
        listed = ", ".join(names.of[ref] for ref in ends)
        answer = f"average([{listed}])"
    else:
        answer = names.of[ends[0]]
    if graph.presence is not None:
        answer = f"guided({answer}, {names.of[graph.presence]})"
    yield f"return {answer}"


@dataclass
class _Names:
    """Variables: an output takes that of its input where nobody needs it any more."""

    gone: Mapping[Ref, Sequence[Ref]]
    kept: set[Ref | None]
    of: dict[Ref, str] = field(default_factory=lambda: {0: "x"})

    def after(self, ref: Ref, node: Node) -> str:
        """Return the variable of a node's output."""
        free = [
            self.of.pop(source)
            for source in self.gone[ref]
            if source not in self.kept and source in self.of
        ]
        busy, number = set(self.of.values()), 1
        name = "x" if "x" not in busy else ""
        if free and not name:
            name = free[0]
        while not name:
            name = f"x{number}" if f"x{number}" not in busy else ""
            number += 1
        self.of[ref] = name
        return name


def _wrapped(line: str) -> Iterator[str]:
    """Yield a statement, on several lines if it is long."""
    if len(line) + 8 <= _WIDTH:
        yield line
        return
    head, arguments = line.split("(", 1)
    yield f"{head}("
    yield f"    {arguments[:-1]}"
    yield ")"


def _statement(
    node: Node, taken: Sequence[str], ndim: int, crop: Sequence[int] | None
) -> str:
    """Return the expression of a node."""
    x, axes = taken[0], list(range(2, ndim + 2))
    match node.op:
        case ops.Conv(kernel=kernel, stride=stride) if max(kernel) == 1 < max(stride):
            x += f"[:, :, {', '.join(f'::{s}' if s > 1 else ':' for s in stride)}]"
        case ops.MaxPool(kernel):
            return f"F.max_pool{ndim}d({x}, {sizes_code(kernel)})"
        case ops.Resize(factor, mode):
            linear = "bilinear" if ndim == 2 else "trilinear"
            how = '"nearest"' if mode == "nearest" else f'"{linear}"'
            rule = "" if mode == "nearest" else ", align_corners=False"
            scale = [float(f) for f in factor]
            return f"F.interpolate({x}, scale_factor={scale}, mode={how}{rule})"
        case ops.Act("sigmoid"):
            return f"torch.sigmoid({x})"
        case ops.Act(kind):
            return f"F.{kind}({x})"
        case ops.Dropout(probability):
            return f"F.dropout({x}, {probability}, self.training)"
        case ops.DropPath(probability):
            return f"drop_path({x}, {probability}, self.training)"
        case ops.GlobalPool("mean"):
            return f"{x}.mean({axes}, True)"
        case ops.GlobalPool(_):
            return f"{x}.amax({axes}, True)"
        case ops.Concat():
            return f"torch.cat([{', '.join(taken)}], 1)"
        case ops.Add():
            return f"{x} + {taken[1]}"
        case ops.Gate():
            return f"{x} * {taken[1]}"
        case ops.Crop():
            assert crop is not None
            if not any(crop):
                return x
            parts = (f"{lost}:-{lost}" if lost else ":" for lost in crop)
            return f"{x}[:, :, {', '.join(parts)}]"
    if not isinstance(node.op, ops.Conv | ops.UpConv | ops.Norm):
        raise ConfigError(
            f"The operation {type(node.op).__name__} of this network cannot be written "
            "as Python."
        )
    first, *rest = node.name.split(".")
    path = first + "".join(f'["{part}"]' for part in rest)
    return f"self.{path}({x})"
