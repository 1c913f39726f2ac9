"""What a network is, as data: frozen specs with integer arithmetic on shapes.

A spec describes one network completely; :mod:`.catalog` turns it into a module. Nothing
here imports torch, so forms, the command line and tile planning stay cheap.

Spatial quantities are tuples with one entry per axis, in the order ``(Z)YX``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.checks import (
    WIDEST,
    check_choice,
    check_whole,
    check_widths,
)

Shape = tuple[int, ...]
Channels = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """What all members of the U-Net family have in common.

    Parameters
    ----------
    ndim
        Number of spatial axes.
    in_channels
        Channels of the input image.
    num_classes
        Channels of the output. 1 means one logit per pixel (sigmoid), more means one
        logit per class (softmax).
    channels
        Per level, fine to coarse: the width of each 3-wide convolution of that level. A
        plain number stands for two convolutions of that width.
    norm
        What follows each convolution before its ReLU.
    """

    family: ClassVar[str] = ""

    ndim: Literal[2, 3] = 2
    in_channels: int = 1
    num_classes: int = 1
    channels: Channels = ((64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024))
    norm: Literal["none", "batch"] = "none"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("ndim", 2, 3),
            ("in_channels", 1, WIDEST),
            ("num_classes", 1, WIDEST),
        ):
            value = check_whole(name, getattr(self, name), low, high)
            object.__setattr__(self, name, value)
        check_choice("norm", self.norm, ("none", "batch"))
        object.__setattr__(self, "channels", check_widths(self.channels))

    @property
    def levels(self) -> int:
        """Number of resolutions, the finest included."""
        return len(self.channels)

    @property
    def divisor(self) -> Shape:
        """Shifts by multiples of this leave the pooling grid and the output as is."""
        return (2 ** (self.levels - 1),) * self.ndim

    @property
    def trim(self) -> Shape:
        """Pixels that the output loses on each side of the input (0 if padded)."""
        return (0,) * self.ndim

    @property
    def halo(self) -> Shape:
        """Context a tile needs on each side so that its core equals the whole image's.

        It holds for cores whose borders lie on multiples of :attr:`divisor`. It is
        itself a multiple of the divisor for padded networks, and equal to :attr:`trim`
        for valid ones.
        """
        step = self.divisor[0]
        low, high = self._needed(0, step)
        reach = max(-low, high - step)
        return (-(-reach // step) * step,) * self.ndim

    @property
    def receptive_field(self) -> Shape:
        """Extent of the input that can influence one output pixel, at its largest."""
        extents = []
        for x in range(self.divisor[0]):
            low, high = self._needed(x, x + 1)
            extents.append(high - low)
        return (max(extents),) * self.ndim

    def output_shape(self, shape: Sequence[int]) -> Shape:
        """Return the spatial shape of the logits for an input of spatial `shape`.

        Raises
        ------
        ConfigError
            If the network cannot take that shape; the message names one that it can.
        """
        shape = self._checked(shape)
        if any(s < 1 or s % d for s, d in zip(shape, self.divisor, strict=True)):
            raise ConfigError(
                f"An input of {shape} pixels does not fit this network: each side must "
                f"be a multiple of {self.divisor[0]}, for example "
                f"{self.input_shape(shape)}."
            )
        return shape

    def input_shape(self, shape: Sequence[int]) -> Shape:
        """Return the smallest admissible input whose output covers `shape`."""
        shape = self._checked(shape)
        return tuple(
            max(1, -(-s // d)) * d for s, d in zip(shape, self.divisor, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON types; :func:`spec_from_dict` reverses it."""
        return {"family": self.family, **asdict(self)}

    def _needed(self, low: int, high: int) -> tuple[int, int]:
        """Return the input interval that output pixels ``[low, high)`` depend on."""
        raise NotImplementedError(type(self).__name__)

    def _reach(self, level: int) -> int:
        """Pixels that the convolutions of one level see to each side."""
        return len(self.channels[level])

    def _checked(self, shape: Sequence[int]) -> Shape:
        if len(shape) != self.ndim:
            raise ConfigError(
                f"The shape {tuple(shape)} has {len(shape)} axes; this network has "
                f"{self.ndim} spatial axes."
            )
        return tuple(int(s) for s in shape)


