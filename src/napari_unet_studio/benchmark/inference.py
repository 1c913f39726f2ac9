"""The benchmark of inference: one network over images of several sizes."""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from napari_unet_studio.benchmark import inference_peers as peers
from napari_unet_studio.benchmark.allocator import as_alone
from napari_unet_studio.benchmark.inference_network import model_of, spec_of
from napari_unet_studio.benchmark.inference_peers import (
    BARE,
    MONAI,
    Probabilities,
    Sample,
    Work,
    planned,
    tiles_of,
)
from napari_unet_studio.benchmark.machine import machine
from napari_unet_studio.benchmark.method import OWN, Case, Method
from napari_unet_studio.benchmark.race import PERMITTED_MEMORY, race
from napari_unet_studio.benchmark.samples import picture
from napari_unet_studio.benchmark.streamed import stream
from napari_unet_studio.benchmark.variants import AUTO, INT8, VARIANTS, Variant
from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.tasks.device import bfloat16_wins
from napari_unet_studio.tasks.memory import available_memory
from napari_unet_studio.tasks.predict import predict
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import run

SHAPES = ((2048, 2048), (4096, 4096), (64, 512, 512))
QUICK = ((96, 112), (16, 48, 56))
LIBRARIES = ("monai", "onnxruntime", "openvino", "nncf")
# Images that several tiles cover and that any memory takes whole, and the tile's side.
CHECKS = {2: ((640, 640), 384), 3: ((32, 320, 320), 128)}
QUICK_CHECKS = {2: ((96, 112), 64), 3: ((8, 64, 112), 32)}
LEAST = 3  # calls of those that a target compares with MONAI, and of MONAI
WORKING = 2.0  # times the estimate of live activations that a whole image takes


def cases(quick: bool) -> tuple[Case, ...]:
    """Return what is measured; there are no objects to count."""
    return tuple(Case(shape, 0) for shape in (QUICK if quick else SHAPES))


def methods(
    device: str = "cpu", quick: bool = False, compiled: bool = False
) -> list[Method[Sample]]:
    """Return this package's ways to predict and its peers.

    Parameters
    ----------
    device
        "cpu" or "cuda", where this package, MONAI and the naive loop can run.
    quick
        For the small networks of a quick run.
    compiled
        Measure ``torch.compile`` too, which takes minutes to compile.
    """
    add = partial(_method, device=device, quick=quick)
    found = [
        add(
            variant.name,
            partial(own, settings=variant.settings, device=device),
            variant.library,
            about=partial(_about, variant, device),
            least=LEAST if variant.name in (OWN, INT8) else 1,
        )
        for variant in variants(device, compiled)
    ]
    peer = partial(_peer, device=device, quick=quick)
    for overlap, batch in ((0.25, 1), (0.25, 4), (0.5, 1)):
        prepare = partial(peers.monai, device=device, overlap=overlap, batch=batch)
        name = f"MONAI, overlap {overlap:g}" + f", batch of {batch}" * (batch > 1)
        least = LEAST if name == MONAI else 1
        found.append(peer(name, prepare, "monai", least=least))
    found.append(peer("tiles without overlap", partial(peers.naive, device=device)))
    if device != "cpu":
        return found
    return [
        *found,
        peer("whole image at once", peers.whole, memory=partial(_memory, quick=quick)),
        peer("ONNX Runtime, planned tiles", peers.onnxruntime, "onnxruntime"),
        peer("OpenVINO, planned tiles", peers.openvino, "openvino"),
        add(BARE, peers.bare_forwards),
    ]


def variants(device: str, compiled: bool) -> list[Variant]:
    """Return the ways of this package that a device is measured with."""
    return [
        variant
        for variant in VARIANTS
        if device in variant.devices
        and (compiled or not variant.optional)
        and (bfloat16_wins(device) or not variant.bfloat16)
    ]


