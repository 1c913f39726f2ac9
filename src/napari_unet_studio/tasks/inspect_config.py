"""The one description of a look into a network: form, JSON and provenance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from napari_unet_studio.core.config import Config, Device


@dataclass(frozen=True)
class InspectConfig(Config):
    """Where and how a network is looked into.

    Parameters
    ----------
    count
        Feature maps of each node, the strongest first: those whose values differ most
        over the part of the image, by their standard deviation. 0 is all.
    pixel_size
        "model" resamples the image to the pixel size that the model was trained with;
        "image" takes the pixels as they are. As in *Segment*.
    device
        "auto" takes the fastest device of this computer. Always in float32.

    Examples
    --------
    >>> InspectConfig(count=8).to_dict()["count"]
    8
    """

    count: Annotated[
        int, {"min": 0, "max": 4096, "zero": "all", "label": "Strongest"}
    ] = 16
    pixel_size: Annotated[Literal["image", "model"], {"label": "Pixel size of"}] = (
        "image"
    )
    device: Device = "auto"
