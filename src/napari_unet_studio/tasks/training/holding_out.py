"""Which of the data are held out to judge by, where the user marked nothing for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.tasks.training.truths import Labelled

MANY = 5
"""From so many pairs on, whole ones are held out; from so many frames on, frames."""

JUDGED = 2**24
"""Pixels of a frame that are judged at most: 4096 x 4096, or 256 cubed."""

# Smallest sides of the two parts when a piece of each frame is held out.
_LEAST_TRAIN, _LEAST_HELD = 32, 16
# Of what there is to find, by the size of the part: less than this part is too little.
_FAIR = 0.5


@dataclass(frozen=True)
class Cut:
    """How a pair is cut into a part to train on, a gap and a part to judge by.

    Parameters
    ----------
    axis
        Axis of the labels along which it is cut: one of those of the frames, or one
        before them, which parts whole frames.
    train, gap, held
        Start and stop of the parts.
    """

    axis: int
    train: tuple[int, int]
    gap: tuple[int, int]
    held: tuple[int, int]

    def box(self, item: Item, span: tuple[int, int]) -> Region | None:
        """Return what of a frame lies in one of the parts, None if nothing does.

        Parameters
        ----------
        item
            The whole frame.
        span
            The part: `train`, `gap` or `held`.
        """
        inner = self.axis - len(item.index)
        if inner < 0:
            return item.whole if item.index[self.axis] in range(*span) else None
        box = list(item.whole)
        box[inner] = slice(*span)
        return tuple(box)


@dataclass(frozen=True)
class Split:
    """What is held out, by the number of the pair.

    Parameters
    ----------
    whole
        Pairs that are held out as a whole.
    cuts
        Pairs of which a part is.
    notes
        What the user should know.
    """

    whole: frozenset[int] = frozenset()
    cuts: Mapping[int, Cut] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def split(
    groups: Sequence[Sequence[Labelled]],
    share: float,
    spec: NetworkSpec,
    names: Sequence[str],
    seed: int,
) -> Split:
    """Choose what to hold out of the frames of each pair.

    With five pairs or more, whole pairs at random, of those with something to find, but
    none that alone shows one of the classes: these can be learned from it only. Else,
    or where no pair can be spared, an end of each pair: of a stack of five frames or
    more its last or first frames, beyond a gap of one frame; else, or where neither end
    will do, the same end of all frames, beyond a gap of the network's receptive field,
    but of an eighth of the axis at most. Of the ends of all axes, the longest axis and
    its far end first, it is the one that leaves most classes in the two parts together,
    then in the part to train on, then one with at least half as much to find as the
    rest, by its size.

    Parameters
    ----------
    groups
        The frames of each pair, in C order.
    share
        Of the data to hold out.
    spec
        The network.
    names
        Of the pairs.
    seed
        For the choice of pairs.
    """
    whole = _whole_pairs(groups, share, seed) if len(groups) >= MANY else None
    if whole:
        return Split(whole)
    cuts, notes = {}, []
    for number, frames in enumerate(groups):
        cut = _cut(frames, share, spec)
        if cut is None:
            continue
        cuts[number] = cut
        if frames[0].first and not _pixels(frames, cut, cut.held)[0]:
            notes.append(
                f"In the part of {names[number]!r} to judge by no background is "
                "labelled, so that a network which finds objects everywhere scores "
                "well. Label some background in all parts of the image."
            )
        if not _is_fair(frames, cut):
            notes.append(
                f"In the part of {names[number]!r} to judge by much less is labelled "
                "than in the rest, so that its scores say little. Label more in all "
                "parts of the image, or give an image of its own to validate."
            )
        inner = cut.axis - len(frames[0].item.index)
        gap = cut.gap[1] - cut.gap[0]
        if inner >= 0 and gap < spec.receptive_field[inner]:
            notes.append(
                f"Between the parts of {names[number]!r} to train on and to judge by "
                f"lie {gap} pixels, fewer than the {spec.receptive_field[inner]} from "
                "which the network judges one: its scores may be a little too good. A "
                "larger image, or one of its own to validate, would mend it."
            )
    return Split(cuts=cuts, notes=tuple(notes))


def divisible(leading: Shape, shape: Shape, share: float, spec: NetworkSpec) -> bool:
    """Return whether a pair is large enough to hold out a part of it.

    Parameters
    ----------
    leading
        Lengths of the axes of frames.
    shape
        Of each frame.
    share
        To hold out.
    spec
        The network.
    """
    ways = chain(_between(leading, share), _within(len(leading), shape, share, spec))
    return any(True for _ in ways)


def record(number: int, pair: Pair, cut: Cut | None = None) -> HeldOut:
    """Return the record of a pair that is held out, or of the part of it that is.

    Parameters
    ----------
    number
        Of the pair.
    pair
        The pair.
    cut
        Where it is cut; None if all of it is held out.

    Examples
    --------
    >>> film = Pair(np.zeros((5, 8, 8)), np.zeros((5, 8, 8), int), name="film")
    >>> held = record(0, film, Cut(0, (0, 3), (3, 4), (4, 5)))
    >>> held.region[0], held.gap[0], held.region[1]
    (slice(4, 5, None), slice(3, 4, None), slice(0, 8, None))
    """
    region = [slice(0, int(size)) for size in pair.labels.shape]
    gap: list[slice] | None = None
    if cut is not None:
        if cut.gap[1] > cut.gap[0]:
            gap = [*region]
            gap[cut.axis] = slice(*cut.gap)
        region[cut.axis] = slice(*cut.held)
    beside = None if gap is None else tuple(gap)
    axes = (pair.axes or "").replace("C", "")
    if len(axes) != len(region):  # channels under another letter
        axes = ""
    return HeldOut(number, pair.name, tuple(region), beside, axes)


def _whole_pairs(
    groups: Sequence[Sequence[Labelled]], share: float, seed: int
) -> frozenset[int]:
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    pixels = [np.sum([f.layout.counts for f in frames], axis=0) for frames in groups]
    shown = np.array(pixels) > 0
    left, held = shown.sum(axis=0), set[int]()  # pairs to train on that show each class
    for number in order:
        if len(held) == max(1, round(share * len(groups))):
            break
        finds = groups[number][0].finds(pixels[number])
        if finds and (left[shown[number]] > 1).all():
            held.add(number)
            left -= shown[number]
    return frozenset(held)


def _cut(frames: Sequence[Labelled], share: float, spec: NetworkSpec) -> Cut | None:
    """Return the best way to cut a pair, None if it is too small for any.

    All frames are cut at one place: neighbours show nearly the same there.
    """
    leading = tuple(last + 1 for last in frames[-1].item.index)
    shape = frames[0].item.shape
    return _best(frames, _between(leading, share)) or _best(
        frames, _within(len(leading), shape, share, spec)
    )


def _best(frames: Sequence[Labelled], cuts: Iterator[Cut]) -> Cut | None:
    best, most = None, (0, 0, False)
    for cut in cuts:
        train, held = _pixels(frames, cut, cut.train), _pixels(frames, cut, cut.held)
        there = np.count_nonzero(train)
        # Something to learn on one side, something to find on the other.
        if there < 2 or not frames[0].finds(held):
            continue
        fair = _is_fair(frames, cut)
        score = int(there + np.count_nonzero(held)), int(there), fair
        if score > most:
            best, most = cut, score
    return best


def _is_fair(frames: Sequence[Labelled], cut: Cut) -> bool:
    """Return whether there is enough to find in the part to judge by, by its size."""
    first = frames[0].first
    train, held = (
        int(_pixels(frames, cut, span)[first:].sum()) for span in (cut.train, cut.held)
    )
    size = (cut.held[1] - cut.held[0]) / (cut.train[1] - cut.train[0])
    return held >= _FAIR * size * train


def _pixels(
    frames: Sequence[Labelled], cut: Cut, span: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the pixels of each class in a part of all frames together."""
    inner = cut.axis - len(frames[0].item.index)
    if inner >= 0:
        counts = [frame.layout.within(inner, *span) for frame in frames]
    else:
        within = [f for f in frames if f.item.index[cut.axis] in range(*span)]
        counts = [frame.layout.counts for frame in within]
    return np.asarray(np.sum(counts, axis=0))


