"""From (image, labels) pairs to frames with targets and weights, split honestly."""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.items import Item, check_pixels, split
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.tasks.targets import Target, Targets, is_mask

Role = Literal["train", "validate", "off"]

_MAX_CLASSES = 64
_POSITIONS = 4096


@dataclass(frozen=True, eq=False)
class Pair:
    """An image with its labels, and what it is used for.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels.
    labels
        Same axes without channels. Instance ids or classes, 0 is background.
    role
        "train", "validate" or "off".
    name
        For messages and the model card.
    axes, channel_axis
        See :meth:`.Frames.of`.
    spacing
        Pixel size of the spatial axes.
    """

    image: Any
    labels: Any
    role: Role = "train"
    name: str = ""
    axes: str | None = None
    channel_axis: int | None = None
    spacing: tuple[float, ...] | None = None


class Dataset(NamedTuple):
    """Frames to fit and frames to judge by, and what was said about them."""

    train: tuple[Item, ...]
    validate: tuple[Item, ...]
    notes: tuple[str, ...]


def check_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs in use, labels as numpy; raise for the first unusable one.

    Raises
    ------
    InputError
        For float or negative labels, labels of another shape than the image, nothing to
        train on, nothing but background.
    """
    used = []
    for number, pair in enumerate(pairs, start=1):
        name = pair.name or f"pair {number}"
        if pair.role not in get_args(Role):
            raise InputError(
                f"The role of {name!r} is {pair.role!r}; choose one of "
                f"{', '.join(get_args(Role))}."
            )
        if pair.role == "off":
            continue
        labels = np.asarray(pair.labels)
        if labels.dtype.kind not in "bui":
            raise InputError(
                f"The labels of {name!r} have values of type {labels.dtype}; whole "
                "numbers are needed. Convert them, for example with "
                "labels.astype('int32')."
            )
        frames = Frames.of(pair.image, 2, pair.axes, pair.channel_axis)
        expected = (*frames.leading, *frames.shape)
        if expected != labels.shape:
            raise InputError(
                f"The image {name!r} has {expected} pixels but its labels have "
                f"{labels.shape}; choose the labels that were painted on it."
            )
        if labels.size and labels.min() < 0:
            raise InputError(
                f"The labels of {name!r} contain {labels.min()}; ids must be 0 or more."
            )
        spacing = _checked_spacing(pair.spacing, frames.axes, name)
        used.append(replace(pair, labels=labels, name=name, spacing=spacing))
    if not any(pair.role == "train" for pair in used):
        raise InputError(
            "There is nothing to train on: give at least one image with labels the "
            "role train."
        )
    if not any(pair.labels.any() for pair in used if pair.role == "train"):
        raise InputError(
            "The labels are background (0) everywhere; paint some objects first."
        )
    return used


def channels_of(pairs: Sequence[Pair], ndim: int) -> int:
    """Return the number of channels that all pairs share, or raise an InputError."""
    found = {
        Frames.of(pair.image, ndim, pair.axes, pair.channel_axis).channels
        for pair in pairs
    }
    if len(found) > 1:
        raise InputError(
            f"The images have different numbers of channels, {sorted(found)}; train on "
            "images of one kind."
        )
    return found.pop()


def class_values(pairs: Sequence[Pair], target: Target) -> tuple[int, ...]:
    """Return the label value of each class index: (0, 1) for objects."""
    if target == "objects":
        return (0, 1)
    values = sorted({int(v) for pair in pairs for v in np.unique(pair.labels)})
    if len(values) > _MAX_CLASSES:
        raise InputError(
            f"The labels hold {len(values)} different values, too many for classes. "
            'Choose the target "objects" for labels with one number per object.'
        )
    if len(values) < 2:
        raise InputError(
            f"The labels hold only the value {values[0]}; two classes are needed at "
            "least."
        )
    if values[-1] > np.iinfo(np.int32).max:
        raise InputError(
            f"The labels hold the value {values[-1]}, too large for a class; use "
            "numbers up to 255, for example."
        )
    return tuple(values)


def prepare(
    pairs: Sequence[Pair],
    spec: NetworkSpec,
    normalisation: Normalisation,
    weights: WeightConfig,
    target: Target,
    values: tuple[int, ...],
    hold_out: float,
    seed: int,
) -> Generator[Progress, None, Dataset]:
    """Compute targets and weight maps of checked pairs and split off validation.

    Parameters
    ----------
    hold_out
        Share to hold out if no pair has the role "validate". With five pairs or more,
        whole pairs at random; with five frames or more in a pair, its last frames; else
        the end of each frame along its longest axis, with a gap of the network's reach.
    """
    sets: dict[str, list[list[Item]]] = {"train": [], "validate": []}
    targets = Targets(target, values, weights)
    if weights.balance == "global":
        targets = targets.balanced(
            [_counts(pair, spec, targets) for pair in pairs if pair.role == "train"]
        )
    for number, pair in enumerate(pairs, start=1):
        yield Progress(number, len(pairs), f"Preparing {pair.name}")
        items = _items(pair, spec, normalisation, targets)
        sets[pair.role].append(items)
    fit, judge = sets["train"], sets["validate"]
    notes = []
    if not judge and hold_out > 0:
        fit, judge = split(fit, hold_out, spec, seed)
    train = tuple(item for items in fit for item in items)
    validate = tuple(item for items in judge for item in items)
    if validate and not any((item.target > 0).any() for item in validate):
        validate = ()
        notes.append(
            "No validation: the labels to judge by are background everywhere, so the "
            "last weights are kept."
        )
    elif not validate:
        notes.append(
            "No validation: nothing could be held out, so the last weights are kept."
        )
    if all(item.target.min() == item.target.max() for item in train):
        raise InputError(
            "The labels to train on are one class everywhere; label some pixels of "
            "another class, or of the background."
        )
    return Dataset(train, validate, tuple(notes))


def carved_gap(pairs: Sequence[Pair], weights: WeightConfig, target: Target) -> int:
    """Return the gap that the target of the pairs gets between touching objects."""
    masks = target == "objects" and all(is_mask(pair.labels) for pair in pairs)
    return Targets(target, (), weights).gap(masks)


def digest(pair: Pair) -> dict[str, str]:
    """Return name, role and a SHA-256 of the labels and, if in memory, the image."""
    code = hashlib.sha256()
    for array in (pair.labels, pair.image):
        if isinstance(array, np.ndarray):
            code.update(str((array.shape, array.dtype)).encode())
            code.update(np.ascontiguousarray(array).data)
    return {"name": pair.name, "role": pair.role, "sha256": code.hexdigest()}


def _items(
    pair: Pair,
    spec: NetworkSpec,
    normalisation: Normalisation,
    targets: Targets,
) -> list[Item]:
    frames = Frames.of(pair.image, spec.ndim, pair.axes, pair.channel_axis)
    check_pixels(pair.name, frames)
    offset, scale = normalisation.fit(frames.channels_first())
    spacing = None if pair.spacing is None else pair.spacing[-spec.ndim :]
    mask = is_mask(pair.labels)
    items = []
    for index, image in frames:
        ids, truth, _ = found = targets.truth(pair.labels[index], mask)
        weight_map = None
        if pair.role == "train":
            weight_map = targets.weight_map(found, spacing)
        name = f"{pair.name} {list(index)}" if index else pair.name
        positions = labelled_positions(truth)
        items.append(
            Item(image, offset, scale, truth, ids, weight_map, positions, name)
        )
    return items


def _counts(pair: Pair, spec: NetworkSpec, targets: Targets) -> NDArray[np.int64]:
    """Count the pixels of each class in a pair that is trained on."""
    frames = Frames.of(pair.image, spec.ndim, pair.axes, pair.channel_axis)
    mask = is_mask(pair.labels)
    counts = [
        targets.count(targets.truth(pair.labels[index], mask))
        for index in np.ndindex(*frames.leading)
    ]
    total: NDArray[np.int64] = np.sum(counts, axis=0)
    return total


def _checked_spacing(
    spacing: Sequence[float] | None, axes: str, name: str
) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    steps = tuple(float(step) for step in spacing)
    count = spatial_ndim(axes)
    if len(steps) != count or not all(0 < step < np.inf for step in steps):
        raise InputError(
            f"The spacing {steps} of {name!r} does not fit its axes {axes}: give "
            f"{count} numbers above 0, the pixel size of each spatial axis."
        )
    return steps


def labelled_positions(truth: NDArray[np.integer]) -> NDArray[np.intp]:
    """Evenly chosen positions of labelled pixels, fewer than twice `_POSITIONS`."""
    flat = np.flatnonzero(truth > 0)
    flat = flat[:: max(1, len(flat) // _POSITIONS)]
    return np.stack(np.unravel_index(flat, truth.shape), axis=1)
