"""Image files through a model into label and probability files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.cli.files import (
    Place,
    check_writable,
    refuse_existing,
    with_channel,
)
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import ImageFile, read_image, write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.predict import PredictConfig
from napari_unet_studio.tasks.predict import predict as predict_task
from napari_unet_studio.tasks.progress import Progress, run

_NAMED = 8  # files that one sentence names


def predict_files(
    images: Sequence[Path],
    out: Path,
    model: Model,
    config: PredictConfig,
    objects: ObjectConfig,
    place: Place,
    channel: Channel | None,
    level: int,
    region: tuple[slice, ...] | None,
    probabilities: bool,
    overwrite: bool,
    report: Callable[[Progress], object],
) -> list[dict[str, Any]]:
    """Predict files into a folder; returns a row about each, with "error" if it failed.

    Parameters
    ----------
    place
        Of all files; None for what each file says.
    channel
        The one to take of files with several, or None for all.
    level
        Resolution, of files with several.
    region
        Part of each image, see :func:`.predict`; None for all of it.
    probabilities
        Also write probabilities, into the folder "probabilities" of `out`.
    overwrite
        Replace results of earlier runs; never an image, nor a result of this run.

    Raises
    ------
    StorageError
        If nothing can be written to `out`.
    """
    check_writable(out / "labels.tif")
    rows = []
    taken = {path.resolve() for path in images}
    for path in images:
        target = out / f"{path.stem}.tif"
        # Not beside the labels: they are to be a folder of labels only.
        beside = out / "probabilities" / target.name if probabilities else None
        try:
            for file in filter(None, (target, beside)):
                refuse_existing(file, overwrite, taken)
            read = described(read_image(path, level), *place)
            read = with_channel(read, channel, path)
            row = _predict_file(
                path, read, target, beside, model, config, objects, region, report
            )
            taken |= {file.resolve() for file in filter(None, (target, beside))}
        except StudioError as error:
            row = {"image": str(path), "error": str(error)}
        rows.append(row)
    return rows


def complaints(rows: Sequence[Mapping[str, Any]], out: Path) -> list[str]:
    """Return the errors of rows for people, each sentence once with its files.

    Parameters
    ----------
    out
        The folder of the results, which the sentences may name too.
    """
    files: dict[str, list[str]] = {}
    for row in rows:
        if "error" not in row:
            continue
        name, sentence = str(row["image"]), str(row["error"])
        result = f"{Path(name).stem}.tif"
        for subject in (name, str(out / result), str(out / "probabilities" / result)):
            if sentence.startswith(f"{subject} "):
                name, sentence = subject, sentence.removeprefix(f"{subject} ")
                break
        files.setdefault(sentence, []).append(name)
    lines = []
    for sentence, names in files.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"{', '.join(names[:_NAMED])}{more}: {sentence}")
    return lines


def _predict_file(
    path: Path,
    image: ImageFile,
    target: Path,
    beside: Path | None,
    model: Model,
    config: PredictConfig,
    objects: ObjectConfig,
    region: tuple[slice, ...] | None,
    report: Callable[[Progress], object],
) -> dict[str, Any]:
    spacing = image.spacing
    task = predict_task(
        image.array,
        model,
        config,
        objects=objects,
        axes=image.axes,
        channel_axis=image.channel_axis,
        spacing=spacing,
        region=region,
    )
    prediction = run(task, report)
    assert prediction is not None  # only a stopped task returns nothing
    if beside is not None:
        found = prediction.probabilities
        write_tiff(beside, found, "C" + prediction.axes, spacing, image.unit)
    write_tiff(target, prediction.labels, prediction.axes, spacing, image.unit)
    return {
        "image": str(path),
        "labels": str(target),
        "objects": int(prediction.labels.max(initial=0)),
        "notes": " ".join(prediction.notes),
    }
