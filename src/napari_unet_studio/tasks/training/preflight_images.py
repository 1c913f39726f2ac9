"""Doubts about the images of a training: what they hold, and whether they go together.

Each function returns what it found; none raises.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.tasks.training.holding_out import MANY
from napari_unet_studio.tasks.training.preflight_look import Look

# How much pixel sizes may differ, and grey values of images of one type.
_SCALE, _RANGE = 1.2, 4.0


def about_images(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield what is wrong with images, one by one and together."""
    for look in looks:
        yield from _pixels(look)
    yield from _twice(looks, config)
    yield from _types(looks)
    yield from _ranges(looks)
    yield from _pixel_sizes(looks)


def _pixels(look: Look) -> Iterator[Finding]:
    if look.bad:
        yield Finding(
            "error",
            f"The image {look.name!r} contains {look.bad} NaN or infinite values, "
            "which a network cannot use.",
            "Replace them first, for example with numpy.nan_to_num(image).",
        )
        return
    if all(look.constant):
        value = ", ".join(f"{v:g}" for v in look.low)
        where = "every pixel" if look.whole else "every pixel that was looked at"
        yield Finding(
            "error" if look.whole else "doubt",
            f"The image {look.name!r} is constant, {where} is {value}; there is "
            "nothing to learn from.",
            "Set its role to off.",
        )
        return
    for channel in np.flatnonzero(look.constant).tolist():
        yield Finding(
            "doubt",
            f"Channel {channel} of the image {look.name!r} is constant, "
            f"{look.low[channel]:g}, and teaches nothing.",
            "Leave the channel out of all images, if it is empty in all.",
        )


def _twice(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield images that are both learned from and judged by."""
    validated = any(look.pair.role == "validate" for look in looks)
    drawn = not validated and config.hold_out > 0 and len(looks) >= MANY
    for first, second in combinations(looks, 2):
        if not first.code or first.code != second.code:
            continue
        names = f"{first.name!r} and {second.name!r}"
        if {first.pair.role, second.pair.role} == {"train", "validate"}:
            yield Finding(
                "doubt",
                f"{names} are the same image, once to train and once to validate: the "
                "scores will be those of learning by heart.",
                "Set the role of one of them to off, or validate on another image.",
            )
        elif drawn:
            yield Finding(
                "doubt",
                f"{names} are the same image, and images are held out at random: one "
                "may be learned by heart and the other judged.",
                "Set the role of one of them to off.",
            )


def _types(looks: Sequence[Look]) -> Iterator[Finding]:
    found = {str(look.frames.array.dtype): look.name for look in looks[::-1]}
    if len(found) > 1:
        kinds = ", ".join(f"{kind} ({name!r})" for kind, name in sorted(found.items()))
        yield Finding(
            "note",
            f"The images have values of different types: {kinds}.",
            "Each image is normalised by itself, so that is no harm if they are of one "
            "kind otherwise.",
        )


def _ranges(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield validation images whose grey values are unlike those to train on."""
    usable = [look for look in looks if not look.bad and not all(look.constant)]
    train = [look for look in usable if look.pair.role == "train"]
    for look in usable:
        if look.pair.role != "validate":
            continue
        alike = [
            other
            for other in train
            if other.frames.array.dtype == look.frames.array.dtype
            and len(other.low) == len(look.low)
        ]
        if not alike:
            continue
        low = np.min([other.low for other in alike], axis=0)
        high = np.max([other.high for other in alike], axis=0)
        narrow = np.min([other.high - other.low for other in alike], axis=0)
        span, wide = look.high - look.low, high - low
        far = (look.low > high) | (look.high < low)
        odd = far | (span > _RANGE * wide) | (span * _RANGE < narrow)
        for channel in np.flatnonzero(odd).tolist()[:1]:
            part = f" in channel {channel}" if len(low) > 1 else ""
            yield Finding(
                "doubt",
                f"The grey values of {look.name!r} lie from {look.low[channel]:g} to "
                f"{look.high[channel]:g}{part}, those to train on from "
                f"{low[channel]:g} to {high[channel]:g}.",
                "Check that it is the same kind of image. Each image is normalised by "
                "itself, but noise and contrast may differ as well.",
            )


def _pixel_sizes(looks: Sequence[Look]) -> Iterator[Finding]:
    known = [look for look in looks if look.pair.spacing is not None]
    if not known:
        return
    if len(known) < len(looks):
        missing = next(look for look in looks if look.pair.spacing is None)
        yield Finding(
            "note",
            f"The pixel size of {missing.name!r} is not known, that of "
            f"{known[0].name!r} is {_size(known[0])}.",
            "If they differ, resample one: the network learns objects of one size.",
        )
    first = known[0]
    for other in known[1:]:
        a, b = _spacing(first), _spacing(other)
        if len(a) == len(b) and (np.maximum(a / b, b / a) > _SCALE).any():
            yield Finding(
                "doubt",
                f"The pixel sizes of {first.name!r} and {other.name!r} differ: "
                f"{_size(first)} and {_size(other)}.",
                "Resample the images to one pixel size, or train a network for each.",
            )
            return


def _spacing(look: Look) -> np.ndarray:
    assert look.pair.spacing is not None
    return np.array(look.pair.spacing[-look.frames.ndim :])


def _size(look: Look) -> str:
    return " x ".join(f"{step:g}" for step in _spacing(look))
