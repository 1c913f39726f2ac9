"""Overlap-tile prediction as a task."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, over_frames, spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import choose_device, enough_memory, freed
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.tiles import TileRunner, output_channels

__all__ = ["PredictConfig", "Prediction", "interpret", "predict"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says about an image.

    Parameters
    ----------
    probabilities
        Shape (C, *image axes), float32, 0 to 1. One channel, the foreground, if the
        model's target is "objects"; else one per class, adding up to 1.
    classes
        Label value of the most probable class of each pixel.
    labels
        Instance ids if the target is "objects", else the same as `classes`.
    card
        The model's card.
    axes
        Names of the image axes, such as "TYX".
    objects
        The settings that made `labels`.
    notes
        Sentences for the user, such as a tile size that was reduced.
    """

    probabilities: NDArray[np.float32]
    classes: NDArray[np.int32]
    labels: NDArray[np.int32]
    card: ModelCard
    axes: str
    objects: ObjectConfig
    notes: tuple[str, ...] = field(default=())


def predict(
    image: Any,
    model: Model,
    config: PredictConfig | None = None,
    *,
    objects: ObjectConfig | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Prediction | None]:
    """Predict an image tile by tile.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels; numpy, dask or zarr. Axes beyond those of
        the network are looped over.
    model
        A trained model.
    config
        Device, precision and tiles; None is the default.
    objects
        How probabilities become labels; the default takes the model's threshold.
    axes, channel_axis
        See :meth:`.Frames.of`.
    spacing
        Pixel size of the spatial axes, for splitting objects in anisotropic stacks.
    should_stop
        Asked before each tile.

    Yields
    ------
    Progress
        One record per tile.

    Returns
    -------
    Prediction or None
        None if stopped.

    Raises
    ------
    InputError
        If the image does not suit the model: axes, channels, NaN, empty.
    DeviceError
        If the device is absent, or its memory too small for even the smallest tile.
    """
    config = config or PredictConfig()
    card = model.card
    frames = Frames.of(image, card.spec.ndim, axes, channel_axis)
    _check_channels(frames, card)
    _check_spacing(spacing, frames.axes)
    device = choose_device(config.device)
    objects = objects or card.objects
    shape = (output_channels(card), *frames.leading, *frames.shape)
    gigabytes = 4 * np.prod(shape, dtype=float) / 1e9
    with enough_memory(
        f"The probabilities of this image fill {gigabytes:.0f} GB, more than there is "
        "memory. Predict the image in parts."
    ):
        probabilities = np.empty(shape, np.float32)
    offset, scale = card.normalisation.fit(frames.channels_first())
    with freed(device), TileRunner(model, device, config.precision) as runner:
        if config.tile:
            runner.cap = config.tile**card.spec.ndim
        for number, (index, frame) in enumerate(frames):
            place: tuple[slice | int, ...] = (slice(None), *index)
            result = probabilities[place]
            for tile, tiles in runner.fill(result, frame, offset, scale):
                if should_stop():
                    return None
                total = tiles * len(frames) + 1
                yield Progress(number * tiles + tile, total, "Predicting")
        notes = [*runner.notes, *_about_constant(runner)]
    yield Progress(total - 1, total, "Finding objects")
    if should_stop():
        return None
    classes, labels = interpret(probabilities, card, objects, frames.axes, spacing)
    yield Progress(total, total, "Done")
    return Prediction(
        probabilities, classes, labels, card, frames.axes, objects, tuple(notes)
    )


def interpret(
    probabilities: NDArray[Any],
    card: ModelCard,
    objects: ObjectConfig,
    axes: str,
    spacing: Sequence[float] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (classes, labels) of probabilities (C, *image axes); see Prediction."""
    values = np.asarray(card.class_values, dtype=np.int32)
    if card.target == "classes":
        winners = (
            probabilities.argmax(axis=0)
            if len(probabilities) > 1
            else (probabilities[0] >= objects.threshold).astype(np.intp)
        )
        classes = values[winners]
        return classes, classes
    foreground = probabilities[0]
    mask = foreground >= objects.threshold
    labels = over_frames(
        lambda frame: label_objects(frame, objects, spacing), foreground, axes
    )
    return mask.astype(np.int32), labels


def _check_channels(frames: Frames, card: ModelCard) -> None:
    expected, found = card.spec.in_channels, frames.channels
    if expected == found:
        return
    remedy = (
        "convert the image to grey or choose a model trained on colour"
        if found == 3
        else "choose another layer or another model"
    )
    raise InputError(
        f"The model {card.name!r} takes {expected} channel{'s' * (expected > 1)} but "
        f"the image has {found}; {remedy}."
    )


def _check_spacing(spacing: Sequence[float] | None, axes: str) -> None:
    count = spatial_ndim(axes)
    if spacing is None:
        return
    if len(spacing) != count or not all(0 < step < np.inf for step in spacing):
        raise InputError(
            f"The spacing {tuple(spacing)} does not fit the axes {axes}: give {count} "
            "numbers above 0, the pixel size of each spatial axis."
        )


def _about_constant(runner: TileRunner) -> list[str]:
    """Return what to say of an image whose pixels are all the same, else nothing."""
    if runner.pixel is None or not runner.constant:
        return []
    value = ", ".join(f"{v:g}" for v in runner.pixel.ravel().tolist())
    return [f"The image is constant, every pixel is {value}: nothing to segment."]
