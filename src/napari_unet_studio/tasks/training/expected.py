"""What a training will take: time and memory, from a short trial of the network."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from napari_unet_studio.core.networks.catalog import get_spec
from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.device import describe_device, freed
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.train_config import AUTOMATIC_PATCH, TrainConfig
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.schedule import Plan
from napari_unet_studio.tasks.training.steps import Steps
from napari_unet_studio.tasks.training.targets import Targets
from napari_unet_studio.tasks.training.team import Alone

# Sides of the patches of the trial. One is tried if its update should take no longer
# than so many seconds, or has so few operations forward that it cannot take long.
_SIDES, _MOST, _FEW = {2: (64, 128, 256, 512), 3: (32, 48, 64, 96)}, 0.25, 2e9
# Updates that are timed of each, one at least, and seconds after which that will do;
# seconds after which no larger one is tried.
_TIMED, _ENOUGH, _LONGEST = 6, 0.15, 0.6
# Memory for an update over that for its activations: gradients on their way, scratch
# space of convolutions, windows read ahead. Measured on CPUs; networks differ by a
# fifth.
_BESIDES = {2: 1.35, 3: 1.8}
# Seconds per pixel and round for finding objects at several thresholds, on one core.
_OBJECTS = 1e-6


class Expected(NamedTuple):
    """What a training will take.

    Parameters
    ----------
    minutes
        Until its end; None if it could not be told.
    memory
        Bytes of the device at most, besides what the program takes anyway.
    device
        Its name and size, for people.
    parameters
        Trained values.
    """

    minutes: float | None
    memory: int
    device: str
    parameters: int


@dataclass(frozen=True)
class Workload:
    """How much there is to do.

    Parameters
    ----------
    spec
        The network.
    shapes
        Of the images to train on, a frame of each.
    pixels
        Of all frames to train on.
    judged
        Pixels of the frames to judge by, in each validation round.
    spacing
        Pixel size of the spatial axes.
    """

    spec: NetworkSpec
    shapes: tuple[Shape, ...]
    pixels: int
    judged: int = 0
    spacing: tuple[float, ...] | None = None

    def patch(self, config: TrainConfig) -> Shape:
        """Return the spatial shape of what the network is given."""
        side = config.patch or AUTOMATIC_PATCH[self.spec.ndim]
        longest = np.max(self.shapes, axis=0)
        return self.spec.input_shape(np.minimum(longest, side).tolist())

    def plan(self, config: TrainConfig) -> Plan:
        """Return the budget."""
        seen = prod(self.spec.output_shape(self.patch(config)))
        seen *= config.batch * config.accumulate
        return Plan.of(config, self.pixels, seen)


@dataclass(frozen=True)
class Trial:
    """What a short trial of a network has measured.

    Parameters
    ----------
    fixed
        Seconds of an update that do not depend on the patch.
    pace
        Seconds per operation of a forward pass; an update does the backward one too.
    activations
        Bytes that were held for the gradients, as a factor on the estimate of
        :meth:`.NetworkSpec.costs`.
    weights
        Bytes per trained value.
    """

    fixed: float
    pace: float
    activations: float
    weights: int

    def memory(self, spec: NetworkSpec, shape: Shape, batch: int) -> int:
        """Return the bytes of an update on patches of a shape."""
        held = self.activations * _activations(spec, shape) * batch
        return round(_BESIDES[spec.ndim] * held) + self.weights * spec.parameters

    def minutes(self, work: Workload, config: TrainConfig) -> float:
        """Return the time of a training."""
        plan, shape = work.plan(config), work.patch(config)
        flops = work.spec.costs(shape).flops * config.batch
        update = (self.fixed + self.pace * flops) * config.accumulate
        per_pixel = work.spec.flops_per_pixel(256) * self.pace / 3
        if config.target == "objects":
            per_pixel += _OBJECTS
        judging = plan.rounds * work.judged * per_pixel
        limits = [config.minutes] if config.minutes else []
        if plan.updates is not None:
            limits.append((plan.updates * update + judging) / 60)
        return min(limits)


def expected(work: Workload, config: TrainConfig, device: str) -> Expected:
    """Estimate what a training takes, from a trial of about half a second.

    Raises
    ------
    ConfigError
        If the device cannot train with these settings.
    """
    return expectation(tried(work, config, device), work, config, device)


def expectation(
    trial: Trial, work: Workload, config: TrainConfig, device: str
) -> Expected:
    """Return what a trial says about a training; see :func:`expected`."""
    return Expected(
        trial.minutes(work, config),
        trial.memory(work.spec, work.patch(config), config.batch),
        describe_device(device),
        work.spec.parameters,
    )


def tried(work: Workload, config: TrainConfig, device: str) -> Trial:
    """Do a few updates of the network and measure them.

    The network begins with zeros, which take as long as other numbers. Patches are of
    the size of the training at most, and one at a time. In place of a network without
    padding, whose smallest patch is large, it is the padded one of the same layers.
    """
    spec = work.spec
    if max(spec.trim):
        spec = get_spec(spec, padding="same")
    config = replace(config, batch=1, accumulate=1, compile=False)
    goal = min(work.patch(config))
    with freed(device), kept_buffers():
        learner = Learner(_zeros(spec), config, device, Alone())
        times: list[tuple[float, float]] = []
        ratio, start = 0.0, time.perf_counter()
        for side in _sides(spec, goal):
            source = _source(spec, config, side, work.spacing)
            flops = spec.costs(source.input_shape).flops
            late = time.perf_counter() - start > _LONGEST
            slow = flops > _FEW and _line(times)[1] * flops > _MOST
            if times and (late or slow):
                break
            with _counted(learner.network) as held:
                learner.update(0, 0.0, [source(0, device)], 1)
            ratio = sum(held) / _activations(spec, source.input_shape)
            times.append((flops, _seconds(learner, source)))
    fixed, pace = _line(times)
    moments = 1 if config.optimiser == "sgd" else 2
    half = 0 if learner.precision == "float32" else 2
    weights = 4 * (2 + moments + bool(config.ema)) + half
    return Trial(fixed, pace, ratio, weights)


def _sides(spec: NetworkSpec, goal: int) -> list[int]:
    """Return the sides of patches to try, smallest first."""
    least = 2 * max(spec.divisor)  # one value alone cannot be normalised
    sides = [max(side, least) for side in _SIDES[spec.ndim] if side <= goal]
    return sorted(set(sides)) or [least]


def _source(
    spec: NetworkSpec,
    config: TrainConfig,
    side: int,
    spacing: tuple[float, ...] | None,
) -> PatchSource:
    """Return a source of patches of noise."""
    shape = spec.input_shape((side,) * spec.ndim)
    rng = np.random.default_rng(0)
    image = rng.random((spec.in_channels, *shape), np.float32)
    target = rng.integers(0, max(2, spec.num_classes), shape).astype(np.int16)
    weighted = Targets(config, ()).weighted
    weights = np.ones(shape, np.float32) if weighted else None
    item = Item.of(image, target, weights)
    return PatchSource((item,), spec, side, 1, config.augment, spacing, 0)


def _zeros(spec: NetworkSpec) -> Network:
    """Return a network of zeros, which need not be drawn."""
    with torch.device("meta"):
        network = Network(spec)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.zero_()
    return network


def _seconds(learner: Learner, source: PatchSource) -> float:
    """Return the seconds of an update, the least of a few.

    Another program may have the processor now and then.
    """
    times: list[float] = []
    steps = Steps(learner, source, 1)
    steps.begin()
    try:
        while not times or (len(times) < _TIMED and sum(times) < _ENOUGH):
            start = time.perf_counter()
            steps.advance(len(times) + 1, 0.0).item()
            times.append(time.perf_counter() - start)
    finally:
        steps.close()
    return min(times)


def _line(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return intercept and slope of the line through the last two points."""
    if not times:
        return 0.0, 0.0
    flops, seconds = times[-1]
    share = 0.5  # that grows with the patch, of small ones
    if len(times) > 1:
        before, sooner = times[-2]
        share = (seconds - sooner) / (flops - before) * flops / seconds
    # Noise must not make most of the time vanish, or more of it than there is.
    pace = min(1.0, max(0.25, share)) * seconds / flops
    return seconds - pace * flops, pace


def _activations(spec: NetworkSpec, shape: Shape) -> float:
    """Return the bytes of activations that an update holds, by arithmetic."""
    return spec.costs(shape).training_bytes - 16 * spec.parameters


@contextmanager
def _counted(network: Network) -> Iterator[list[int]]:
    """Collect the bytes that are held for the gradients, and of those on their way.

    Weights are left out, and copies of them in another type.
    """
    shapes = {p.shape for p in network.parameters()}
    known: set[int] = set()
    found: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in known and tensor.shape not in shapes:
            known.add(place)
            found.append(tensor.untyped_storage().nbytes())
        return tensor

    def unpack(tensor: Any) -> Any:
        return tensor

    with saved_tensors_hooks(pack, unpack):
        yield found
    found.append(2 * max(found, default=0))
