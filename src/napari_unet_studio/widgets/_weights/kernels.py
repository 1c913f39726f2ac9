"""Compiles what weight maps need before the first one is asked for."""

import threading
from collections.abc import Generator

import numpy as np

from napari_unet_studio.core.weights import carve_gap, class_counts, nearest_two
from napari_unet_studio.tasks.progress import Progress, ShouldStop

_compiled = threading.Event()


def compiled() -> bool:
    """Whether the kernels are ready, so that small maps take milliseconds."""
    return _compiled.is_set()


def warm_up(should_stop: ShouldStop) -> Generator[Progress, None, None]:
    """Compile what the maps need, or load it from disk."""
    pixels = np.eye(6, dtype=np.int32)
    kinds = [(pixels, 1.0), (np.stack((pixels, pixels)), 1.0), (pixels, 1.1)]
    for step, (labels, uneven) in enumerate(kinds):
        yield Progress(step, len(kinds), "Compiling")
        if should_stop():
            return
        nearest_two(labels, (uneven,) + (1.0,) * (labels.ndim - 1))
    carve_gap(pixels)
    class_counts(pixels, classes={1: 1})
    _compiled.set()
