"""Which channels there are, and several layers as the channels of one image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.arrays import stacked
from napari_unet_studio.layers.finding import layer_named
from napari_unet_studio.layers.naming import axes_of, found_axes, named_axes
from napari_unet_studio.layers.source import Source, source_of

if TYPE_CHECKING:
    import napari
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
        If there is none, they do not fit each other, or one has channels itself.
    """
    if not layers:
        raise InputError("No layer is named; name one for each channel of the model.")
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


def named_source(
    viewer: "napari.Viewer",
    name: str | Sequence[str],
    expected: int,
    axes: str | None = None,
    channel: Channel | None = None,
    level: int = 0,
) -> Source:
    """Read a layer of a viewer by its name, for a model with `expected` channels.

    Parameters
    ----------
    viewer
        The viewer.
    name
        Of the layer; or the names of several, one for each channel.
    expected
        Number of channels of the model.
    axes, channel, level
        See :func:`source_of`; of several layers each is one channel.

    Raises
    ------
    InputError
        If a layer is not there, cannot be read, or several do not fit together.
    """
    if not isinstance(name, str):
        layers = [layer_named(viewer, one, "Image") for one in name]
        return combined_source(layers, axes, level=level)
    layer = layer_named(viewer, name, "Image")
    source = source_of(layer, axes, level=level, channel=channel)
    return fitting_channels(source, layer, expected)


def unnamed_channels(image: "Layer", labels: "Layer") -> str | None:
    """Return the axes of an image layer of whose axes the labels lack one.

    That axis is taken to hold the channels if it has no name of its own, and if the
    shapes leave no other choice.

    Returns
    -------
    str or None
        Such as "CYX"; None if the layers are of equal shape, or cannot be told.

    Examples
    --------
    >>> from napari.layers import Image, Labels
    >>> image = Image(np.zeros((2, 5, 9, 8)))
    >>> unnamed_channels(image, Labels(np.ones((5, 9, 8), int)))
    'CZYX'
    >>> unnamed_channels(image, Labels(np.ones((9, 8), int)))
    """
    found = found_axes(image)
    if getattr(image, "rgb", False) or "C" in found or image.ndim < 3:
        return None
    sizes = [
        tuple(int(n) for n in (part.data[0] if part.multiscale else part.data).shape)
        for part in (image, labels)
    ]
    fitting = [
        axis
        for axis in range(len(sizes[0]))
        if sizes[0][:axis] + sizes[0][axis + 1 :] == sizes[1]
    ]
    if len(fitting) != 1 or named_axes(image)[fitting[0]] is not None:
        return None
    (axis,) = fitting
    named = [name for name in found[:axis] + found[axis + 1 :] if name is not None]
    told = "".join(named)
    rest = told if len(told) == labels.ndim else axes_of(labels)
    return f"{rest[:axis]}C{rest[axis:]}"


def training_source(
    image: "Layer", labels: "Layer | None" = None, axes: str | None = None
) -> Source:
    """Read an Image layer to train on: its transparency is no channel of it.

    Parameters
    ----------
    image
        The layer.
    labels
        The Labels layer painted on it, if it is one; see :func:`unnamed_channels`.
    axes
        As in :func:`source_of`; by default what image and labels tell.
    """
    if axes is None and labels is not None:
        axes = unnamed_channels(image, labels)
    return fitting_channels(source_of(image, axes), image, 3)


def _same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    for key in one.keys() & {"scale", "translate", "rotate", "shear", "affine"}:
        here, there = np.asarray(one[key], float), np.asarray(other[key], float)
        if here.shape != there.shape or not np.allclose(here, there):
            return False
    return tuple(map(str, one["units"])) == tuple(map(str, other["units"]))
