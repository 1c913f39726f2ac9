"""Doubts about the network and its patches: whether they suit the images."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.train_config import AUTOMATIC_PATCH, TrainConfig
from napari_unet_studio.tasks.training.expected import Workload
from napari_unet_studio.tasks.training.findings import Finding, changed
from napari_unet_studio.tasks.training.preflight_look import Look

# How much of a patch has to be image; how wide an image and an object have to be, in
# steps of the coarsest level; how many values batch normalisation should have.
_IMAGE, _STEPS, _OBJECT, _VALUES = 0.75, 2, 0.5, 8
_TWO_D = "unet-16"  # what stacks of few slices are trained with
_THREE_D = "unet-3d"  # and deeper ones


def about_network(
    train: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield what does not fit between network, patches, images and objects."""
    yield from _patches(train, work, config)
    yield from _fields(train, work, config)
    yield from _objects(train, work, config)
    yield from _normalised(work, config)


def about_planes(
    looks: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield that a 2D network sees the planes of a stack one by one."""
    stack = max(looks, key=_depth)
    if work.spec.ndim != 2 or _depth(stack) < 2:
        return
    # All images have to be deep enough, those to judge by too.
    needed = _STEPS * NETWORKS[_THREE_D].divisor[0]
    deep = min(map(_depth, looks)) >= needed
    remedy = f"A 3D network ({_THREE_D}) sees them together."
    if not deep:
        remedy = f"{remedy[:-1]}, from {needed} planes in each image on."
    elif config.start:
        remedy = f"{remedy[:-1]}; it cannot start from a 2D model."
    changes = {"network": _THREE_D} | ({"patch": 0} if config.patch else {})
    yield Finding(
        "note",
        f"The stack {stack.name!r} has {_depth(stack)} planes, which a 2D network "
        "learns one by one.",
        remedy,
        changes if deep and not config.start else {},
    )


def _depth(look: Look) -> int:
    """Return how many planes an image has that are frames of their own."""
    frames = look.frames
    return dict(zip(frames.axes, frames.leading, strict=False)).get("Z", 1)


def in_words(shape: Sequence[int]) -> str:
    """Return a shape for people."""
    return " x ".join(map(str, shape))


def _patches(
    train: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield whether patches are larger than the images they are cut from."""
    ndim, longest = work.spec.ndim, np.max(work.shapes, axis=0)
    side = config.patch or AUTOMATIC_PATCH[ndim]
    if config.patch > max(longest):
        yield Finding(
            "doubt",
            f"The patch of {config.patch} pixels is larger than all images; the "
            f"largest has {in_words(longest.tolist())}.",
            "Leave the patch automatic (0), or take larger images.",
            {"patch": 0},
        )
        return
    wanted = np.minimum(longest, side)
    small = min(train, key=lambda look: (np.array(look.frames.shape) / wanted).min())
    if not (np.array(small.frames.shape) < _IMAGE * wanted).any():
        return
    # Of axes that all images have in full, the patch takes no more than there is.
    short = min(n for n, w in zip(small.frames.shape, wanted, strict=True) if n < w)
    fitting = max(16, short // 16 * 16)
    mends = (
        np.array(small.frames.shape) >= _IMAGE * np.minimum(longest, fitting)
    ).all()
    yield Finding(
        "doubt",
        f"The patches have {in_words(wanted.tolist())} pixels but the image "
        f"{small.name!r} has {in_words(small.frames.shape)}: the rest of them is its "
        "mirror image.",
        "Take smaller patches, or leave small images out.",
        {"patch": fitting} if mends else {},
    )


def _fields(
    train: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield images that are tiny for the network."""
    spec = work.spec
    for look in train:
        shape = look.frames.shape
        for axis, size, step in zip(
            "ZYX"[-spec.ndim :], shape, spec.divisor, strict=True
        ):
            if size >= _STEPS * step:
                continue
            flat = axis == "Z" and not config.start
            yield Finding(
                "doubt",
                f"The image {look.name!r} has {size} pixels along {axis}, and one on "
                f"the network's coarsest level is {step} of them.",
                f"Train a 2D network, such as {_TWO_D}, on its slices."
                if flat
                else "Take larger images, or a network with fewer levels.",
                {"network": _TWO_D} if flat else {},
            )
            return
    widest = np.max(work.shapes, axis=0)
    if spec.local and (widest * 2 < spec.receptive_field).all():
        yield Finding(
            "note",
            f"The images have {in_words(widest.tolist())} pixels at most, less than "
            "half of what the network sees around each pixel, "
            f"{in_words(spec.receptive_field)}.",
            "A network with fewer levels would do, and be quicker.",
        )


def _objects(
    train: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield whether objects vanish on the coarse levels."""
    sizes = np.concatenate([look.sizes for look in train])
    if config.target == "classes" or not len(sizes):
        return
    spec, ndim = work.spec, work.spec.ndim
    # By area, so that specks do not count.
    sizes = np.sort(sizes)
    half = np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)
    median = float(sizes[half]) ** (1 / ndim)
    step = _step(spec)
    if median >= _OBJECT * step:
        return
    other = None if config.start else _finer(config, work, median)
    advice = "Enlarge the images" if other is None else f"Take the network {other}"
    yield Finding(
        "doubt",
        f"Half of the labelled area lies in objects of at most {median:.0f} pixels "
        f"across, and one pixel on the network's coarsest level is {step:.0f}: hardly "
        "anything of them is left there.",
        f"{advice}, or choose a network with fewer levels."
        if other is None
        else f"{advice}, which has fewer levels, or enlarge the images.",
        {} if other is None else {"network": other, "width": 1.0},
    )


def _step(spec: NetworkSpec) -> float:
    """Return the pixels of a pixel of the coarsest level, averaged over the axes."""
    return float(prod(spec.divisor) ** (1 / spec.ndim))


def _finer(config: TrainConfig, work: Workload, size: float) -> str | None:
    """Return the quickest network on which objects of a size do not vanish."""
    fitting = [
        (spec.flops_per_pixel(256), name)
        for name, spec in NETWORKS.items()
        if spec.ndim == work.spec.ndim and size >= _OBJECT * _step(spec)
    ]
    return min(fitting)[1] if fitting else None


def _normalised(work: Workload, config: TrainConfig) -> Iterator[Finding]:
    """Yield whether batch normalisation has too few values to average."""
    if work.spec.norm != "batch":
        return
    values = _values(work, config)
    if values >= _VALUES:
        return
    # Not more patches than it takes, and as many of them in an update as there were.
    batch = config.batch * -(-_VALUES // values)
    changes = {"batch": batch}
    patch = work.patch(config)
    mends = _values(work, changed(config, changes)) >= _VALUES
    yield Finding(
        "error" if values == 1 else "doubt",
        f"Batch normalisation has {values} value{'s' * (values > 1)} to average on the "
        f"coarsest level: that of {config.batch} patch{'es' * (config.batch > 1)} of "
        f"{in_words(patch)} pixels.",
        "Choose a larger batch or patch.",
        changes if mends else {},
    )


def _values(work: Workload, config: TrainConfig) -> int:
    patch: Shape = work.patch(config)
    coarse = [max(1, p // d) for p, d in zip(patch, work.spec.divisor, strict=True)]
    return config.batch * prod(coarse)
