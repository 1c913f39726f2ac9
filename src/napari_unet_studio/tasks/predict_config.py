"""The one description of a prediction: form, command line, JSON and provenance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from napari_unet_studio.core.config import Config, Device
from napari_unet_studio.core.errors import ConfigError

Engine = Literal["torch", "openvino"]
PredictPrecision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
Average = Literal["none", "flips", "turns", "paper"]


@dataclass(frozen=True)
class PredictConfig(Config):
    """Where and how a network runs over an image.

    Parameters
    ----------
    device
        "auto" takes the fastest device of this computer.
    precision
        "auto" takes bfloat16 or float16 only where the device is faster with it and one
        tile of the image comes out alike; "float32" is exact; "int8" needs the engine
        openvino and is checked on tiles of the image.
    tile
        Side of a tile in pixels; its shape is chosen so that least is computed. Tiles
        overlap by what the network sees, so the result does not depend on them. 0 is
        automatic: by memory and a short trial.
    batch
        Tiles that a GPU computes at once. 0 is automatic.
    margin
        "exact" lets each tile see all that can influence it; "fast" half of that, which
        is quicker and differs a little at the borders of tiles. How much is measured on
        one tile and told.
    average
        Average over several views of the image: "flips" mirrors every axis (4 views, 8
        in 3D), "turns" also takes quarter turns (8 views), "paper" the 7 rotations of
        the U-Net paper, sampled linearly. Takes as many times as long.
    pixel_size
        "model" resamples the image to the pixel size that the model was trained with,
        and its answer back; "image" takes the pixels as they are.
    level
        Of a U-Net++ with several heads: compute only what this head needs, 1 to the
        number of heads; 0 takes the whole network.
    heads
        Of a U-Net++ with several heads: "accurate" averages the heads, "fast" takes the
        last one, "model" does what the model was made for.
    engine
        "openvino" computes on the processor with OpenVINO, if it is installed.
    compile
        Let torch compile the network first: half a minute to begin with, then faster on
        some computers.

    Examples
    --------
    >>> PredictConfig(device="cpu", average="flips").to_dict()["average"]
    'flips'
    """

    device: Device = "auto"
    precision: PredictPrecision = "auto"
    tile: Annotated[
        int,
        {"min": 0, "max": 16384, "step": 64, "zero": "automatic", "label": "Tile (px)"},
    ] = 0
    batch: Annotated[
        int, {"min": 0, "max": 256, "zero": "automatic", "label": "Tiles at once"}
    ] = 0
    margin: Literal["exact", "fast"] = "exact"
    average: Average = "none"
    pixel_size: Annotated[Literal["image", "model"], {"label": "Pixel size of"}] = (
        "image"
    )
    level: Annotated[
        int, {"min": 0, "max": 8, "zero": "whole network", "label": "U-Net++ level"}
    ] = 0
    heads: Annotated[
        Literal["model", "fast", "accurate"], {"label": "U-Net++ heads"}
    ] = "model"
    engine: Engine = "torch"
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine == "openvino" and self.device not in ("auto", "cpu"):
            raise ConfigError(
                f"The engine openvino computes on the processor, but the device is "
                f"{self.device}; choose the device cpu or the engine torch."
            )
        if self.precision == "int8" and self.engine != "openvino":
            raise ConfigError(
                "The precision int8 needs the engine openvino; choose that engine or "
                "another precision."
            )
        if self.engine == "openvino" and self.precision == "float16":
            raise ConfigError(
                "The engine openvino computes in float32, bfloat16 or int8, not in "
                "float16; choose one of these or the engine torch."
            )
        if self.engine == "openvino" and self.compile:
            raise ConfigError(
                "torch compiles networks for the engine torch only; leave compile off "
                "with openvino."
            )