def _between(leading: Shape, share: float) -> Iterator[Cut]:
    """Yield the cuts that hold out whole frames, if there are many."""
    for axis in sorted(range(len(leading)), key=lambda axis: -leading[axis]):
        size = leading[axis]
        if size >= MANY:
            yield from _ends(axis, size, max(1, round(share * size)), 1)


def _within(axes: int, shape: Shape, share: float, spec: NetworkSpec) -> Iterator[Cut]:
    """Yield the cuts that hold out a part of each frame, if these are large enough."""
    for axis in sorted(range(len(shape)), key=lambda axis: -shape[axis]):
        size = shape[axis]
        held, gap = round(share * size), min(spec.receptive_field[axis], size // 8)
        if held >= _LEAST_HELD and size - held - gap >= _LEAST_TRAIN:
            yield from _ends(axes + axis, size, held, gap)


def _ends(axis: int, size: int, held: int, gap: int) -> Iterator[Cut]:
    """Yield the cuts that hold out the far and the near end of an axis."""
    kept = size - held - gap
    yield Cut(axis, (0, kept), (kept, kept + gap), (kept + gap, size))
    yield Cut(axis, (held + gap, size), (held, held + gap), (0, held))


def judged_part(item: Item, most: int) -> Item:
    """Return a frame, or if it is large the part of it around its labels.

    Parameters
    ----------
    item
        The frame.
    most
        Pixels of the part at most.
    """
    sides = list(item.shape)
    if prod(sides) <= most:
        return item
    # The longest axes are shortened to the same length.
    order = sorted(range(len(sides)), key=lambda axis: sides[axis])
    left = most
    for done, axis in enumerate(order):
        fair = int((left + 0.5) ** (1 / (len(sides) - done)))
        sides[axis] = max(1, min(sides[axis], fair))
        left //= sides[axis]
    middle = np.array(item.shape) // 2
    for places in (item.foreground, item.known):
        if places is not None and len(places):
            middle = np.median(places, axis=0).astype(np.intp)
            break
    box = []
    for centre, side, size in zip(middle.tolist(), sides, item.shape, strict=True):
        start = min(max(0, centre - side // 2), size - side)
        box.append(slice(start, start + side))
    return item.crop(tuple(box))
