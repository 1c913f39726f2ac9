"""From (image, labels) pairs to frames with targets and weights, split honestly."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, as_array
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation, check_finite
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.tasks.progress import HeldOut, Progress
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.holding_out import (
    JUDGED,
    Split,
    judged_part,
    record,
    split,
)
from napari_unet_studio.tasks.training.items import Item, in_memory
from napari_unet_studio.tasks.training.pairs import Pair, frames_of
from napari_unet_studio.tasks.training.parts import read, sampled
from napari_unet_studio.tasks.training.survey import Survey
from napari_unet_studio.tasks.training.targets import Targets
from napari_unet_studio.tasks.training.truths import Labelled, Painted, Truths

# Bytes of a lazy image from which a sample of it is looked at beforehand, not all.
_LARGE = 2**28
# Parts that stand for a lazy array.
_SAMPLES = 64


class Dataset(NamedTuple):
    """Frames to fit and frames to judge by, and what was said about them.

    Parameters
    ----------
    train, validate
        The frames, or parts of frames.
    notes
        What the user should know.
    held_out
        What was held out; empty where pairs have the role "validate".
    """

    train: tuple[Item, ...]
    validate: tuple[Item, ...]
    notes: tuple[str, ...]
    held_out: tuple[HeldOut, ...] = ()


def prepare(
    pairs: Sequence[Pair],
    surveys: Sequence[Survey],
    spec: NetworkSpec,
    normalisation: Normalisation,
    config: TrainConfig,
    values: tuple[int, ...],
) -> Generator[Progress, None, Dataset]:
    """Make the frames of checked pairs ready, and hold some out if none is to validate.

    Targets and weight maps are kept in memory as long as they take less than a quarter
    of what is free and the labels are in memory too, or their frames small; else they
    are computed window by window. Both are the same. What to hold out is chosen by
    :func:`.holding_out.split`; what is learned, weights and class balance included,
    does not depend on it.

    Parameters
    ----------
    pairs
        From :func:`.check_pairs`.
    surveys
        What :func:`.survey` found in each.
    spec
        The network.
    normalisation
        Of grey values.
    config
        What labels mean, how they are weighted, and how much is held out.
    values
        From :func:`.class_values`.

    Raises
    ------
    InputError
        If an image is constant or contains NaN, or the labels to train on are of one
        class everywhere.
    """
    truths = Truths(Targets(config, values))
    counts = [len(frames_of(pair, spec.ndim)) for pair in pairs]
    weighed = [count for count, p in zip(counts, pairs, strict=True) if _trains(p)]
    total = sum(counts) + truths.targets.weighted * sum(weighed)
    groups = yield from _looked(pairs, surveys, spec, normalisation, truths, total)
    chosen = Split()
    if config.hold_out > 0 and not any(pair.role == "validate" for pair in pairs):
        names = [pair.name for pair in pairs]
        chosen = split(groups, config.hold_out, spec, names, config.seed)
    progress = Progress(sum(counts), total, "Holding out a part")
    train, judge = yield from _divided(pairs, groups, chosen, truths, progress)
    yield from _weighed(pairs, train, truths, total)
    held = [
        record(number, pair, chosen.cuts.get(number))
        for number, pair in enumerate(pairs)
        if number in chosen.whole or number in chosen.cuts
    ]
    return _dataset(train, judge, values, chosen.notes, held)


def digest(pair: Pair) -> dict[str, str]:
    """Return name, role and a SHA-256 of labels and image.

    Of an array that is not in memory a sample is taken, and "sampled" is "yes".
    """
    code = hashlib.sha256()
    lazy = False
    for given in (pair.labels, pair.image):
        array = as_array(given)
        code.update(str((tuple(array.shape), array.dtype)).encode())
        if in_memory(array):
            code.update(np.ascontiguousarray(array).data)
            continue
        lazy = True
        for part in sampled(array.shape, _SAMPLES):
            code.update(np.ascontiguousarray(read(array, part)).data)
    found = {"name": pair.name, "role": pair.role, "sha256": code.hexdigest()}
    return {**found, "sampled": "yes"} if lazy else found


def check_pixels(name: str, frames: Frames) -> Iterator[None]:
    """Look at the frames of an image one by one; yield after each.

    Of a large image that is not in memory a sample is looked at: its other pixels are
    checked when they are read.

    Raises
    ------
    InputError
        If a pixel is not finite, or all of them are the same.
    """
    first: NDArray[Any] | None = None
    constant = True
    for block in _blocks(frames):
        check_finite(block, name)
        pixels = block.reshape(len(block), -1)
        if first is None:
            first = pixels[:, :1].copy()
        constant = constant and bool((pixels == first).all())
        yield
    if constant and first is not None:
        value = ", ".join(f"{v:g}" for v in first.ravel().tolist())
        raise InputError(
            f"The image {name!r} is constant, every pixel is {value}; there is nothing "
            "to learn from. Leave it out."
        )


def _blocks(frames: Frames) -> Iterator[NDArray[Any]]:
    """Yield the frames of an image, or pieces (C, ...) all over a large lazy one."""
    array = frames.array
    if in_memory(array) or array.size * array.dtype.itemsize <= _LARGE:
        for _, image in frames:
            yield np.asarray(image)
        return
    whole = frames.channels_first()
    for part in sampled(whole.shape[1:], _SAMPLES):
        yield read(whole, (slice(None), *part))


def _looked(
    pairs: Sequence[Pair],
    surveys: Sequence[Survey],
    spec: NetworkSpec,
    normalisation: Normalisation,
    truths: Truths,
    total: int,
) -> Generator[Progress, None, list[list[Labelled]]]:
    """Check the image of each pair, and make the truth of its frames."""
    groups: list[list[Labelled]] = []
    step = 0
    for number, (pair, found) in enumerate(zip(pairs, surveys, strict=True)):
        groups.append([])
        frames = frames_of(pair, spec.ndim)
        for _ in check_pixels(pair.name, frames):
            yield Progress(step, total, f"Preparing {pair.name}")
        offset, scale = normalisation.fit(frames.channels_first())
        for index, image in frames:
            step += 1
            painted = Painted(
                pair.labels[index],
                found.mask and not truths.targets.classes,
                None if pair.spacing is None else pair.spacing[-spec.ndim :],
                _trains(pair),
            )
            truth, layout = yield from truths.look(
                painted, Progress(step, total, f"Preparing {pair.name}")
            )
            item = Item(
                image,
                offset,
                scale,
                truth,
                layout.foreground,
                layout.known,
                f"{pair.name} {list(index)}" if index else pair.name,
                number,
                index,
            )
            groups[-1].append(Labelled(item, layout, painted, truths.targets.first))
    return groups


def _divided(
    pairs: Sequence[Pair],
    groups: list[list[Labelled]],
    chosen: Split,
    truths: Truths,
    progress: Progress,
) -> Generator[Progress, None, tuple[list[Labelled], list[Labelled]]]:
    """Divide the frames into those to train on and those to judge by.

    The groups are empty afterwards, so that a frame of which only parts are needed does
    not stay in memory.
    """
    train: list[Labelled] = []
    judge: list[Labelled] = []
    for number, pair in enumerate(pairs):
        frames, groups[number] = groups[number], []
        cut = chosen.cuts.get(number)
        if cut is None:
            held = not _trains(pair) or number in chosen.whole
            (judge if held else train).extend(frames)
            continue
        for frame in frames:
            boxes = cut.box(frame.item, cut.train), cut.box(frame.item, cut.held)
            if frame.item.whole not in boxes:
                truths.forget(frame)
            for box, parts in zip(boxes, (train, judge), strict=True):
                if box == frame.item.whole:
                    parts.append(frame)
                elif box is not None:
                    trains = parts is train
                    part = yield from truths.part(frame, box, trains, progress)
                    parts.append(part)
    return train, judge


def _weighed(
    pairs: Sequence[Pair], train: list[Labelled], truths: Truths, total: int
) -> Iterator[Progress]:
    """Weigh the frames that are trained on, in place."""
    targets = truths.targets
    if not targets.weighted:
        return
    everywhere = np.sum([frame.layout.counts for frame in train], axis=0)
    together = targets.config.weights.balance == "global"
    for number, frame in enumerate(train):
        step = total - len(train) + 1 + number
        yield Progress(step, total, f"Weighing {pairs[frame.item.pair].name}")
        balance = targets.balance(everywhere if together else frame.layout.counts)
        truth = truths.weigh(frame.item.truth, frame.painted, balance)
        train[number] = replace(frame, item=replace(frame.item, truth=truth))


def _dataset(
    train: Sequence[Labelled],
    judge: Sequence[Labelled],
    values: Sequence[int],
    notes: Sequence[str],
    held_out: Sequence[HeldOut],
) -> Dataset:
    """Return the frames, if they will do, and what is said about them."""
    said = list(notes)
    learned = np.sum([frame.layout.counts for frame in train], axis=0)
    if np.count_nonzero(learned) < 2:
        raise InputError(
            "The labels to train on are one class everywhere; label some pixels of "
            "another class, or of the background."
        )
    judged_by = np.sum([np.zeros_like(learned), *(f.layout.counts for f in judge)], 0)
    for number in np.flatnonzero((learned == 0) & (judged_by > 0)).tolist():
        said.append(
            f"The class {values[number]} is labelled in the data to judge by only, so "
            "it cannot be learned; label it in those to train on, too."
        )
    if not judge:
        said.append(
            "No validation: nothing could be held out, so the last weights are kept."
        )
    elif not any(frame.finds(frame.layout.counts) for frame in judge):
        judge = ()
        said.append(
            "No validation: the labels to judge by are background everywhere, so the "
            "last weights are kept."
        )
    judged = tuple(_judged(frame.item, said) for frame in judge)
    items = tuple(frame.item for frame in train)
    return Dataset(items, judged, tuple(said), tuple(held_out))


def _judged(item: Item, notes: list[str]) -> Item:
    """Return what is judged of a frame, without weights; say so if it is not all."""
    part = judged_part(item, JUDGED)
    if part is not item:
        size = " x ".join(map(str, part.shape))
        notes.append(
            f"Of {item.name!r} only {size} pixels around the middle of its labels are "
            "used to judge."
        )
    return replace(part, truth=part.truth.unweighted())


def _trains(pair: Pair) -> bool:
    return pair.role == "train"
