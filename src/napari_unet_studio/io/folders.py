"""Finding images in folders, and the labels that belong to them."""

from collections.abc import Sequence
from pathlib import Path

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import SUFFIXES, is_in_zarr


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the image files among the paths and directly in the folders among them.

    Raises
    ------
    InputError
        If there is none, or a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the path.")
        if is_folder(path):
            found += sorted(
                p
                for p in path.iterdir()
                if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
            )
        else:
            found.append(path)
    if not found:
        raise InputError(
            f"There are no images in {', '.join(map(str, paths))}; readable are "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return list(dict.fromkeys(found))


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of images; a zarr store is one image."""
    return path.is_dir() and not is_in_zarr(path)


def find_pairs(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Pair images and labels: two files, or two folders with files of the same stems.

    Raises
    ------
    InputError
        If an image has no labels, or several files that could be them.
    """
    candidates = find_images([labels])
    if not is_folder(images) and not is_folder(labels):
        return list(zip(find_images([images]), candidates, strict=True))
    by_stem: dict[str, list[Path]] = {}
    for path in candidates:
        by_stem.setdefault(path.stem, []).append(path)
    pairs = []
    for path in find_images([images]):
        found = by_stem.get(path.stem, [])
        if not found:
            raise InputError(
                f"{path.name} has no labels in {labels}; give each image a label file "
                "of the same name."
            )
        if len(found) > 1:
            names = " and ".join(other.name for other in found)
            raise InputError(
                f"{path.name} has several labels in {labels}, {names}; leave one."
            )
        pairs.append((path, found[0]))
    return pairs
