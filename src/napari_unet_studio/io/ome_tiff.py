"""Images into OME-TIFF files."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.atomic import atomic_write

_LARGEST_CLASSIC = 2**32 - 2**25  # bytes in a TIFF of 32-bit offsets, with its header


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