@dataclass(frozen=True, kw_only=True)
class UNetSpec(NetworkSpec):
    """The U-Net of 2015, its padded modern form and the 3D U-Net of 2016.

    Parameters
    ----------
    padding
        "valid" loses one pixel per convolution and side as in the papers, "same" pads
        with zeros and keeps the size.
    dropout
        Probability at the end of the contracting path, while training.
    up_keeps_width
        The 2016 up-convolution keeps its width; that of 2015 halves it.

    Examples
    --------
    >>> paper = UNetSpec(num_classes=2, padding="valid")
    >>> paper.output_shape((572, 572))
    (388, 388)
    >>> paper.input_shape((388, 388))
    (572, 572)
    >>> UNetSpec(channels=(16, 32, 64)).divisor
    (4, 4)

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. MICCAI 2015, figure 1.
    .. [2] Cicek et al. MICCAI 2016, figure 2.
    """

    family: ClassVar[str] = "unet"

    padding: Literal["same", "valid"] = "same"
    dropout: float = 0.0
    up_keeps_width: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("padding", self.padding, ("same", "valid"))
        check_choice("up_keeps_width", self.up_keeps_width, (True, False))
        if isinstance(self.dropout, str | bool) or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"dropout is {self.dropout!r}; it must be a number from 0 to below 1."
            )

    @property
    def trim(self) -> Shape:
        """Pixels that the output loses on each side of the input (0 if padded)."""
        if self.padding == "same":
            return super().trim
        smallest = self.input_shape((1,) * self.ndim)
        outer = self.output_shape(smallest)
        return tuple((i - o) // 2 for i, o in zip(smallest, outer, strict=True))

    @property
    def halo(self) -> Shape:
        """Context on each side of a tile; see :attr:`NetworkSpec.halo`."""
        return super().halo if self.padding == "same" else self.trim

    def output_shape(self, shape: Sequence[int]) -> Shape:
        """Return the spatial shape of the logits for an input of spatial `shape`."""
        if self.padding == "same":
            return super().output_shape(shape)
        sizes = []
        for size in self._checked(shape):
            s = size
            for level in range(self.levels):
                s -= 2 * self._reach(level)
                odd = s % 2 and level < self.levels - 1
                if s < 1 or odd:
                    raise ConfigError(
                        f"A side of {size} pixels does not fit this network: "
                        f"{'a pooling sees an odd size' if odd else 'too small'}. The "
                        f"smallest side is {self.input_shape((1,) * self.ndim)[0]}, "
                        f"then every {self.divisor[0]} more."
                    )
                s = s // 2 if level < self.levels - 1 else s
            for level in reversed(range(self.levels - 1)):
                s = 2 * s - 2 * self._reach(level)
            sizes.append(s)
        if min(sizes) < 1:
            raise ConfigError(
                f"An input of {tuple(shape)} pixels leaves no output; use at least "
                f"{self.input_shape((1,) * self.ndim)}."
            )
        return tuple(sizes)

    def input_shape(self, shape: Sequence[int]) -> Shape:
        """Return the smallest admissible input whose output covers `shape`."""
        if self.padding == "same":
            return super().input_shape(shape)
        sizes = []
        for size in self._checked(shape):
            s = max(1, size)
            for level in range(self.levels - 1):
                s = -(-(s + 2 * self._reach(level)) // 2)
            s += 2 * self._reach(self.levels - 1)
            for level in reversed(range(self.levels - 1)):
                s = 2 * s + 2 * self._reach(level)
            sizes.append(s)
        return tuple(sizes)

    def _needed(self, low: int, high: int, level: int = 0) -> tuple[int, int]:
        reach = self._reach(level)
        if level < self.levels - 1:
            low, high = low - reach, high + reach  # the decoder's convolutions
            below = self._needed(low // 2, -(-high // 2), level + 1)
            low, high = min(low, 2 * below[0]), max(high, 2 * below[1])
        return low - reach, high + reach  # the encoder's convolutions


@dataclass(frozen=True, kw_only=True)
class UNetPlusPlusSpec(NetworkSpec):
    """U-Net++: nested nodes with dense skips and deep supervision, padded.

    Parameters
    ----------
    deep_supervision
        One 1x1 head on each node X^{0,j}, j >= 1, instead of one on the last.

    Examples
    --------
    >>> spec = UNetPlusPlusSpec(channels=(32, 64, 128, 256, 512))
    >>> spec.num_heads
    4

    References
    ----------
    .. [1] Zhou et al. UNet++. DLMIA 2018; IEEE TMI 2020.
    """

    family: ClassVar[str] = "unet++"

    deep_supervision: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("deep_supervision", self.deep_supervision, (True, False))

    @property
    def num_heads(self) -> int:
        """Number of supervised outputs."""
        return self.levels - 1 if self.deep_supervision else 1

    def _needed(self, low: int, high: int) -> tuple[int, int]:
        return self._node(0, self.levels - 1, low, high)

    def _node(self, i: int, j: int, low: int, high: int) -> tuple[int, int]:
        """Input interval, at the finest level, of pixels [low, high) of X^{i,j}."""
        reach = self._reach(i)
        low, high = low - reach, high + reach
        if j == 0:
            return (low, high) if i == 0 else self._node(i - 1, 0, 2 * low, 2 * high)
        # X^{i,j-1} reaches furthest of the dense skips: the others feed it.
        skip = self._node(i, j - 1, low, high)
        below = self._node(i + 1, j - 1, low // 2, -(-high // 2))
        return min(skip[0], below[0]), max(skip[1], below[1])


SPECS: Mapping[str, type[NetworkSpec]] = {
    spec.family: spec for spec in (UNetSpec, UNetPlusPlusSpec)
}


def spec_from_dict(values: Mapping[str, Any]) -> NetworkSpec:
    """Rebuild a spec from :meth:`NetworkSpec.to_dict`.

    Raises
    ------
    ConfigError
        If the family or a field is unknown, or a value is out of range.

    Examples
    --------
    >>> spec = UNetSpec(ndim=3, channels=(8, 16))
    >>> spec_from_dict(spec.to_dict()) == spec
    True
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"A network is described by names and values, not by {values!r:.80}."
        )
    fields = dict(values)
    family = fields.pop("family", None)
    if not isinstance(family, str) or family not in SPECS:
        raise ConfigError(
            f"The network family {family!r} is unknown; this version builds "
            f"{', '.join(SPECS)}. A newer version may know it."
        )
    try:
        return SPECS[family](**fields)
    except TypeError as error:
        raise ConfigError(
            f"The description of a {family} network does not fit this version: {error}."
        ) from error
