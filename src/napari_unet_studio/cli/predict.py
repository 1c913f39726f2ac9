"""One image file through a model into label and probability files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.predict import PredictConfig
from napari_unet_studio.tasks.predict import predict as predict_task
from napari_unet_studio.tasks.progress import Progress, run


def predict_file(
    path: Path,
    target: Path,
    model: Model,
    config: PredictConfig,
    objects: ObjectConfig,
    axes: str | None,
    probabilities: bool,
    report: Callable[[Progress], object],
) -> dict[str, Any]:
    """Predict a file, write labels (and probabilities), and return a row about it."""
    image = read_image(path)
    task = predict_task(
        image.array,
        model,
        config,
        objects=objects,
        axes=axes or image.axes,
        channel_axis=image.channel_axis,
        spacing=image.spacing,
    )
    prediction = run(task, report)
    assert prediction is not None  # only a stopped task returns nothing
    write_tiff(target, prediction.labels, prediction.axes, image.spacing)
    if probabilities:
        write_tiff(
            target.with_name(f"{target.stem}-probabilities.tif"),
            prediction.probabilities,
            "C" + prediction.axes,
            image.spacing,
        )
    return {
        "image": str(path),
        "labels": str(target),
        "objects": int(prediction.labels.max(initial=0)),
        "notes": " ".join(prediction.notes),
    }
