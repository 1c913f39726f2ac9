"""``unet-studio measure``: a table of the objects in label files."""

from pathlib import Path
from typing import Annotated

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
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.core.measure import MeasureConfig


@with_config(MeasureConfig, panel="What is measured")
def measure(
    config: MeasureConfig,
    labels: Annotated[
        list[Path],
        typer.Argument(
            help="Labels: files, zarr stores, folders of files or patterns. Of an "
            "OME-Zarr image, the labels inside it."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="CSV file for the table.", rich_help_panel=OUTPUT
        ),
    ] = Path("objects.csv"),
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image to take intensities of; of a folder of labels, a folder with "
            "images of the same names. May be given several times.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="Image of classes, or a folder of such images.", rich_help_panel=INPUT
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="What the columns of an image are called; once for each --image.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="The channel of an image to measure: its number from 0, grey or all; "
            "once for each --image.",
            show_default="all",
            rich_help_panel=INPUT,
        ),
    ] = None,
    spacing: Spacing = None,
    unit: Unit = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Measure size, place, shape, intensity and neighbours of all objects.

    Reads label images, and the images beside them for intensities. Writes one table
    with a row for each object; of several files with a column "file".
    """
    from napari_unet_studio.cli.measure_files import intensities, measure_files

    with console.progress_bar("Measuring") as report:
        found = measure_files(
            labels,
            out,
            config,
            intensities(image or [], name or [], channel or []),
            classes,
            (axes, parse_spacing(spacing), unit),
            overwrite,
            report,
        )
    console.show(found, json)
