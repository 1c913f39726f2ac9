"""What "auto" becomes: device, precision and tiles for a model on this computer."""

import copy
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec, prune
from napari_unet_studio.io.measured import recall, remember
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.agreement import Agreement
from napari_unet_studio.tasks.device import (
    bfloat16_wins,
    choose_device,
    describe_device,
)
from napari_unet_studio.tasks.executors import (
    CudaExecutor,
    Executor,
    TorchExecutor,
    output_channels,
)
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.speed import (
    default_batch,
    default_side,
    tuned_side,
    window_seconds,
)
from napari_unet_studio.tasks.tiles import TileRunner
from napari_unet_studio.tasks.views import Averaged, views_of

# A quicker precision has to save at least a tenth, and to change hardly anything.
_WORTH = 0.9
_MOST_DIFFERENT, _MOST_FLIPS = 0.05, 0.002
# Operations of the window on which precisions race.
_RACE_FLOPS = 2e10
_CALIBRATION = 8  # windows that set the ranges of 8-bit integers
_VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 4}

Sample = Callable[[Shape, int], list[NDArray[np.float32]]]
"""Returns some normalised windows (C, *window) of the image."""


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
            if config.precision == "int8":
                made = _checked(self.model, config, sample, said)
            else:
                made = executor_of(self.model, config, sample)
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
        "auto" or "float32".
    """
    quick = precision == "auto" and bfloat16_wins(device)
    kind = "bfloat16" if quick else "float32"
    spec = model.card.spec
    return TileRunner(
        spec,
        output_channels(model.card),
        lambda where: TorchExecutor(model, where, kind),
        device,
        default_side(spec, device, _VALUE_BYTES[kind]) ** spec.ndim,
    )


def half_halo(spec: NetworkSpec) -> Shape:
    """Return half of the halo, on the network's grid."""
    return tuple(
        -(-halo // (2 * step)) * step
        for halo, step in zip(spec.halo, spec.divisor, strict=True)
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
    network = prune(model.network, config.level or heads, mode)
    return Model(network, replace(model.card, spec=network.spec), model.thumbnail)


def set_up(
    model: Model,
    config: PredictConfig,
    shape: Shape,
    frames: int,
    sample: Sample,
) -> Setup:
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

    Raises
    ------
    StudioError
        If the device, the engine or a part of the network is not there.
    """
    device: Any = "cpu" if config.engine == "openvino" else None
    device = device or choose_device(config.device)
    model = part_of(model, config)
    views_of(config.average, model.card.spec)  # says if it does not fit
    config = replace(config, device=device)
    key = _key(model, config)
    known = recall(key)
    before = dict(known)
    notes: list[str] = []
    if config.precision == "auto":
        if known.get("precision") not in ("float32", "bfloat16", "float16"):
            known["precision"] = _raced(model, config, sample)
        config = replace(config, precision=known["precision"])
    spec = model.card.spec
    if not config.tile:
        config = replace(
            config, tile=_side(model, config, shape, frames, sample, known)
        )
    if not config.batch:
        cap = config.tile**spec.ndim
        window = plan_tiles(shape, spec, cap).window
        config = replace(config, batch=default_batch(window, cap, device))
    if known != before:
        remember(key, known)
    if config.margin == "fast" and spec.local and not any(spec.trim):
        notes += _about_margin(model, config, sample)
    return Setup(model, config, tuple(notes))


def executor_of(model: Model, config: PredictConfig, sample: Sample) -> Executor:
    """Return the executor of a configuration without "auto"."""
    if config.engine == "openvino":
        from napari_unet_studio.tasks.openvino import OpenVinoExecutor

        calibration = []
        if config.precision == "int8":
            spec = model.card.spec
            window = spec.input_shape((min(config.tile, 256),) * spec.ndim)
            calibration = sample(window, _CALIBRATION)
        network = copy.deepcopy(model.network).eval()
        return OpenVinoExecutor(network, model.card, config.precision, calibration)  # type: ignore[arg-type]
    kind = CudaExecutor if config.device.startswith("cuda") else TorchExecutor
    return kind(model, config.device, config.precision, config.compile)


def _checked(
    model: Model, config: PredictConfig, sample: Sample, said: list[str]
) -> Executor:
    """Return an executor in 8-bit integers, or in float32 if they change too much.

    What was measured is added to `said`.
    """
    from napari_unet_studio.tasks.openvino import InaccurateError, OpenVinoExecutor

    try:
        made = executor_of(model, config, sample)
    except InaccurateError as error:
        said.append(f"{error} It was computed in float32.")
        return executor_of(model, replace(config, precision="float32"), sample)
    assert isinstance(made, OpenVinoExecutor)
    said.append(made.check)
    return made


def _side(
    model: Model,
    config: PredictConfig,
    shape: Shape,
    frames: int,
    sample: Sample,
    known: dict[str, Any],
) -> int:
    spec = model.card.spec
    bytes_each = _VALUE_BYTES[config.precision]
    side = default_side(spec, config.device, bytes_each)
    tiles = len(plan_tiles(shape, spec, side**spec.ndim))
    if tiles == 1 or not spec.local or config.device != "cpu" or config.compile:
        return side
    points = {int(k): float(v) for k, v in known.get("seconds", {}).items()}
    executor: Executor | None = None

    def seconds(window: Shape) -> float:
        nonlocal executor
        if executor is None:
            executor = executor_of(model, replace(config, tile=side), sample)
        return window_seconds(executor, sample(window, 1)[0], repeats=1)

    try:
        side = tuned_side(spec, config.device, shape, frames, seconds, points)
    finally:
        if executor is not None:
            executor.close()
    if points:
        known["seconds"] = {str(k): v for k, v in points.items()}
    return side


def _raced(model: Model, config: PredictConfig, sample: Sample) -> str:
    """Return the precision that wins on one window of the image, and is as good."""
    quick = _quick(config.device)
    if quick is None:
        return "float32"
    spec = model.card.spec
    pixels = _RACE_FLOPS / spec.flops_per_pixel(128)
    side = max(2 * max(spec.divisor), int(pixels ** (1 / spec.ndim)))
    (window,) = sample(spec.input_shape((side,) * spec.ndim), 1)
    crop = tuple(slice(0, s) for s in spec.output_shape(window.shape[1:]))
    times, answers = {}, {}
    for precision in ("float32", quick):
        executor = executor_of(model, replace(config, precision=precision), sample)  # type: ignore[arg-type]
        try:
            times[precision] = window_seconds(executor, window)
            (answers[precision],) = executor.submit(window[np.newaxis], [crop])()
        finally:
            executor.close()
    if times[quick] > _WORTH * times["float32"]:
        return "float32"
    if not np.isfinite(answers[quick]).all():
        return "float32"
    found = Agreement.between(answers["float32"], answers[quick], model.card.threshold)
    alike = found.largest <= _MOST_DIFFERENT and found.flips <= _MOST_FLIPS
    return quick if alike else "float32"


def _quick(device: str) -> str | None:
    """Return the precision that may be faster than float32 on a device."""
    if device == "cpu":
        return "bfloat16" if bfloat16_wins(device) else None
    if device.startswith("cuda"):
        return "bfloat16" if bfloat16_wins(device) else "float16"
    return None


def _about_margin(model: Model, config: PredictConfig, sample: Sample) -> list[str]:
    """Say how far the fast margin is from the exact one, on one tile."""
    spec = model.card.spec
    margin = half_halo(spec)
    if margin == spec.halo:
        return []
    inner = tuple(max(s, 32 // s * s) for s in spec.divisor)
    whole = tuple(i + 2 * h for i, h in zip(inner, spec.halo, strict=True))
    (window,) = sample(whole, 1)
    less = tuple(
        slice(h - m, h + i + m)
        for i, h, m in zip(inner, spec.halo, margin, strict=True)
    )
    executor = executor_of(model, replace(config, precision="float32"), sample)
    try:
        found = []
        for block, side in ((window, spec.halo), (window[:, *less], margin)):
            crop = tuple(slice(m, m + i) for i, m in zip(inner, side, strict=True))
            given = np.ascontiguousarray(block)[np.newaxis]
            found.append(executor.submit(given, [crop])()[0])
    finally:
        executor.close()
    apart = float(np.abs(found[0] - found[1]).max())
    return [
        f"Tiles see {margin[-1]} pixels around them instead of {spec.halo[-1]}: "
        f"probabilities differ by up to {apart:.1g}, measured on one tile."
    ]


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
        # Elsewhere the memory of large tiles is not kept, which makes them slower.
        "main": threading.current_thread() is threading.main_thread(),
    }
    return hashlib.sha256(dumps(facts).encode()).hexdigest()[:24]
