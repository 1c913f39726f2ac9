"""Arrays of layers: grey of colours, channels stacked, without reading all pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.channels import pick_channel

_AT_ONCE = 2**22  # values that are converted at once; of more, part by part when read


def grey(data: Any, channel_axis: int) -> Any:
    """Return the grey of colours, as :func:`.pick_channel`, when it is read.

    Raises
    ------
    InputError
        If there are not three or four channels.
    """
    small = isinstance(data, np.ndarray) and data.size <= _AT_ONCE
    if small or data.shape[channel_axis] not in (3, 4):
        return pick_channel(data, channel_axis, "grey")
    colours = np.moveaxis(data, channel_axis, -1)
    colours = _as_dask(colours, colours.shape[-1]).rechunk({-1: -1})
    return colours.map_blocks(
        pick_channel,
        -1,
        "grey",
        chunks=colours.chunks[:-1],
        drop_axis=colours.ndim - 1,
        meta=np.empty((0,) * (colours.ndim - 1), np.float32),
    )


def stacked(arrays: Sequence[Any]) -> Any:
    """Return arrays of one shape as channels, (C, ...)."""
    size = sum(int(np.prod(array.shape, dtype=float)) for array in arrays)
    if size <= _AT_ONCE and all(isinstance(array, np.ndarray) for array in arrays):
        return np.stack(arrays)
    import dask.array as da

    return da.stack([_as_dask(array) for array in arrays])


def _as_dask(data: Any, samples: int = 0) -> Any:
    """Return an array in chunks of one plane's 512 x 512 pixels with all samples."""
    import dask.array as da

    if not isinstance(data, np.ndarray):
        return data
    rest = data.ndim - 2 - bool(samples)
    chunks = (1,) * rest + (512, 512) + (samples,) * bool(samples)
    meta = np.empty((0,) * data.ndim, data.dtype)
    # Without a name dask would read all pixels to make one.
    return da.from_array(
        _Pixels(data), chunks=chunks, name=False, fancy=False, meta=meta
    )


class _Pixels:
    """An array that dask does not know as one of numpy's, which it would copy."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.asarray(self._array[key])
