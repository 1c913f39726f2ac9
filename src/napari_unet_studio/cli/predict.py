"""``unet-studio predict``: images into label TIFFs, or one into an OME-Zarr store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_unet_studio.cli import completion, console
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
from napari_unet_studio.cli.panels import COMPUTING, INPUT, OUTPUT
from napari_unet_studio.cli.predict_settings import (
    Settings,
    batch_options,
    given_place,
    prediction_in,
    settings_of,
)
from napari_unet_studio.cli.recorded import config_file
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.predict_config import PredictConfig

_FOLDER = Path("predicted")
_MODEL = "nuclei"
_NO_IMAGES = (
    "There are no images; give files, folders, or patterns such as 'data/*.tif'."
)
OBJECTS = "Objects"


@with_config(
    PredictConfig,
    prediction_in,
    COMPUTING,
    file_help="JSON file with settings; or a model, to predict with; or a batch.json, "
    "to repeat it. Options win over it.",
)
@with_given(ObjectConfig, "given", OBJECTS)
def predict(
    ctx: typer.Context,
    config: PredictConfig,
    document: dict[str, Any],
    given: dict[str, Any],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images (TIFF, zarr, PNG, npy), folders of images, or patterns such "
            "as 'data/**/*.tif'. After one image also its result, if that ends in "
            ".zarr."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model, or a .unet file.",
            show_default=_MODEL,
            rich_help_panel=INPUT,
            autocompletion=completion.models,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for label TIFFs and their record, batch.json; or the result "
            "of one image of any size, an OME-Zarr store that ends in .zarr.",
            show_default=str(_FOLDER),
            rich_help_panel=OUTPUT,
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
            "axis but the channels, in pixels from 0.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    probabilities: Annotated[
        bool | None,
        typer.Option(
            help="Also write probabilities, into OUT/probabilities; a zarr store "
            "always has them.",
            show_default="no-probabilities",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    table: Annotated[
        bool | None,
        typer.Option(
            help="Also measure the objects: those of all images into OUT/objects.csv, "
            "those of each into OUT/tables.",
            show_default="no-table",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    store: Annotated[
        bool | None,
        typer.Option(
            help="Make each result an OME-Zarr store, for images of any size, instead "
            "of a TIFF.",
            show_default="no-store",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    ome: Annotated[
        Literal["0.4", "0.5"] | None,
        typer.Option(
            help="Version of OME-Zarr of a single store.",
            show_default="0.5",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes of Dask to start here, for a single zarr store.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, for a single zarr store.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Segment images into label TIFFs, or one image into an OME-Zarr store.

    Of several images bad files are listed and skipped; what was done is told in
    OUT/batch.json. Nothing is replaced without --overwrite. The same command keeps what
    is done with the same settings, so it goes on where it was stopped or killed.

    --config takes the settings of Copy as Python or of a script as JSON, a model, or a
    batch.json: the same images, model and settings once more.
    """
    from napari_unet_studio.cli.files import (
        parse_channel,
        parse_region,
        parse_spacing,
    )
    from napari_unet_studio.io.registry import load_model

    found = settings_of(config_file(ctx), document)
    wanted = {"probabilities": probabilities, "table": table, "store": store}
    written = batch_options(wanted, found.batch)
    paths, target = destination(images or [], out, found)
    said = {
        "axes": axes,
        "spacing": parse_spacing(spacing),
        "unit": unit,
        "channel": parse_channel(channel),
        "level": resolution or None,
        "region": parse_region(region),
    }
    place = given_place(found.place)
    place |= {name: value for name, value in said.items() if value is not None}
    source = model or found.model or _MODEL
    if target.suffix == ".zarr":
        if not paths:
            paths = [i.image for i in found.items() if isinstance(i.image, Path)]
        if not paths:
            raise InputError(_NO_IMAGES)
        from napari_unet_studio.cli.predict_store import one_store

        one_store(
            paths,
            target,
            load_model(source),
            config,
            {**found.objects, **given},
            place,
            (ome or "0.5", workers, scheduler),
            written,
            overwrite,
            json,
        )
        return
    for name, value in (
        ("--workers", workers),
        ("--scheduler", scheduler),
        ("--ome", ome),
    ):
        if value is not None:
            raise InputError(
                f"{name} is for a result in an OME-Zarr store, but {target} is a "
                f"folder; leave {name} out, or give an --out that ends in .zarr."
            )
    from napari_unet_studio.cli.predict_files import (
        predict_files,
        show_result,
    )
    from napari_unet_studio.io.folders import batch_items
    from napari_unet_studio.io.manifest import results_in

    items = batch_items(paths, results_in(target)) if paths else found.items()
    if not items:
        raise InputError(_NO_IMAGES)
    loaded = load_model(source)
    if model is None and found.digest not in ("", loaded.digest):
        console.err.print(
            f"The model {source} is another one than that of the record; results may "
            "differ.",
            style="yellow",
        )
    settings = BatchConfig.from_dict({"prediction": config.to_dict(), **written})
    objects = loaded.card.objects.to_dict() | dict(found.objects) | given
    result = predict_files(
        items,
        target,
        loaded,
        settings,
        json,
        objects=ObjectConfig.from_dict(objects),
        overwrite=overwrite,
        loaded_from=source,
        **place,
    )
    show_result(result, target, settings, json)
    if result.stopped:
        console.err.print("Stopped. The same command goes on from there.")
        raise typer.Exit(130)
    if result.failed:
        raise typer.Exit(2)


def destination(
    images: Sequence[Path], out: Path | None, found: Settings | None = None
) -> tuple[list[Path], Path]:
    """Return the images, and the folder or zarr store for the result.

    Without `out`, a batch that is repeated goes to the folder of its record. The last
    of several paths is the result if it ends in .zarr and is no image to read: it does
    not exist yet, or is an earlier result of this package.
    """
    paths = list(images)
    if out is not None:
        return paths, out
    if len(paths) > 1 and paths[-1].suffix == ".zarr":
        from napari_unet_studio.io.result_folder import is_unfinished

        last = paths[-1]
        if not last.exists() or is_unfinished(last) or _is_result(last):
            return paths[:-1], last
    if not paths and found is not None and found.record is not None:
        return paths, found.record.folder
    return paths, _FOLDER


def _is_result(path: Path) -> bool:
    from napari_unet_studio.core.errors import StorageError
    from napari_unet_studio.io.result_folder import check_replaceable

    try:
        check_replaceable(path, overwrite=True)
    except StorageError:
        return False
    return True
