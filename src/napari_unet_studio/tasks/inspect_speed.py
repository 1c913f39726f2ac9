"""How fast a network is on this computer, by a short trial, as a task."""

from collections.abc import Generator
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.budget import default_side, flops_of, largest_tile
from napari_unet_studio.tasks.device import choose_device, describe_device, freed
from napari_unet_studio.tasks.engines import executor_of
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.speed import window_seconds

_SIDE = {2: 256, 3: 64}  # of the trial's tile, or twice the halo where that is more


@dataclass(frozen=True)
class Speed:
    """The speed of a network.

    Parameters
    ----------
    device
        In words.
    shape
        Spatial shape of the image.
    tiles
        How many it takes.
    seconds
        For the image, in float32: an estimate from one tile.
    """

    device: str
    shape: Shape
    tiles: int
    seconds: float

    @property
    def pixels_per_second(self) -> float:
        """Pixels of the image in a second."""
        return prod(self.shape) / self.seconds


def measure_speed(
    model: Model, shape: Shape, device: str = "auto", should_stop: ShouldStop = never
) -> Generator[Progress, None, Speed | None]:
    """Time one tile, and estimate the time of an image of spatial `shape`.

    Raises
    ------
    DeviceError
        If the device is absent.
    """
    spec, where = model.card.spec, choose_device(device)
    yield Progress(0, 1, "Timing one tile")
    if should_stop():
        return None
    side = default_side(spec, where)
    plan = plan_tiles(shape, spec, side**spec.ndim)
    small = min(side, max(_SIDE[spec.ndim], 2 * max(*spec.halo, *spec.trim)))
    trial = plan_tiles(shape, spec, small**spec.ndim)
    tile = largest_tile(spec, trial, cut=True)
    window = np.random.default_rng(0).random(
        (spec.in_channels, *trial.window), np.float32
    )
    config = PredictConfig(device=where, precision="float32", tile=small)  # type: ignore[arg-type]
    with freed(where):
        executor = executor_of(model, config, lambda *_: [window])
        try:
            seconds = window_seconds(executor, window, tile.crop)
        finally:
            executor.close()
    yield Progress(1, 1, "Timing one tile")
    total = seconds / tile.flops * flops_of(spec, plan, cut=True)
    return Speed(describe_device(where), tuple(shape), len(plan), total)
