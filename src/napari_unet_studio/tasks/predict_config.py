"""The one description of a prediction: form, command line, JSON and provenance."""

from dataclasses import dataclass
from typing import Annotated

from napari_unet_studio.core.config import Config, Device, Precision


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
