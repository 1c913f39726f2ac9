"""Finding the images of a command, pairing them with labels, guarding what is there."""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.images import (
    SUFFIXES,
    ImageFile,
    is_in_zarr,
    read_image,
    read_labels,
)
from napari_unet_studio.tasks.training_data import Pair, Role


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


def read_pairs(images: Path, labels: Path, role: Role) -> list[Pair]:
    """Read images with labels as training pairs."""
    pairs = []
    for image_path, labels_path in find_pairs(images, labels):
        image = read_image(image_path)
        pairs.append(
            Pair(
                image.array,
                read_labels(labels_path),
                role,
                image_path.stem,
                image.axes,
                image.channel_axis,
                image.spacing,
            )
        )
    return pairs


def parse_channel(text: str | None) -> Channel | None:
    """Return the channel that an option names; None is all of them.

    Raises
    ------
    InputError
        If it is neither a number from 0 nor grey.

    Examples
    --------
    >>> parse_channel("2"), parse_channel("grey")
    (2, 'grey')
    """
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    if text.lower() in ("grey", "gray"):
        return "grey"
    raise InputError(
        f"The channel is {text!r}; give a number from 0, or grey for the luminance of "
        "colours."
    )


def with_channel(image: ImageFile, choice: Channel | None, path: Path) -> ImageFile:
    """Return an image with one of its channels only.

    One that has a single channel is grey already, and its channel is 0.

    Raises
    ------
    InputError
        If it has no such channel.
    """
    if choice is None:
        return image
    if image.channel_axis is None:
        if choice in (0, "grey"):
            return image
        raise InputError(
            f"{path} has a single channel and no channel {choice}; choose 0, or leave "
            "--channel out."
        )
    array = pick_channel(image.array, image.channel_axis, choice)
    return replace(image, array=array, channel_axis=None, levels=())


def read_label_file(path: Path) -> ImageFile:
    """Read labels with their axes and pixel size; one channel only."""
    found = read_image(path)
    if found.channel_axis is not None:
        raise InputError(f"{path} has channels; labels are one number per pixel.")
    return ImageFile(
        np.asarray(found.array), found.axes, None, found.spacing, found.unit
    )


def refuse_existing(
    path: Path,
    overwrite: bool,
    taken: Collection[Path] = (),
    option: str = "--out",
) -> None:
    """Raise an InputError if a result would replace a file.

    Parameters
    ----------
    overwrite
        Allow it, but for the files `taken`: inputs and other results, as resolved
        paths.
    option
        What chooses the place.
    """
    if path.resolve() in taken:
        raise InputError(
            f"{path} is an input, or the result of another one; choose another folder "
            f"or name with {option}."
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file with {option}.")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already; choose another place with {option}, or allow "
            "--overwrite."
        )


def check_writable(path: Path, option: str = "--out") -> None:
    """Make the folder of a result, and see that a file can be written there.

    Raises
    ------
    StorageError
        If not: better now than after hours of work.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StorageError(
            f"Nothing can be written to {path.parent}: {error.strerror or error}. "
            f"Choose another place with {option}."
        ) from error
