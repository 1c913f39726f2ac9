"""A quick look at images and labels: all of small ones, parts of large ones."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.items import in_memory, some_positions
from napari_unet_studio.tasks.training.pairs import Pair, frames_of
from napari_unet_studio.tasks.training.parts import read, reading_grid, sampled
from napari_unet_studio.tasks.training.survey import LabelCounter, Survey
from napari_unet_studio.tasks.training.targets import (
    Targets,
    no_objects,
    split_pieces,
)

# Pixels of an array in memory that are all looked at, of objects that are measured in
# all pairs together, and of grey values whose range is taken of each image.
_WHOLE, _MEASURED, _GREY = 2**26, 2**22, 2**18
# Parts of an array that is not in memory: so many in all pairs, but a few of each.
_PARTS, _FEWEST, _SIDE = 48, 2, {2: 256, 3: 64}
_PROBES = 4  # small parts by which an image is known again
# How deep a neck of a mask is where two objects may hang together, in pixels.
NECKS = 4.0
_PERCENTILES = 1.0, 99.8


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of a pair.

    Parameters
    ----------
    pair
        As :func:`.check_pairs` returns it.
    frames
        Its image, as frames of the network.
    survey
        The labels in the parts that were looked at.
    whole
        Whether these are all.
    sizes
        Pixels of the objects that were seen.
    objects
        How many objects there are, pieces if the labels are a mask; None if unknown.
    scattered
        Connected pieces per label, on average.
    necks
        How many more objects there are if a mask is divided at its necks.
    low, high
        1st and 99.8th percentile of each channel.
    bad
        Grey values that are NaN or infinite.
    constant
        Whether each channel has one value throughout.
    code
        Equal for equal images; empty for those without content.
    """

    pair: Pair
    frames: Frames
    survey: Survey
    whole: bool
    sizes: NDArray[np.int64]
    objects: int | None
    scattered: float
    necks: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    bad: int
    constant: tuple[bool, ...]
    code: str

    @property
    def name(self) -> str:
        """Of the pair."""
        return self.pair.name

    @property
    def pixels(self) -> int:
        """Pixels of the whole pair, channels not counted."""
        return len(self.frames) * prod(self.frames.shape)

    @property
    def seen(self) -> int:
        """Pixels whose labels were looked at."""
        return int(self.survey.counts.sum())

    def values(self, config: TrainConfig) -> list[int]:
        """Return the labels of objects, without background and ignored pixels."""
        there = Targets(config, ()).foreground(self.survey.values)
        found: list[int] = self.survey.values[there].tolist()
        return found


