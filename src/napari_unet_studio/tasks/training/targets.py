"""From labels to what a network learns: the target, and the weight of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from napari_unet_studio.core.carve import carve_gap, widen_gaps
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.core.splitting import split_objects
from napari_unet_studio.core.weights import balanced, reach, separation_weights
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.items import IGNORED


class Ids(NamedTuple):
    """Labels with background 0.

    Parameters
    ----------
    ids
        Instance ids, or indices of classes.
    void
        The id of pixels that neither teach nor count; None where there are none.
    """

    ids: NDArray[np.integer]
    void: int | None

    @property
    def painted(self) -> NDArray[np.integer]:
        """The ids, 0 in place of the void."""
        if self.void is None:
            return self.ids
        return np.where(self.ids == self.void, self.ids.dtype.type(0), self.ids)


@dataclass(frozen=True)
class Targets:
    """How the labels of one training become targets and weights.

    Parameters
    ----------
    config
        What the labels mean, which of them to ignore, and how pixels are weighted.
    values
        Label of each class index, where they are classes.
    """

    config: TrainConfig
    values: tuple[int, ...]

    @property
    def ignored(self) -> frozenset[int]:
        """The labels of pixels that neither teach nor count."""
        found = {self.config.ignore} if self.config.ignore else set()
        return frozenset(found | ({0} if self.config.zero == "unlabelled" else set()))

    @property
    def classes(self) -> bool:
        """Whether every label is a class of its own."""
        return self.config.target == "classes"

    @property
    def num_classes(self) -> int:
        """Number of class indices."""
        return len(self.values) if self.classes else 2

    @property
    def first(self) -> int:
        """The lowest class index that is no background: 1, or 0 if all are labelled."""
        return 0 if self.classes and self.values[0] != 0 else 1

    @property
    def weighted(self) -> bool:
        """Whether pixels weigh differently."""
        weights = self.config.weights
        border = weights.preset != "none" and not self.classes
        return border or weights.balance != "none"

    @property
    def counted(self) -> bool:
        """Whether weights depend on how many pixels of each class there are."""
        weights = self.config.weights
        own = weights.preset == "2019" and not self.classes
        return weights.balance != "none" and not own

    def gap(self, mask: bool) -> int:
        """Return the gap that the target gets between touching objects.

        Classes have none, nor have masks: background already parts the pieces of a
        mask, and is only widened.
        """
        return 0 if mask or self.classes else self.config.weights.gap

    def foreground(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where the objects of labels are."""
        there: NDArray[np.bool_] = labels != 0
        if self.config.zero == "unlabelled":
            there &= labels != self.config.background
        if self.config.ignore:
            there &= labels != self.config.ignore
        return there

    def ids(
        self, labels: NDArray[Any], pieces: NDArray[np.integer] | None = None
    ) -> Ids:
        """Return the ids of a frame or window: objects, or indices of classes.

        Parameters
        ----------
        labels
            As painted.
        pieces
            Numbers of the connected pieces of a mask, which then are the objects; of
            the shape of the labels.
        """
        void: int | None
        if self.classes:
            ids: NDArray[Any] = np.searchsorted(self.values, labels).astype(np.int16)
            void = len(self.values)
            for value in self.ignored:
                ids[labels == value] = void
        elif pieces is not None:
            ids, void = pieces, int(np.iinfo(pieces.dtype).max)
            if self.ignored:
                ids = pieces.copy()
                for value in self.ignored:
                    ids[labels == value] = void
        elif self.config.zero == "unlabelled":
            # 0 and the label of background change places.
            void = self.config.background
            wide = np.promote_types(labels.dtype, np.min_scalar_type(void))
            ids = np.where(labels == void, 0, labels).astype(wide)
            for value in self.ignored:
                ids[labels == value] = void
        else:
            ids, void = labels, self.config.ignore
        return Ids(ids, void if self.ignored else None)

    def target(self, found: Ids, mask: bool) -> NDArray[np.int16]:
        """Return the class index of each pixel, -1 where ignored."""
        if self.classes:
            target = found.ids.astype(np.int16)
        else:
            target = (self._parted(found, mask) > 0).astype(np.int16)
        if found.void is not None:
            target[found.ids == found.void] = IGNORED
        return target

    def weights(
        self,
        found: Ids,
        mask: bool,
        spacing: Sequence[float] | None,
        balance: Sequence[float] | None,
        threads: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the weight of each pixel, 0 where ignored.

        Parameters
        ----------
        found, mask
            Of the frame, or of a window with all that is within :meth:`reach`.
        spacing
            Pixel size of the spatial axes.
        balance
            Weight of each class; None if they are not balanced.
        threads
            See :func:`.separation_weights`.
        """
        w = self.config.weights
        ids, kinds = found.ids, None
        if self.classes:
            kinds = {number: number for number in range(1, self.num_classes)}
        elif mask:
            ids = self._parted(found, mask)
        return separation_weights(
            ids,
            "none" if self.classes else w.preset,
            w.w0,
            w.sigma,
            spacing=spacing,
            balance="none" if balance is None else balance,
            ignore=found.void,
            gap=self.gap(mask),
            inside=w.inside,
            threads=threads,
            classes=kinds,
        )

    def balance(self, counts: NDArray[np.int64]) -> tuple[float, ...] | None:
        """Return the weight of each class from its pixels, None if all weigh alike."""
        return balanced(counts) if self.counted else None

    def carved(self, mask: bool) -> int:
        """Return how far the target of a pixel depends on labels, in pixels."""
        gap = 0 if self.classes else self.config.weights.gap
        return gap + 1 + mask * (gap // 2) if gap else 0

    def reach(self, mask: bool, spacing: Sequence[float] | None, ndim: int) -> Shape:
        """Return how far the weight of a pixel depends on labels, along each axis."""
        w, steps = self.config.weights, spacing or (1.0,) * ndim
        far = 0.0 if self.classes else reach(w.preset, w.sigma)
        carved = self.carved(mask)
        far_steps = (ceil(far * min(steps) / step) for step in steps)
        # Distances are measured to whole objects, but to what a mask has left of them.
        return tuple(n + carved if mask else max(n, carved) for n in far_steps)

    def _parted(self, found: Ids, mask: bool) -> NDArray[np.integer]:
        """Return objects with the background between them that is to be learned."""
        part = widen_gaps if mask else carve_gap
        return part(found.ids, self.config.weights.gap, found.void)


def split_pieces(
    foreground: NDArray[np.bool_], depth: float, spacing: Sequence[float] | None = None
) -> NDArray[np.int32]:
    """Number the objects of a mask from 1: its pieces, divided at necks.

    Parameters
    ----------
    foreground
        The mask (*S).
    depth
        Of the necks, see :func:`.split_objects`; 0 divides nothing.
    spacing
        Pixel size per axis.

    Examples
    --------
    >>> mask = np.ones((3, 9), bool)
    >>> mask[[0, 2], 4] = False
    >>> split_pieces(mask, 0.5)[1].tolist(), int(split_pieces(mask, 0).max())
    ([1, 1, 1, 1, 1, 2, 2, 2, 2], 1)
    """
    pieces = pieces_of(foreground)
    if not depth:
        return pieces
    return split_objects(pieces, depth, spacing).astype(np.int32, copy=False)


def pieces_of(foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the connected pieces of a mask from 1; faces connect, corners do not."""
    found = connected_components(foreground, connectivity=1)
    return np.asarray(found).astype(np.int32, copy=False)


def no_objects(values: NDArray[np.integer], config: TrainConfig) -> bool:
    """Return whether labels with these values name no objects, one for all.

    Examples
    --------
    >>> no_objects(np.array([0, 255]), TrainConfig())
    True
    >>> no_objects(np.array([0, 1, 2]), TrainConfig(zero="unlabelled"))
    True
    """
    return bool(np.count_nonzero(Targets(config, ()).foreground(values)) == 1)


def is_mask(labels: NDArray[Any]) -> bool:
    """Return whether labels hold one value besides 0, so that they name no objects."""
    return no_objects(np.unique(labels), TrainConfig())
