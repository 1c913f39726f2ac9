"""Which channels there are, and several layers as the channels of one image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.arrays import stacked
from napari_unet_studio.layers.source import Source, source_of

if TYPE_CHECKING:
    from napari.layers import Layer

_COLOURS = ("red", "green", "blue")


def combined_source(
    layers: Sequence["Layer"], axes: str | None = None, *, level: int = 0
) -> Source:
    """Read several layers of one channel each as the channels of one image.

    Parameters
    ----------
    layers
        Of the same shape and in the same place; the same layer may come several times.
    axes, level
        As in :func:`source_of`, of the first layer.

    Raises
    ------
    InputError
        If they do not fit each other, or one has channels itself.
    """
    sources = [source_of(layer, axes, level=level) for layer in layers]
    first = sources[0]
    for other in sources:
        if other.channel_axis is not None:
            raise InputError(
                f"The layer {other.name!r} has {other.channels} channels, so it cannot "
                "be one channel of an image; split its channels into layers first."
            )
        if other.shape != first.shape:
            raise InputError(
                f"The layers {first.name!r} and {other.name!r} cannot be channels of "
                f"one image: their shapes are {first.shape} and {other.shape}."
            )
        if not _same_place(first.spatial, other.spatial):
            raise InputError(
                f"The layers {first.name!r} and {other.name!r} cannot be channels of "
                "one image: they lie in different places; give them the same scale, "
                "translation and rotation."
            )
    data = stacked([source.data for source in sources])
    names = tuple(source.name for source in sources)
    return replace(first, data=data, channel_axis=0, layers=names)


def channels_of(layer: "Layer", axes: str | None = None) -> list[tuple[str, Channel]]:
    """Return what one channel of a layer may be, by name, the best first choice first.

    Empty if the layer has one channel. Channels have the names that the layer's
    metadata state under "channel_names", else their numbers.
    """
    source = source_of(layer, axes)
    if source.channel_axis is None:
        return []
    if getattr(layer, "rgb", False):
        colours: list[tuple[str, Channel]] = [("grey (luminance)", "grey")]
        return colours + [(name, i) for i, name in enumerate(_COLOURS)]
    names = list(layer.metadata.get("channel_names", ()))
    return [
        (f"{i}" + (f" – {names[i]}" if i < len(names) else ""), i)
        for i in range(source.channels)
    ]


def fitting_channels(source: Source, layer: "Layer", expected: int) -> Source:
    """Return colours without their transparency where a model takes three channels."""
    if source.channels == 4 and expected == 3 and getattr(layer, "rgb", False):
        return replace(source, data=source.data[..., :3])
    return source


def _same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    for key in one.keys() & {"scale", "translate", "rotate", "shear", "affine"}:
        here, there = np.asarray(one[key], float), np.asarray(other[key], float)
        if here.shape != there.shape or not np.allclose(here, there):
            return False
    return tuple(map(str, one["units"])) == tuple(map(str, other["units"]))
