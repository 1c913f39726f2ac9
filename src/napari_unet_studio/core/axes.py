"""Axes of an image, named: which are looped over, which one holds the channels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.spec import Shape


@dataclass(frozen=True, eq=False)
class Frames:
    """An image as frames (C, *S), one for each index of its leading axes.

    Parameters
    ----------
    array
        Shape (*leading, C, *S); numpy or lazy.
    axes
        Names of all axes but the channels, such as "TZYX".
    ndim
        Number of spatial axes of a frame.
    """

    array: Any
    axes: str
    ndim: int

    @classmethod
    def of(
        cls,
        image: Any,
        ndim: int,
        axes: str | None = None,
        channel_axis: int | None = None,
    ) -> "Frames":
        """Arrange an image for a network with `ndim` spatial axes.

        Parameters
        ----------
        image
            Array of numbers; dask, zarr and HDF5 arrays stay lazy.
        ndim
            Spatial axes of the network. The image may have more: those are looped over.
        axes
            Names of the axes without the channels, a subset of "TZYX" in this order.
            The default is "YX", "ZYX" or "TZYX" by their number.
        channel_axis
            Axis of `image` that holds channels, if any.

        Raises
        ------
        InputError
            If the array is empty, not numeric, or its axes do not suit the network.

        Examples
        --------
        >>> frames = Frames.of(np.zeros((5, 32, 40, 3)), 2, channel_axis=-1)
        >>> frames.axes, frames.leading, frames.channels, frames.shape
        ('ZYX', (5,), 3, (32, 40))
        """
        array = as_array(image)
        if array.dtype.kind not in "buif":
            raise InputError(
                f"The image has values of type {array.dtype}; a network needs integers "
                "or real numbers."
            )
        count = array.ndim - (channel_axis is not None)
        if channel_axis is not None and not -array.ndim <= channel_axis < array.ndim:
            raise InputError(
                f"An image of shape {tuple(array.shape)} has no axis {channel_axis} "
                "for channels; count its axes from 0."
            )
        if axes is None:
            axes = "TZYX"[-count:] if 0 < count <= 4 else ""
        axes = axes.upper()
        in_order = [a for a in "TZYX" if a in axes]
        if len(axes) != count or list(axes) != in_order or axes[-2:] != "YX":
            raise InputError(
                f"An image of shape {tuple(array.shape)} cannot have the axes "
                f"{axes!r}: name every axis but the channels, out of TZYX in this "
                "order."
            )
        if spatial_ndim(axes) < ndim:
            raise InputError(
                f"The image has the axes {axes} but the network is {ndim}D; use a "
                f"network for {spatial_ndim(axes)}D images or an image with more axes."
            )
        if 0 in array.shape:
            raise InputError(
                f"The image is empty: its shape is {tuple(array.shape)}. Give one "
                "that holds pixels."
            )
        if channel_axis is None:
            array = np.expand_dims(array, -(ndim + 1))
        else:
            array = np.moveaxis(array, channel_axis, -(ndim + 1))
        return cls(array, axes, ndim)

    @property
    def leading(self) -> Shape:
        """Lengths of the axes that are looped over."""
        return tuple(self.array.shape[: -(self.ndim + 1)])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[-(self.ndim + 1)])

    @property
    def shape(self) -> Shape:
        """Spatial shape of one frame."""
        return tuple(self.array.shape[-self.ndim :])

    def __len__(self) -> int:
        return int(np.prod(self.leading))

    def __iter__(self) -> Iterator[tuple[Shape, Any]]:
        """Yield (index, frame (C, *S)) in C order."""
        for index in np.ndindex(*self.leading):
            yield index, self.array[index]

    def channels_first(self) -> Any:
        """Return the whole image as (C, *leading, *S), lazily where possible."""
        return np.moveaxis(self.array, -(self.ndim + 1), 0)


def as_array(image: Any) -> Any:
    """Return an image as an array with numpy's functions, lazily where it is stored."""
    if hasattr(image, "__array_function__"):
        return image
    if hasattr(image, "chunks"):  # zarr, HDF5; the latter may be in one piece: None
        import dask.array as da

        # A name from the content could mean reading the content.
        return da.from_array(image, chunks=image.chunks or "auto", name=False)
    return np.asarray(image)


def spatial_ndim(axes: str) -> int:
    """Return how many of the named axes are spatial; objects live in these.

    Examples
    --------
    >>> spatial_ndim("TYX"), spatial_ndim("TZYX")
    (2, 3)
    """
    return sum(axis in "ZYX" for axis in axes)


def over_frames(function: Any, array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Apply a function to the spatial part of each time point and stack the results."""
    leading = array.shape[: array.ndim - spatial_ndim(axes)]
    if not leading:
        return np.asarray(function(array))
    results = [function(array[index]) for index in np.ndindex(*leading)]
    return np.stack(results).reshape(array.shape)
