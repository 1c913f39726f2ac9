"""Images from and to files, with axes and pixel size."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.pixel_size import ome_zarr_sizes, spacing_of, tiff_sizes
from napari_unet_studio.io.plain_json import dumps

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".zarr", *_PICTURES})
_LARGEST_CLASSIC = 2**32 - 2**25  # bytes in a TIFF of 32-bit offsets, with its header


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
        Pixel size of the spatial axes in `unit`, or None if the file states none in a
        metric unit.
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
        if path.is_dir():
            raise InputError(f"{path} is a folder; give one of the images in it.")
        if not path.exists():
            raise StorageError(f"{path} does not exist; check the path.")
        raise InputError(
            f"{path} is of an unknown kind; readable are {', '.join(sorted(SUFFIXES))}."
        )
    if not path.exists():
        raise StorageError(f"{path} does not exist; check the path.")
    try:
        return _read(path)
    except InputError:
        raise
    except Exception as error:  # broken files make the readers raise almost anything
        reason = str(error) or type(error).__name__
        raise StorageError(
            f"{path} cannot be read as an image: {reason.rstrip('.')}. It may be "
            "incomplete; copy or save it again."
        ) from error


def _read(path: Path) -> ImageFile:
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        return _read_zarr(path)
    if suffix == ".npy":
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive of several arrays")
        return _named(array, None, path)
    if suffix in _PICTURES:
        return _read_picture(path)
    return _read_tiff(path)


def _read_picture(path: Path) -> ImageFile:
    from PIL import Image

    with Image.open(path) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":  # a photograph and its previews
            raise InputError(
                f"{path} is an animation of {frames} frames; save them as a TIFF stack."
            )
        grey = picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;16")
        array = np.array(picture if grey else picture.convert("RGB"))
    return ImageFile(array, "YX", None if grey else -1)


def _read_tiff(path: Path) -> ImageFile:
    with tifffile.TiffFile(path) as tiff:
        _check_last_page(tiff)
        series = tiff.series[0]
        axes = series.axes
        if "S" in axes[:-1]:
            # Samples before YX: what writers make of a stack of 3 or 4 planes.
            axes = axes.replace("S", "Q")
        found = _named(series.asarray(), axes, path)
        return _with_spacing(found, tiff_sizes(tiff))


def _check_last_page(tiff: tifffile.TiffFile) -> None:
    """Raise if more pages should follow the last one, which tifffile only logs."""
    end = tiff.pages.next_page_offset
    if end is None:
        return
    tiff.filehandle.seek(end)
    data = tiff.filehandle.read(tiff.tiff.offsetsize)
    following = int.from_bytes(data, "little" if tiff.byteorder == "<" else "big")
    if following >= tiff.filehandle.size:
        raise ValueError(f"it ends after {len(tiff.pages)} pages, where more follow")


def _with_spacing(image: ImageFile, sizes: dict[str, float]) -> ImageFile:
    spacing = spacing_of(image.axes, sizes)
    unit = "pixel" if spacing is None else "um"
    return replace(image, spacing=spacing, unit=unit)


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
    InputError
        If 32 bits do not hold the whole numbers, or there are no pixels or no real
        numbers of at most 64 bits.
    """
    path = Path(path)
    metadata: dict[str, Any] = {"axes": axes}
    if spacing is not None and unit == "um":
        spatial = [axis for axis in axes if axis in "ZYX"]
        for axis, size in zip(spatial, spacing, strict=True):
            metadata[f"PhysicalSize{axis}"] = float(size)
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    array = _as_ome_type(array, path)
    with atomic_write(path) as file:
        tifffile.imwrite(
            file,
            array,
            ome=True,
            photometric="rgb" if axes.endswith("S") else "minisblack",
            compression="zlib",
            # tifffile decides this by itself for uncompressed images only.
            bigtiff=array.nbytes > _LARGEST_CLASSIC,
            metadata=metadata,
        )
    return path


def _as_ome_type(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return an array in the nearest type that OME-TIFF knows, without loss."""
    if array.size == 0:
        raise InputError(
            f"{path} would hold no pixels: the shape is {array.shape}. Choose an image "
            "that has some."
        )
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        for narrow in (np.int32, np.uint32):
            limits = np.iinfo(narrow)
            if limits.min <= low and high <= limits.max:
                return array.astype(narrow)
        raise InputError(
            f"{path} cannot hold values from {low} to {high}: TIFF takes 32 bits. "
            "Renumber the labels first."
        )
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise InputError(
            f"{path} cannot hold values of type {array.dtype}; convert them to whole "
            "or real numbers of at most 64 bits."
        )
    return array


def _named(array: NDArray[Any], axes: str | None, path: Path) -> ImageFile:
    """Name the axes: S and C hold channels, an unnamed axis before YX is Z."""
    if axes is None:
        axes = "TZYX"[-array.ndim :] if 1 < array.ndim < 5 else "?" * array.ndim
    axes = axes.replace("S", "C").replace("I", "Q")
    free = [axis for axis in "ZT" if axis not in axes]
    while "Q" in axes and free:  # the last unnamed one first
        before, _, after = axes.rpartition("Q")
        axes = before + free.pop(0) + after
    names = axes.replace("C", "", 1)
    if list(names) != [a for a in "TZYX" if a in names] or not names.endswith("YX"):
        raise InputError(
            f"{path} has axes {axes} of lengths {array.shape}; only time, z, channel, "
            "y and x are understood. Save it with one of each at most."
        )
    channel = axes.index("C") if "C" in axes else None
    return ImageFile(array, names, channel)


def _read_zarr(path: Path) -> ImageFile:
    """Open a zarr array, or the finest level of an OME-Zarr image, lazily."""
    import dask.array as da
    import zarr

    node = zarr.open(str(path), mode="r")
    axes = None
    sizes: dict[str, float] = {}
    if isinstance(node, zarr.Group):
        attributes: Any = dict(node.attrs)
        scales = attributes.get("ome", attributes).get("multiscales")
        if not scales or "axes" not in scales[0]:
            raise InputError(
                f"{path} is a zarr group without an OME-Zarr image with named axes in "
                "it; choose one of the arrays inside."
            )
        finest = scales[0]["datasets"][0]
        axes = "".join(
            str(axis["name"] if isinstance(axis, dict) else axis).upper()
            for axis in scales[0]["axes"]
        )
        sizes = ome_zarr_sizes(
            scales[0]["axes"],
            finest.get("coordinateTransformations", ()),
            scales[0].get("coordinateTransformations", ()),
        )
        node = node[str(finest["path"])]
    _check_codecs(node, path)
    array = da.from_zarr(node)
    found = _with_spacing(_named(array, axes, path), sizes)
    if found.channel_axis is not None and array.shape[found.channel_axis] == 1:
        plane = array[(slice(None),) * found.channel_axis + (0,)]
        return replace(found, array=plane, channel_axis=None)
    return found


def _check_codecs(array: Any, path: Path) -> None:
    """Refuse chunks that are pickles: older versions of numcodecs would run them."""
    for codec in (*array.filters, *array.compressors):
        if getattr(codec, "codec_id", "") == "pickle":
            raise InputError(
                f"{path} holds pickled objects, which could run code when they are "
                "read; save its pixels as numbers."
            )


def write_json(path: str | Path, values: Any) -> Path:
    """Write a JSON document, whole or not at all; NaN becomes null."""
    path = Path(path)
    with atomic_write(path) as file:
        file.write(dumps(values, indent=1).encode())
    return path
