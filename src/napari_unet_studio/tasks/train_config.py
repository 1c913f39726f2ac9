"""The one description of a training: form, command line, JSON and provenance."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.config import Config, Device, Precision
from napari_unet_studio.core.loss_names import LOSS_NAMES, HeadWeights, parse_loss
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.spec import NetworkSpec, pooling_for
from napari_unet_studio.core.weights import WeightConfig

# Sides of training patches when the user leaves them automatic.
AUTOMATIC_PATCH = {2: 256, 3: 64}


@dataclass(frozen=True)
class TrainConfig(Config):
    """How to train a network.

    Parameters
    ----------
    network
        A name in the catalog; small ones suffice for a few images.
    width
        Factor on all widths of the network: 0.5 needs about a quarter of the memory and
        time.
    fit_pooling
        In stacks with thick slices, shrink their axis later than the others, by the
        pixel size. Where the slices are not thick it changes nothing.
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
        What the network minimises: a name, or a sum such as "0.5 focal + dice".
    head_weights
        How the heads of a network with deep supervision count: "equal", or "halved",
        where each counts half of the next finer one.
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
    width: Annotated[
        float, {"min": 0.05, "max": 4.0, "step": 0.05, "label": "Width factor"}
    ] = 1.0
    fit_pooling: Annotated[bool, {"label": "Fit pooling to slices"}] = True
    target: Literal["objects", "classes"] = "objects"
    updates: Annotated[int, {"min": 1, "max": 10_000_000, "step": 100}] = 1000
    batch: Annotated[int, {"min": 1, "max": 1024, "label": "Batch size"}] = 4
    patch: Annotated[
        int, {"min": 0, "max": 4096, "step": 16, "label": "Patch (px)"}
    ] = 0
    learning_rate: Annotated[float, {"min": 1e-7, "max": 1.0, "step": 1e-5}] = 1e-3
    loss: Annotated[str, {"suggestions": LOSS_NAMES, "check": parse_loss}] = (
        "cross-entropy + dice"
    )
    head_weights: HeadWeights = "equal"
    weights: WeightConfig = field(default_factory=WeightConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    hold_out: Annotated[float, {"min": 0.0, "max": 0.5, "step": 0.05}] = 0.2
    device: Device = "auto"
    precision: Precision = "auto"
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0


def chosen_network(
    config: TrainConfig, spacing: Sequence[float] | None = None
) -> NetworkSpec:
    """Return the network of a configuration, as wide as it says.

    Parameters
    ----------
    config
        Its `network`, `width` and `fit_pooling` are used.
    spacing
        Pixel size of the spatial axes, if all images have one.

    Examples
    --------
    >>> config = TrainConfig(network="unet-3d", width=0.5)
    >>> chosen_network(config, (2.0, 0.5, 0.5)).pooling
    ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    """
    spec = NETWORKS[config.network]
    if config.width != 1:
        spec = spec.scaled(config.width)
    if config.fit_pooling and spec.ndim == 3 and spacing is not None:
        pooling = pooling_for(spacing[-3:], spec.levels - 1)
        spec = replace(spec, pooling=pooling)
    return spec
