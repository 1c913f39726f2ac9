"""From (image, labels) pairs to frames with targets and weights, split honestly."""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.core.weights import WeightConfig, separation_weights
from napari_unet_studio.tasks.progress import Progress

Role = Literal["train", "validate", "off"]
Target = Literal["objects", "classes"]

_MAX_CLASSES = 64
# From so many frames on, whole frames are held out instead of pieces of them.
_FRAMES_TO_HOLD_OUT = 5
# Smallest sides of the two parts when a piece of a frame is held out.
_LEAST_TRAIN, _LEAST_HELD = 32, 16
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


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled frame.

    Parameters
    ----------
    image
        Grey values (C, *S) as they came.
    offset, scale
        Normalisation of each channel.
    target
        Class indices (*S), int16; -1 is ignored.
    labels
        Instance ids (*S), for object scores.
    weight_map
        Pixel weights (*S), or None for 1 everywhere.
    foreground
        Some positions of labelled pixels, (n, ndim); patches are drawn around these.
    name
        For messages.
    """

    image: Any
    offset: NDArray[np.float32]
    scale: NDArray[np.float32]
    target: NDArray[np.int16]
    labels: NDArray[Any]
    weight_map: NDArray[np.float32] | None
    foreground: NDArray[np.intp]
    name: str

    def part(self, axis: int, start: int, stop: int) -> "Item":
        """Return the slab ``start:stop`` along a spatial axis, without copying."""
        box = (slice(None),) * axis + (slice(start, stop),)
        weights = None if self.weight_map is None else self.weight_map[box]
        inside = (self.foreground[:, axis] >= start) & (self.foreground[:, axis] < stop)
        moved = self.foreground[inside].copy()
        moved[:, axis] -= start
        return replace(
            self,
            image=self.image[(slice(None), *box)],
            target=self.target[box],
            labels=self.labels[box],
            weight_map=weights,
            foreground=moved,
        )


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
        if pair.role == "off":
            continue
        name = pair.name or f"pair {number}"
        labels = np.asarray(pair.labels)
        if labels.dtype.kind not in "bui":
            raise InputError(
                f"The labels of {name!r} have values of type {labels.dtype}; whole "
                "numbers are needed. Convert them, for example with "
                "labels.astype('int32')."
            )
        expected = list(np.shape(pair.image))
        if pair.channel_axis is not None:
            del expected[pair.channel_axis]
        if tuple(expected) != labels.shape:
            raise InputError(
                f"The image {name!r} has {tuple(expected)} pixels but its labels have "
                f"{labels.shape}; choose the labels that were painted on it."
            )
        if labels.size and labels.min() < 0:
            raise InputError(
                f"The labels of {name!r} contain {labels.min()}; ids must be 0 or more."
            )
        used.append(replace(pair, labels=labels, name=name))
    if not any(pair.role == "train" for pair in used):
        raise InputError(
            "There is nothing to train on: give at least one image with labels the role "
            "train."
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
            f"The labels hold only the value {values[0]}; two classes are needed at least."
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
    for number, pair in enumerate(pairs, start=1):
        yield Progress(number, len(pairs), f"Preparing {pair.name}")
        items = _items(pair, spec, normalisation, weights, target, values)
        sets[pair.role].append(items)
    fit, judge = sets["train"], sets["validate"]
    notes = []
    if not judge and hold_out > 0:
        fit, judge = _split(fit, hold_out, spec, seed)
    if not any(judge):
        notes.append(
            "No validation: nothing could be held out, so the last weights are kept."
        )
    train = tuple(item for items in fit for item in items)
    if all(item.target.min() == item.target.max() for item in train):
        raise InputError(
            "The labels to train on are one class everywhere; label some pixels of "
            "another class, or of the background."
        )
    return Dataset(train, tuple(i for items in judge for i in items), tuple(notes))


def digest(pair: Pair) -> dict[str, str]:
    """Return the name of a pair and a SHA-256 of its labels and, in memory, its image."""
    code = hashlib.sha256()
    for array in (pair.labels, pair.image):
        if isinstance(array, np.ndarray):
            code.update(str((array.shape, array.dtype)).encode())
            code.update(np.ascontiguousarray(array).data)
    return {"name": pair.name, "sha256": code.hexdigest()}


def _items(
    pair: Pair,
    spec: NetworkSpec,
    normalisation: Normalisation,
    weights: WeightConfig,
    target: Target,
    values: tuple[int, ...],
) -> list[Item]:
    frames = Frames.of(pair.image, spec.ndim, pair.axes, pair.channel_axis)
    offset, scale = normalisation.fit(frames.channels_first())
    spacing = None if pair.spacing is None else pair.spacing[-spec.ndim :]
    items = []
    for index, image in frames:
        if np.all(scale == 1) and np.ptp(np.asarray(image)) == 0:
            raise InputError(
                f"The image {pair.name!r} is constant, every pixel is {offset[0]:g}; "
                "there is nothing to learn from. Set its role to off."
            )
        labels = pair.labels[index]
        ids = labels
        if target == "objects":
            if len(np.unique(labels[labels > 0])) == 1:
                # A mask: its connected components stand for the objects.
                ids = connected_components(labels > 0, connectivity=1)
            truth = (carve_gap(ids, weights.gap) > 0).astype(np.int16)
            preset = weights.preset
        else:
            truth = np.searchsorted(values, labels).astype(np.int16)
            preset = "none"
        weight_map = None
        if preset != "none" or weights.balance != "none":
            weight_map = separation_weights(
                ids if target == "objects" else truth,
                preset,
                weights.w0,
                weights.sigma,
                spacing=spacing,
                balance=weights.balance,
            )
        name = f"{pair.name} {list(index)}" if index else pair.name
        positions = _positions(truth)
        items.append(
            Item(image, offset, scale, truth, ids, weight_map, positions, name)
        )
    return items


def _positions(truth: NDArray[np.int16]) -> NDArray[np.intp]:
    """Evenly chosen positions of labelled pixels, at most `_POSITIONS`."""
    flat = np.flatnonzero(truth > 0)
    flat = flat[:: max(1, len(flat) // _POSITIONS)]
    return np.stack(np.unravel_index(flat, truth.shape), axis=1)


def _split(
    groups: list[list[Item]], share: float, spec: NetworkSpec, seed: int
) -> tuple[list[list[Item]], list[list[Item]]]:
    if len(groups) >= _FRAMES_TO_HOLD_OUT:
        order = np.random.default_rng(seed).permutation(len(groups)).tolist()
        count = max(1, round(share * len(groups)))
        return [groups[i] for i in order[count:]], [groups[i] for i in order[:count]]
    fit, judge = [], []
    for items in groups:
        if len(items) >= _FRAMES_TO_HOLD_OUT:
            count = max(1, round(share * len(items)))
            fit.append(items[:-count])
            judge.append(items[-count:])
            continue
        parts = [_cut(item, share, spec) for item in items]
        fit.append([first for first, _ in parts])
        judge.append([second for _, second in parts if second is not None])
    return fit, judge


def _cut(item: Item, share: float, spec: NetworkSpec) -> tuple[Item, Item | None]:
    """Cut a frame into a part to fit, a gap, and a part to judge by, if it is large."""
    shape = item.target.shape
    axis = int(np.argmax(shape))
    held = round(share * shape[axis])
    gap = min(spec.receptive_field[axis] // 2, shape[axis] // 8)
    kept = shape[axis] - held - gap
    if held < _LEAST_HELD or kept < _LEAST_TRAIN:
        return item, None
    first = item.part(axis, 0, kept)
    second = item.part(axis, kept + gap, shape[axis])
    if not (first.target > 0).any() or not (second.target > 0).any():
        return item, None
    return first, second
