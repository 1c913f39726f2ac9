"""Rows from files: which labels belong to which image, and asking for them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import SUFFIXES, is_in_zarr
from napari_unet_studio.widgets._fitting import core_name

FILTER = f"Images ({' '.join(f'*{suffix}' for suffix in sorted(SUFFIXES))})"
_NUMBER = re.compile(r"\d+")


def ask_for_files(parent: QWidget) -> tuple[list[Path], list[Path]]:
    """Ask for image files, then for their labels; without an answer both are empty."""
    images, _ = QFileDialog.getOpenFileNames(parent, "Images", "", FILTER)
    if not images:
        return [], []
    folder = str(Path(images[0]).parent)
    labels, _ = QFileDialog.getOpenFileNames(
        parent, f"Labels of {len(images)} images", folder, FILTER
    )
    return [Path(file) for file in images], [Path(file) for file in labels]


def ask_for_folders(parent: QWidget) -> tuple[list[Path], list[Path]]:
    """Ask for a folder or zarr of images, then for that of their labels."""
    images = QFileDialog.getExistingDirectory(parent, "Folder of images, or a zarr")
    if not images:
        return [], []
    labels = QFileDialog.getExistingDirectory(
        parent, "Folder of their labels, or a zarr", images
    )
    return files_in(Path(images)), files_in(Path(labels)) if labels else []


def files_in(folder: Path) -> list[Path]:
    """Return the image files in a folder; a zarr store is one image.

    Raises
    ------
    InputError
        If there is none.
    """
    if not folder.is_dir() or is_in_zarr(folder):
        return [folder]
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise InputError(
            f"There are no images in {folder}; readable are "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return found


def matched(
    images: Sequence[Path], labels: Sequence[Path]
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Pair images with labels by their names, and return the images left over.

    Equal names go together, then names that are equal but for words such as "image" and
    "mask", then names with the same last number. One image and one file of labels go
    together whatever their names.

    Examples
    --------
    >>> images = [Path("t000.tif"), Path("t001.tif"), Path("t009.tif")]
    >>> labels = [Path("man_seg001.tif"), Path("man_seg000.tif")]
    >>> pairs, left = matched(images, labels)
    >>> [(str(a), str(b)) for a, b in pairs], [str(path) for path in left]
    ([('t000.tif', 'man_seg000.tif'), ('t001.tif', 'man_seg001.tif')], ['t009.tif'])
    """
    if len(images) == len(labels) == 1:
        return [(images[0], labels[0])], []
    found: dict[Path, Path] = {}
    for key in (_stem, _core, _number):
        free = _alone([path for path in labels if path not in found.values()], key)
        waiting = _alone([path for path in images if path not in found], key)
        for name, image in waiting.items():
            if name in free:
                found[image] = free[name]
    pairs = [(image, found[image]) for image in images if image in found]
    return pairs, [image for image in images if image not in found]


def _alone(paths: Sequence[Path], key: Callable[[Path], str]) -> dict[str, Path]:
    """Return the paths by their keys, those that share one left out."""
    keys = [key(path) for path in paths]
    named = zip(keys, paths, strict=True)
    return {k: path for k, path in named if k and keys.count(k) == 1}


def _stem(path: Path) -> str:
    return path.stem


def _core(path: Path) -> str:
    return core_name(path.stem)


def _number(path: Path) -> str:
    numbers = _NUMBER.findall(path.stem)
    return str(int(numbers[-1])) if numbers else ""
