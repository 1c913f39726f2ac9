"""The whole of a layer deformed, by a task."""

import threading
from collections.abc import Generator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.deform import (
    Deformed,
    check_deformable,
    deform_blocks,
    deform_channels,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._deform.preview import Deformation

_compiled = threading.Event()


def apply(
    deformation: Deformation, should_stop: ShouldStop
) -> Generator[Progress, None, Deformed | None]:
    """Deform all frames of a layer and of what belongs to it.

    Yields
    ------
    Progress
        Many records per frame; the steps are hundredths of a frame.

    Returns
    -------
    Deformed or None
        Image, labels and weights in the layout of their layers; None if stopped.
    """
    config, count, source = (
        deformation.config,
        len(deformation.frames),
        deformation.image,
    )
    image = _room_for(source)
    frames = Frames.of(image, deformation.ndim, source.axes, source.channel_axis)
    others = [
        None if other is None else _room_for(other)
        for other in (deformation.labels, deformation.weights)
    ]
    yield Progress(0, 100 * count, "Deforming")
    for step, index in enumerate(np.ndindex(*deformation.frames.leading)):
        if should_stop():
            return None
        images, labels, weight_map = deformation.loaded(index)
        # The preview shows what it can; a result has no holes.
        check_deformable(images, source.name)
        settings: dict[str, Any] = config.to_dict()
        blocks = deform_blocks(
            images,
            labels,
            spacing=deformation.spacing,
            weight_map=weight_map,
            **settings,
        )
        result = yield from _counted(blocks, step, count, should_stop)
        if result is None:
            return None
        frames.array[index] = result.images
        for whole, part in zip(others, result[1:], strict=True):
            if whole is not None:
                whole[index] = part
    return None if should_stop() else Deformed(image, *others)


def _room_for(source: Source) -> NDArray[Any]:
    """Return an array for what becomes of a layer."""
    data = source.data
    try:
        return np.empty(data.shape, data.dtype)
    except MemoryError:
        size = prod(data.shape) * data.dtype.itemsize / 1e9
        raise InputError(
            f"All of {source.name!r} deformed would take {size:,.0f} GB, more memory "
            "than there is; crop the layer, or look at the preview of parts of it."
        ) from None


def _counted(
    blocks: Generator[float, None, Deformed],
    step: int,
    count: int,
    should_stop: ShouldStop,
) -> Generator[Progress, None, Deformed | None]:
    """Turn the shares of frame number `step` into progress; return None if stopped."""
    try:
        while True:
            share = next(blocks)
            yield Progress(round(100 * (step + share)), 100 * count, "Deforming")
            if should_stop():
                return None
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        blocks.close()


def compiled() -> bool:
    """Whether the kernels are ready, so that a preview takes milliseconds."""
    return _compiled.is_set()


def warm_up(should_stop: ShouldStop) -> Generator[Progress, None, None]:
    """Compile what the preview needs, or load it from disk."""
    kinds = [("f4", "u1"), ("f8", "u2"), ("f4", "u4"), ("f8", "u8")]  # image, labels
    work = [(ndim, *kind) for ndim in (2, 3) for kind in kinds]
    for step, (ndim, kind, ids) in enumerate(work):
        yield Progress(step, len(work), "Compiling")
        if should_stop():
            return
        image = np.zeros((4,) * ndim, kind)
        deform_channels(image[None], image.astype(ids), 3, 1, 0, None, image)
    _compiled.set()
