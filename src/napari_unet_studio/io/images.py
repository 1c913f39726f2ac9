"""Images from and to files, with axes and pixel size."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import reading
from napari_unet_studio.io.image_file import ImageFile, check_level, named
from napari_unet_studio.io.lazy import LAZY_FROM, MappedArray, as_dask
from napari_unet_studio.io.ome_tiff import write_tiff
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.io.tiff import read_tiff
from napari_unet_studio.io.zarr_images import is_in_zarr, read_zarr

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "image_levels",
    "is_in_zarr",
    "read_image",
    "read_label_array",
    "read_labels",
    "reading",
    "write_json",
    "write_tiff",
]

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}
SUFFIXES = frozenset({".tif", ".tiff", ".npy", ".zarr", *_PICTURES})


def read_image(path: str | Path, level: int = 0) -> ImageFile:
    """Read a TIFF (plain, ImageJ, OME), NumPy file, zarr array, PNG or JPEG.

    Zarr, and TIFF and NumPy files of more than 64 MB, are read when their pixels are
    computed; what goes wrong then is a StorageError too.

    Parameters
    ----------
    path
        The file or zarr store, or an image or label image inside a zarr store, such as
        ``cells.zarr/labels/nuclei``.
    level
        Resolution, where the file has several: 0 is the finest.

    Raises
    ------
    StorageError
        If the file cannot be read.
    InputError
        If its kind or its axes are unknown, or it has no such level.
    """
    path = Path(path)
    inside = is_in_zarr(path)
    if path.suffix.lower() not in SUFFIXES and not inside:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give one of the images in it.")
        if not path.exists():
            raise StorageError(f"{path} does not exist; check the path.")
        raise InputError(
            f"{path} is of an unknown kind; readable are {', '.join(sorted(SUFFIXES))}."
        )
    if not path.exists():
        raise StorageError(f"{path} does not exist; check the path.")
    with reading(path):
        # Beside a store's groups there may be files of other kinds in its folder.
        if path.suffix.lower() == ".zarr" or (inside and path.is_dir()):
            return read_zarr(path, level)
        if path.suffix.lower() in (".tif", ".tiff"):
            return read_tiff(path, level)
        found = _read_array(path)
        check_level(level, found.levels, path)
        return found


def image_levels(path: str | Path) -> tuple[Shape, ...]:
    """Return the shapes of an image at each resolution in its file, finest first.

    Raises
    ------
    StorageError, InputError
        As from :func:`read_image`.
    """
    return read_image(path).levels


def _read_array(path: Path) -> ImageFile:
    if path.suffix.lower() != ".npy":
        return _read_picture(path)
    large = path.stat().st_size > LAZY_FROM
    try:
        array = np.load(path, "r" if large else None, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError("it holds Python objects, not numbers") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("it is an archive of several arrays")
    if isinstance(array, np.memmap):
        if not array.flags.c_contiguous:  # columns first
            return named(np.array(array), None, path)
        mapped = MappedArray(path, array.dtype, array.offset, array.shape)
        return named(as_dask(mapped, mapped.chunks), None, path)
    return named(array, None, path)


def _read_picture(path: Path) -> ImageFile:
    from PIL import Image

    try:
        opened = Image.open(path)
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has more pixels than are read from such a file; save it as TIFF "
            "or zarr, which have no such limit."
        ) from error
    with opened as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":  # a photograph and its previews
            raise InputError(
                f"{path} is an animation of {frames} frames; save them as a TIFF stack."
            )
        grey = picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;16")
        if not grey and picture.format == "PNG" and ";16" in str(picture.tile):
            raise InputError(
                f"{path} has 16 bits for each colour, of which 8 would be lost; save "
                "it as TIFF."
            )
        array = np.array(picture if grey else picture.convert("RGB"))
    return ImageFile(array, "YX", None if grey else -1)


def read_labels(path: str | Path) -> NDArray[Any]:
    """Read a label image; one channel only."""
    return np.asarray(read_label_array(path))


def read_label_array(path: str | Path) -> Any:
    """Read a label image; lazily where :func:`read_image` does. One channel only."""
    found = read_image(path)
    if found.channel_axis is not None:
        raise InputError(f"{path} has channels; labels are one number per pixel.")
    return found.array


def write_json(path: str | Path, values: Any) -> Path:
    """Write a JSON document, whole or not at all; NaN becomes null."""
    path = Path(path)
    with atomic_write(path) as file:
        file.write(dumps(values, indent=1).encode())
    return path
