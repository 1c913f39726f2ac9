"""What a command is given: channels and label files; and guarding what is there."""

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_unet_studio.core.channels import Channel, pick_channel
from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.images import ImageFile, read_image


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
