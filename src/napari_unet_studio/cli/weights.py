"""``unet-studio weights``: the weight maps of label images."""

import json as json_format
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    Overwrite,
    Place,
    Spacing,
    Unit,
    parse_spacing,
)
from napari_unet_studio.cli.option_fields import in_options, read_settings_file
from napari_unet_studio.cli.options import RECORD_HELP
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.cli.recorded import is_record, last_run, place_of
from napari_unet_studio.core.errors import ConfigError, InputError, StorageError

FORMULA = "Formula"
# Of the U-Net paper; a training has others, which outline objects more exactly.
_USUAL: dict[str, Any] = {
    "preset": "2015",
    "w0": None,
    "sigma": None,
    "balance": "image",
    "gap": 0,
    "inside": True,
}


def weights(
    labels: Annotated[
        list[Path],
        typer.Argument(
            help="Label images: files, folders, zarr stores, or patterns such as "
            '"a*.tif".'
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the result: a .tif of one file, a folder of several.",
            show_default="weights.tif, or the folder weights",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    preset: Annotated[
        Literal["2015", "2019", "none"] | None,
        typer.Option(
            help="Formula: eq. 2 of the U-Net paper, the Fiji plugin's, or class "
            "balance alone.",
            show_default="2015",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    w0: Annotated[
        float | None,
        typer.Option(
            help="Height where two objects touch.",
            show_default="the paper's",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Width between objects, in pixels.",
            show_default="the paper's",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    balance: Annotated[
        Literal["image", "global", "none"] | None,
        typer.Option(
            help="Balance objects and background in each time point, in all those of a "
            "file together, or not.",
            show_default="image",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(
            help="Background between touching objects, pixels.",
            show_default="0",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    inside: Annotated[
        bool | None,
        typer.Option(
            help="Whether the border term also weighs objects.",
            show_default="inside",
            rich_help_panel=FORMULA,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help=RECORD_HELP, rich_help_panel=INPUT)
    ] = None,
    ignore: Annotated[
        int | None,
        typer.Option(
            help="Id of pixels without annotation; they weigh 0.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    planes: Annotated[
        bool,
        typer.Option(
            "--planes",
            help="Each plane of a stack by itself, as for a 2D network.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    connected: Annotated[
        bool,
        typer.Option(
            "--connected",
            help="Each connected piece is an object, as in masks.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            help='JSON file with the class of each object by its id: {"1": 2, ...}, '
            "classes from 1 on. The balance is then per class.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write the separation weight maps of label images.

    Reads labels with a number for each object, and writes a TIFF of the same axes and
    pixel size with the weight of each pixel in float32. Of several files, bad ones are
    listed and skipped; the same command goes on where it stopped, and what was done is
    told in batch.json beside the maps.
    """
    from napari_unet_studio.cli.map_files import weigh_files

    if connected and classes is not None:
        raise InputError(
            "Connected pieces have no ids that --classes could name; leave one of "
            "--connected and --classes out."
        )
    given = {
        "preset": preset,
        "w0": w0,
        "sigma": sigma,
        "balance": balance,
        "gap": gap,
        "inside": inside,
    }
    place: Place = (axes, parse_spacing(spacing), unit)
    document = None if config is None else read_settings_file(config)
    known: dict[str, Any] = {}
    if document is not None and is_record(document):
        run = last_run(config, "weights")
        known, place, document = dict(run.config), place_of(run, place), None
        given = {k: known[k] if v is None else v for k, v in given.items()}
    settings = {
        **formula(document, given),
        "ignore": known.get("ignore") if ignore is None else ignore,
        "classes": _classes_of(known) if classes is None else read_classes(classes),
    }
    planes = planes or known.get("planes", False)
    connected = connected or known.get("connected", False)
    weigh_files(labels, out, settings, overwrite, planes, connected, place, json)


def formula(document: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the formula: those given, those of a file, the paper's.

    Parameters
    ----------
    document
        Of :class:`.WeightConfig`, or of a training; None without a file.
    given
        By name; None for what is not given.

    Raises
    ------
    ConfigError
        If one is out of its range, or the file holds something else.
    """
    from napari_unet_studio.core.weights import WeightConfig

    read: dict[str, Any] = {}
    if document is not None:
        found = document.get("config", document)
        if isinstance(found, dict):
            found = found.get("weights", found)
        read = WeightConfig.from_dict(found).to_dict()
    said = {name: value for name, value in given.items() if value is not None}
    try:
        WeightConfig.from_dict(said)
    except ConfigError as error:
        raise ConfigError(in_options(str(error), given)) from error
    return {**_USUAL, **read, **said}


def _classes_of(recorded: dict[str, Any]) -> dict[int, int] | None:
    """Return the classes of objects that a record holds, as texts of numbers."""
    found = recorded.get("classes")
    return None if found is None else {int(k): int(v) for k, v in found.items()}


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
