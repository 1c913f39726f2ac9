"""TIFF files: plain, ImageJ, OME; read whole or, if large, in parts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_unet_studio.io.guard import reading
from napari_unet_studio.io.image_file import (
    ImageFile,
    check_level,
    named,
    with_spacing,
)
from napari_unet_studio.io.lazy import LAZY_FROM, MappedArray, as_dask
from napari_unet_studio.io.pixel_size import tiff_sizes


def read_tiff(path: Path, level: int = 0, lazy_from: int = LAZY_FROM) -> ImageFile:
    """Read a level of the first image of a TIFF file.

    Parameters
    ----------
    lazy_from
        Bytes of pixels from which the array is lazy (dask): mapped into memory where
        the pixels lie in the file as they are, decoded strip by strip or tile by tile
        elsewhere. No file stays open.
    """
    with tifffile.TiffFile(path) as tiff:
        _check_last_page(tiff)
        levels = tiff.series[0].levels
        check_level(level, tuple(s.shape for s in levels), path)
        series = levels[level]
        axes = series_axes(series)
        if series.nbytes > lazy_from and series.transform is None:
            _check_extent(tiff, series)
            pixels = _pixels(path, level, tiff, series)
            array = as_dask(pixels, pixels.chunks)
        else:
            array = series.asarray()
        found = replace(
            named(array, axes, path), levels=tuple(tuple(s.shape) for s in levels)
        )
        sizes = tiff_sizes(tiff)
        for axis in sizes.keys() & set(axes):
            place = axes.index(axis)
            sizes[axis] *= levels[0].shape[place] / series.shape[place]
        return with_spacing(found, sizes)


def series_axes(series: tifffile.TiffPageSeries) -> str:
    """Return the axes of an image in a TIFF file as tifffile names them.

    Samples before YX are an axis without a name: they are what writers make of a stack
    of 3 or 4 planes.
    """
    axes = str(series.axes)
    return axes.replace("S", "Q") if "S" in axes[:-1] else axes


def _pixels(
    path: Path, level: int, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries
) -> "MappedArray | _CodedPixels":
    if series.dataoffset is None or not series.keyframe.is_memmappable:
        return _CodedPixels(path, level)
    stored = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
    return MappedArray(path, stored, series.dataoffset, series.shape)


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


def _check_extent(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Raise if pixels should lie beyond the end of the file."""
    size = tiff.filehandle.size
    last = 0
    if series.dataoffset is not None:
        last = series.dataoffset + series.nbytes
    else:
        for page in series:
            if page is not None and page.parent is tiff:
                extents = zip(page.dataoffsets, page.databytecounts, strict=False)
                last = max(last, *(offset + count for offset, count in extents), 0)
    if last > size:
        raise ValueError(f"it has {size} bytes of at least {last}")


class _CodedPixels:
    """The pixels of a level of the first image in a TIFF file, decoded piece by piece.

    The file is opened for each piece and closed again; its directory of pages is read
    once per process, since it is long where there are many pages.
    """

    def __init__(self, path: Path, level: int) -> None:
        import zarr

        self.path = path
        self.level = level
        self._lock = threading.Lock()
        self._users = 0
        self._tiff = tifffile.TiffFile(path)
        self._array: Any
        with self._tiff as tiff:
            # No file of a set of files stays open either.
            store = tiff.series[0].levels[level].aszarr(level=0, _openfiles=0)
            self._array = zarr.open(store, mode="r")
        self.shape = tuple(self._array.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        self.chunks = tuple(self._array.chunks)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_CodedPixels, (self.path, self.level))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with reading(self.path), self._open():
            return np.asarray(self._array[key]).astype(self.dtype, copy=False)

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Keep the file open while at least one thread reads."""
        handle = self._tiff.filehandle
        with self._lock:
            if self._users == 0:
                handle.open()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    handle.close()
