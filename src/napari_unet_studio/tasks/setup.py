"""What "auto" becomes: device, precision and tiles for a model on this computer."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import torch

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec, prune
from napari_unet_studio.io.measured import recall, remember
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.budget import default_side
from napari_unet_studio.tasks.device import (
    choose_device,
    describe_device,
)
from napari_unet_studio.tasks.engines import Sample, checked_executor, suited
from napari_unet_studio.tasks.executors import (
    Executor,
    TorchExecutor,
    output_channels,
)
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import PredictProgress
from napari_unet_studio.tasks.speed import default_batch
from napari_unet_studio.tasks.tiles import TileRunner
from napari_unet_studio.tasks.trials import (
    VALUE_BYTES,
    about_margin,
    half_halo,
    raced,
    side_of,
)
from napari_unet_studio.tasks.views import Averaged, views_of


@dataclass(frozen=True, eq=False)
class Setup:
    """A model with all that was chosen for it.

    Parameters
    ----------
    model
        The part of the model that is computed.
    config
        Without any "auto": the same on another day.
    notes
        Sentences for the user.
    """

    model: Model
    config: PredictConfig
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> NetworkSpec:
        """The network that is computed."""
        return self.model.card.spec

    @property
    def cap(self) -> int:
        """Most pixels of a tile."""
        return int(self.config.tile**self.spec.ndim)

    @property
    def margin(self) -> Shape | None:
        """The margin of tiles, None for the exact one."""
        if self.config.margin == "exact":
            return None
        return half_halo(self.spec)

    def runner(self, sample: Sample) -> TileRunner:
        """Return what covers frames with tiles.

        Parameters
        ----------
        sample
            Gives the windows on which 8-bit integers are calibrated.
        """
        views = views_of(self.config.average, self.spec)
        said: list[str] = []

        def make(device: Any) -> Executor:
            config = replace(self.config, device=device)
            made = checked_executor(self.model, config, sample, said)
            return Averaged(made, views, self.spec) if len(views) > 1 else made

        runner = TileRunner(
            self.spec,
            output_channels(self.model.card),
            make,
            self.config.device,
            self.cap,
            self.config.batch,
            self.margin,
        )
        runner.notes += said
        return runner


def judging_runner(model: Model, device: str, precision: str) -> TileRunner:
    """Return what predicts a few frames during a training, without any trials.

    Parameters
    ----------
    model
        Its network is copied, so the training may go on.
    device
        Where it is trained.
    precision
        Type to compute in: "float32", "bfloat16" or "float16".
    """
    spec = model.card.spec
    return TileRunner(
        spec,
        output_channels(model.card),
        lambda where: TorchExecutor(model, where, precision),
        device,
        default_side(spec, device, VALUE_BYTES[precision]) ** spec.ndim,
    )


def part_of(model: Model, config: PredictConfig) -> Model:
    """Return the part of a U-Net++ that is to be computed; any other model as it is.

    Raises
    ------
    ConfigError
        If a level or heads are asked of a network that has none.
    """
    if not config.level and config.heads == "model":
        return model
    spec = model.card.spec
    heads = spec.num_heads if isinstance(spec, UNetPlusPlusSpec) else 1
    if heads < 2:
        raise ConfigError(
            f"The model {model.name!r} is no U-Net++ with several heads, so there are "
            "no levels and no heads to choose; set level to 0 and heads to 'model'."
        )
    assert isinstance(spec, UNetPlusPlusSpec)
    mode = spec.mode if config.heads == "model" else config.heads
    network = prune(model.drawn, config.level or heads, mode)
    return Model(network, replace(model.card, spec=network.spec), model.thumbnail)


def set_up(
    model: Model,
    config: PredictConfig,
    shape: Shape,
    frames: int,
    sample: Sample,
) -> Generator[PredictProgress, None, Setup]:
    """Choose what a configuration leaves open.

    Parameters
    ----------
    model
        The model.
    config
        What was asked for.
    shape
        Spatial shape of a frame, or of the blocks that are covered one by one.
    frames
        How many there are.
    sample
        Gives windows of the image for trials.

    Yields
    ------
    PredictProgress
        Before each trial.

    Returns
    -------
    Setup
        All that was chosen.

    Raises
    ------
    StudioError
        If the device, the engine or a part of the network is not there.
    """
    config, notes = suited(model, config)
    device: Any = "cpu" if config.engine == "openvino" else None
    device = device or choose_device(config.device)
    model = part_of(model, config)
    views_of(config.average, model.card.spec)  # says if it does not fit
    config = replace(config, device=device)
    key = _key(model, config)
    known = recall(key)
    before = dict(known)
    if config.precision == "auto":
        if known.get("precision") not in ("float32", "bfloat16", "float16"):
            known["precision"] = yield from raced(model, config, sample)
        config = replace(config, precision=known["precision"])
    spec = model.card.spec
    if not config.tile:
        side = yield from side_of(model, config, shape, frames, sample, known)
        config = replace(config, tile=side)
    if not config.batch:
        cap = config.tile**spec.ndim
        window = plan_tiles(shape, spec, cap).window
        config = replace(config, batch=default_batch(window, cap, device))
    if known != before:
        remember(key, known)
    if config.margin == "fast" and spec.local and not any(spec.trim):
        yield PredictProgress(0, 1, "Measuring the fast margin")
        notes += about_margin(model, config, sample)
    return Setup(model, config, tuple(notes))


def _key(model: Model, config: PredictConfig) -> str:
    """Return what the measured times depend on, as one word."""
    card = {k: v for k, v in model.card.to_dict().items() if k != "training"}
    facts = {
        "card": card,
        "device": describe_device(config.device),
        "torch": torch.__version__,
        "engine": config.engine,
        "precision": config.precision,
        "compile": config.compile,
    }
    return hashlib.sha256(dumps(facts).encode()).hexdigest()[:24]
