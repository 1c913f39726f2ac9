"""Overlap-tile prediction as a task."""

import copy
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_unet_studio.core.axes import Frames, over_frames
from napari_unet_studio.core.config import Config, Device, Precision
from napari_unet_studio.core.errors import DeviceError, InputError
from napari_unet_studio.core.geometry import (
    Tile,
    TilePlan,
    plan_tiles,
    read_mirrored,
)
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.intensity import check_finite
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import (
    autocast,
    choose_device,
    freed,
    is_out_of_memory,
    memory_format,
)
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

# Side of a tile by device and number of axes: on CPUs larger ones are not faster.
_TILE = {("cpu", 2): 512, ("cpu", 3): 128, ("gpu", 2): 1536, ("gpu", 3): 192}


@dataclass(frozen=True)
class PredictConfig(Config):
    """Where and how a network runs over an image.

    Parameters
    ----------
    device
        "auto" takes the fastest device of this computer.
    precision
        "auto" computes in bfloat16 where the device is faster with it, which moves
        probabilities by about 0.001; "float32" is exact.
    tile
        Side of a tile in pixels; its shape is chosen so that least is computed. Tiles
        overlap by what the network sees, so the result does not depend on them. 0 is
        automatic.
    """

    device: Device = "auto"
    precision: Precision = "auto"
    tile: Annotated[int, {"min": 0, "max": 16384, "step": 64, "label": "Tile (px)"}] = 0


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
    config: PredictConfig = PredictConfig(),
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
        Axes (T)(Z)YX and possibly channels; numpy or dask. Axes beyond those of the
        network are looped over.
    model
        A trained model.
    config
        Device, precision and tiles.
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
    card = model.card
    frames = Frames.of(image, card.spec.ndim, axes, channel_axis)
    _check_channels(frames, card)
    device = choose_device(config.device)
    objects = objects or ObjectConfig(threshold=card.threshold)
    offset, scale = card.normalisation.fit(frames.channels_first())
    channels = 1 if card.target == "objects" else card.spec.num_classes
    probabilities = np.empty((channels, *frames.leading, *frames.shape), np.float32)
    ndim = card.spec.ndim
    cap = config.tile**ndim if config.tile else default_cap(device, ndim)
    notes: list[str] = []
    if np.all(scale == 1) and np.ptp(np.asarray(frames.array)) == 0:
        notes.append(
            f"The image is constant, every pixel is {offset[0]:g}: nothing to segment."
        )
    with freed(device):
        runner = TileRunner(model, device, config.precision)
        for number, (index, frame) in enumerate(frames):
            done = False
            while not done:
                plan = plan_tiles(frames.shape, card.spec, cap)
                total = len(plan) * len(frames) + 1
                try:
                    for step, tile in enumerate(plan, start=number * len(plan)):
                        if should_stop():
                            return None
                        yield Progress(step, total, "Predicting")
                        block = read_mirrored(frame, tile.read)
                        check_finite(block)
                        block = card.normalisation.apply(block, offset, scale)
                        answer = runner(block, tile)
                        probabilities[(slice(None), *index, *tile.core)] = answer
                    done = True
                except (RuntimeError, MemoryError) as error:
                    cap = _smaller(plan, frames.shape, card, error, device)
                    notes.append(f"Memory ran out: tiles reduced to {cap} pixels.")
        del runner
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


def default_cap(device: str, ndim: int) -> int:
    """Return the pixels of a tile that suit a device."""
    return int(_TILE["cpu" if device == "cpu" else "gpu", ndim] ** ndim)


class TileRunner:
    """The network on its device, from a normalised block to probabilities."""

    def __init__(self, model: Model, device: str, precision: str) -> None:
        # A copy: the model may be in use elsewhere, and stays on the CPU.
        self.network: nn.Module = copy.deepcopy(model.network).eval()
        self.layout = memory_format(device, model.card.spec.ndim)
        self.network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.card = model.card
        self.device, self.precision = device, precision

    @torch.inference_mode()
    def __call__(self, block: NDArray[np.float32], tile: Tile) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(block))[None].to(self.device)
        with autocast(self.device, self.precision):
            logits: Tensor = self.network(x.to(memory_format=self.layout))
        result = probabilities_of(logits[(0, slice(None), *tile.crop)].float(), self.card)
        answer: NDArray[np.float32] = result.cpu().numpy()
        return answer


def probabilities_of(logits: Tensor, card: ModelCard) -> Tensor:
    """Return probabilities (C', *S) of the logits (C, *S) of one image.

    For the target "objects" C' is 1, the foreground, whatever C.
    """
    if card.spec.num_classes == 1:
        return torch.sigmoid(logits)
    probabilities = torch.softmax(logits, dim=0)
    return probabilities[1:2] if card.target == "objects" else probabilities


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
        f"The model {card.name!r} takes {expected} channel{'s' * (expected > 1)} but the "
        f"image has {found}; {remedy}."
    )


def _smaller(
    plan: TilePlan,
    shape: Shape,
    card: ModelCard,
    error: RuntimeError | MemoryError,
    device: str,
) -> int:
    """Return a smaller cap for the tiles after running out of memory, or raise."""
    if not is_out_of_memory(error):
        raise error
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    cap = int(np.prod(plan.window)) // 2
    if plan_tiles(shape, card.spec, cap).window == plan.window:
        raise DeviceError(
            f"The memory of {device} does not suffice for a tile of {plan.window} "
            "pixels, the smallest possible. Choose the device cpu or a smaller network."
        ) from error
    return cap
