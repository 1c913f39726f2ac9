"""The benchmark of elastic deformation: an image and its labels, the field included."""

from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np

from napari_unet_studio.benchmark import elastic_peers as peers
from napari_unet_studio.benchmark.cold import cold_start
from napari_unet_studio.benchmark.elastic_peers import (
    GRID,
    SEED,
    SIGMA,
    Deformed,
    Sample,
    Work,
)
from napari_unet_studio.benchmark.machine import machine
from napari_unet_studio.benchmark.method import OWN, Case, Method
from napari_unet_studio.benchmark.race import race
from napari_unet_studio.benchmark.samples import blobs, texture
from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.deform import elastic_deform
from napari_unet_studio.core.displacement import dense_displacement
from napari_unet_studio.core.warping import pixel_coordinates, warp

SHAPES = ((512, 512), (2048, 2048), (64, 256, 256))
QUICK = ((64, 64), (12, 32, 32))
LIBRARIES = ("cv2", "elasticdeform", "monai", "albumentations")
BATCH = 8
INTERIOR = 0.25  # of each side is left out, where borders may be continued otherwise
OBJECT = 800  # pixels of an object


def cases(quick: bool) -> tuple[Case, ...]:
    """Return what is measured."""
    shapes = QUICK if quick else SHAPES
    return tuple(Case(shape, int(np.prod(shape)) // OBJECT) for shape in shapes)


def methods(device: str = "cpu") -> list[Method[Sample]]:
    """Return this package's two executors and its peers.

    Parameters
    ----------
    device
        "cpu" or "cuda"; the latter also measures the tensors of a batch there.
    """
    cores = sorted({1, core_count()})
    found: list[Method[Sample]] = [Method(OWN, own, threads) for threads in cores]
    for threads in cores:
        tensors = partial(tensor, device="cpu", batch=1)
        found.append(Method(f"{OWN}, tensors", tensors, threads))
    if device == "cuda":
        for batch in (1, BATCH):
            name = f"{OWN}, tensors" + (f", batch of {batch}" if batch > 1 else "")
            tensors = partial(tensor, device="cuda", batch=batch)
            found.append(Method(name, tensors, device="cuda", images=batch))
    return [
        *found,
        Method("OpenCV remap", peers.opencv_remap, library="cv2", axes=(2,)),
        Method("torch grid_sample", peers.torch_grid_sample),
        Method("scipy, field by products", peers.scipy_matrix),
        Method("scipy order 3, field by zoom", peers.scipy_zoom),
        Method("elasticdeform", peers.elasticdeform, library="elasticdeform"),
        Method("MONAI", peers.monai, library="monai"),
        Method(
            "albumentations", peers.albumentations, library="albumentations", axes=(2,)
        ),
    ]


def benchmark_elastic(
    seconds: float, quick: bool = False, device: str = "cpu"
) -> Generator[str, None, dict[str, Any]]:
    """Measure the deformation; yields what is done, returns the document.

    Parameters
    ----------
    seconds
        Budget for each method and image.
    quick
        Take tiny images, to see that all works.
    device
        "cpu" or "cuda".
    """
    yield "a fresh process"
    cold = cold_start(
        "from napari_unet_studio.core.deform import elastic_deform\n"
        "pixels = image.astype(np.float32)",
        "elastic_deform(pixels, image)",
        (512, 512),
    )
    found = yield from race(cases(quick), methods(device), _sample, difference, seconds)
    facts = machine(LIBRARIES)
    if device == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return {
        "machine": facts,
        "seconds": seconds,
        "quick": quick,
        "cold": cold,
        "cases": found,
    }


def own(sample: Sample) -> Work:
    """Deform with arrays, on the processor."""

    def work() -> Deformed:
        moved = elastic_deform(sample.image, sample.labels, GRID, SIGMA, SEED)
        return Deformed(moved[0], moved[1], alike=True)

    return work


def tensor(sample: Sample, device: str, batch: int) -> Work:
    """Deform a batch of tensors with a field each, where they are."""
    import torch

    image = torch.from_numpy(sample.image).to(device)
    labels = torch.from_numpy(sample.labels).to(device)
    images = image.expand(batch, 1, *sample.shape).contiguous()
    ids = labels.expand(batch, 1, *sample.shape).contiguous()
    # Only the first field is compared; the others are there to cost what they cost.
    vectors = np.stack([sample.vectors()] * batch)

    def work() -> Any:
        with torch.inference_mode():
            coarse = torch.from_numpy(vectors).to(device)
            where = pixel_coordinates(dense_displacement(coarse, sample.shape))
            moved = warp(images, where)
            picked = warp(ids, where, "nearest")
            if device == "cuda":
                torch.cuda.synchronize()
        return Deformed(moved[0, 0], picked[0, 0], alike=True)

    return work


def difference(result: Deformed, reference: Deformed) -> dict[str, float]:
    """Return the largest difference of the images, and the share of other labels.

    Both are those of the interior. Nothing is compared where a method has a field of
    its own.
    """
    if not result.alike:
        return {}
    image, labels = (_array(part)[_interior(part.shape)] for part in result[:2])
    inside = _interior(reference.image.shape)
    worst = np.abs(image - reference.image[inside]).max()
    other = np.mean(labels != reference.labels[inside])
    return {
        "difference": float(f"{worst:.2g}"),
        "labels_differ": float(f"{other:.2g}"),
    }


def _array(part: Any) -> Any:
    return part if isinstance(part, np.ndarray) else part.cpu().numpy()


def _interior(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(int(INTERIOR * n), int((1 - INTERIOR) * n)) for n in shape)


def _sample(case: Case) -> Sample:
    return Sample(texture(case.shape), blobs(case.shape, case.objects))
