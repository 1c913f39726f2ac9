"""The beginning of a prediction into a store: what is chosen, made and remembered."""

import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.core.stitching import SCRATCH
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_lock import lock, unlock
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.ome_layout import Version
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.io.zarr_images import is_in_zarr, read_offsets
from napari_unet_studio.tasks.executors import output_channels
from napari_unet_studio.tasks.frames import Looks, sampler
from napari_unet_studio.tasks.job import Job, model_of
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import PredictProgress
from napari_unet_studio.tasks.setup import Setup, set_up

# Pixels of a block, about: of float32, with its scratch space, some dozen megabytes.
_BLOCK = 2**22
# Side of the blocks by which an image is known again.
_PROBE = {2: 64, 3: 24}


def begun(
    frames: Frames,
    out: Path,
    model: Model,
    config: PredictConfig,
    objects: ObjectConfig,
    source: tuple[Path, int] | None,
    spacing: Sequence[float] | None,
    channel_axis: int | None,
    channel: Channel | None,
) -> Generator[PredictProgress, None, tuple[Job, tuple[str, ...]]]:
    """Return a new job, with everything chosen that was left open."""
    looks = Looks.of(config, model.card, spacing)
    offset, scale = model.card.normalisation.fit(frames.channels_first())
    sample = sampler(frames, looks, offset, scale)
    with kept_buffers():
        shape = looks.shape(frames.shape)
        setup = yield from set_up(model, config, shape, len(frames), sample)
    job = Job(
        out,
        source,
        None if source else frames.array,
        frames.axes,
        channel_axis if source else -(frames.ndim + 1),
        channel if source else None,
        None if spacing is None else tuple(spacing),
        setup.config,
        objects,
        tuple(offset.tolist()),
        tuple(scale.tolist()),
    )
    return job, setup.notes


def create(
    job: Job,
    frames: Frames,
    model: Model,
    unit: str,
    version: Version,
    overwrite: bool,
) -> None:
    """Make the empty store of a new job, with all that other processes need."""
    card = model.card
    looks = Looks.of(job.config, card, job.spacing)
    names = [str(value) for value in card.class_values]
    store = ResultStore.create(
        job.out,
        shape=(*frames.leading, *frames.shape),
        axes=frames.axes,
        channels=output_channels(card),
        block=block_of(frames, Setup(model, job.config), looks.factors),
        spacing=job.spacing,
        translate=_place(job),
        unit=unit if job.spacing is not None else "pixel",
        name=label_name(card.name),
        version=version,
        channel_names=["probability"] if output_channels(card) == 1 else names,
        overwrite=overwrite,
    )
    for scratch, dtype in SCRATCH.items():
        store.scratch(scratch, dtype)  # before several processes would make it
    model.save(model_of(job.out))
    job.save()


def _place(job: Job) -> tuple[float, ...] | None:
    """Return where the image lies, if its file says so: the result lies there too."""
    if job.source is None or not (is_in_zarr(job.source[0]) and job.source[0].is_dir()):
        return None
    offsets, space = read_offsets(*job.source), job.axes.replace("T", "")
    sizes = job.spacing or (1.0,) * len(space)
    return tuple(
        offsets.get(axis, 0.0) * size for axis, size in zip(space, sizes, strict=True)
    )


def block_of(
    frames: Frames, setup: Setup, factors: Sequence[float] | None = None
) -> Shape:
    """Return a block that tiles of the chosen size cover without waste.

    Tiles inside an image keep what is left of them without two margins; a block is as
    many of these as come to about four million pixels. Blocks of a stack hold several
    planes if these are small; those of a time series one frame.

    Parameters
    ----------
    factors
        Size of the pixels that the network sees in those of the image, None if it sees
        the image as it is. Of smaller ones, too, a block is about four million.
    """
    spec, side = setup.spec, setup.config.tile
    halo = setup.margin or spec.halo
    if setup.config.pixel_size == "model" or not spec.local:
        halo = (0,) * spec.ndim
    core = [
        max(step, (side - 2 * h) // step * step)
        for h, step in zip(halo, spec.divisor, strict=True)
    ]
    most = _BLOCK * min(1.0, prod(factors or (1.0,)))
    wanted = most ** (1 / spec.ndim)
    if factors is not None:
        core = [min(c, max(1, int(wanted))) for c in core]
    block = [
        min(size, c * max(1, round(wanted / c)))
        for c, size in zip(core, frames.shape, strict=True)
    ]
    leading = []
    for axis, size in zip(frames.axes, frames.leading, strict=False):
        planes = max(1, int(most) // prod(block))
        leading.append(1 if axis == "T" else min(size, planes))
    return (*leading, *block)


def label_name(name: str) -> str:
    """Return a model's name as that of a folder.

    Examples
    --------
    >>> label_name("my/cells 2")
    'my-cells 2'
    """
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "-", name).strip(". _") or "labels"


def fingerprint(frames: Frames) -> str:
    """Return a checksum of small blocks at corners, edges and middle of a frame."""
    frame = frames.array[tuple(n // 2 for n in frames.leading)]
    side = _PROBE[frames.ndim]
    places = [
        sorted({0, max(0, (n - side) // 2), max(0, n - side)}) for n in frames.shape
    ]
    found = 0
    for place in product(*places):
        part = tuple(slice(start, start + side) for start in place)
        block = np.ascontiguousarray(frame[(slice(None), *part)])
        found = zlib.crc32(block.tobytes(), found)
    return f"{found:08x}"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other runs from a result; what two of them wrote would be mixed.

    Raises
    ------
    InputError
        If another run is at it.
    """
    place = out.with_name(f".{out.name}.lock")
    with writing(out):
        file = lock(place, wait=False)
    if file is None:
        raise InputError(
            f"Another run is making {out} just now; wait for its end, or choose "
            "another place."
        )
    try:
        yield
    finally:
        unlock(file, place)


def check_separate(source: Path, out: Path) -> None:
    """Raise an InputError if a result would replace its image, or lie in it."""
    image, result = source.resolve(), out.resolve()
    if image == result or image in result.parents or result in image.parents:
        raise InputError(
            f"{out} would replace the image or lie within it; choose another place."
        )
