"""Images with labels and roles, and whether they can be trained on at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.core.axes import Frames, as_array, spatial_ndim
from napari_unet_studio.core.errors import InputError

Role = Literal["train", "validate", "off"]


@dataclass(frozen=True, eq=False)
class Pair:
    """An image with its labels, and what it is used for.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels; numpy, or lazy as those of dask and zarr.
    labels
        Same axes without channels; numpy or lazy. Instance ids or classes.
    role
        "train", "validate" or "off".
    name
        For messages and the model card.
    axes, channel_axis
        See :meth:`.Frames.of`.
    spacing
        Pixel size of the spatial axes.
    unit
        Of the pixel size: "um", or "pixel" if it is no length. A model knows the size
        of its pixels only if all its images were measured in the same unit.

    Examples
    --------
    >>> import numpy as np
    >>> Pair(np.zeros((8, 9)), np.zeros((8, 9), int), role="validate", name="a").role
    'validate'
    """

    image: Any
    labels: Any
    role: Role = "train"
    name: str = ""
    axes: str | None = None
    channel_axis: int | None = None
    spacing: tuple[float, ...] | None = None
    unit: str = "pixel"


def check_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs in use, named, labels as arrays; raise for an unusable one.

    No pixel is read: what the labels hold is found by :func:`.survey`.

    Raises
    ------
    InputError
        For an unknown role, labels that are no whole numbers or of another shape than
        the image, a pixel size that does not fit, or nothing to train on.
    """
    used = []
    for number, pair in enumerate(pairs, start=1):
        name = pair.name or f"pair {number}"
        if pair.role not in get_args(Role):
            raise InputError(
                f"The role of {name!r} is {pair.role!r}; choose one of "
                f"{', '.join(get_args(Role))}."
            )
        if pair.role == "off":
            continue
        labels = as_array(pair.labels)
        if labels.dtype.kind not in "bui":
            raise InputError(
                f"The labels of {name!r} have values of type {labels.dtype}; whole "
                "numbers are needed. Convert them, for example with "
                "labels.astype('int32')."
            )
        frames = Frames.of(pair.image, 2, pair.axes, pair.channel_axis)
        expected = (*frames.leading, *frames.shape)
        if expected != tuple(labels.shape):
            remedy = "choose the labels that were painted on it."
            if len(expected) == labels.ndim + 1:
                remedy = (
                    "if one of the image's axes holds channels, say which "
                    "(channel_axis, or the axis labels of the layer)."
                )
            raise InputError(
                f"The image {name!r} has {sides(expected)} pixels but its labels have "
                f"{sides(labels.shape)}; {remedy}"
            )
        spacing = _checked_spacing(pair.spacing, frames.axes, name)
        used.append(replace(pair, labels=labels, name=name, spacing=spacing))
    if not any(pair.role == "train" for pair in used):
        raise InputError(
            "There is nothing to train on: give at least one image with labels the "
            "role train."
        )
    return used


def channels_of(pairs: Sequence[Pair], ndim: int) -> int:
    """Return the number of channels that all pairs share, or raise an InputError."""
    found = {frames_of(pair, ndim).channels for pair in pairs}
    if len(found) > 1:
        raise InputError(
            f"The images have different numbers of channels, {sorted(found)}; train on "
            "images of one kind."
        )
    return found.pop()


def frames_of(pair: Pair, ndim: int) -> Frames:
    """Return the frames of a pair for a network with so many spatial axes."""
    return Frames.of(pair.image, ndim, pair.axes, pair.channel_axis)


def _checked_spacing(
    spacing: Sequence[float] | None, axes: str, name: str
) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    steps = tuple(float(step) for step in spacing)
    count = spatial_ndim(axes)
    if len(steps) != count or not all(0 < step < np.inf for step in steps):
        raise InputError(
            f"The spacing {steps} of {name!r} does not fit its axes {axes}: give "
            f"{count} numbers above 0, the pixel size of each spatial axis."
        )
    return steps
