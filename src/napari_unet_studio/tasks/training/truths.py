"""The truth of each frame: kept in memory as long as there is room, else computed."""

import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.memory import available_memory
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.tasks.training.computed import ComputedTruth, Pieces
from napari_unet_studio.tasks.training.items import Item, KeptTruth, Truth, in_memory
from napari_unet_studio.tasks.training.layout import Layout, LayoutScan
from napari_unet_studio.tasks.training.parts import reading_grid
from napari_unet_studio.tasks.training.targets import Targets, split_pieces

# Share of the free memory in which truth is kept.
_SHARE = 0.25
# Bytes of the labels of one frame that are read whole though they are in a file.
_SMALL = 2**26
# Pixels of the blocks of a mask, all of which are read that a window touches.
_PIECES = 2**18


@dataclass(frozen=True, eq=False)
class Painted:
    """The labels of one frame.

    Parameters
    ----------
    labels
        As painted (*S); numpy or lazy.
    mask
        Whether they are a mask, whose connected pieces are the objects.
    spacing
        Pixel size of the spatial axes.
    weighted
        Whether the frame is trained on, so that weights may be wanted.
    """

    labels: Any
    mask: bool = False
    spacing: tuple[float, ...] | None = None
    weighted: bool = True


@dataclass(frozen=True, eq=False)
class Labelled:
    """A frame with what is known of its labels.

    Parameters
    ----------
    item
        The frame.
    layout
        Which classes lie where in it.
    painted
        Its labels.
    first
        The lowest class index that is something to find: 1, or 0 where no class is
        background.
    """

    item: Item
    layout: Layout
    painted: Painted
    first: int = 1

    def finds(self, counts: NDArray[np.int64]) -> bool:
        """Return whether there is something to find, by the pixels of each class."""
        return bool(counts[self.first :].any())


class Truths:
    """Makes the truth of frames.

    Parameters
    ----------
    targets
        What labels mean.
    budget
        Bytes in which truth is kept; None is a quarter of the free memory, divided
        among the processes that torchrun started on this machine.
    """

    def __init__(self, targets: Targets, budget: int | None = None) -> None:
        self.targets = targets
        if budget is None:
            processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
            budget = int(_SHARE * available_memory()) // max(1, processes)
        self.left = budget

    def look(
        self, painted: Painted, progress: Progress
    ) -> Generator[Progress, None, tuple[Truth, Layout]]:
        """Make the truth of a frame, without weights, and find out what lies where.

        Parameters
        ----------
        painted
            The labels.
        progress
            Yielded before each part of the frame.
        """
        labels, targets = painted.labels, self.targets
        grid = reading_grid(labels)
        truth: Truth
        if self._keeps(painted):
            truth = self._kept(painted)
        elif painted.mask and targets.config.split_masks:
            size = " x ".join(map(str, labels.shape))
            raise InputError(
                f"A mask of {size} pixels is too large to be split at necks; set "
                "split_masks to 0, or number its objects first."
            )
        else:
            pieces = None
            if painted.mask:
                pieces = Pieces(labels, targets, reading_grid(labels, _PIECES))
                for _ in pieces.join():
                    yield progress
            box = tuple(slice(0, size) for size in labels.shape)
            truth = ComputedTruth(labels, targets, box, pieces, painted.spacing)
        scan = LayoutScan(truth.shape, targets.num_classes)
        for region in grid:
            yield progress
            scan.add(region, truth.read(region)[0])
        return truth, scan.result()

    def part(
        self, frame: Labelled, box: Region, weighted: bool, progress: Progress
    ) -> Generator[Progress, None, Labelled]:
        """Return a window of a frame as a frame of its own.

        Its truth is made from the labels in it alone: not even its gaps and weights
        depend on what lies beyond.

        Parameters
        ----------
        frame
            The whole frame.
        box
            The window.
        weighted
            Whether it is trained on.
        progress
            Yielded before each part of the window.
        """
        labels = frame.painted.labels[box]
        painted = replace(frame.painted, labels=labels, weighted=weighted)
        truth, layout = yield from self.look(painted, progress)
        item = replace(
            frame.item.crop(box),
            truth=truth,
            foreground=layout.foreground,
            known=layout.known,
        )
        return replace(frame, item=item, layout=layout, painted=painted)

    def forget(self, frame: Labelled) -> None:
        """Count the memory of a frame that is not needed any more as free."""
        if isinstance(frame.item.truth, KeptTruth):
            self.left += self._needed(frame.painted)

    def weigh(
        self, truth: Truth, painted: Painted, balance: tuple[float, ...] | None
    ) -> Truth:
        """Return the truth of a frame with weights, if pixels weigh differently.

        Parameters
        ----------
        truth, painted
            Of the whole frame.
        balance
            Weight of each class; None if they are not balanced.
        """
        if not self.targets.weighted:
            return truth
        if isinstance(truth, ComputedTruth):
            return replace(truth, weighted=True, balance=balance)
        assert isinstance(truth, KeptTruth)
        pieces: NDArray[Any] | None = truth.labels if painted.mask else None
        found = self.targets.ids(np.asarray(painted.labels), pieces)
        weights = self.targets.weights(found, painted.mask, painted.spacing, balance)
        return replace(truth, weight_map=weights)

    def _kept(self, painted: Painted) -> KeptTruth:
        labels, pieces = np.asarray(painted.labels), None
        if painted.mask:
            pieces = split_pieces(
                self.targets.foreground(labels),
                self.targets.config.split_masks,
                painted.spacing,
            )
        found = self.targets.ids(labels, pieces)
        target = self.targets.target(found, painted.mask)
        return KeptTruth(target, labels if self.targets.classes else found.painted)

    def _keeps(self, painted: Painted) -> bool:
        """Return whether the truth of a frame is kept; if so, take its memory."""
        labels = painted.labels
        if (
            not in_memory(labels)
            and prod(labels.shape) * labels.dtype.itemsize > _SMALL
        ):
            return False
        needed = self._needed(painted)
        if needed > self.left:
            return False
        self.left -= needed
        return True

    def _needed(self, painted: Painted) -> int:
        """Return the bytes of the truth of a frame if it is kept."""
        labels = painted.labels
        copied = not in_memory(labels) or painted.mask or bool(self.targets.ignored)
        each = 2 + 4 * (self.targets.weighted and painted.weighted)
        each += max(4, labels.dtype.itemsize) * copied
        return int(prod(labels.shape) * each)
