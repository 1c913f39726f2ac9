"""One image of any size through a model into an OME-Zarr store."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import Place, check_writable
from napari_unet_studio.cli.interrupt import until_interrupted
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.folders import find_images
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.ome_layout import Version
from napari_unet_studio.io.result_folder import check_replaceable, is_unfinished
from napari_unet_studio.tasks.begin import check_separate
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.stream import predict_zarr, serial

SAID = (
    b"\nStopping when this tile is done; what is done is kept. Ctrl-C again: at once.\n"
)


def one_store(
    images: Sequence[Path],
    target: Path,
    model: Model,
    config: PredictConfig,
    objects: dict[str, Any],
    place: dict[str, Any],
    how: tuple[Version, int | None, str | None],
    written: dict[str, Any],
    overwrite: bool,
    json: bool,
) -> None:
    """Predict one image into one store, and print what became of it."""
    paths = find_images(images)
    if len(paths) > 1:
        raise InputError(
            f"{target} holds the result of one image, but there are {len(paths)}; give "
            "one of them, or a folder with --out."
        )
    if "region" in place:
        raise InputError(
            f"A region is not written to an OME-Zarr store like {target}; leave "
            "--region out, or give a folder with --out."
        )
    if written.get("table"):
        raise InputError(
            f"--table is for results in a folder, but {target} is one store; give a "
            "folder with --out and --store, or measure the store afterwards."
        )
    row = predict_store(
        paths[0],
        target,
        model,
        config,
        ObjectConfig.from_dict(model.card.objects.to_dict() | objects),
        (place.get("axes"), place.get("spacing"), place.get("unit")),
        place.get("channel"),
        place.get("level", 0),
        *how,
        overwrite,
    )
    if json:
        console.show({"items": [row], "manifest": None, "stopped": False}, True)
        return
    shown = {**row, "objects": "" if row["objects"] is None else row["objects"]}
    console.show_table([shown], ("image", "store", "objects", "seconds"), False)
    if row["notes"]:
        console.err.print(row["notes"])


def predict_store(
    image: Path,
    out: Path,
    model: Model,
    config: PredictConfig,
    objects: ObjectConfig,
    place: Place,
    channel: Channel | None,
    level: int,
    version: Version,
    workers: int | None,
    scheduler: str | None,
    overwrite: bool,
) -> dict[str, Any]:
    """Predict one image into an OME-Zarr store; returns a row about it.

    Parameters
    ----------
    place
        Of the image; None for what the file says.
    channel
        The one to take, or None for all.
    level
        Resolution of the image.
    workers, scheduler
        As in :class:`.DaskMapper`; both None computes in this process.
    overwrite
        Replace an earlier result of this package.

    Raises
    ------
    typer.Exit
        If the user stopped it; what is done is kept.
    """
    axes, spacing, unit = place
    names, axis = axes, None
    if axes is not None:
        read = described(read_image(image, level), axes)
        names, axis = read.axes, read.channel_axis
    check_separate(image, out)
    if out.exists() and not is_unfinished(out):
        check_replaceable(out, overwrite)  # before hours of work, not after
    check_writable(out)
    began = time.monotonic()
    with ExitStack() as stack:
        report = stack.enter_context(console.progress_bar("Predicting"))
        should_stop = stack.enter_context(until_interrupted(SAID))
        mapper: Any = serial
        if workers is not None or scheduler is not None:
            from napari_unet_studio.distributed import DaskMapper

            mapper = stack.enter_context(DaskMapper(workers, scheduler))
        task = predict_zarr(
            image,
            out,
            model,
            config,
            objects=objects,
            version=version,
            overwrite=overwrite,
            mapper=mapper,
            should_stop=should_stop,
            axes=names,
            channel_axis=axis,
            spacing=spacing,
            unit="um" if spacing is not None and unit in (None, "um") else "pixel",
            channel=channel,
            level=level,
        )
        stored = run(task, report)
    if stored is None:
        again = "without --overwrite " if overwrite else ""
        console.err.print(f"Stopped. The same command {again}goes on from there.")
        raise typer.Exit(130)
    return {
        "image": str(image),
        "store": str(stored.path),
        "labels": str(stored.path / "labels" / stored.name),
        "objects": None if model.card.target == "classes" else stored.count,
        "seconds": round(time.monotonic() - began, 1),
        "notes": " ".join(stored.notes),
    }
