"""First passes: the foreground without its holes, and its components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_studio.core.runs import label_mask
from napari_unet_studio.core.stitch_joins import (
    FACES,
    Joined,
    Labels,
    Summary,
    faces,
    inner_sides,
    join,
    numbering,
    totals,
)
from napari_unet_studio.core.stitch_steps import State, Step

FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Weak(Step):
    """Which components of the pixels above the low threshold reach the threshold."""

    name: ClassVar[str] = "weak"

    def block(self, number: int) -> Summary:
        """Label what is above the low threshold, which faces connect."""
        probability = self.probability(self.grid.region(number))
        labels = label_mask(probability >= self.config.low)
        strong = np.zeros(int(labels.max(initial=0)) + 1, bool)
        strong[labels[probability >= self.config.threshold]] = True
        size = np.bincount(labels.ravel(), minlength=1)[1:]
        return {
            "size": size,
            "strong": strong[1:],
            **faces(labels, self.grid, number),
        }

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return for each component of the blocks whether it is foreground."""
        start, group = join(self.grid, summaries, corners=False)
        strong = np.zeros(int(group.max(initial=-1)) + 1, bool)
        strong[group[np.concatenate([s["strong"] for s in summaries])]] = True
        return {"weak_start": start, "strong": strong[group]}


@dataclass(frozen=True)
class Holes(Step):
    """Which pieces of background are small enough and enclosed."""

    name: ClassVar[str] = "holes"

    def block(self, number: int) -> Summary:
        """Measure the background of a block, which corners connect."""
        background = background_of(self, number)
        open_ends = np.zeros(int(background.max(initial=0)) + 1, bool)
        adjoined = set(inner_sides(self.grid, number))
        for axis, length in enumerate(self.grid.shape):
            for side in range(2):
                # A stack of one plane has holes, too.
                if length > 1 and (axis, side) not in adjoined:
                    open_ends[background.take(-side, axis=axis)] = True
        return {
            "size": np.bincount(background.ravel(), minlength=1)[1:],
            "open": open_ends[1:],
            **faces(background, self.grid, number),
        }

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return for each component of the blocks' backgrounds whether to fill it."""
        start, group = join(self.grid, summaries, corners=True)
        count = int(group.max(initial=-1)) + 1
        size = np.concatenate([summary["size"] for summary in summaries])
        small = totals(group, size, count) <= self.config.fill_holes
        small[group[np.concatenate([summary["open"] for summary in summaries])]] = False
        if sum(length > 1 for length in self.grid.shape) < 2:
            small[:] = False  # nothing can be enclosed in a row
        # What tells the foreground is needed once more.
        return {**self.state, "start": start, "hole": small[group]}


@dataclass(frozen=True)
class Objects(Step):
    """Components of the foreground: their ids, or what splitting has to know."""

    name: ClassVar[str] = "objects"

    def block(self, number: int) -> Summary:
        """Write the mask and measure its components, which faces connect."""
        region = self.grid.region(number)
        if self.config.fill_holes:
            background = background_of(self, number)
            hole = np.concatenate(([False], self.part("hole", number)))
            mask = (background == 0) | hole[background]
        else:
            mask = foreground_of(self, number)
        self.arrays.mask[region] = mask.astype(np.uint8)
        labels = label_mask(mask)
        summary = self.measures(labels, number) | faces(labels, self.grid, number)
        if self.config.split:
            summary |= _boxes(labels, summary, [part.start for part in region])
        return summary

    def merge(self, summaries: Sequence[Summary]) -> State:
        """Return the ids of all components, or the objects that cross blocks."""
        joined = join(self.grid, summaries, corners=False)
        if self.config.split:
            return self._crossing(joined, summaries)
        ids, count = numbering(joined.group, summaries, self.config)
        counts = {"count": np.array(count), "unsplit": np.array(0)}
        return {"start": joined.start, "id": ids, **counts}

    def _crossing(self, joined: Joined, summaries: Sequence[Summary]) -> State:
        """Find the objects of several components.

        "crossing" says for each component which of them it is part of, or -1; "low",
        "high" are their boxes (K, axes), "first" their first pixels; "wide" those whose
        boxes cover more than two blocks along an axis, "whole" those too large to
        split.
        """
        start, group = joined
        first = np.concatenate([summary["first"] for summary in summaries])
        many = np.bincount(group, minlength=1) > 1
        order = np.where(many, np.cumsum(many) - 1, -1)
        crossing = order[group] if len(group) else group
        count = int(many.sum())
        low = np.full((count, len(self.grid.shape)), FAR)
        high = np.zeros_like(low)
        foremost = np.full(count, FAR)
        part_of = crossing >= 0
        np.minimum.at(foremost, crossing[part_of], first[part_of])
        touching = [
            summary["touching"] + begin
            for summary, begin in zip(summaries, start[:-1], strict=True)
        ]
        node = crossing[np.concatenate(touching)]
        for corner, extreme in ((low, np.minimum), (high, np.maximum)):
            name = "low" if corner is low else "high"
            boxes = np.concatenate([summary[f"box_{name}"] for summary in summaries])
            extreme.at(corner, node[node >= 0], boxes[node >= 0])
        block = np.array(self.grid.block)
        blocks = (high - 1) // block - low // block + 1
        return {
            "start": start,
            "crossing": crossing,
            "low": low,
            "high": high,
            "first": foremost,
            "wide": (blocks > 2).any(1),
            "whole": np.prod((high - low).astype(float), axis=1) > self.largest,
        }


def foreground_of(step: Step, number: int) -> NDArray[np.bool_]:
    """Return the pixels of a block that reach the threshold, or hang on such."""
    probability = step.probability(step.grid.region(number))
    if not step.config.weak:
        return np.asarray(probability >= step.config.threshold)
    strong = np.concatenate(([False], step.part("strong", number, "weak_start")))
    return np.asarray(strong[label_mask(probability >= step.config.low)])


def background_of(step: Step, number: int) -> Labels:
    """Return the components of a block's background: twice the same."""
    mask = foreground_of(step, number)
    return label_mask(~mask, corners=True)


def _boxes(labels: Labels, summary: Summary, origin: Sequence[int]) -> Summary:
    """Return the components on inner faces and their boxes in the image."""
    names = [f"{face}{axis}_ids" for axis in range(labels.ndim) for face in FACES]
    ids = [summary[name] for name in names if name in summary]
    touching = np.unique(np.concatenate([np.zeros(1, np.int32), *ids]))[1:]
    found = ndimage.find_objects(labels)
    shape = len(touching), labels.ndim
    boxes = [[(s.start, s.stop) for s in found[i - 1]] for i in touching]
    corners = np.array(boxes, np.int64).reshape(*shape, 2) + np.reshape(origin, (-1, 1))
    return {
        "touching": touching.astype(np.int64) - 1,
        "box_low": corners[..., 0],
        "box_high": corners[..., 1],
    }