def look_at(pair: Pair, ndim: int, config: TrainConfig, pairs: int) -> Look:
    """Look at a pair.

    Parameters
    ----------
    pair
        As :func:`.check_pairs` returns it.
    ndim
        Spatial axes of the network.
    config
        What the labels mean.
    pairs
        How many pairs are looked at in all.
    """
    frames = frames_of(pair, ndim)
    labels, shape = pair.labels, tuple(pair.labels.shape)
    share = max(_GREY, _MEASURED // pairs)
    whole = labels.size <= (_WHOLE if in_memory(labels) else share)
    parts = list(_spread(shape, ndim, max(_FEWEST, ceil(_PARTS / pairs))))
    counter = LabelCounter(pair.name)
    pieces: list[NDArray[Any]] = []
    for region in reading_grid(labels) if whole else parts:
        piece = read(labels, region)
        counter.add(piece)
        if not whole:
            pieces.append(piece)
    values, counts = counter.result()
    targets, mask = Targets(config, ()), no_objects(values, config)
    if whole:
        pieces = list(_measurable(np.asarray(labels), ndim, share, targets))
    objects: int | None
    sizes, objects, scattered, necks = _objects(
        (piece.reshape(piece.shape[-ndim:]) for piece in pieces), mask, targets
    )
    if not whole or sum(piece.size for piece in pieces) < labels.size:
        counted = len(values[targets.foreground(values)])
        objects = counted if whole and not mask else None
    low, high, bad, constant = _grey(frames, parts, share)
    return Look(
        pair,
        frames,
        Survey(values, counts, mask),
        whole,
        sizes,
        objects,
        scattered,
        necks,
        low,
        high,
        bad,
        constant,
        "" if all(constant) else _code(frames),
    )


def _spread(shape: Shape, ndim: int, count: int) -> Iterator[Region]:
    """Yield at most `count` parts of single frames, evenly over an array."""
    sides = [1] * (len(shape) - ndim) + [min(_SIDE[ndim], s) for s in shape[-ndim:]]
    kept = [size // side for size, side in zip(shape, sides, strict=True)]
    while prod(kept) > count:
        axis = kept.index(max(kept))
        kept[axis] = (kept[axis] + 1) // 2
    starts = [
        _evenly(size - side, k)
        for size, side, k in zip(shape, sides, kept, strict=True)
    ]
    for place in product(*starts):
        yield tuple(slice(p, p + side) for p, side in zip(place, sides, strict=True))


def _evenly(last: int, count: int) -> list[int]:
    """Return `count` whole numbers from 0 to `last`; a single one is in the middle."""
    if count == 1:
        return [last // 2]
    found: list[int] = np.linspace(0, last, count).round().astype(int).tolist()
    return found


def _measurable(
    labels: NDArray[Any], ndim: int, most: int, targets: Targets
) -> Iterator[NDArray[Any]]:
    """Yield frames with at most so many pixels in all, or the middle of what is in one.

    Parameters
    ----------
    labels
        Of a pair, in memory.
    ndim
        Axes of a frame.
    most
        Pixels.
    targets
        They say where the objects are.
    """
    frames = labels.reshape(-1, *labels.shape[-ndim:])
    count = max(1, min(len(frames), most // prod(frames.shape[1:])))
    for number in _evenly(len(frames) - 1, count):
        frame = frames[number]
        if frame.size > most:
            side = int(most ** (1 / ndim))
            sides = [min(side, size) for size in frame.shape]
            places = some_positions(targets.foreground(frame))
            middle = [size // 2 for size in frame.shape]
            if len(places):
                middle = np.median(places, axis=0).astype(int).tolist()
            starts = [
                min(max(0, m - s // 2), size - s)
                for m, s, size in zip(middle, sides, frame.shape, strict=True)
            ]
            frame = frame[
                tuple(slice(a, a + s) for a, s in zip(starts, sides, strict=True))
            ]
        yield frame


def _objects(
    frames: Iterable[NDArray[Any]], mask: bool, targets: Targets
) -> tuple[NDArray[np.int64], int, float, int]:
    """Return pixels of each object, number of objects, pieces per label, necks."""
    sizes, pieces, labels, divided = [], 0, 0, 0
    for frame in frames:
        ids = np.where(targets.foreground(frame), frame, frame.dtype.type(0))
        found = connected_components(ids, connectivity=1)
        pieces += int(found.max())
        kinds, counts = np.unique(ids, return_counts=True)
        labels += int(np.count_nonzero(kinds))
        if mask:
            depth = targets.config.split_masks
            there = split_pieces(ids != 0, depth or NECKS)
            divided += int(there.max())
            sizes.append(np.bincount((there if depth else found).ravel())[1:])
        else:
            sizes.append(counts[kinds != 0])
    every = np.concatenate([np.zeros(0, np.int64), *sizes])
    count = labels
    if mask:
        count = divided if targets.config.split_masks else pieces
    return every, count, pieces / max(1, labels), max(0, divided - pieces)


def _grey(
    frames: Frames, parts: Sequence[Region], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, tuple[bool, ...]]:
    """Return percentiles, the number of bad values, and which channels are constant."""
    image = frames.channels_first()
    near = in_memory(image)
    if near or image.size // len(image) <= most:
        image = np.asarray(image)
        sample = image[(slice(None), *_thinned(image.shape[1:], most))]
    else:
        blocks = [np.asarray(image[(slice(None), *part)]) for part in parts]
        sample = np.concatenate([b.reshape(len(b), -1) for b in blocks], axis=1)
    known = image if near and image.size <= _WHOLE else sample
    bad = 0
    if known.dtype.kind == "f":
        bad = int(known.size - np.count_nonzero(np.isfinite(known)))
    flat = sample.reshape(len(sample), -1).astype(np.float64)
    if bad:
        flat = np.where(np.isfinite(flat), flat, 0.0)
    low, high = np.percentile(flat, _PERCENTILES, axis=1)
    axes = tuple(range(1, known.ndim))
    constant = (known.min(axis=axes) == known.max(axis=axes)).tolist()
    return low, high, bad, tuple(constant)


def _thinned(shape: Shape, most: int) -> list[slice]:
    """Return slices that leave at most so many pixels, thinning the longest axes."""
    steps, kept = [1] * len(shape), list(shape)
    while prod(kept) > most:
        axis = kept.index(max(kept))
        steps[axis] *= 2
        kept[axis] = -(-shape[axis] // steps[axis])
    return [slice(None, None, step) for step in steps]


def _code(frames: Frames) -> str:
    """Return what a few small parts of an image say about which one it is."""
    found = hashlib.sha256(str((frames.array.shape, frames.array.dtype)).encode())
    shape = (*frames.leading, *frames.shape)
    for part in sampled(shape, _PROBES):
        inner = len(frames.leading)
        block = np.asarray(frames.array[(*part[:inner], slice(None), *part[inner:])])
        found.update(np.ascontiguousarray(block).tobytes())
    return found.hexdigest()
