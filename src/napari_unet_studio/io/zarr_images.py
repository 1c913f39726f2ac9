"""Zarr arrays and OME-Zarr images (0.3 to 0.5), opened lazily."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.guard import reading
from napari_unet_studio.io.image_file import (
    ImageFile,
    check_level,
    named,
    with_spacing,
)
from napari_unet_studio.io.lazy import GuardedArray, as_dask
from napari_unet_studio.io.pixel_size import ome_zarr_offsets, ome_zarr_sizes

_NAMED = 5  # groups that one sentence names


def is_in_zarr(path: str | Path) -> bool:
    """Return whether a path is a zarr store or something inside one.

    Examples
    --------
    >>> is_in_zarr("cells.zarr/labels/nuclei"), is_in_zarr("cells.tif")
    (True, False)
    """
    path = Path(path)
    return any(part.suffix.lower() == ".zarr" for part in (path, *path.parents))


def read_zarr(path: Path, level: int = 0) -> ImageFile:
    """Open a zarr array, or a level of an OME-Zarr image or label image, lazily."""
    import zarr

    node = zarr.open(str(path), mode="r")
    if isinstance(node, zarr.Group):
        return _read_multiscale(node, path, level)
    check_level(level, (node.shape,), path)
    found = named(_lazy(node, path), _dimension_names(node), path)
    return _without_single_channel(found)


def read_offsets(path: Path, level: int = 0) -> dict[str, float]:
    """Return where the first pixel of an OME-Zarr image lies, in pixels by axis.

    They are pixels of the level. Empty for an array that is no such image.
    """
    import zarr

    with reading(path):
        node = zarr.open(str(path), mode="r")
        if not isinstance(node, zarr.Group):
            return {}
        multiscale = _multiscale(node)
        return ome_zarr_offsets(
            multiscale["axes"], *_transformations(multiscale, level)
        )


def _read_multiscale(group: Any, path: Path, level: int) -> ImageFile:
    multiscale = _multiscale(group)
    if "axes" not in multiscale:
        inside = sorted(group.keys())[:_NAMED]
        raise InputError(
            f"{path} is a zarr group without an OME-Zarr image with named axes in "
            f"it; choose one of the arrays inside"
            + (f" ({', '.join(inside)})." if inside else ".")
        )
    arrays = [group[str(dataset["path"])] for dataset in multiscale["datasets"]]
    if not arrays:
        raise ValueError("it names no arrays")
    check_level(level, tuple(array.shape for array in arrays), path)
    axes = "".join(
        _letter(axis["name"] if isinstance(axis, dict) else axis)
        for axis in multiscale["axes"]
    )
    sizes = ome_zarr_sizes(multiscale["axes"], *_transformations(multiscale, level))
    found = with_spacing(named(_lazy(arrays[level], path), axes, path), sizes)
    levels = tuple(tuple(array.shape) for array in arrays)
    return _without_single_channel(replace(found, levels=levels))


def _multiscale(group: Any) -> dict[str, Any]:
    """Return the description of the first image of a group; empty if there is none."""
    attributes: Any = dict(group.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    return dict(scales[0]) if scales else {}


def _transformations(multiscale: Mapping[str, Any], level: int) -> tuple[Any, Any]:
    """Return what places a level: its own steps, then those of all levels."""
    key = "coordinateTransformations"
    return multiscale["datasets"][level].get(key, ()), multiscale.get(key, ())


def _lazy(array: Any, path: Path) -> Any:
    _check_codecs(array, path)
    return as_dask(GuardedArray(array, path), array.shards or array.chunks)


def _letter(name: Any) -> str:
    """Return the name of an axis as one letter, where it is one of ours."""
    word = str(name).upper()
    return {"TIME": "T", "CHANNEL": "C"}.get(word, word)


def _dimension_names(array: Any) -> str | None:
    """Return the axes that an array of zarr v3 names itself, if all are ours."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    axes = "".join(_letter(name) for name in names)
    return axes if len(axes) == len(names) > 1 and set(axes) <= set("TCZYX") else None


def _without_single_channel(found: ImageFile) -> ImageFile:
    channel = found.channel_axis
    if channel is None or found.array.shape[channel] != 1:
        return found
    plane = found.array[(slice(None),) * channel + (0,)]
    levels = tuple(s[:channel] + s[channel + 1 :] for s in found.levels)
    return replace(found, array=plane, channel_axis=None, levels=levels)


def _check_codecs(array: Any, path: Path) -> None:
    """Refuse chunks that are pickles: older versions of numcodecs would run them."""
    for codec in (*array.filters, *array.compressors):
        if getattr(codec, "codec_id", "") == "pickle":
            raise InputError(
                f"{path} holds pickled objects, which could run code when they are "
                "read; save its pixels as numbers."
            )
