"""The benchmark of training: steps of one network on patches of one image."""

import statistics
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from skimage.measure import label

from napari_unet_studio.benchmark import training_peers as peers
from napari_unet_studio.benchmark.allocator import as_alone
from napari_unet_studio.benchmark.machine import machine, using_threads
from napari_unet_studio.benchmark.method import OWN, Case, Method, nothing_more
from napari_unet_studio.benchmark.race import race
from napari_unet_studio.benchmark.samples import picture
from napari_unet_studio.benchmark.training_peers import RATE, SEED, Sample, Work
from napari_unet_studio.benchmark.training_targets import ALONE, WEIGHTED
from napari_unet_studio.benchmark.variants import AUTO, COMPILED
from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.networks.catalog import get_spec
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.core.weights import separation_weights
from napari_unet_studio.tasks.device import bfloat16_wins
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.precision import training_precision
from napari_unet_studio.tasks.training.steps import Steps
from napari_unet_studio.tasks.training.team import Alone

SHAPE, QUICK_SHAPE = (256, 256), (32, 32)
BATCH, QUICK_BATCH = 8, 2
WIDTHS, QUICK_WIDTHS = (32, 64, 128, 256, 512), (4, 8, 16)
FIELD = 4  # times as wide as a patch is the image
# Steps of a call: the first of them finds no patches read ahead and no memory kept.
STEPS = {"cpu": 3, "cuda": 20}
QUICK_STEPS = 2
LEAST = 3
LIBRARIES = ("monai",)
MADE = 3  # batches that are made to time one

# The loss of a plain loop, so that all compute the same; the last is the default.
_PLAIN: Mapping[str, Any] = {
    "loss": "cross-entropy",
    "weights": {"preset": "none", "balance": "none"},
}
_EXACT: Mapping[str, Any] = {**_PLAIN, "precision": "float32"}


def methods(
    device: str = "cpu", quick: bool = False, compiled: bool = False
) -> list[Method[Sample]]:
    """Return this package's ways to train and its peers.

    Parameters
    ----------
    device
        "cpu" or "cuda".
    quick
        For the small network of a quick run.
    compiled
        Measure ``torch.compile`` too, which takes minutes to compile.
    """
    steps = QUICK_STEPS if quick else STEPS[device]
    ours: dict[str, Mapping[str, Any]] = {OWN: _EXACT, AUTO: _PLAIN, WEIGHTED: {}}
    if compiled:
        ours[COMPILED] = {**_PLAIN, "compile": True}
    found = [
        _method(
            name,
            partial(own, settings=settings, device=device, steps=steps),
            device,
            steps,
            about=partial(_about, settings=settings, device=device),
        )
        for name, settings in ours.items()
    ]
    work = partial(own_alone, settings=_PLAIN, device=device, steps=steps)
    found.append(_method(ALONE, work, device, steps))
    for name, prepare, library, make in (
        (peers.EAGER, peers.eager, None, peers.scipy_batches),
        (peers.EAGER_ALONE, peers.eager_alone, None, None),
        (peers.MONAI, peers.monai, "monai", peers.monai_batches),
        (peers.DYNUNET, peers.dynunet, "monai", peers.monai_batches),
    ):
        about = nothing_more if make is None else partial(_about_peer, make=make)
        work = partial(_as_alone, prepare, device=device, steps=steps)
        found.append(_method(name, work, device, steps, library, about=about))
    return found


def benchmark_training(
    seconds: float, quick: bool = False, device: str = "cpu", compiled: bool = False
) -> Generator[str, None, dict[str, Any]]:
    """Measure training; yields what is done, returns the document.

    Parameters
    ----------
    seconds
        Budget for each method.
    quick
        Take tiny patches and a small network, to see that all works.
    device
        "cpu" or "cuda".
    compiled
        Measure ``torch.compile`` too.
    """
    steps = QUICK_STEPS if quick else STEPS[device]
    found = yield from race(
        [Case(QUICK_SHAPE if quick else SHAPE, 0)],
        methods(device, quick, compiled),
        partial(sample_of, quick=quick),
        lambda found, reference: {},  # losses of different patches
        seconds,
    )
    for case in found:
        _complete(case["rows"], device, steps * int(np.prod(case["shape"])))
    facts = machine(LIBRARIES)
    if device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
    return {
        "machine": facts,
        "seconds": seconds,
        "quick": quick,
        "device": device,
        "batch": QUICK_BATCH if quick else BATCH,
        "steps": steps,
        "bfloat16_wins": bfloat16_wins(device),
        "cases": found,
    }


def spec_of(quick: bool) -> NetworkSpec:
    """Return the network: a U-Net without norm, one channel, one class."""
    return get_spec("unet-32", channels=QUICK_WIDTHS if quick else WIDTHS)


