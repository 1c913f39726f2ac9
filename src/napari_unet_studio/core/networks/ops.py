"""The operations that networks are drawn with, as data with integer arithmetic.

Each knows how it changes channels and sizes, which input pixels an output pixel needs,
and what it costs. Nothing here imports torch; :mod:`.modules` turns operations into
layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, prod
from typing import Literal

Sizes = tuple[int, ...]

NormKind = Literal["none", "batch", "instance", "group"]
ActKind = Literal["relu", "relu6", "silu", "sigmoid"]
InitKind = Literal["he", "he-fan-out", "he-bilinear"]
ResizeKind = Literal["bilinear", "nearest"]
UpKind = Literal["transposed", "bilinear", "nearest"]


@dataclass(frozen=True)
class Op:
    """One operation; unless a subclass says otherwise it works pixel by pixel."""

    def channels(self, given: Sequence[int]) -> int:
        """Return the output channels for those of the inputs."""
        return given[0]

    def fits(self, axis: int, size: int) -> bool:
        """Whether an input of that size lies on the grid of this operation."""
        return True

    def size(self, axis: int, size: int) -> int:
        """Return the output size along an axis."""
        return size

    def shrink(self, axis: int) -> Fraction:
        """Input pixels per output pixel."""
        return Fraction(1)

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        """Return the input interval that output pixels ``[low, high)`` depend on."""
        return low, high

    def parameters(self, given: Sequence[int]) -> int:
        """Return the number of trained values."""
        return 0

    def products(self, given: Sequence[int], before: int, after: int) -> int:
        """Return the multiplications, for pixels before and after."""
        return 0

    @property
    def whole(self) -> bool:
        """Whether an output pixel depends on the input from end to end."""
        return False


@dataclass(frozen=True)
class Input(Op):
    """The image."""

    width: int

    def channels(self, given: Sequence[int]) -> int:
        return self.width


@dataclass(frozen=True)
class Conv(Op):
    """A convolution, padded with zeros."""

    width: int
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    groups: int = 1
    bias: bool = True

    def channels(self, given: Sequence[int]) -> int:
        return self.width

    def fits(self, axis: int, size: int) -> bool:
        return size % self.stride[axis] == 0

    def size(self, axis: int, size: int) -> int:
        span = size + 2 * self.padding[axis] - self.kernel[axis]
        return span // self.stride[axis] + 1

    def shrink(self, axis: int) -> Fraction:
        return Fraction(self.stride[axis])

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        step, start = self.stride[axis], -self.padding[axis]
        return low * step + start, (high - 1) * step + start + self.kernel[axis]

    def parameters(self, given: Sequence[int]) -> int:
        weights = self.width * (given[0] // self.groups) * prod(self.kernel)
        return weights + self.bias * self.width

    def products(self, given: Sequence[int], before: int, after: int) -> int:
        return after * self.width * (given[0] // self.groups) * prod(self.kernel)


@dataclass(frozen=True)
class UpConv(Op):
    """A transposed convolution that enlarges each axis by its stride."""

    width: int
    kernel: Sizes
    stride: Sizes

    @property
    def padding(self) -> Sizes:
        """What makes the output exactly `stride` times as large."""
        return tuple(
            (k - s) // 2 for k, s in zip(self.kernel, self.stride, strict=True)
        )

    def channels(self, given: Sequence[int]) -> int:
        return self.width

    def size(self, axis: int, size: int) -> int:
        return size * self.stride[axis]

    def shrink(self, axis: int) -> Fraction:
        return Fraction(1, self.stride[axis])

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        step, pad, kernel = self.stride[axis], self.padding[axis], self.kernel[axis]
        return -(-(low + pad - kernel + 1) // step), (high - 1 + pad) // step + 1

    def parameters(self, given: Sequence[int]) -> int:
        return self.width * given[0] * prod(self.kernel) + self.width

    def products(self, given: Sequence[int], before: int, after: int) -> int:
        return before * self.width * given[0] * prod(self.kernel)


@dataclass(frozen=True)
class MaxPool(Op):
    """The maximum of blocks of `kernel` pixels."""

    kernel: Sizes

    def fits(self, axis: int, size: int) -> bool:
        return size % self.kernel[axis] == 0

    def size(self, axis: int, size: int) -> int:
        return size // self.kernel[axis]

    def shrink(self, axis: int) -> Fraction:
        return Fraction(self.kernel[axis])

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        return low * self.kernel[axis], high * self.kernel[axis]


@dataclass(frozen=True)
class Resize(Op):
    """Interpolation to `factor` times the size, corners not aligned."""

    factor: Sizes
    mode: ResizeKind

    def size(self, axis: int, size: int) -> int:
        return size * self.factor[axis]

    def shrink(self, axis: int) -> Fraction:
        return Fraction(1, self.factor[axis])

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        factor = self.factor[axis]
        if self.mode == "nearest":
            return low // factor, (high - 1) // factor + 1
        # Output pixel y lies at (y + 1/2) / factor - 1/2 between two input pixels.
        first, last = 2 * low + 1 - factor, 2 * high - 1 - factor
        return first // (2 * factor), -(-last // (2 * factor)) + 1


@dataclass(frozen=True)
class Norm(Op):
    """Normalisation with a trained scale and shift per channel."""

    kind: Literal["batch", "instance", "group"]
    eps: float = 1e-5

    def parameters(self, given: Sequence[int]) -> int:
        return 2 * given[0]

    @property
    def whole(self) -> bool:
        return self.kind != "batch"

    @staticmethod
    def groups(channels: int) -> int:
        """Return the number of groups: 16 channels each (Wu and He 2018, table 3)."""
        return gcd(channels, max(1, channels // 16))


@dataclass(frozen=True)
class Act(Op):
    """A nonlinearity."""

    kind: ActKind


@dataclass(frozen=True)
class Dropout(Op):
    """Zeros single values at random while training."""

    probability: float


@dataclass(frozen=True)
class DropPath(Op):
    """Leaves out a residual branch at random while training (stochastic depth)."""

    probability: float


@dataclass(frozen=True)
class GlobalPool(Op):
    """Mean or maximum of all pixels; the output has one."""

    mode: Literal["mean", "max"]

    def size(self, axis: int, size: int) -> int:
        return 1

    @property
    def whole(self) -> bool:
        return True


@dataclass(frozen=True)
class Concat(Op):
    """Channels one after the other."""

    def channels(self, given: Sequence[int]) -> int:
        return sum(given)


@dataclass(frozen=True)
class Add(Op):
    """The sum of equally wide inputs."""


@dataclass(frozen=True)
class Gate(Op):
    """The first input times the second, which has one pixel."""


@dataclass(frozen=True)
class Crop(Op):
    """The first input, cropped about its centre to the size of the second."""


@dataclass(frozen=True)
class Foreign(Op):
    """A network that was not drawn here: all that is known of it was declared.

    Parameters
    ----------
    width
        Channels of its output.
    smallest
        The smallest input that it takes, per axis.
    step
        Larger ones are larger by multiples of this; 0 means that it takes no others.
    trim
        Pixels that its output loses on each side.
    reach
        Pixels on each side that an output pixel depends on.
    count
        Trained values.
    everywhere
        Whether an output pixel may depend on all of the input.
    """

    width: int
    smallest: Sizes
    step: Sizes
    trim: Sizes
    reach: Sizes
    count: int = 0
    everywhere: bool = False

    def channels(self, given: Sequence[int]) -> int:
        return self.width

    def fits(self, axis: int, size: int) -> bool:
        more, step = size - self.smallest[axis], self.step[axis]
        return more == 0 or (more > 0 and step > 0 and more % step == 0)

    def size(self, axis: int, size: int) -> int:
        return size - 2 * self.trim[axis]

    def needed(self, axis: int, low: int, high: int) -> tuple[int, int]:
        trim, reach = self.trim[axis], self.reach[axis]
        return low + trim - reach, high + trim + reach

    def parameters(self, given: Sequence[int]) -> int:
        return self.count

    def products(self, given: Sequence[int], before: int, after: int) -> int:
        # Of a U-Net's weights most are used on coarse grids: a pixel of the image sees
        # about one in forty of them.
        return before * max(given[0] * self.width, self.count // 40)

    @property
    def whole(self) -> bool:
        return self.everywhere
