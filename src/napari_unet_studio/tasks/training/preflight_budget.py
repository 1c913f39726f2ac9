"""Doubts about time, memory, device and validation of a training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

import torch

from napari_unet_studio.core.errors import DeviceError
from napari_unet_studio.tasks.device import choose_device, describe_device
from napari_unet_studio.tasks.memory import available_memory, within_limit
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.expected import Expected, Trial, Workload
from napari_unet_studio.tasks.training.findings import Finding, finding_of
from napari_unet_studio.tasks.training.holding_out import MANY, divisible
from napari_unet_studio.tasks.training.preflight_labels import of_role
from napari_unet_studio.tasks.training.preflight_look import Look
from napari_unet_studio.tasks.training.preflight_network import in_words

_LONG = 60.0  # minutes
# Sides that patches are made smaller to, largest first.
_PATCHES = {2: (256, 192, 128, 96, 64), 3: (64, 48, 32, 24, 16)}


def about_device(config: TrainConfig, ndim: int) -> Iterator[Finding]:
    """Yield whether the device is there and can compute in the precision."""
    try:
        device = choose_device(config.device)
    except DeviceError as error:
        yield finding_of(error, {"device": "auto"})
        return
    if config.precision == "float16" and not device.startswith("cuda"):
        yield Finding(
            "error",
            f"float16 trains on NVIDIA GPUs only, and this is {device}.",
            "Choose the precision auto.",
            {"precision": "auto"},
        )
    if config.precision == "bfloat16" and device == "cpu" and ndim == 3:
        yield Finding(
            "doubt",
            "Volumes are trained in float32 on CPUs, where bfloat16 gives wrong "
            "gradients.",
            "Choose the precision auto.",
            {"precision": "auto"},
        )


def about_validation(
    looks: Sequence[Look], work: Workload, config: TrainConfig
) -> Iterator[Finding]:
    """Yield whether there is nothing to validate on."""
    judging, train = of_role(looks, "validate"), of_role(looks, "train")
    if judging:
        objects = config.target == "objects"
        if objects and not any(look.values(config) for look in judging):
            yield Finding(
                "doubt",
                "No validation: there is no object in the images to validate on, so "
                "the last weights are kept.",
                "Label some objects in them, or let parts be held out: set their role "
                "to train or off.",
            )
        return
    if not config.hold_out:
        yield Finding(
            "doubt",
            "No validation: no image has that role and nothing is held out, so the "
            "last weights are kept.",
            "Hold out a fifth of the data.",
            {"hold_out": 0.2},
        )
    elif len(train) < MANY and _alone(train, config):
        yield Finding(
            "doubt",
            "No validation: a single object cannot be divided between training and "
            "validation, so the last weights are kept.",
            "Label some more objects, far from one another.",
        )
    elif len(train) < MANY and not any(
        divisible(look.frames.leading, look.frames.shape, config.hold_out, work.spec)
        for look in train
    ):
        largest = max(train, key=lambda look: prod(look.frames.shape))
        more = next(
            (
                share
                for share in (0.3, 0.4, 0.5)
                if share > config.hold_out
                and divisible(
                    largest.frames.leading, largest.frames.shape, share, work.spec
                )
            ),
            None,
        )
        yield Finding(
            "doubt",
            "No validation: the images are too small to hold out a part, the largest "
            f"has {in_words(largest.frames.shape)} pixels, so the last weights are "
            "kept.",
            "Give an image with labels the role validate, or more of them to train on: "
            f"of {MANY} one is held out."
            + (f" Or hold out {more:.0%}." if more is not None else ""),
            {} if more is None else {"hold_out": more},
        )


def _alone(train: Sequence[Look], config: TrainConfig) -> bool:
    """Return whether there is one object in all."""
    counts = [look.objects for look in train]
    if config.target == "classes" or None in counts:
        return False
    return sum(count or 0 for count in counts) == 1


def free_memory(device: str) -> int:
    """Return the bytes that a training can take on a device."""
    if device.startswith("cuda"):
        return within_limit(torch.cuda.mem_get_info(device)[0])
    return available_memory()


def about_memory(
    trial: Trial | None, work: Workload, config: TrainConfig, device: str
) -> Iterator[Finding]:
    """Yield whether the memory of a device suffices; None for one that failed."""
    free = free_memory(device)
    name = describe_device(device)
    if trial is None:
        yield Finding(
            "error",
            f"Not even one small patch fits into the memory of {name}, of which "
            f"{_gigabytes(free)} are free.",
            "Choose a smaller network, or close other programs.",
        )
        return
    needed = trial.memory(work.spec, work.patch(config), config.batch)
    if needed <= free:
        return
    changes = _smaller(trial, work, config, free)
    if not changes:
        remedy = "Choose a smaller network, or close other programs."
    elif "patch" in changes:
        remedy = "Take smaller patches, and fewer at once."
    else:
        remedy = "Take fewer patches at once, and add up their gradients."
    yield Finding(
        "doubt",
        f"An update takes about {_gigabytes(needed)} of memory, and "
        f"{_gigabytes(free)} are free on {name}.",
        remedy,
        changes,
    )


def _smaller(
    trial: Trial, work: Workload, config: TrainConfig, free: int
) -> dict[str, int]:
    """Return settings with which the memory suffices, empty if there are none."""
    for side in (0, *_PATCHES[work.spec.ndim]):
        smaller = replace(config, patch=side) if side else config
        shape = work.patch(smaller)
        if prod(shape) > prod(work.patch(config)):
            continue
        for batch in _halves(config.batch):
            if trial.memory(work.spec, shape, batch) > free:
                continue
            changes = {"patch": side} if side else {}
            passes = -(-config.batch * config.accumulate // batch)
            return {"batch": batch, "accumulate": min(1024, passes), **changes}
    return {}


def _halves(number: int) -> Iterator[int]:
    """Yield a number, its half and so on down to 1.

    Examples
    --------
    >>> list(_halves(6))
    [6, 3, 1]
    """
    while number:
        yield number
        number //= 2


def about_time(found: Expected, config: TrainConfig) -> Iterator[Finding]:
    """Yield whether the training takes long, unless that is what was asked for."""
    minutes = found.minutes
    if minutes is None or minutes <= _LONG or minutes == config.minutes:
        return
    spent = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
    yield Finding(
        "doubt",
        f"The training takes about {spent} on {found.device}.",
        "Limit the time, take a smaller network or patch, or train on a GPU.",
        {"minutes": _LONG},
    )


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
