"""The one description of a training: form, command line, JSON and provenance."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from napari_unet_studio.core.augment import AugmentConfig
from napari_unet_studio.core.config import Config, Device
from napari_unet_studio.core.errors import ConfigError
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
    start
        Name or file of a model to go on from, whose network is taken with its weights;
        empty begins anew.
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
    zero
        What unpainted pixels (0) are: "background", or "unlabelled", which neither
        teach nor count.
    background
        Label painted on background where unpainted pixels are unlabelled; the other
        labels are objects. Of no meaning for classes.
    ignore
        Label of pixels that neither teach nor count, such as a debris class; 0 is none.
    split_masks
        Divide the connected pieces of a mask at necks, as :class:`.ObjectConfig` does:
        where cells touch in some pixels, or the line between them has holes. 0 takes
        every piece for one object. Of no meaning for labels with ids.
    updates
        Number of weight updates; 0 sets no limit.
    epochs
        How often all training pixels are seen once, on average; 0 sets no limit.
    minutes
        Time for training and validation; 0 sets no limit. The first limit that is
        reached ends the training.
    batch
        Patches per update and device.
    accumulate
        Batches whose gradients are averaged for one update, where the memory holds no
        larger batch; Dice and batch normalisation see each by itself.
    patch
        Side of a training patch in pixels; 0 takes 256 in 2D and 64 in 3D.
    optimiser
        "adamw", or "sgd" with the momentum of 0.99 of the U-Net paper.
    learning_rate
        Largest step of the optimiser.
    schedule
        "cosine": the rate warms up and then falls to zero; "constant": it stays.
    ema
        Keep a moving average of the weights, the part of the past in each update, such
        as 0.99; it is what is validated and kept. 0 is off.
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
    validations
        How often the network is scored on the validation data, evenly spread.
    patience
        Stop after so many validations without a better score; 0 never does.
    device
        "auto" takes the fastest device of this computer.
    precision
        "auto" computes in bfloat16, or on older GPUs in float16, where the device is
        faster with it, but for the training of volumes on a CPU.
    compile
        Let torch compile the network: minutes at first, somewhat faster then.
    seed
        Same seed, data and device: same model; on a GPU up to rounding.

    Examples
    --------
    >>> config = TrainConfig(updates=100, patch=64)
    >>> TrainConfig.from_dict(config.to_dict()) == config
    True
    """

    network: Annotated[str, {"choices": tuple(NETWORKS)}] = "unet-16"
    start: Annotated[str, {"label": "Start from model"}] = ""
    width: Annotated[
        float, {"min": 0.05, "max": 4.0, "step": 0.05, "label": "Width factor"}
    ] = 1.0
    fit_pooling: Annotated[bool, {"label": "Fit pooling to slices"}] = True
    target: Literal["objects", "classes"] = "objects"
    zero: Annotated[
        Literal["background", "unlabelled"], {"label": "Unpainted (0) is"}
    ] = "background"
    background: Annotated[
        int, {"min": 1, "max": 2**31 - 1, "label": "Background label"}
    ] = 1
    ignore: Annotated[int, {"min": 0, "max": 2**31 - 1, "label": "Ignore label"}] = 0
    split_masks: Annotated[
        float,
        {"min": 0.0, "max": 50.0, "step": 0.5, "label": "Split masks (px)"},
    ] = 0.0
    updates: Annotated[int, {"min": 0, "max": 10_000_000, "step": 100}] = 1000
    epochs: Annotated[float, {"min": 0.0, "max": 1e6, "step": 1.0}] = 0.0
    minutes: Annotated[float, {"min": 0.0, "max": 1e5, "step": 1.0}] = 0.0
    batch: Annotated[int, {"min": 1, "max": 1024, "label": "Batch size"}] = 4
    accumulate: Annotated[int, {"min": 1, "max": 1024}] = 1
    patch: Annotated[
        int, {"min": 0, "max": 4096, "step": 16, "label": "Patch (px)"}
    ] = 0
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, {"min": 1e-7, "max": 1.0, "step": 1e-5}] = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    ema: Annotated[
        float, {"min": 0.0, "max": 0.9999, "step": 0.001, "label": "Moving average"}
    ] = 0.0
    loss: Annotated[str, {"suggestions": LOSS_NAMES, "check": parse_loss}] = (
        "cross-entropy + dice"
    )
    head_weights: HeadWeights = "equal"
    weights: WeightConfig = field(default_factory=WeightConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    hold_out: Annotated[float, {"min": 0.0, "max": 0.5, "step": 0.05}] = 0.2
    validations: Annotated[int, {"min": 1, "max": 1000}] = 20
    patience: Annotated[int, {"min": 0, "max": 1000}] = 0
    device: Device = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.updates or self.epochs or self.minutes):
            raise ConfigError(
                "updates, epochs and minutes are all 0, so the training would never "
                "end; set one of them."
            )


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
