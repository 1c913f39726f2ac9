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
    Split,
    judged_part,
    merged,
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
# Pixels of a frame that are judged in a validation round: 4096 x 4096, or 256 cubed.
_JUDGED = 2**24


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
    :func:`.holding_out.split`.

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
    groups = yield from _looked(pairs, surveys, spec, normalisation, truths)
    chosen = Split()
    if config.hold_out > 0 and not any(pair.role == "validate" for pair in pairs):
        names = [pair.name for pair in pairs]
        chosen = split(groups, config.hold_out, spec, names, config.seed)
    yield from _weighed(pairs, groups, chosen, truths)
    return _divided(pairs, groups, chosen)


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
) -> Generator[Progress, None, list[list[Labelled]]]:
    """Check the image of each pair, and make the truth of its frames."""
    groups: list[list[Labelled]] = []
    counts = [len(frames_of(pair, spec.ndim)) for pair in pairs]
    weighed = [count for count, p in zip(counts, pairs, strict=True) if _trains(p)]
    total, step = sum(counts) + truths.targets.weighted * sum(weighed), 0
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


def _weighed(
    pairs: Sequence[Pair],
    groups: Sequence[list[Labelled]],
    chosen: Split,
    truths: Truths,
) -> Generator[Progress, None, None]:
    """Weigh the frames that are trained on, in place."""
    targets = truths.targets
    trained = [
        (p, f, frame)
        for p, group in enumerate(groups)
        for f, frame in enumerate(group)
        if _trains(pairs[p])
    ]
    if not targets.weighted:
        return
    everywhere = np.sum([frame.layout.counts for _, _, frame in trained], axis=0)
    together = targets.config.weights.balance == "global"
    begun = sum(map(len, groups))
    for step, (p, f, frame) in enumerate(trained, start=1):
        yield Progress(begun + step, begun + len(trained), f"Weighing {pairs[p].name}")
        if (p, f) in chosen.held:
            continue
        balance = targets.balance(everywhere if together else frame.layout.counts)
        truth = truths.weigh(frame.item.truth, frame.painted, balance)
        groups[p][f] = replace(frame, item=replace(frame.item, truth=truth))


def _divided(
    pairs: Sequence[Pair], groups: Sequence[Sequence[Labelled]], chosen: Split
) -> Dataset:
    """Divide the frames into those to train on and those to judge by."""
    train: list[Item] = []
    judge: list[Item] = []
    records: list[HeldOut] = []
    notes, cuts, finds = list(chosen.notes), dict(chosen.cuts), False
    learned: NDArray[np.int64] = np.zeros(1, np.int64)
    for p, (pair, group) in enumerate(zip(pairs, groups, strict=True)):
        for f, frame in enumerate(group):
            item, layout, cut = frame.item, frame.layout, cuts.get((p, f))
            if cut is not None:
                train.append(item.part(cut.axis, *cut.train))
                judge.append(item.part(cut.axis, *cut.held))
                records.append(record(item, pair.name, cut))
                learned = learned + layout.within(cut.axis, *cut.train)
                finds |= frame.finds(layout.within(cut.axis, *cut.held))
            elif not _trains(pair) or (p, f) in chosen.held:
                judge.append(item)
                if _trains(pair):
                    records.append(record(item, pair.name))
                finds |= frame.finds(layout.counts)
            else:
                train.append(item)
                learned = learned + layout.counts
    if np.count_nonzero(learned) < 2:
        raise InputError(
            "The labels to train on are one class everywhere; label some pixels of "
            "another class, or of the background."
        )
    if not judge:
        notes.append(
            "No validation: nothing could be held out, so the last weights are kept."
        )
    elif not finds:
        judge.clear()
        notes.append(
            "No validation: the labels to judge by are background everywhere, so the "
            "last weights are kept."
        )
    judged = [_judged(item, notes) for item in judge]
    return Dataset(tuple(train), tuple(judged), tuple(notes), merged(records))


def _judged(item: Item, notes: list[str]) -> Item:
    """Return what is judged of a frame, without weights; say so if it is not all."""
    part = judged_part(item, _JUDGED)
    if part is not item:
        size = " x ".join(map(str, part.shape))
        notes.append(
            f"Of {item.name!r} only {size} pixels around the middle of its labels are "
            "used to judge."
        )
    return replace(part, truth=part.truth.unweighted())


def _trains(pair: Pair) -> bool:
    return pair.role == "train"
