"""Images from and to files, with axes and pixel size."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.atomic import atomic_write

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".zarr", *_PICTURES})


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as read.

    Parameters
    ----------
    array
        The pixels; lazy (dask) for zarr.
    axes
        Names of the axes but the channels, a part of "TZYX" in this order.
    channel_axis
        Axis of `array` that holds channels, or None.
    spacing
        Pixel size of the spatial axes in `unit`, or None if the file does not say.
    unit
        "um" or "pixel".
    """

    array: Any
    axes: str
    channel_axis: int | None
    spacing: tuple[float, ...] | None = None
    unit: str = "pixel"


def read_image(path: str | Path) -> ImageFile:
    """Read a TIFF (plain, ImageJ, OME), NumPy file, zarr array, PNG or JPEG.

    Raises
    ------
    StorageError
        If the file cannot be read.
    InputError
        If its kind or its axes are unknown.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} is of an unknown kind; readable are {', '.join(sorted(SUFFIXES))}."
        )
    if not path.exists():
        raise StorageError(f"{path} does not exist; check the path.")
    try:
        if path.suffix == ".zarr":
            return _read_zarr(path)
        if path.suffix == ".npy":
            return _named(np.load(path, allow_pickle=False), None, path)
        if path.suffix.lower() in _PICTURES:
            from PIL import Image

            with Image.open(path) as picture:
                grey = picture.mode in ("1", "L", "I", "F", "I;16")
                array = np.asarray(picture if grey else picture.convert("RGB"))
            return ImageFile(array, "YX", None if grey else -1)
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            axes = series.axes
            if "S" in axes[:-1]:
                # Samples before YX: what writers make of a stack of 3 or 4 planes.
                axes = axes.replace("S", "Q")
            spacing, unit = _tiff_spacing(tiff)
            found = _named(series.asarray(), axes, path)
            if spacing is not None:
                spacing = spacing[-len(found.axes.replace("T", "")) :]
            return ImageFile(
                found.array, found.axes, found.channel_axis, spacing, unit
            )
    except (OSError, ValueError, tifffile.TiffFileError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise StorageError(f"{path} cannot be read as an image: {error}.") from error


def read_labels(path: str | Path) -> NDArray[Any]:
    """Read a label image; one channel only."""
    found = read_image(path)
    if found.channel_axis is not None:
        raise InputError(f"{path} has channels; labels are one number per pixel.")
    return np.asarray(found.array)


def write_tiff(
    path: str | Path,
    array: NDArray[Any],
    axes: str,
    spacing: tuple[float, ...] | None = None,
    unit: str = "um",
) -> Path:
    """Write an OME-TIFF with zlib compression, whole or not at all.

    Parameters
    ----------
    axes
        One letter per axis out of TCZYX, in any order; a last "S" means RGB samples.
    spacing
        Pixel size of the spatial axes among them.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    path = Path(path)
    metadata: dict[str, Any] = {"axes": axes}
    if spacing is not None and unit == "um":
        spatial = [axis for axis in axes if axis in "ZYX"]
        for axis, size in zip(spatial, spacing, strict=True):
            metadata[f"PhysicalSize{axis}"] = float(size)
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if array.dtype == bool or array.dtype == np.int64:
        array = array.astype(np.uint8 if array.dtype == bool else np.int32)
    with atomic_write(path) as file:
        tifffile.imwrite(
            file,
            array,
            ome=True,
            photometric="rgb" if axes.endswith("S") else "minisblack",
            compression="zlib",
            metadata=metadata,
        )
    return path


def _named(array: NDArray[Any], axes: str | None, path: Path) -> ImageFile:
    """Name the axes: S and C hold channels, an unnamed axis before YX is Z."""
    if axes is None:
        axes = "TZYX"[-array.ndim :] if array.ndim < 5 else "?" * array.ndim
    axes = axes.replace("S", "C")
    for unnamed in "QI":
        axes = axes.replace(unnamed, "Z" if "Z" not in axes else "T", 1)
    names = axes.replace("C", "", 1)
    if list(names) != [a for a in "TZYX" if a in names] or not names.endswith("YX"):
        raise InputError(
            f"{path} has axes {axes} of lengths {array.shape}; only time, z, channel, y "
            "and x are understood. Save it with one of each at most."
        )
    channel = axes.index("C") if "C" in axes else None
    return ImageFile(array, names, channel)


def _read_zarr(path: Path) -> ImageFile:
    """Open a zarr array, or the finest level of an OME-Zarr image, lazily."""
    import dask.array as da
    import zarr

    node = zarr.open(str(path), mode="r")
    axes = None
    if isinstance(node, zarr.Group):
        attributes = dict(node.attrs)
        attributes = dict(attributes.get("ome", attributes))  # type: ignore[arg-type, call-overload]
        scales: Any = attributes.get("multiscales")
        if not scales:
            raise InputError(f"{path} is a zarr group without an OME-Zarr image in it.")
        axes = "".join(
            str(axis["name"] if isinstance(axis, dict) else axis).upper()
            for axis in scales[0]["axes"]
        )
        node = node[scales[0]["datasets"][0]["path"]]  # type: ignore[assignment]
    array = da.from_zarr(node)
    found = _named(array, axes, path)
    if found.channel_axis is not None and array.shape[found.channel_axis] == 1:
        return ImageFile(array[(slice(None),) * found.channel_axis + (0,)], found.axes, None)
    return found


def _tiff_spacing(
    tiff: tifffile.TiffFile,
) -> tuple[tuple[float, float, float] | None, str]:
    """Return (z, y, x) in micrometres if an OME or ImageJ header states them."""
    if tiff.is_ome and tiff.ome_metadata:
        try:
            root = ElementTree.fromstring(tiff.ome_metadata)
        except ElementTree.ParseError:
            return None, "pixel"
        pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels")), None)
        if pixels is None or "PhysicalSizeX" not in pixels.attrib:
            return None, "pixel"
        unit = pixels.get("PhysicalSizeXUnit", "µm")
        if unit not in ("µm", "um", "micron"):
            return None, "pixel"
        x = float(pixels.attrib["PhysicalSizeX"])
        y = float(pixels.get("PhysicalSizeY", x))
        return (float(pixels.get("PhysicalSizeZ", y)), y, x), "um"
    header = tiff.imagej_metadata or {}
    if str(header.get("unit", "")).replace("\\u00B5", "µ") not in ("um", "µm", "micron"):
        return None, "pixel"
    tags = tiff.pages[0].tags  # type: ignore[union-attr]
    sizes = []
    for name in ("YResolution", "XResolution"):
        tag = tags.get(name)
        if tag is None or not tag.value[0]:
            return None, "pixel"
        sizes.append(tag.value[1] / tag.value[0])
    return (float(header.get("spacing", sizes[0])), sizes[0], sizes[1]), "um"


def write_json(path: str | Path, values: Any) -> Path:
    """Write a JSON document, whole or not at all."""
    path = Path(path)
    with atomic_write(path) as file:
        file.write(json.dumps(values, indent=1).encode())
    return path
