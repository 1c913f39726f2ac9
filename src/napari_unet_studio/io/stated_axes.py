"""The axes that an image file states itself, told without reading its pixels."""

from pathlib import Path

from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.guard import reading


def stated_axes(path: str | Path) -> tuple[str, Shape]:
    """Return one letter for each axis of the image that a file holds, and its shape.

    Parameters
    ----------
    path
        A TIFF file, or a zarr store or what is inside one. Other kinds state nothing.

    Returns
    -------
    axes
        Such as "CZYX". An axis whose name the file does not tell, or that is none of
        T, C, Z, Y and X, is "?". Empty if the file is of another kind.
    shape
        Of the first image at full resolution.

    Raises
    ------
    StorageError, InputError
        If the file cannot be read.
    """
    path = Path(path)
    with reading(path):
        if path.suffix.lower() in (".tif", ".tiff"):
            axes, shape = _of_tiff(path)
        elif path.suffix.lower() == ".zarr":
            axes, shape = _of_zarr(path)
        else:
            axes, shape = "", ()
    return "".join(a if a in "TCZYX" else "?" for a in axes), shape


def _of_tiff(path: Path) -> tuple[str, Shape]:
    import tifffile

    from napari_unet_studio.io.tiff import series_axes

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        axes, shape = series_axes(series), tuple(int(n) for n in series.shape)
    return axes.replace("S", "C"), shape


def _of_zarr(path: Path) -> tuple[str, Shape]:
    from napari_unet_studio.io.zarr_images import read_zarr

    found = read_zarr(path)
    axes, place = found.axes, found.channel_axis
    if place is not None:
        axes = f"{axes[:place]}C{axes[place:]}"
    return axes, tuple(int(n) for n in found.array.shape)
