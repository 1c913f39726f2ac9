"""One channel of an image, for networks that take one: its number, or grey."""

from typing import Any, Literal

import numpy as np

from napari_unet_studio.core.axes import as_array
from napari_unet_studio.core.errors import InputError

Channel = int | Literal["grey"]

# Of red, green and blue in the luminance: Recommendation ITU-R BT.601, as in Pillow,
# ImageJ and OpenCV.
LUMINANCE = (0.299, 0.587, 0.114)


def pick_channel(array: Any, channel_axis: int, choice: Channel) -> Any:
    """Return one channel of an image, without the axis of the channels.

    Parameters
    ----------
    array
        The image; numpy, or dask, zarr and HDF5, which stay lazy.
    channel_axis
        Its axis of channels.
    choice
        Number of a channel from 0; or "grey", the luminance 0.299 R + 0.587 G + 0.114 B
        of three channels, or of four whose last one is opacity. Luminance is float32,
        in the range of the colours; a channel keeps its type.

    Raises
    ------
    InputError
        If there is no such axis or channel, or grey is asked of an image that has no
        colours.

    Examples
    --------
    >>> colours = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255]]], np.uint8)
    >>> pick_channel(colours, -1, 1).tolist()
    [[0, 255, 255]]
    >>> pick_channel(colours, -1, "grey").round().tolist()
    [[76.0, 150.0, 255.0]]
    """
    if not -array.ndim <= channel_axis < array.ndim:
        raise InputError(
            f"An image of shape {tuple(array.shape)} has no axis {channel_axis} for "
            "channels; count its axes from 0."
        )
    array = as_array(array)
    axis = channel_axis % array.ndim
    count = int(array.shape[axis])

    def channel(number: int) -> Any:
        return array[(slice(None),) * axis + (number,)]

    if choice == "grey":
        if count not in (3, 4):
            raise InputError(
                f"An image with {count} channel{'s' * (count != 1)} has no colours to "
                f"turn to grey; choose one of its channels by number, 0 to {count - 1}."
            )
        grey = channel(0).astype(np.float32) * np.float32(LUMINANCE[0])
        for number, weight in enumerate(LUMINANCE[1:], start=1):
            grey = grey + channel(number).astype(np.float32) * np.float32(weight)
        return grey
    if isinstance(choice, bool) or not isinstance(choice, int | np.integer):
        raise InputError(
            f"The channel is {choice!r}; give a number from 0 to {count - 1}, or grey."
        )
    if not 0 <= choice < count:
        raise InputError(
            f"The image has no channel {choice}; choose a number from 0 to "
            f"{count - 1}{' or grey' * (count in (3, 4))}."
        )
    return channel(choice)
