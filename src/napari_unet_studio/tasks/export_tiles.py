"""The tiles on which an exported network is compared with ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.intensity import Normalisation, check_finite
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.checks import check_channels

# Sides of the tiles, brought to the grid of the network.
_SIDES = {2: (64, 160), 3: (16, 40)}
# Of the user's image no more than this is read along an axis.
_LARGEST = {2: 2048, 3: 256}


def frame_for(
    card: ModelCard, image: Any, axes: str | None, channel_axis: int | None
) -> NDArray[Any]:
    """Return a frame (C, *S): of the user's image, at most its centre, or a sample.

    Raises
    ------
    InputError
        If the image does not suit the model.
    """
    if image is None:
        return _in_range(_sample(card.spec), card.normalisation)
    frames = Frames.of(image, card.spec.ndim, axes, channel_axis)
    check_channels(frames, card)
    middle = tuple(size // 2 for size in frames.leading)
    most = _LARGEST[card.spec.ndim]
    starts = [max(0, (size - most) // 2) for size in frames.shape]
    part = tuple(slice(start, start + most) for start in starts)
    frame = np.asarray(frames.array[middle][(slice(None), *part)])
    check_finite(frame)
    return frame


def _sample(spec: NetworkSpec) -> NDArray[Any]:
    """Return a synthetic image with as many channels as the network takes."""
    from napari_unet_studio.sample_data import SAMPLES

    if spec.ndim == 2 and spec.in_channels == 3:
        sample = SAMPLES["tissue_rgb"]()
        return np.moveaxis(np.asarray(sample.image), -1, 0)
    sample = SAMPLES["nuclei_2d" if spec.ndim == 2 else "nuclei_3d"]()
    plane = np.asarray(sample.image)
    # Further channels show something else: the same, turned about.
    channels = [
        np.flip(plane, axis=tuple(range(number % (spec.ndim + 1))))
        for number in range(spec.in_channels)
    ]
    return np.stack(channels)


def _in_range(frame: NDArray[Any], rule: Normalisation) -> NDArray[Any]:
    """Return a sample with the grey values that a model with fixed ones expects."""
    if rule.method != "fixed":
        return frame
    # Percentiles for a range; mean and deviation for an offset and a scale.
    usual = Normalisation("zscore") if rule.offsets else Normalisation()
    even = Normalisation.apply(frame, *usual.fit(frame))
    offset, scale = rule.fit(frame)
    shape = (-1, *(1,) * (frame.ndim - 1))
    return even * scale.reshape(shape) + offset.reshape(shape)


def tile_shapes(spec: NetworkSpec) -> list[Shape]:
    """Return two shapes of inputs, with sides of different lengths where they may."""
    found = []
    for side in _SIDES[spec.ndim]:
        grid = spec.input_shape((side,) * spec.ndim)
        steps = [0 if axis.largest is not None else axis.divisor for axis in spec.axes]
        longer = [size + steps[0] * (n == 0) for n, size in enumerate(grid)]
        found.append(tuple(longer))
    return found


def centre_tile(frame: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return the centre of a frame (C, *S), mirrored where it is smaller than `shape`.

    Examples
    --------
    >>> centre_tile(np.arange(5)[np.newaxis], (3,))
    array([[1, 2, 3]])
    >>> centre_tile(np.arange(3)[np.newaxis], (5,))
    array([[0, 0, 1, 2, 2]])
    """
    parts, widths = [slice(None)], [(0, 0)]
    for have, wanted in zip(frame.shape[1:], shape, strict=True):
        start = max(0, (have - wanted) // 2)
        parts.append(slice(start, start + wanted))
        missing = max(0, wanted - have)
        widths.append((missing // 2, missing - missing // 2))
    return np.pad(frame[tuple(parts)], widths, mode="symmetric")


def normalised(card: ModelCard, frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return what the network takes of a frame (C, *S)."""
    offset, scale = card.normalisation.fit(frame)
    return card.normalisation.apply(frame, offset, scale)
