"""What a command is given: places, channels, labels; and guarding what is there."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import psutil
import typer

from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.core.amounts import memory
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io import atomic
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import ImageFile, read_image

# Options of all commands that read an image.
Axes = Annotated[
    str | None,
    typer.Option(
        help='Axes of the image, such as "TYX" or "CZYX"; by default as in the file.',
        rich_help_panel=INPUT,
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        help="Size of a pixel, such as 2,0.5,0.5 along z, y and x; by default what the "
        "file says.",
        rich_help_panel=INPUT,
    ),
]
Unit = Annotated[
    Literal["um", "pixel", "none"] | None,
    typer.Option(
        help="Unit of --spacing; none if nobody knows it.",
        show_default="um",
        rich_help_panel=INPUT,
    ),
]
OneChannel = Annotated[
    str | None,
    typer.Option(
        help="Of an image with several channels take one, by its number from 0, or "
        "grey: the luminance of colours.",
        rich_help_panel=INPUT,
    ),
]
ForOneChannel = Annotated[
    str | None,
    typer.Option(
        help="What a model of one channel is given of images with several: a number "
        "from 0, or grey.",
        rich_help_panel=INPUT,
    ),
]
Resolution = Annotated[
    int,
    typer.Option(
        min=0,
        help="Level of an image with several; 0: the finest.",
        rich_help_panel=INPUT,
    ),
]

# Options of commands that write a result.
Overwrite = Annotated[
    bool,
    typer.Option(help="Replace results that exist already.", rich_help_panel=OUTPUT),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT),
]

Place = tuple[str | None, tuple[float, ...] | None, str | None]
"""Axes, pixel size and its unit, as far as the command line says them."""


def parse_spacing(text: str | None) -> tuple[float, ...] | None:
    """Read sizes of a pixel, such as "2,0.5,0.5".

    Raises
    ------
    InputError
        If it is no list of numbers.

    Examples
    --------
    >>> parse_spacing("2, 0.5,0.5")
    (2.0, 0.5, 0.5)
    """
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"The spacing is {text!r}; give numbers with commas between, such as "
            "0.5,0.5."
        ) from None


def parse_region(text: str | None) -> tuple[slice, ...] | None:
    """Read a part of an image, such as "0:64,32:96".

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> parse_region("0:64, 32:96")
    (slice(0, 64, None), slice(32, 96, None))
    """
    if text is None:
        return None
    try:
        pairs = [[int(n) for n in word.split(":")] for word in text.split(",")]
        return tuple(slice(start, stop) for start, stop in pairs)
    except ValueError:
        raise InputError(
            f"The region is {text!r}; give first:last+1 for each axis but the "
            "channels, such as 0:64,32:96."
        ) from None


def parse_pixel(text: str | None) -> tuple[int, ...] | None:
    """Read the place of a pixel, such as "12,40".

    Raises
    ------
    InputError
        If it is none.
    """
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"The pixel is {text!r}; give a whole number for each axis but the "
            "channels, such as 12,40."
        ) from None


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


def read_label_file(
    path: Path,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> ImageFile:
    """Read labels with their axes and pixel size, see `described`; one channel only.

    Raises
    ------
    InputError
        If they have channels, or memory does not hold them.
    """
    found = described(read_image(path), axes, spacing, unit)
    if found.channel_axis is not None:
        raise InputError(f"{path} has channels; labels are one number per pixel.")
    needed, free = found.array.nbytes, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"The labels in {path} take {memory(needed)} of memory, but only "
            f"{memory(free)} are free; give a part of them, or a coarser level."
        )
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
    """See that a result can be written; see :func:`.atomic.check_writable`."""
    atomic.check_writable(path, f"Choose another place with {option}")