def benchmark_inference(
    seconds: float,
    quick: bool = False,
    device: str = "cpu",
    compiled: bool = False,
    large: Sequence[int] = (),
) -> Generator[str, None, dict[str, Any]]:
    """Measure inference; yields what is done, returns the document.

    Parameters
    ----------
    seconds
        Budget for each method and image.
    quick
        Take tiny images and small networks, to see that all works.
    device
        "cpu" or "cuda".
    compiled
        Measure ``torch.compile`` too.
    large
        Sides of square images that are predicted from file to file, each in a fresh
        process.
    """
    checks = []
    for ndim in (2, 3):
        yield f"the difference from the whole image, {ndim}D"
        checks.append(check(ndim, quick, device))
    found = yield from race(
        cases(quick),
        methods(device, quick, compiled),
        partial(_sample, quick=quick),
        difference,
        seconds,
        exact=partial(exact, quick=quick),
    )
    streamed = []
    for side in large:
        streamed.append((yield from stream(side, device)))
    facts = machine(LIBRARIES)
    if device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
    return {
        "machine": facts,
        "seconds": seconds,
        "quick": quick,
        "device": device,
        "bfloat16_wins": bfloat16_wins(device),
        "checks": checks,
        "cases": found,
        "streamed": streamed,
    }


def own(sample: Sample, settings: Mapping[str, Any], device: str) -> Work:
    """Predict by this package."""
    config = PredictConfig.from_dict({"device": device, **settings})

    def work() -> Probabilities:
        found = run(predict(sample.image, sample.model, config))
        assert found is not None, "nothing stops it"
        return found.probabilities

    return work


def check(ndim: int, quick: bool, device: str) -> dict[str, Any]:
    """Compare this package in float32, on several tiles, with the whole image."""
    shape, side = (QUICK_CHECKS if quick else CHECKS)[ndim]
    sample = _sample(Case(shape, 0), quick)
    settings = {"precision": "float32", "tile": side}
    found = difference(own(sample, settings, device)(), peers.whole(sample)())
    return {"shape": list(shape), "tile": side, **found}


def exact(sample: Sample, quick: bool) -> Probabilities | None:
    """Return the answer for the whole image in float32, None where memory is short."""
    free = available_memory()
    needed = _memory(Case(sample.shape, 0), quick)
    if needed > PERMITTED_MEMORY * free:
        return None
    return peers.whole(sample)()


def difference(
    result: Probabilities | None, reference: Probabilities | None
) -> dict[str, float]:
    """Return the largest difference of probabilities; empty for bare forwards."""
    if result is None or reference is None:
        return {}
    return {"difference": float(f"{np.abs(result - reference).max():.2g}")}


def _sample(case: Case, quick: bool) -> Sample:
    image = picture(case.shape)[0].astype(np.float32)
    return Sample(image, model_of(len(case.shape), quick))


def _method(
    name: str,
    prepare: Callable[[Sample], Work],
    library: str | None = None,
    *,
    device: str,
    quick: bool,
    **options: Any,
) -> Method[Sample]:
    cost = partial(_operations, quick=quick)
    return Method(
        name, prepare, core_count(), library, cost=cost, device=device, **options
    )


def _peer(
    name: str, prepare: Callable[[Sample], Work], *arguments: Any, **options: Any
) -> Method[Sample]:
    """Return a method that finds memory as if it were alone in its process."""

    def prepared(sample: Sample) -> Work:
        call = prepare(sample)

        def work() -> Probabilities | None:
            as_alone()
            return call()

        return work

    return _method(name, prepared, *arguments, **options)


def _about(variant: Variant, device: str, sample: Sample) -> dict[str, Any]:
    """Return the area that is read per pixel, and what "auto" chose."""
    if variant.library is not None:
        return {}
    setup = planned(sample, variant.settings, device)
    told: dict[str, Any] = {
        "read_ratio": round(tiles_of(sample, setup).read_ratio, 2),
        "tile": setup.config.tile,
    }
    if variant.name == AUTO:
        told["note"] = precision = setup.config.precision
        if precision == "float32":
            wins = bfloat16_wins(device)
            reason = "bfloat16 changes too much" if wins else "no bfloat16 gain here"
            told["note"] = f"float32: {reason}"
    return told


def _operations(case: Case, quick: bool) -> float:
    spec = spec_of(len(case.shape), quick)
    return spec.flops_per_pixel(64) * case.pixels


def _memory(case: Case, quick: bool) -> float:
    spec = spec_of(len(case.shape), quick)
    return WORKING * spec.costs(case.shape).inference_bytes
