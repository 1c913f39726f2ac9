"""``unet-studio deform``: images deformed elastically, their labels alike."""

from pathlib import Path
from typing import Annotated, Any

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
from napari_unet_studio.cli.options import RECORD_HELP, with_config
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.cli.recorded import (
    config_file,
    is_record,
    last_run,
    place_of,
)
from napari_unet_studio.core.displacement import DeformConfig


def _read(document: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the elastic deformation of a training, or of a batch."""
    if is_record(document):
        recorded = last_run(config_file(arguments["ctx"]), "deform").config
        return {key: value for key, value in recorded.items() if key != "planes"}
    document = document.get("config", document)
    augment = document.get("augment") if isinstance(document, dict) else None
    if not isinstance(augment, dict):
        return document
    names = {"grid": "grid", "elastic": "sigma"}
    return {names[key]: value for key, value in augment.items() if key in names}


@with_config(DeformConfig, _read, panel="Deformation", file_help=RECORD_HELP)
def deform(
    ctx: typer.Context,
    config: DeformConfig,
    document: dict[str, Any],
    images: Annotated[
        list[Path],
        typer.Argument(
            help='Images: files, folders, zarr stores or patterns such as "a*.tif".'
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels to deform along; of several images a folder with files of the "
            "same names.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weight map to deform along, or a folder with the same names.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the result: a .tif of one image, a folder of several.",
            show_default="deformed.tif, or the folder deformed",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    planes: Annotated[
        bool,
        typer.Option(
            "--planes",
            help="Each plane of a stack by itself, all of them alike.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Deform images, their labels and their weight maps alike, elastically.

    Reads images and writes TIFFs of the same shape, axes and kind of numbers. Labels
    and weight maps go to OUT-labels.tif and OUT-weights.tif; of several images, into
    the folders OUT/labels and OUT/weights. All images get the same deformation, another
    one with another --seed. Of several images, bad ones are listed and skipped; the
    same command goes on where it stopped, and what was done is told in OUT/batch.json.
    """
    from napari_unet_studio.cli.map_files import deform_files

    place: Place = (axes, parse_spacing(spacing), unit)
    if is_record(document):
        run = last_run(config_file(ctx), "deform")
        place, planes = place_of(run, place), planes or run.config["planes"]
    along = {"labels": labels, "weights": weights}
    deform_files(images, along, out, config, overwrite, planes, place, json)
