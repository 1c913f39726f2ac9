"""Short trials on windows of an image: precision, tiles, margins."""

from collections.abc import Generator
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import plan_tiles
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.agreement import Agreement
from napari_unet_studio.tasks.budget import default_side, wider_side
from napari_unet_studio.tasks.device import bfloat16_wins
from napari_unet_studio.tasks.engines import Sample, checked_executor, cuts, executor_of
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import PredictProgress
from napari_unet_studio.tasks.speed import tuned_side, window_seconds

if TYPE_CHECKING:
    from napari_unet_studio.tasks.executors import Executor

# A quicker precision has to save at least a tenth, and to change hardly anything.
_WORTH = 0.9
_MOST_DIFFERENT, _MOST_FLIPS = 0.05, 0.002
# Operations of the window on which precisions race.
_RACE_FLOPS, _RACE_SIDE = 2e10, {2: 384, 3: 64}
VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 4}


def raced(
    model: Model, config: PredictConfig, sample: Sample
) -> Generator[PredictProgress, None, str]:
    """Return the precision that wins on one window of the image, and is as good."""
    quick = _quick(config.device)
    if quick is None:
        return "float32"
    spec = model.card.spec
    pixels = _RACE_FLOPS / spec.flops_per_pixel(128)
    side = min(_RACE_SIDE[spec.ndim], int(pixels ** (1 / spec.ndim)))
    side = max(2 * max(spec.divisor), side)
    (window,) = sample(spec.input_shape((side,) * spec.ndim), 1)
    crop = tuple(slice(0, s) for s in spec.output_shape(window.shape[1:]))
    times, answers = {}, {}
    for precision in ("float32", quick):
        yield PredictProgress(0, 1, f"Trying {precision}")
        executor = executor_of(model, replace(config, precision=precision), sample)  # type: ignore[arg-type]
        try:
            times[precision] = window_seconds(executor, window, crop)
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


def side_of(
    model: Model,
    config: PredictConfig,
    shape: Shape,
    frames: int,
    sample: Sample,
    known: dict[str, Any],
) -> Generator[PredictProgress, None, int]:
    """Return the side of a tile; times that are measured are added to `known`."""
    spec = model.card.spec
    bytes_each = VALUE_BYTES[config.precision]
    side = default_side(spec, config.device, bytes_each)
    tiles = len(plan_tiles(shape, spec, side**spec.ndim))
    if tiles == 1 or not spec.local:
        return side
    cut = cuts(config)
    side = wider_side(spec, config.device, shape, side, cut, bytes_each)
    if config.device != "cpu" or config.compile:
        return side
    largest = wider_side(spec, config.device, shape, side, cut, bytes_each, inf)
    paces = {int(k): float(v) for k, v in known.get("paces", {}).items()}
    executor: Executor | None = None

    def seconds(window: Shape, crop: Region) -> float:
        nonlocal executor
        if executor is None:
            executor = checked_executor(model, replace(config, tile=side), sample, [])
        return window_seconds(executor, sample(window, 1)[0], crop, repeats=1)

    try:
        best = yield from tuned_side(
            spec, shape, frames, (side, largest), cut, seconds, paces
        )
    finally:
        if executor is not None:
            executor.close()
    if paces:
        known["paces"] = {str(k): v for k, v in paces.items()}
    return best


def about_margin(model: Model, config: PredictConfig, sample: Sample) -> list[str]:
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


def half_halo(spec: NetworkSpec) -> Shape:
    """Return half of the halo, on the network's grid."""
    return tuple(
        -(-halo // (2 * step)) * step
        for halo, step in zip(spec.halo, spec.divisor, strict=True)
    )
