"""Layers of what is stored as OME-Zarr: all its resolutions, read when looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.label_images import label_images
from napari_unet_studio.layers.results import (
    PROBABILITY,
    LayerTuple,
    image_tuple,
    labels_tuple,
    provenance_of,
    shown_probabilities,
)
from napari_unet_studio.layers.source import Source

if TYPE_CHECKING:  # at run time this loads torch, which a widget opens without
    from napari_unet_studio.io.image_file import ImageFile
    from napari_unet_studio.tasks.stream import StoredPrediction


def stored_tuples(stored: "StoredPrediction", source: Source) -> list[LayerTuple]:
    """Return the layers of a stored prediction: probabilities (hidden), then labels.

    Parameters
    ----------
    stored
        A :class:`.StoredPrediction`.
    source
        The image that it is of.
    """
    card = stored.card
    made = {**provenance_of(stored, source), "path": str(stored.path)}
    base = f"{source.title} [{card.name}]"
    levels, found = levels_of(stored.path)
    looks = {**PROBABILITY, "visible": False}
    tuples = []
    axis = found.channel_axis
    count = 1 if axis is None else int(found.array.shape[axis])
    for index, what in shown_probabilities(card, count):
        place = () if axis is None else (slice(None),) * axis + (index,)
        pixels = [level[place] for level in levels]
        tuples.append(image_tuple(pixels, source, f"{base} {what}", made, **looks))
    pixels, _ = levels_of(stored.path / "labels" / stored.name)
    tuples.append(labels_tuple(pixels, source, f"{base} labels", made, opacity=0.5))
    return [_flat(layer) for layer in tuples]


def levels_of(path: Path) -> tuple[list[Any], "ImageFile"]:
    """Return the pixels of an image in a store at all resolutions, and the finest.

    Raises
    ------
    StorageError, InputError
        As from :func:`.read_image`.
    """
    from napari_unet_studio.io.images import read_image

    finest = read_image(path)
    others = (read_image(path, n).array for n in range(1, len(finest.levels)))
    return [finest.array, *others], finest


def file_tuples(path: Path) -> list[LayerTuple]:
    """Return the layers of an OME-Zarr image and of the labels inside it.

    Raises
    ------
    StorageError, InputError
        If there is nothing in it that can be shown.
    """
    tuples: list[LayerTuple] = []
    try:
        levels, found = levels_of(path)
    except InputError:
        if not label_images(path):
            raise
    else:
        tuples.append(_image(levels, found, path))
    for inside in label_images(path):
        levels, found = levels_of(inside)
        place, name = _place(found, inside), f"{path.stem} {inside.name}"
        axis = found.channel_axis
        if axis is None:
            tuples.append((levels, {"name": name, **place}, "labels"))
            continue
        for number in range(found.array.shape[axis]):  # a Labels layer has no channels
            one = [level[(slice(None),) * axis + (number,)] for level in levels]
            tuples.append((one, {"name": f"{name} {number}", **place}, "labels"))
    return [_flat(layer) for layer in tuples]


def _image(levels: list[Any], found: "ImageFile", path: Path) -> LayerTuple:
    options: dict[str, Any] = {"name": path.stem, "rgb": False}
    options |= _place(found, path)
    if found.channel_axis is not None:
        options["channel_axis"] = found.channel_axis
        options["name"] = [
            f"{path.stem} {number}"
            for number in range(found.array.shape[found.channel_axis])
        ]
    return levels, options, "image"


def _place(found: "ImageFile", path: Path) -> dict[str, Any]:
    """Return pixel size, place, units and names of the axes but the channels."""
    from napari_unet_studio.io.zarr_images import read_offsets

    spatial = sum(axis in "ZYX" for axis in found.axes)
    rest = len(found.axes) - spatial
    unit = "um" if found.unit == "um" else "pixel"
    scale = (1.0,) * rest + tuple(found.spacing or (1.0,) * spatial)
    offsets = read_offsets(path)
    starts = [offsets.get(axis, 0.0) if axis != "T" else 0.0 for axis in found.axes]
    return {
        "scale": scale,
        "translate": tuple(a * b for a, b in zip(starts, scale, strict=True)),
        "units": ("pixel",) * rest + (unit,) * spatial,
        "axis_labels": tuple(axis.lower() for axis in found.axes),
    }


def _flat(layer: LayerTuple) -> LayerTuple:
    """Return a layer of one resolution as such, others as multiscale."""
    levels, options, kind = layer
    if len(levels) == 1:
        return levels[0], options, kind
    return levels, {**options, "multiscale": True}, kind
