"""Networks of other programs: black boxes whose geometry is declared.

Such a network comes as a file that another library computes. What tiles, halos and
memory need to know of it stands in its spec, as its authors declared it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, prod
from typing import ClassVar, Literal, Self, get_args

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.arithmetic import AxisGeometry
from napari_unet_studio.core.networks.checks import WIDEST, check_choice, check_whole
from napari_unet_studio.core.networks.costs import Costs
from napari_unet_studio.core.networks.graph import Graph
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

ForeignKind = Literal["onnx", "torchscript"]
Activation = Literal["sigmoid", "softmax", "none"]

KIND_NAMES = {"onnx": "ONNX", "torchscript": "TorchScript"}

# Values per pixel that are alive at once in a U-Net of so many weights, about.
_LIVE = ((1e5, 64), (1e6, 128), (1e7, 256), (inf, 512))
_LARGEST = 2**16
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, kw_only=True)
class ForeignSpec(NetworkSpec):
    """A network in a file that another library computes.

    Parameters
    ----------
    kind
        "onnx" is computed by onnxruntime, "torchscript" by torch.
    digest
        SHA-256 of the file.
    smallest
        The smallest input that it takes, per axis.
    step
        Larger inputs are larger by multiples of this; 0 means that it takes no others.
    shrink
        Pixels that are taken off each side of the input: lost, or not to be relied on.
    reach
        Context that its authors ask for on each side, if it takes none off.
    whole
        Whether the context is not known, or an answer depends on where its window
        begins: windows then overlap, and their answers are blended.
    outputs
        Channels of the file's output.
    channel
        Which of them is the foreground; -1 takes all as classes.
    activation
        What turns the file's output into probabilities; "none" where it gives them.
    clip
        Limits of what goes into it, after normalisation; None leaves values as they
        are.
    input_axes, output_axes
        One letter per axis of its tensors: b (batch), c (channel), z, y, x.
    parameters_count
        Trained values, as far as they can be counted.

    Examples
    --------
    >>> spec = ForeignSpec(digest="0" * 64, smallest=(64, 64), step=(16, 16))
    >>> spec.input_shape((100, 100))
    (112, 112)
    >>> fixed = ForeignSpec(digest="0" * 64, smallest=(512, 512), step=(0, 0))
    >>> fixed.input_shape((1000, 1000))
    (512, 512)
    """

    family: ClassVar[str] = "foreign"

    kind: ForeignKind = "onnx"
    digest: str = ""
    smallest: Shape = ()
    step: Shape = ()
    shrink: Shape = ()
    reach: Shape = ()
    whole: bool = False
    outputs: int = 1
    channel: int = -1
    activation: Activation = "sigmoid"
    clip: tuple[float, float] | None = None
    input_axes: str = ""
    output_axes: str = ""
    parameters_count: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, get_args(ForeignKind))
        check_choice("activation", self.activation, get_args(Activation))
        check_choice("whole", self.whole, (True, False))
        digest = self.digest
        if not (isinstance(digest, str) and len(digest) == 64 and {*digest} <= _HEX):
            raise ConfigError(
                f"digest is {digest!r:.80}; it must be a SHA-256 in hexadecimal."
            )
        for name, low, usual in (
            ("smallest", 1, 1),
            ("step", 0, 1),
            ("shrink", 0, 0),
            ("reach", 0, 0),
        ):
            value = self._checked_sizes(name, low, usual)
            object.__setattr__(self, name, value)
        for name, low, high in (
            ("outputs", 1, WIDEST),
            ("channel", -1, self.outputs - 1),
            ("parameters_count", 0, 2**48),
        ):
            value_ = check_whole(name, getattr(self, name), low, high)
            object.__setattr__(self, name, value_)
        self._check_geometry()
        object.__setattr__(self, "clip", _checked_clip(self.clip))
        for name in ("input_axes", "output_axes"):
            axes = getattr(self, name) or "bc" + "zyx"[-self.ndim :]
            object.__setattr__(self, name, _checked_axes(name, axes, self.ndim))

    def _checked_sizes(self, name: str, low: int, usual: int) -> Shape:
        value = getattr(self, name)
        if not isinstance(value, list | tuple) or len(value) not in (0, self.ndim):
            raise ConfigError(
                f"{name} is {value!r:.80}; give one number for each of the "
                f"{self.ndim} axes."
            )
        sizes = value or (usual,) * self.ndim
        return tuple(check_whole(name, size, low, _LARGEST) for size in sizes)

    def _check_geometry(self) -> None:
        classes = 1 if self.channel >= 0 else self.outputs
        if self.num_classes != classes:
            raise ConfigError(
                f"num_classes is {self.num_classes}, but the outputs of this network "
                f"make {classes}."
            )
        for least, lost, reach, step in zip(
            self.smallest, self.shrink, self.reach, self.step, strict=True
        ):
            if least <= 2 * lost or (not step and not lost and least <= 2 * reach):
                raise ConfigError(
                    f"A network whose smallest input has {least} pixels leaves nothing "
                    f"of it, as {max(lost, reach)} are context on each side."
                )

    def draw(self, pencil: Pencil) -> Graph:
        """Draw one operation that stands for all."""
        pencil.block("head")
        op = ops.Foreign(
            self.num_classes,
            self.smallest,
            self.step,
            self.shrink,
            self.reach,
            self.parameters_count,
            self.whole,
        )
        return pencil.graph([pencil.foreign(pencil.image, op)])

    @cached_property
    def axes(self) -> tuple[AxisGeometry, ...]:
        """How input and output relate along each axis."""
        return tuple(map(_axis, self.smallest, self.step, self.shrink, self.reach))

    @property
    def levels(self) -> int:
        """1: what is inside is not known."""
        return 1

    def scaled(self, width: float) -> Self:
        """Raise: what is inside cannot be changed."""
        check_drawn(self, "cannot be scaled")
        return self

    def costs(
        self,
        shape: Sequence[int],
        batch: int = 1,
        value_bytes: int = 4,
        part: Sequence[slice] | None = None,
    ) -> Costs:
        """Return a rough estimate, by what U-Nets of as many weights take.

        A `part` costs as much as the whole: windows are computed whole.
        """
        inner = self.input_shape(self.output_shape(shape))
        pixels = batch * prod(inner)
        node = self.graph.nodes[-1]
        flops = 2 * node.op.products((self.in_channels,), pixels, pixels)
        live = next(v for most, v in _LIVE if self.parameters_count <= most)
        live += self.in_channels + self.outputs
        weights, values = 4 * self.parameters_count, value_bytes * live * pixels
        return Costs(
            self.parameters_count, flops, weights + values, 4 * weights + 4 * values
        )


def check_drawn(spec: NetworkSpec, what: str) -> None:
    """Raise a ConfigError if a network is not one of ours.

    Parameters
    ----------
    spec
        The network.
    what
        What cannot be done with others, such as "cannot be trained".
    """
    if isinstance(spec, ForeignSpec):
        raise ConfigError(
            f"A network imported as {KIND_NAMES[spec.kind]} {what}: what is inside it "
            "is not known. Choose a model trained with napari-unet-studio."
        )


def _axis(smallest: int, step: int, trim: int, reach: int) -> AxisGeometry:
    divisor = step or 1
    # Valid networks have all the context they need: what they take off.
    halo = trim or -(-reach // divisor) * divisor
    return AxisGeometry(
        divisor,
        smallest,
        trim,
        halo,
        2 * max(trim, reach) + 1,
        largest=None if step else smallest,
    )


def _checked_axes(name: str, axes: object, ndim: int) -> str:
    wanted = set("zyx"[-ndim:])
    letters = list(axes) if isinstance(axes, str) and len(axes) <= ndim + 2 else []
    if {*letters} - set("bc") != wanted or len({*letters}) < len(letters):
        raise ConfigError(
            f"{name} is {axes!r:.80}; give each of {', '.join(sorted(wanted))} once, "
            "with b for the batch and c for the channel."
        )
    return str(axes)


def _checked_clip(clip: object) -> tuple[float, float] | None:
    if clip is None:
        return None
    if isinstance(clip, list | tuple) and len(clip) == 2:
        numbers = [v for v in clip if isinstance(v, int | float) and abs(v) < 1e30]
        if len(numbers) == 2 and numbers[0] < numbers[1]:
            low, high = map(float, numbers)
            if isfinite(low) and isfinite(high):
                return low, high
    raise ConfigError(f"clip is {clip!r:.80}; give a lower and a higher number.")
