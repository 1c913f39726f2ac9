"""A layer, or several, read as one image: pixels, axes, channels, level and place."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.axes import as_array, spatial_ndim
from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.arrays import grey
from napari_unet_studio.layers.naming import axes_of, found_axes, read_axes
from napari_unet_studio.layers.place import Region, level_place, part_of, spatial_of

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True, eq=False)
class Source:
    """A layer as it was when work began.

    Parameters
    ----------
    name
        Of the layer.
    data
        Its pixels at the chosen resolution, possibly lazy.
    axes
        Names of its axes but the channels, such as "TYX".
    channel_axis
        Axis of `data` with channels, or None.
    spacing
        Pixel size of the spatial axes, in `unit`.
    spatial
        Keyword arguments that put a layer of the same pixels in the same place.
    multiscale
        Whether the layer has coarser resolutions besides.
    level
        Which of them `data` is; 0 is the finest.
    channel
        The one channel that was taken of several, if any.
    layers
        Names of all layers whose pixels are the channels, if there are several.
    unit
        "um", or "pixel" if the layer knows no length.
    world_axes
        Where `axes` are among the axes of the layer, counted from the last: -1.
    region
        The part of the image that is meant, if not all of it.
    where
        That part in words, such as "in view".
    letters
        Names of all axes of the layer, such as "CYX"; colours are no axis of it.
    """

    name: str
    data: Any
    axes: str
    channel_axis: int | None
    spacing: tuple[float, ...]
    spatial: Mapping[str, Any]
    multiscale: bool = False
    level: int = 0
    channel: Channel | None = None
    layers: tuple[str, ...] = ()
    unit: str = "pixel"
    world_axes: tuple[int, ...] = ()
    region: Region | None = None
    where: str = field(default="")
    letters: str = ""

    @property
    def expression(self) -> str:
        """Python for the layer's pixels at this level, in napari's console."""
        level = f"[{self.level}]" * self.multiscale
        return f"viewer.layers[{self.name!r}].data{level}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of the axes but the channels."""
        shape = [int(n) for n in self.data.shape]
        if self.channel_axis is not None:
            del shape[self.channel_axis]
        return tuple(shape)

    @property
    def channels(self) -> int:
        """Number of channels."""
        if self.channel_axis is None:
            return 1
        return int(self.data.shape[self.channel_axis])

    @property
    def title(self) -> str:
        """The layer and what was taken of it, for the names of results."""
        words = [self.name]
        if isinstance(self.channel, int):
            words.append(f"channel {self.channel}")
        if self.level:
            words.append(f"level {self.level}")
        return " ".join([*words, *filter(None, [self.where])])

    def of(self, region: Region | None) -> dict[str, Any]:
        """Return the place of a part of the image; all of it by default."""
        if region is None:
            return dict(self.spatial)
        return part_of(self.spatial, [part.start for part in region])


def source_of(
    layer: "Layer",
    axes: str | None = None,
    *,
    level: int = 0,
    channel: Channel | None = None,
) -> Source:
    """Read an Image or Labels layer.

    Parameters
    ----------
    layer
        The layer.
    axes
        Names of the axes, such as "CZYX"; by default the layer's ``axis_labels`` where
        they are among t, z, y, x and c, else "YX", "ZYX" or "TZYX". The channels need
        no letter if the layer has colours or names the axis "c".
    level
        Resolution of a multiscale layer; 0 is the finest.
    channel
        Take one channel only, by its number from 0, or "grey", the luminance of
        colours.

    Raises
    ------
    InputError
        If the layer is neither, its axes cannot be named, or there is no such level or
        channel.
    """
    kind = layer.__class__.__name__
    if kind not in ("Image", "Labels"):
        raise InputError(
            f"The layer {layer.name!r} is of type {kind}; choose an Image or a Labels "
            "layer."
        )
    data = _level_of(layer, level)
    axes, channel_axis = _named(layer, axes)
    dropped = channel_axis
    spatial = spatial_of(layer, dropped)
    letters = axes if dropped is None else f"{axes[:dropped]}C{axes[dropped:]}"
    if getattr(layer, "rgb", False):
        channel_axis = data.ndim - 1
    if level:
        sides = [n for n in range(layer.ndim) if n != dropped]
        whole = [layer.data[0].shape[n] for n in sides]
        spatial = level_place(spatial, whole, [data.shape[n] for n in sides])
    spacing, unit = _spacing_of(spatial, spatial_ndim(axes))
    source = Source(
        layer.name,
        data,
        axes,
        channel_axis,
        spacing,
        spatial,
        bool(layer.multiscale),
        level,
        unit=unit,
        world_axes=tuple(n - layer.ndim for n in range(layer.ndim) if n != dropped),
        letters=letters,
    )
    return source if channel is None else _single(source, channel)


def level_shapes(layer: "Layer") -> list[tuple[int, ...]]:
    """Return the shape of each resolution of a layer, the finest first."""
    levels = layer.data if layer.multiscale else [layer.data]
    return [tuple(int(n) for n in level.shape) for level in levels]


def moved(source: Source, data: Any) -> Source:
    """Return a source with other data of the same pixels, for derived layers."""
    return replace(source, data=data, channel_axis=None)


def _level_of(layer: "Layer", level: int) -> Any:
    count = len(layer.data) if layer.multiscale else 1
    if not 0 <= level < count:
        raise InputError(
            f"The layer {layer.name!r} has no level {level}; choose one from 0 to "
            f"{count - 1}."
        )
    return as_array(layer.data[level] if layer.multiscale else layer.data)


def _named(layer: "Layer", axes: str | None) -> tuple[str, int | None]:
    """Return the axes but the channels, and the axis of the layer with the channels."""
    if axes is not None:
        return read_axes(layer, axes)
    found = found_axes(layer)
    channel_axis = found.index("C") if found.count("C") == 1 else None
    named = [name for name in found if name != "C"]
    if len(named) > 4:
        raise InputError(
            f"The layer {layer.name!r} has {len(named)} axes, at most time, z, y and x "
            "can be used; split it first, or name the axis of the channels 'c'."
        )
    axes = axes_of(layer)
    if axes == "ZTYX":
        raise InputError(
            f"The layer {layer.name!r} has its axes in the order z, t, y, x; move time "
            "to the front, as with numpy.swapaxes, or rename them."
        )
    return axes, channel_axis


def _single(source: Source, channel: Channel) -> Source:
    """Take one channel of an image."""
    axis = source.channel_axis
    if axis is None:
        raise InputError(
            f"The layer {source.name!r} has one channel, so none can be chosen; leave "
            "the channel out."
        )
    data = (
        grey(source.data, axis)
        if channel == "grey"
        else pick_channel(source.data, axis, channel)
    )
    return replace(source, data=data, channel_axis=None, channel=channel)


def _spacing_of(spatial: Mapping[str, Any], ndim: int) -> tuple[tuple[float, ...], str]:
    """Return the pixel size in micrometres, or in what the scale counts."""
    spacing = [float(abs(step)) for step in spatial["scale"][-ndim:]]
    units = tuple(spatial.get("units") or ())[-ndim:]
    if len(units) < ndim or not all(
        hasattr(unit, "is_compatible_with") and unit.is_compatible_with("micrometer")
        for unit in units
    ):
        return tuple(spacing), "pixel"
    sizes = zip(spacing, units, strict=True)
    # To 12 digits: a nanometre is not quite 0.001 of a micrometre in binary.
    return tuple(
        float(f"{(s * 1 * u).to('um').magnitude:.12g}") for s, u in sizes
    ), "um"
