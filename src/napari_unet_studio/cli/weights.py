"""``unet-studio weights``: the weight map of a label image."""

import json as json_format
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    Overwrite,
    Spacing,
    Unit,
    parse_spacing,
)
from napari_unet_studio.core.errors import InputError, StorageError


def weights(
    labels: Annotated[Path, typer.Argument(help="Label image.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the result.")
    ] = Path("weights.tif"),
    preset: Annotated[
        Literal["2015", "2019", "none"],
        typer.Option(help="Formula; none: class balance alone."),
    ] = "2015",
    w0: Annotated[
        float | None, typer.Option(help="Height; default: the paper's.")
    ] = None,
    sigma: Annotated[float | None, typer.Option(help="Width in pixels.")] = None,
    balance: Annotated[
        Literal["image", "global", "none"],
        typer.Option(
            help="Balance objects and background in each time point, in all of them "
            "together, or not."
        ),
    ] = "image",
    ignore: Annotated[
        int | None,
        typer.Option(help="Id of pixels without annotation; they weigh 0."),
    ] = None,
    gap: Annotated[
        int, typer.Option(help="Background between touching objects, pixels.")
    ] = 0,
    inside: Annotated[
        bool, typer.Option(help="Whether the border term also weighs objects.")
    ] = True,
    planes: Annotated[
        bool,
        typer.Option(
            "--planes", help="Each plane of a stack by itself, as for a 2D network."
        ),
    ] = False,
    connected: Annotated[
        bool,
        typer.Option(
            "--connected", help="Each connected piece is an object, as in masks."
        ),
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            help='JSON file with the class of each object by its id: {"1": 2, ...}, '
            "classes from 1 on. The balance is then per class."
        ),
    ] = None,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write the separation weight map of a label image."""
    from napari_unet_studio.cli.maps import write_weights

    if connected and classes is not None:
        raise InputError(
            "Connected pieces have no ids that --classes could name; leave one of "
            "--connected and --classes out."
        )
    settings = {
        "preset": preset,
        "w0": w0,
        "sigma": sigma,
        "balance": balance,
        "ignore": ignore,
        "gap": gap,
        "inside": inside,
        "classes": None if classes is None else read_classes(classes),
    }
    place = (axes, parse_spacing(spacing), unit)
    console.show(
        write_weights(labels, out, settings, overwrite, planes, connected, place), json
    )


def read_classes(path: Path) -> dict[int, int]:
    """Read the classes of objects by their ids.

    Raises
    ------
    StorageError, InputError
        If there is no such file, or it holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} is no text file: {error}.") from error
    try:
        found = json_format.loads(text)
        return {int(key): int(value) for key, value in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold the classes of objects; give a JSON object of ids "
            'and classes, such as {"1": 2}.'
        ) from error
