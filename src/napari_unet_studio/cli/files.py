"""Finding the images of a command and pairing them with their labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_unet_studio.api import Pair
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import SUFFIXES, read_image, read_labels


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
        if path.is_dir() and path.suffix != ".zarr":
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        else:
            found.append(path)
    if not found:
        raise InputError(
            f"There are no images in {', '.join(map(str, paths))}; readable are "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return found


def find_pairs(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Pair images and labels: two files, or two folders with files of the same stems.

    Raises
    ------
    InputError
        If an image has no labels.
    """
    if images.is_file() and labels.is_file():
        return [(images, labels)]
    by_stem = {path.stem: path for path in find_images([labels])}
    pairs = []
    for path in find_images([images]):
        if path.stem not in by_stem:
            raise InputError(
                f"{path.name} has no labels in {labels}; give each image a label file "
                "of the same name."
            )
        pairs.append((path, by_stem[path.stem]))
    return pairs


def read_pairs(images: Path, labels: Path, role: str) -> list[Pair]:
    """Read images with labels as training pairs."""
    pairs = []
    for image_path, labels_path in find_pairs(images, labels):
        image = read_image(image_path)
        pairs.append(
            Pair(
                image.array,
                np.asarray(read_labels(labels_path)),
                role,  # type: ignore[arg-type]
                image_path.stem,
                image.axes,
                image.channel_axis,
                image.spacing,
            )
        )
    return pairs
