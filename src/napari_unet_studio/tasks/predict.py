"""Overlap-tile prediction of images whose answer fits into memory, as a task."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, over_frames
from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import DeviceError
from napari_unet_studio.core.geometry import checked_region
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.linking import link_objects
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.checks import check_channels, check_spacing
from napari_unet_studio.tasks.device import enough_memory, freed
from napari_unet_studio.tasks.executors import output_channels
from napari_unet_studio.tasks.frames import FramePredictor, Looks, sampler
from napari_unet_studio.tasks.memory import available_memory, kept_buffers
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import (
    Clock,
    PredictProgress,
    ShouldStop,
    never,
    until,
)
from napari_unet_studio.tasks.setup import set_up

__all__ = ["PredictConfig", "Prediction", "interpret", "predict", "result_bytes"]

# Of the free memory, what a result may take.
_OF_FREE = 0.8


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
    config
        The settings of the network, without any "auto" left.
    region
        Which pixels of the image these are, a slice for each of `axes`.
    notes
        Sentences for the user, such as a tile size that was reduced.
    digest
        Of the model, see :attr:`.Model.digest`.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]((64, 64)).image
    >>> found = us.predict(image, "nuclei")
    >>> found.labels.shape, found.axes, found.card.name
    ((64, 64), 'YX', 'nuclei')
    """

    probabilities: NDArray[np.float32]
    classes: NDArray[np.int32]
    labels: NDArray[np.int32]
    card: ModelCard
    axes: str
    objects: ObjectConfig
    config: PredictConfig
    region: Region
    notes: tuple[str, ...] = field(default=())
    digest: str = ""

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.labels.shape))
        return f"<Prediction by {self.card.name!r}: {self.axes}, {shape}>"


def predict(
    image: Any,
    model: Model,
    config: PredictConfig | None = None,
    *,
    objects: ObjectConfig | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    region: Sequence[slice] | None = None,
    first: Sequence[slice] | None = None,
    should_stop: ShouldStop = never,
) -> Generator[PredictProgress, None, Prediction | None]:
    """Predict an image tile by tile.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels; numpy, dask or zarr. Axes beyond those of
        the network are looped over.
    model
        A trained model.
    config
        Device, precision, tiles and views; None is the default.
    objects
        How probabilities become labels; the default takes the model's threshold.
    axes, channel_axis
        See :meth:`.Frames.of`.
    spacing
        Pixel size of the spatial axes, for splitting objects in anisotropic stacks and
        for the pixel size of the model, in whose unit it is.
    region
        A slice for each image axis but the channels: only these pixels are predicted,
        by what the network sees around them, so they are those of the whole image.
    first
        The same for pixels that are to be known first.
    should_stop
        Asked before each tile.

    Yields
    ------
    PredictProgress
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
        If the device is absent, or its memory too small for even the smallest tile, or
        the computer's for the result.
    """
    config = config or PredictConfig()
    card = model.card
    frames = Frames.of(image, card.spec.ndim, axes, channel_axis)
    check_channels(frames, card)
    check_spacing(spacing, frames.axes)
    objects = objects or card.objects
    shape = (*frames.leading, *frames.shape)
    wanted = checked_region(region, shape)
    ahead = checked_region(first, shape)
    count = len(frames.leading)
    looks = Looks.of(config, card, spacing)
    sizes = [part.stop - part.start for part in wanted]
    probabilities = _room(card, sizes, looks.pixels(tuple(sizes[count:])))
    offset, scale = card.normalisation.fit(frames.channels_first())
    sample = sampler(frames, looks, offset, scale)
    indices = sorted(
        np.ndindex(*[part.stop - part.start for part in wanted[:count]]),
        key=lambda index: not _inside(index, wanted[:count], ahead[:count]),
    )
    with kept_buffers():
        seen = looks.shape(tuple(p.stop - p.start for p in wanted[count:]))
        trials = set_up(model, config, seen, len(indices), sample)
        setup = yield from until(should_stop, trials)
        if setup is None:
            return None
        with freed(setup.config.device), setup.runner(sample) as runner:
            filler = FramePredictor(runner, looks, offset, scale)
            clock = Clock()
            done = 0
            for number, index in enumerate(indices):
                frame = frames.array[
                    tuple(i + p.start for i, p in zip(index, wanted, strict=False))
                ]
                each = filler.tiles(frame, wanted[count:])
                total = each * len(indices) + 1
                result = probabilities[(slice(None), *index)]
                near = ahead[count:] if number == 0 else None
                for tiles in filler.fill(result, frame, wanted[count:], near):
                    if should_stop():
                        return None
                    # Of tiles that had to be made smaller there are more.
                    done = min(number * each + tiles, total - 1)
                    yield PredictProgress(
                        done,
                        total,
                        "Predicting",
                        clock.left(done, total),
                        probabilities,
                    )
        notes = [*setup.notes, *runner.notes, *about_constant(filler)]
    yield PredictProgress(total - 1, total, "Finding objects", 0.0, probabilities)
    if should_stop():
        return None
    classes, labels = interpret(probabilities, card, objects, frames.axes, spacing)
    yield PredictProgress(total, total, "Done", 0.0, probabilities)
    return Prediction(
        probabilities,
        classes,
        labels,
        card,
        frames.axes,
        objects,
        setup.config,
        wanted,
        tuple(notes),
        model.digest,
    )


def result_bytes(card: ModelCard, shape: Sequence[int], between: int = 0) -> int:
    """Return the memory that a result takes while it is made.

    Parameters
    ----------
    card
        Of the model.
    shape
        Of the image without channels.
    between
        Pixels of other grids, on which answers are gathered before they are brought to
        that of the image, see :meth:`.Looks.pixels`.
    """
    # float32 for each probability; masks and ids while objects are found.
    channels = output_channels(card)
    return prod(shape) * (4 * channels + 16) + 4 * between * channels


def _room(card: ModelCard, shape: Sequence[int], between: int) -> NDArray[np.float32]:
    """Return zeros for the probabilities, if there is memory for all that follows."""
    needed, free = result_bytes(card, shape, between), available_memory()
    remedy = (
        "Predict a region of it, or let the result go to a file: predict_zarr, or an "
        "output that ends in .zarr."
    )
    if needed > _OF_FREE * free:
        raise DeviceError(
            f"The result for this image takes {needed / 1e9:.1f} GB of memory, but "
            f"only {free / 1e9:.1f} GB are free. {remedy}"
        )
    with enough_memory(
        f"The result for this image takes {needed / 1e9:.1f} GB, more than there is "
        f"memory. {remedy}"
    ):
        return np.zeros((output_channels(card), *shape), np.float32)


def _inside(index: Shape, wanted: Region, first: Region) -> bool:
    places = (i + w.start for i, w in zip(index, wanted, strict=True))
    return all(f.start <= i < f.stop for i, f in zip(places, first, strict=True))


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
    if objects.link and "T" in axes:
        labels = link_objects(labels, objects.link)
    return mask.astype(np.int32), labels


def about_constant(filler: FramePredictor) -> Iterator[str]:
    """Yield what to say of an image whose pixels are all the same."""
    if filler.pixel is not None and filler.constant:
        value = ", ".join(f"{v:g}" for v in filler.pixel.ravel().tolist())
        yield f"The image is constant, every pixel is {value}: nothing to segment."
