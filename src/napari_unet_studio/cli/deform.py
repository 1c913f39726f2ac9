"""``unet-studio deform``: an image deformed elastically, its labels alike."""

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


def deform(
    image: Annotated[Path, typer.Argument(help="An image.")],
    labels: Annotated[Path | None, typer.Option(help="Labels to deform along.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weight map to deform along.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the result.")
    ] = Path("deformed.tif"),
    grid: Annotated[int, typer.Option(help="Points of the coarse grid per axis.")] = 3,
    sigma: Annotated[float, typer.Option(help="Displacement in pixels.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Same seed, same deformation.")] = 0,
    interpolation: Annotated[
        Literal["cubic", "linear"],
        typer.Option(help="Of planes; volumes are always sampled linearly."),
    ] = "cubic",
    planes: Annotated[
        bool,
        typer.Option(
            "--planes", help="Each plane of a stack by itself, all of them alike."
        ),
    ] = False,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Deform an image, its labels and its weight map alike, elastically."""
    from napari_unet_studio.cli.maps import write_deformed
    from napari_unet_studio.core.deform import DeformConfig

    config = DeformConfig(grid, sigma, seed, interpolation)
    place = (axes, parse_spacing(spacing), unit)
    console.show(
        write_deformed(image, labels, weights, out, config, overwrite, planes, place),
        json,
    )
