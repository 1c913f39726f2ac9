"""The one description of a training: form, command line, JSON and provenance."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.config import Config, Device, Precision
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.weights import WeightConfig

# Sides of training patches when the user leaves them automatic.
AUTOMATIC_PATCH = {2: 256, 3: 64}

# The names in core.losses.LOSSES, which only loads together with torch.
Loss = Literal["cross-entropy", "dice", "cross-entropy + dice"]


@dataclass(frozen=True)
class TrainConfig(Config):
    """How to train a network.

    Parameters
    ----------
    network
        A name in the catalog; small ones suffice for a few images.
    target
        "objects": labels are instance ids (or a mask); the network learns foreground
        against background and the gaps between objects. "classes": every label value is
        a class of its own.
    updates
        Number of weight updates.
    batch
        Patches per update.
    patch
        Side of a training patch in pixels; 0 takes 256 in 2D and 64 in 3D.
    learning_rate
        Largest step of the optimiser (AdamW); it warms up and then falls to zero.
    loss
        What the network minimises.
    weights
        Pixel weights: class balance and separation of touching objects.
    augment
        How patches are varied.
    hold_out
        Share of the data held out for validation if no image has that role.
    device
        "auto" takes the fastest device of this computer.
    precision
        "auto" computes in bfloat16 where the device is faster with it, but for the
        training of volumes on a CPU.
    seed
        Same seed, data and device: same model; on a GPU up to rounding.
    """

    network: Annotated[str, {"choices": tuple(NETWORKS)}] = "unet-16"
    target: Literal["objects", "classes"] = "objects"
    updates: Annotated[int, {"min": 1, "max": 10_000_000, "step": 100}] = 1000
    batch: Annotated[int, {"min": 1, "max": 1024, "label": "Batch size"}] = 4
    patch: Annotated[
        int, {"min": 0, "max": 4096, "step": 16, "label": "Patch (px)"}
    ] = 0
    learning_rate: Annotated[float, {"min": 1e-7, "max": 1.0, "step": 1e-5}] = 1e-3
    loss: Loss = "cross-entropy + dice"
    weights: WeightConfig = field(default_factory=WeightConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    hold_out: Annotated[float, {"min": 0.0, "max": 0.5, "step": 0.05}] = 0.2
    device: Device = "auto"
    precision: Precision = "auto"
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0