def sample_of(case: Case, quick: bool) -> Sample:
    """Draw what is learnt: an image some patches wide."""
    spec = spec_of(quick)
    patch = spec.input_shape(case.shape)
    grey, mask = picture(tuple(FIELD * side for side in patch))
    image = grey.astype(np.float32)
    image = (image - image.mean()) / image.std()
    widths, batch = (QUICK_WIDTHS, QUICK_BATCH) if quick else (WIDTHS, BATCH)
    return Sample(image, mask, spec, widths, patch, batch)


def source_of(sample: Sample, config: TrainConfig) -> PatchSource:
    """Return what this package draws the patches of a sample from."""
    weights = None
    if config.weights.preset != "none":
        weights = separation_weights(label(sample.mask))
    item = Item.of(sample.image[None], sample.mask.astype(np.int16), weights)
    return PatchSource(
        (item,),
        sample.spec,
        max(sample.patch),
        sample.batch,
        config.augment,
        None,
        SEED,
    )


def own(sample: Sample, settings: Mapping[str, Any], device: str, steps: int) -> Work:
    """Train by this package: patches are read ahead, deformed and learnt."""
    learner, source = _made(sample, settings, device)
    done = 0

    def work() -> float:
        nonlocal done
        loop = Steps(learner, source, sample.batch)
        with kept_buffers():
            loop.begin()
            try:
                for step in range(done, done + steps):
                    loss = loop.advance(step, RATE)
                return float(loss)
            finally:
                loop.close()
                done += steps

    return work


def own_alone(
    sample: Sample, settings: Mapping[str, Any], device: str, steps: int
) -> Work:
    """Train by this package on one batch again and again, which is on the device."""
    learner, source = _made(sample, settings, device)
    batch = source(0, device)

    def work() -> float:
        with kept_buffers():
            for step in range(steps):
                loss = learner.update(step, RATE, [batch], sample.batch)
            return float(loss)

    return work


def _made(
    sample: Sample, settings: Mapping[str, Any], device: str
) -> tuple[Learner, PatchSource]:
    config = TrainConfig.from_dict(dict(settings))
    learner = Learner(sample.network(), config, device, Alone())
    return learner, source_of(sample, config)


def _method(
    name: str,
    prepare: Callable[[Sample], Work],
    device: str,
    steps: int,
    library: str | None = None,
    **options: Any,
) -> Method[Sample]:
    return Method(
        name,
        prepare,
        core_count(),
        library,
        device=device,
        images=steps,
        least=LEAST,
        **options,
    )


def _as_alone(
    prepare: Callable[..., Work], sample: Sample, device: str, steps: int
) -> Work:
    """Return steps that find memory as if they were alone in their process."""
    call = prepare(sample, device, steps)

    def work() -> float:
        as_alone()
        return call()

    return work


def _about(sample: Sample, settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return what "auto" chose, and how long a batch takes on its own."""
    config = TrainConfig.from_dict(dict(settings))
    source = source_of(sample, config)
    told = _timed(lambda: source(SEED, device), device)
    if config.precision == "auto":
        told["note"] = training_precision("auto", device, len(sample.patch))
    return told


def _about_peer(
    sample: Sample, make: Callable[[Sample], Callable[[], Any]]
) -> dict[str, Any]:
    return _timed(make(sample), "cpu")


def _timed(make: Callable[[], Any], device: str) -> dict[str, Any]:
    """Return the median milliseconds in which a batch is made, by itself."""
    seconds = []
    with using_threads(core_count()):
        make()
        for _ in range(MADE):
            begin = time.perf_counter()
            make()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
    return {"batch_ms": float(f"{1000 * statistics.median(seconds):.4g}")}


def _complete(rows: list[dict[str, Any]], device: str, pixels: int) -> None:
    """Add the memory of a call, and the share of a step that its batch takes.

    What runs on the processor takes its time from the step, even in a thread. On a GPU
    a batch that is made meanwhile costs nothing: there the share is what a step is
    longer than with a batch that is there.
    """
    times = {row["method"]: row["ms"] for row in rows if "ms" in row}
    for row in rows:
        if "bytes_per_pixel" in row:
            each = row.pop("bytes_per_pixel")
            row["mib"] = None if each is None else round(each * pixels / 2**20)
        if "batch_ms" not in row or "ms" not in row:
            continue
        taken = row["batch_ms"]
        if device == "cuda" and row["method"] == AUTO:
            taken = max(0.0, row["ms"] - times[ALONE])
        elif device == "cuda" and row["method"].startswith(OWN):
            continue  # measured for one of our ways
        row["share"] = float(f"{taken / row['ms']:.3g}")
