"""napari opens OME-Zarr images with their labels: all resolutions, place and axes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LayerData = tuple[Any, ...]
Reader = Callable[[Any], list[LayerData]]


def get_reader(path: str | Path | Sequence[str | Path]) -> Reader | None:
    """Return a function that opens zarr images, or None if a path is no such.

    napari asks this for everything that is dropped onto it, so it never raises.

    Parameters
    ----------
    path
        A file or folder, or several.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    try:
        folders = [_is_zarr(Path(each)) for each in paths]
    except (OSError, TypeError, ValueError):
        return None
    return read_layers if folders and all(folders) else None


def read_layers(path: str | Path | Sequence[str | Path]) -> list[LayerData]:
    """Open zarr images lazily, with the label images inside them.

    Raises
    ------
    StorageError, InputError
        If one cannot be read.
    """
    from napari_unet_studio.layers.stored import file_tuples

    paths = [path] if isinstance(path, str | Path) else list(path)
    return [layer for each in paths for layer in file_tuples(Path(each))]


def _is_zarr(path: Path) -> bool:
    inside = any(part.suffix.lower() == ".zarr" for part in (path, *path.parents))
    described = any(
        (path / name).exists() for name in (".zgroup", ".zarray", "zarr.json")
    )
    return inside and path.is_dir() and described
