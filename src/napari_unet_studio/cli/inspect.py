"""``unet-studio inspect``: feature maps and saliency of images, as TIFF."""

from pathlib import Path
from typing import Annotated

import typer

from napari_unet_studio.cli import completion
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    OneChannel,
    Overwrite,
    Resolution,
    Spacing,
    Unit,
    parse_spacing,
)
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.tasks.inspect_config import InspectConfig


@with_config(InspectConfig, panel="Maps")
def inspect(
    config: InspectConfig,
    images: Annotated[
        list[Path], typer.Argument(help="Images: files, folders or patterns.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Name of a model, or a .unet file.",
            rich_help_panel=INPUT,
            autocompletion=completion.models,
        ),
    ] = "nuclei",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the result: a .tif of one image, a folder of several.",
            show_default="maps.tif, or the folder maps",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(
            help="A part of the network such as encoder.2, see unet-studio networks; "
            "several times for several. By default the probabilities of its heads.",
            rich_help_panel="Maps",
        ),
    ] = None,
    pixel: Annotated[
        str | None,
        typer.Option(
            help="Write the saliency of this pixel instead of feature maps: how much "
            "each pixel moves the answer there. Such as 12,40.",
            rich_help_panel="Maps",
        ),
    ] = None,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    channel: OneChannel = None,
    resolution: Resolution = 0,
    region: Annotated[
        str | None,
        typer.Option(
            help="Feature maps of this part only, such as 0:64,32:96.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write what parts of a network make of images, or what a pixel rests on.

    Reads images and a model, and writes a TIFF for each image. Feature maps are
    channels, the strongest first, at the resolution of their node. Of several images,
    bad ones are listed and skipped.
    """
    from napari_unet_studio.cli.files import parse_channel, parse_pixel, parse_region
    from napari_unet_studio.cli.inspect_files import Look, inspect_files

    look = Look(
        model,
        config,
        tuple(node or ("heads",)),
        parse_pixel(pixel),
        parse_region(region),
        (axes, parse_spacing(spacing), unit),
        parse_channel(channel),
        resolution,
    )
    inspect_files(images, out, look, overwrite, json)
