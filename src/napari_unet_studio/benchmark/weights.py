"""The benchmark of the separation weight map."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np

from napari_unet_studio.benchmark import weight_peers as peers
from napari_unet_studio.benchmark.method import OWN, Call, Case, Method, per_pixel
from napari_unet_studio.benchmark.race import contest
from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.benchmark.weight_peers import Labels, Weights
from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.weights import separation_weights

SIDES = (512, 1024, 2048, 4096)
STACK = (64, 512, 512)
OBJECTS = (50, 300, 3000, 20_000)
QUICK = (Case((96, 96), 4), Case((96, 96), 12), Case((8, 32, 32), 4))
LIBRARIES = ("edt", "cv2")


def cases(quick: bool) -> tuple[Case, ...]:
    """Return what is measured, from small to large."""
    if quick:
        return QUICK
    shapes = (*((side, side) for side in SIDES), STACK)
    return tuple(Case(shape, objects) for shape in shapes for objects in OBJECTS)


def methods() -> list[Method[Labels]]:
    """Return this package on one core and on all, and its peers."""
    own = [_own(threads) for threads in sorted({1, core_count()})]
    return [
        *own,
        Method("one scipy EDT of one label, for scale", _call(peers.one_transform)),
        Method("numpy two-label window", _call(peers.two_label_window), exact=True),
        _by_colour("OpenCV 5 x 5 per colour", peers.opencv_mask, "cv2"),
        _by_colour("OpenCV precise per colour", peers.opencv_precise, "cv2"),
        _by_colour("edt per colour", peers.edt_package, "edt"),
        _by_colour("scipy EDT per colour", peers.scipy_edt, None),
        Method(
            "scipy EDT per object, running minimum",
            _call(peers.running_minimum),
            exact=True,
            cost=_by_object,
        ),
        Method(
            "scipy EDT per object, stack sorted",
            _call(peers.stack_sorted),
            exact=True,
            cost=_by_object,
            memory=lambda case: 16.0 * case.pixels * case.objects,
        ),
    ]


def benchmark_weights(
    seconds: float, quick: bool = False
) -> Generator[str, None, dict[str, Any]]:
    """Measure the weight map; yields what is done, returns the document.

    Parameters
    ----------
    seconds
        Budget for each method and image.
    quick
        Take tiny images, to see that all works.
    """
    cold = (
        "from napari_unet_studio.core.weights import separation_weights",
        "separation_weights(image)",
    )
    made = (cases(quick), methods(), _sample, difference)
    return (yield from contest(cold, LIBRARIES, *made, seconds, quick))


def difference(result: Any, reference: Weights) -> dict[str, float]:
    """Return the largest difference of two maps; none for what is no weight map."""
    if result.dtype != np.float32:
        return {}
    return {"difference": float(f"{np.abs(result - reference).max():.2g}")}


def _sample(case: Case) -> Labels:
    return blobs(case.shape, case.objects)


def _own(threads: int) -> Method[Labels]:
    def prepare(labels: Labels) -> Call:
        return partial(separation_weights, labels, threads=threads)

    return Method(OWN, prepare, threads, exact=True)


def _call(function: Callable[[Labels], Any]) -> Callable[[Labels], Call]:
    def prepare(labels: Labels) -> Call:
        return partial(function, labels)

    return prepare


def _by_colour(
    name: str,
    transform: Callable[[Any], Any],
    library: str | None,
) -> Method[Labels]:
    prepare = _call(partial(peers.coloured, transform=transform))
    exact = transform is not peers.opencv_mask
    axes = (2,) if library == "cv2" else (2, 3)
    return Method(name, prepare, 1, library, exact, _colours, axes=axes)


def _colours(case: Case) -> float:
    return per_pixel(case) * peers.likely_colours(case.shape, case.objects)


def _by_object(case: Case) -> float:
    return per_pixel(case) * case.objects
