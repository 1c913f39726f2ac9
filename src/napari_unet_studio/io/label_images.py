"""Label images inside OME-Zarr images."""

from pathlib import Path

from napari_unet_studio.core.errors import InputError


def label_images(path: Path) -> list[Path]:
    """Return the label images inside an OME-Zarr image, by name."""
    folder = path / "labels"
    if not folder.is_dir():
        return []
    return sorted(
        inside
        for inside in folder.iterdir()
        if (inside / ".zattrs").exists() or (inside / "zarr.json").exists()
    )


def labels_in(path: Path) -> Path:
    """Return the label image inside an OME-Zarr image, or the path if there is none.

    Raises
    ------
    InputError
        If there are several.
    """
    inside = label_images(path)
    if len(inside) > 1:
        raise InputError(
            f"{path} holds several label images; give one of "
            f"{', '.join(map(str, inside))}."
        )
    return inside[0] if inside else path
