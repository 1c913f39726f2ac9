"""``unet-studio predict``: images into label TIFFs, or one into an OME-Zarr store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    OneChannel,
    Overwrite,
    Resolution,
    Spacing,
    Unit,
)
from napari_unet_studio.cli.options import with_config, with_given
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.tasks.predict_config import PredictConfig

_FOLDER = Path("predicted")


@with_config(PredictConfig)
@with_given(ObjectConfig, "given")
def predict(
    config: PredictConfig,
    given: dict[str, Any],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Images, or folders of images (TIFF, zarr, PNG, npy). After one image "
            "also its result, if that ends in .zarr."
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Name of a model, or a .unet file.")
    ] = "nuclei",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for label TIFFs; or the result of one image of any size, an "
            "OME-Zarr store that ends in .zarr.",
            show_default=str(_FOLDER),
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
            help="Predict this part only, such as 0:64,32:96: first and last+1 of each "
            "axis but the channels, in pixels from 0."
        ),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Also write OUT/probabilities/*.tif; a zarr store always has them.",
        ),
    ] = False,
    ome: Annotated[
        Literal["0.4", "0.5"] | None,
        typer.Option(help="Version of OME-Zarr.", show_default="0.5"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes of Dask to start here, for a zarr store."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, for a zarr store."),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Segment images into label TIFFs, or one image into an OME-Zarr store.

    Of several images bad files are listed and skipped. A store is written block by
    block, whatever the size of the image; the same command goes on where it was stopped
    or killed.
    """
    from napari_unet_studio.cli.files import (
        parse_channel,
        parse_region,
        parse_spacing,
    )
    from napari_unet_studio.cli.predict_files import complaints, predict_files
    from napari_unet_studio.cli.predict_store import predict_store
    from napari_unet_studio.io.folders import find_images
    from napari_unet_studio.io.registry import load_model

    images, target = destination(images, out)
    if target.suffix != ".zarr":
        for name, value in (
            ("--workers", workers),
            ("--scheduler", scheduler),
            ("--ome", ome),
        ):
            if value is not None:
                raise InputError(
                    f"{name} is for a result in an OME-Zarr store, but {target} is a "
                    f"folder of TIFFs; leave {name} out, or give an --out that ends "
                    "in .zarr."
                )
    choice, part = parse_channel(channel), parse_region(region)
    place = (axes, parse_spacing(spacing), unit)
    loaded = load_model(model)
    objects = ObjectConfig.from_dict(loaded.card.objects.to_dict() | given)
    paths = find_images(images)
    if target.suffix == ".zarr":
        if len(paths) > 1:
            raise InputError(
                f"{target} holds the result of one image, but there are {len(paths)}; "
                "give one of them, or a folder with --out."
            )
        if part is not None:
            raise InputError(
                f"A region is not written to an OME-Zarr store like {target}; leave "
                "--region out, or give a folder with --out."
            )
        row = predict_store(
            paths[0],
            target,
            loaded,
            config,
            objects,
            place,
            choice,
            resolution,
            ome or "0.5",
            workers,
            scheduler,
            overwrite,
        )
        console.show_table([row], ("image", "store", "objects", "seconds"), json)
        if not json and row["notes"]:
            console.err.print(row["notes"])
        return
    with console.progress_bar("Predicting") as report:
        rows = predict_files(
            paths,
            target,
            loaded,
            config,
            objects,
            place,
            choice,
            resolution,
            part,
            probabilities,
            overwrite,
            report,
        )
    if json:
        console.show_table(rows, (), json)
    else:
        done = [row for row in rows if "error" not in row]
        if done:
            console.show_table(done, ("image", "labels", "objects", "notes"), json)
        for line in complaints(rows, target):
            console.err.print(f"unet-studio: {line}", style="red")
    if any("error" in row for row in rows):
        raise typer.Exit(2)


def destination(images: Sequence[Path], out: Path | None) -> tuple[list[Path], Path]:
    """Return the images, and the folder or zarr store for the result.

    Without `out`, the last of several paths is the result if it ends in .zarr and is no
    image to read: it does not exist yet, or is an earlier result of this package.
    """
    paths = list(images)
    if out is not None:
        return paths, out
    if len(paths) > 1 and paths[-1].suffix == ".zarr":
        from napari_unet_studio.io.result_folder import is_unfinished

        last = paths[-1]
        if not last.exists() or is_unfinished(last) or _is_result(last):
            return paths[:-1], last
    return paths, _FOLDER


def _is_result(path: Path) -> bool:
    from napari_unet_studio.core.errors import StorageError
    from napari_unet_studio.io.result_folder import check_replaceable

    try:
        check_replaceable(path, overwrite=True)
    except StorageError:
        return False
    return True
