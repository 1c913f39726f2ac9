"""Weight maps and elastic deformation of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.cli.files import (
    check_writable,
    read_label_file,
    refuse_existing,
)
from napari_unet_studio.core.axes import Frames, over_frames, spatial_ndim
from napari_unet_studio.core.deform import DeformConfig, elastic_deform
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import read_image, write_tiff


def write_weights(
    labels: Path, out: Path, weigh: Callable[..., NDArray[np.float32]], overwrite: bool
) -> dict[str, Any]:
    """Write the weight map of a label file; time points one by one.

    Parameters
    ----------
    weigh
        :func:`.separation_weights` with its settings; called with the labels (*S) of a
        time point and ``spacing``.

    Raises
    ------
    InputError
        If `out` cannot be the result's place, or the labels have channels or hold no
        object.
    StorageError
        If a file cannot be read or written.
    """
    _check_place(out, overwrite, labels)
    image = read_label_file(labels)
    if not image.array.any():
        raise InputError(
            f"{labels} holds no objects, every pixel is 0; choose labels with a number "
            "for each object."
        )
    found = over_frames(
        lambda frame: weigh(frame, spacing=image.spacing),
        image.array,
        image.axes,
    )
    write_tiff(out, found, image.axes, image.spacing, image.unit)
    return {"weights": str(out), "largest": float(found.max(initial=0))}


def write_deformed(
    image: Path, labels: Path | None, out: Path, config: DeformConfig, overwrite: bool
) -> dict[str, Any]:
    """Deform an image file, and labels with it; all time points alike.

    The labels go to a file beside `out`, named with "-labels" in the end.

    Raises
    ------
    InputError
        If `out` cannot be the result's place, or the labels are of another image.
    StorageError
        If a file cannot be read or written.
    """
    _check_place(out, overwrite, image, labels)
    beside = out.with_name(f"{out.stem}-labels.tif")
    if labels is not None:
        _check_place(beside, overwrite, image, labels)
    read = read_image(image)
    frames = Frames.of(
        read.array, spatial_ndim(read.axes), read.axes, read.channel_axis
    )
    ids = None if labels is None else read_label_file(labels).array
    if ids is not None and ids.shape != (*frames.leading, *frames.shape):
        raise InputError(
            f"The labels have shape {ids.shape} and the image "
            f"{(*frames.leading, *frames.shape)}; choose labels of this image."
        )
    options: dict[str, Any] = {**config.to_dict(), "spacing": read.spacing}
    moved = np.empty(frames.array.shape, frames.array.dtype)
    moved_ids = None if ids is None else np.empty_like(ids)
    for index, frame in frames:
        pixels = np.asarray(frame)
        if ids is None or moved_ids is None:
            moved[index] = elastic_deform(pixels, channel_axis=0, **options)
        else:
            moved[index], moved_ids[index] = elastic_deform(
                pixels, ids[index], channel_axis=0, **options
            )
    result = {"image": str(out)}
    if moved_ids is not None:
        write_tiff(beside, moved_ids, read.axes, read.spacing, read.unit)
        result["labels"] = str(beside)
    leading = len(frames.leading)
    axes = f"{read.axes[:leading]}C{read.axes[leading:]}"
    if read.channel_axis is None:
        moved, axes = moved[:, 0] if leading else moved[0], read.axes
    elif read.channel_axis in (-1, len(read.axes)) and frames.channels in (3, 4):
        moved, axes = np.moveaxis(moved, leading, -1), read.axes + "S"
    write_tiff(out, moved, axes, read.spacing, read.unit)
    return result


def _check_place(out: Path, overwrite: bool, *inputs: Path | None) -> None:
    """See before the work that a TIFF can be written there, and replaces no input."""
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(
            f"{out} does not end in .tif, but the result is a TIFF; choose such a name "
            "with --out."
        )
    refuse_existing(out, overwrite, [path.resolve() for path in inputs if path])
    check_writable(out)
