"""Which of the data are held out to judge by, where the user marked nothing for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.tasks.progress import HeldOut
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.truths import Labelled

# From so many frames on, whole frames are held out instead of pieces of them.
_FRAMES_TO_HOLD_OUT = 5
# Smallest sides of the two parts when a piece of a frame is held out.
_LEAST_TRAIN, _LEAST_HELD = 32, 16


@dataclass(frozen=True)
class Cut:
    """How a frame is cut into a part to train on, a gap and a part to judge by.

    Parameters
    ----------
    axis
        Spatial axis along which it is cut.
    train, gap, held
        Start and stop of the parts; those of a gap of no pixels are equal.
    """

    axis: int
    train: tuple[int, int]
    gap: tuple[int, int]
    held: tuple[int, int]


@dataclass(frozen=True)
class Split:
    """Which frames are held out, by number of their pair and of the frame in it.

    Parameters
    ----------
    held
        Frames that are held out as a whole.
    cuts
        Frames of which a part is.
    notes
        What the user should know.
    """

    held: frozenset[tuple[int, int]] = frozenset()
    cuts: tuple[tuple[tuple[int, int], Cut], ...] = ()
    notes: tuple[str, ...] = ()


def split(
    groups: Sequence[Sequence[Labelled]],
    share: float,
    spec: NetworkSpec,
    names: Sequence[str],
    seed: int,
) -> Split:
    """Choose what to hold out of the frames of each pair.

    With five pairs or more, whole pairs at random, of those with something to find;
    with five frames or more in a pair, its last frames, or those before them where
    these have nothing to find; else a block at an end of each
    frame. Of the ends of all axes, the longest axis and its far end first, it is the
    one that leaves most classes in the two parts together, then in the part to train
    on. Between them lies a gap of the network's receptive field, but of an eighth of
    the axis at most.

    Parameters
    ----------
    groups
        The frames of each pair.
    share
        Of the data to hold out.
    spec
        The network.
    names
        Of the pairs.
    seed
        For the choice of pairs.
    """
    if len(groups) >= _FRAMES_TO_HOLD_OUT:
        return _whole_pairs(groups, share, seed)
    held, cuts, notes = set(), [], []
    for number, frames in enumerate(groups):
        if len(frames) >= _FRAMES_TO_HOLD_OUT:
            held |= {(number, i) for i in _last_frames(frames, share)}
            continue
        found = [(i, _cut(frame, share, spec)) for i, frame in enumerate(frames)]
        cuts += [((number, i), cut) for i, cut in found if cut is not None]
        short = [cut for _, cut in found if cut is not None and _shortage(cut, spec)]
        if short:
            gap = short[0].gap[1] - short[0].gap[0]
            field = spec.receptive_field[short[0].axis]
            notes.append(
                f"Between the parts of {names[number]!r} to train on and to judge by "
                f"lie {gap} pixels, fewer than the {field} from which the network "
                "judges one: its scores may be a little too good. A larger image, or "
                "one of its own to validate, would mend it."
            )
    return Split(frozenset(held), tuple(cuts), tuple(notes))


def record(item: Item, name: str, cut: Cut | None = None) -> HeldOut:
    """Return the record of a frame that is held out, or of the part of it that is.

    Parameters
    ----------
    item
        The whole frame.
    name
        Of the pair.
    cut
        Where the frame is cut; None if all of it is held out.
    """
    frame = tuple(slice(i, i + 1) for i in item.index)
    if cut is None:
        return HeldOut(item.pair, name, (*frame, *item.whole))
    held, gap = list(item.whole), list(item.whole)
    held[cut.axis], gap[cut.axis] = slice(*cut.held), slice(*cut.gap)
    wide = cut.gap[1] > cut.gap[0]
    return HeldOut(item.pair, name, (*frame, *held), (*frame, *gap) if wide else None)


def merged(records: Sequence[HeldOut]) -> tuple[HeldOut, ...]:
    """Join records of frames that follow each other along the first axis.

    Examples
    --------
    >>> box = slice(0, 8), slice(0, 8)
    >>> records = [HeldOut(0, "film", (slice(i, i + 1), *box)) for i in (3, 4)]
    >>> [record.region[0] for record in merged(records)]
    [slice(3, 5, None)]
    """
    joined: list[HeldOut] = []
    for found in records:
        last = joined[-1] if joined else None
        if last is not None and _follows(last, found):
            first = slice(last.region[0].start, found.region[0].stop)
            gap = last.gap and (first, *last.gap[1:])
            joined[-1] = last._replace(region=(first, *last.region[1:]), gap=gap)
        else:
            joined.append(found)
    return tuple(joined)


def _follows(last: HeldOut, found: HeldOut) -> bool:
    return (
        last.pair == found.pair
        and last.region[0].stop == found.region[0].start
        and last.region[1:] == found.region[1:]
        and (last.gap and last.gap[1:]) == (found.gap and found.gap[1:])
    )


def _whole_pairs(
    groups: Sequence[Sequence[Labelled]], share: float, seed: int
) -> Split:
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    useful = [
        number
        for number in order
        if any(frame.finds(frame.layout.counts) for frame in groups[number])
    ]
    count = min(max(1, round(share * len(groups))), len(useful) - 1)
    held = useful[: max(0, count)]
    return Split(frozenset((n, i) for n in held for i in range(len(groups[n]))))


def _last_frames(frames: Sequence[Labelled], share: float) -> range:
    """Return the last frames with something to find in them and in the others."""
    count = max(1, round(share * len(frames)))
    there = [frame.finds(frame.layout.counts) for frame in frames]
    for stop in range(len(frames), count - 1, -1):
        held = range(stop - count, stop)
        inside = sum(there[i] for i in held)
        if 0 < inside < sum(there):
            return held
    return range(0)


def _cut(frame: Labelled, share: float, spec: NetworkSpec) -> Cut | None:
    """Return the best way to cut a frame, None if it is too small for any."""
    best, most = None, (0, 0)
    shape = frame.item.shape
    for axis in sorted(range(len(shape)), key=lambda axis: -shape[axis]):
        for cut in _ends(axis, shape[axis], share, spec):
            train = frame.layout.within(axis, *cut.train)
            held = frame.layout.within(axis, *cut.held)
            there = np.count_nonzero(train)
            # Something to learn on one side, something to find on the other.
            if there < 2 or not frame.finds(held):
                continue
            score = int(there + np.count_nonzero(held)), int(there)
            if score > most:
                best, most = cut, score
    return best


def _ends(axis: int, size: int, share: float, spec: NetworkSpec) -> list[Cut]:
    """Return the cuts that hold out the far and the near end of an axis."""
    held = round(share * size)
    gap = min(spec.receptive_field[axis], size // 8)
    kept = size - held - gap
    if held < _LEAST_HELD or kept < _LEAST_TRAIN:
        return []
    return [
        Cut(axis, (0, kept), (kept, kept + gap), (kept + gap, size)),
        Cut(axis, (held + gap, size), (held, held + gap), (0, held)),
    ]


def _shortage(cut: Cut, spec: NetworkSpec) -> bool:
    return cut.gap[1] - cut.gap[0] < spec.receptive_field[cut.axis]


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
