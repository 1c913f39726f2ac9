"""A frame deformed in parts that stay in a cache, and a coarse one enlarged."""

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.deform import Deformed
from napari_unet_studio.core.resampling import Resampler
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never, run

_BLOCK = 1 << 15  # pixels that are deformed in one go


def in_parts(
    resampler: Resampler,
    coarse: NDArray[np.float32],
    plane: int | None,
    should_stop: ShouldStop,
) -> Generator[Progress, None, Deformed | None]:
    """Deform a frame or one plane of it in small parts; return None if stopped."""
    first, rows = (0, resampler.shape[0]) if plane is None else (plane, 1)
    out = resampler.empty(rows)
    step = max(1, _BLOCK // int(np.prod(resampler.shape[1:])))
    for start in range(0, rows, step):
        block = slice(start, start + step)
        part = Deformed(
            out.images[:, block],
            None if out.labels is None else out.labels[block],
            None if out.weight_map is None else out.weight_map[block],
        )
        resampler.fill(coarse, first + start, part)
        yield Progress(start, rows, "Deforming")
        if should_stop():
            return None
    return out


def enlarge(picture: NDArray[Any], step: int, out: NDArray[Any]) -> None:
    """Repeat the pixels of a coarse plane along both axes, up to the size of `out`."""
    for down, across in np.ndindex(step, step):
        part = out[..., down::step, across::step]
        part[...] = picture[..., : part.shape[-2], : part.shape[-1]]


def at_once(
    resampler: Resampler, coarse: NDArray[np.float32], plane: int | None
) -> Deformed:
    """Deform a frame or one plane of it."""
    made = run(in_parts(resampler, coarse, plane, never))
    assert made is not None  # nothing stops it
    return made
