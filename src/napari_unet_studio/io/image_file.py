"""An image as read, and how its axes get their names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.pixel_size import spacing_of


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as read.

    Parameters
    ----------
    array
        The pixels; lazy (dask) for zarr and for large TIFF and NumPy files.
    axes
        Names of the axes but the channels, a part of "TZYX" in this order.
    channel_axis
        Axis of `array` that holds channels, or None.
    spacing
        Pixel size of the spatial axes in `unit`, or None if the file states none in a
        metric unit.
    unit
        "um" or "pixel".
    levels
        Shapes of the array at each resolution in the file, the finest first.
    """

    array: Any
    axes: str
    channel_axis: int | None
    spacing: tuple[float, ...] | None = None
    unit: str = "pixel"
    levels: tuple[Shape, ...] = ()

    def __post_init__(self) -> None:
        if not self.levels:
            object.__setattr__(self, "levels", (tuple(self.array.shape),))


def one_channel(
    image: ImageFile, choice: Channel | None, name: str | Path = "The image"
) -> ImageFile:
    """Return an image with one of its channels only; None takes all.

    One that has a single channel is grey already, and its channel is 0.

    Parameters
    ----------
    name
        What an error calls it.

    Raises
    ------
    InputError
        If it has no such channel.
    """
    if choice is None:
        return image
    if image.channel_axis is None:
        if choice in (0, "grey"):
            return image
        raise InputError(
            f"{name} has a single channel and no channel {choice}; choose 0, or leave "
            "--channel out."
        )
    array = pick_channel(image.array, image.channel_axis, choice)
    return replace(image, array=array, channel_axis=None, levels=())


def named(array: Any, axes: str | None, path: Path) -> ImageFile:
    """Name the axes: S and C hold channels, an unnamed axis before YX is Z."""
    if axes is None:
        axes = "TZYX"[-array.ndim :] if 1 < array.ndim < 5 else "?" * array.ndim
    axes = axes.replace("S", "C").replace("I", "Q")
    free = [axis for axis in "ZT" if axis not in axes]
    while "Q" in axes and free:  # the last unnamed one first
        before, _, after = axes.rpartition("Q")
        axes = before + free.pop(0) + after
    names = axes.replace("C", "", 1)
    if (
        len(axes) != array.ndim
        or list(names) != [a for a in "TZYX" if a in names]
        or not names.endswith("YX")
    ):
        raise InputError(
            f"{path} has axes {axes} of lengths {array.shape}; only time, z, channel, "
            "y and x are understood. Save it with one of each at most."
        )
    channel = axes.index("C") if "C" in axes else None
    return ImageFile(array, names, channel)


def with_spacing(image: ImageFile, sizes: dict[str, float]) -> ImageFile:
    """Add the pixel sizes in micrometres that are known."""
    spacing = spacing_of(image.axes, sizes)
    unit = "pixel" if spacing is None else "um"
    return replace(image, spacing=spacing, unit=unit)


def described(
    image: ImageFile,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> ImageFile:
    """Return an image with what a user says of it instead of its file.

    Parameters
    ----------
    axes
        Names of its axes; with a C, that is the axis of the channels.
    spacing
        Size of a pixel along each spatial axis.
    unit
        Of `spacing`, "um" by default; "none" is like "pixel" but for tables.

    Raises
    ------
    InputError
        If they do not fit the image.
    """
    if axes is not None:
        letters = axes.upper()
        names = letters.replace("C", "", 1)
        channel = image.channel_axis if len(names) < image.array.ndim else None
        if "C" in letters:
            channel = letters.index("C")
        if (
            len(names) + (channel is not None) != image.array.ndim
            or list(names) != [a for a in "TZYX" if a in names]
            or not names.endswith("YX")
        ):
            raise InputError(
                f"An image of shape {tuple(image.array.shape)} cannot have the axes "
                f"{axes!r}: name each axis out of TZYX in this order, and the channels "
                "C."
            )
        known, count = image.spacing, spatial_ndim(names)
        if known is not None:  # of a stack called a film the planes keep theirs
            known = known[-count:] if count <= len(known) else None
        named_unit = "pixel" if known is None else image.unit
        image = replace(
            image, axes=names, channel_axis=channel, spacing=known, unit=named_unit
        )
    if spacing is not None:
        if len(spacing) != spatial_ndim(image.axes):
            many = "s" * (len(spacing) != 1)
            raise InputError(
                f"The spacing has {len(spacing)} number{many} for the spatial axes of "
                f"{image.axes}; give one for each of them."
            )
        unit = unit or "um"
        image = replace(image, spacing=tuple(spacing), unit=unit)
    return image


def check_level(level: int, levels: tuple[Shape, ...], path: Path) -> None:
    """Raise an InputError that names the levels if there is no such one."""
    if not 0 <= level < len(levels):
        sizes = ", ".join(
            f"{number} ({' × '.join(map(str, shape))})"
            for number, shape in enumerate(levels)
        )
        raise InputError(
            f"{path} has no resolution level {level}; choose one of: {sizes}."
        )
