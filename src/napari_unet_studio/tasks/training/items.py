"""Labelled frames: what patches are drawn from, and what a network is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.intensity import Normalisation, check_finite
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.core.networks.spec import Shape

IGNORED = -1
"""The target of pixels that neither teach nor count."""

# Positions of labelled pixels that are kept of a frame: up to twice as many.
POSITIONS = 4096


class Sample(NamedTuple):
    """A window of a frame, mirrored beyond its borders.

    Parameters
    ----------
    image
        Normalised grey values (C, *box).
    target
        Class indices (*box); -1 is ignored.
    weight_map
        Pixel weights (*box), 0 where ignored; None where all weigh alike.
    """

    image: NDArray[np.float32]
    target: NDArray[np.integer]
    weight_map: NDArray[np.float32] | None


class Truth(Protocol):
    """What a network should say about a frame, read window by window."""

    @property
    def shape(self) -> Shape:
        """Of the frame."""
        ...

    def read(
        self, box: Sequence[slice]
    ) -> tuple[NDArray[np.integer], NDArray[np.float32] | None]:
        """Return target and weights of a window, mirrored beyond the frame."""
        ...

    def ids(self, box: Sequence[slice]) -> NDArray[np.integer]:
        """Return the objects as painted, before any gap, of a window in the frame.

        0 is background, and what is ignored too; for classes the labels as they are.
        """
        ...

    def part(self, box: Region) -> "Truth":
        """Return the truth of a window in the frame; nothing is copied."""
        ...

    def unweighted(self) -> "Truth":
        """Return the same without weights."""
        ...


@dataclass(frozen=True, eq=False)
class KeptTruth:
    """Truth that is kept in memory.

    Parameters
    ----------
    target
        Class indices (*S), int16; -1 is ignored.
    labels
        Instance ids (*S), for object scores; 0 where ignored.
    weight_map
        Pixel weights (*S), or None where all weigh alike.
    """

    target: NDArray[np.integer]
    labels: NDArray[np.integer]
    weight_map: NDArray[np.float32] | None = None

    @property
    def shape(self) -> Shape:
        """Of the frame."""
        return self.target.shape

    def read(
        self, box: Sequence[slice]
    ) -> tuple[NDArray[np.integer], NDArray[np.float32] | None]:
        """Return target and weights of a window, mirrored beyond the frame."""
        weights = None
        if self.weight_map is not None:
            weights = read_mirrored(self.weight_map, box)
        return read_mirrored(self.target, box), weights

    def ids(self, box: Sequence[slice]) -> NDArray[np.integer]:
        """Return the objects as painted, of a window in the frame."""
        return self.labels[tuple(box)]

    def part(self, box: Region) -> "KeptTruth":
        """Return the truth of a window in the frame; nothing is copied."""
        weights = None if self.weight_map is None else self.weight_map[box]
        return KeptTruth(self.target[box], self.labels[box], weights)

    def unweighted(self) -> "KeptTruth":
        """Return the same without weights."""
        return replace(self, weight_map=None)


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled frame.

    Parameters
    ----------
    image
        Grey values (C, *S) as they came; numpy or lazy.
    offset, scale
        Normalisation of each channel.
    truth
        Target, weights and objects.
    foreground
        Some positions (n, ndim) of labelled foreground; patches are drawn around these.
    known
        Some positions (n, ndim) of pixels that are not ignored; None if none is.
    name
        For messages.
    pair
        Number of the pair among those in use, from 0.
    index
        Of the frame in the leading axes of the pair.
    """

    image: Any
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    truth: Truth
    foreground: NDArray[np.intp]
    known: NDArray[np.intp] | None = None
    name: str = ""
    pair: int = 0
    index: Shape = ()

    @classmethod
    def of(
        cls,
        image: Any,
        target: NDArray[np.integer],
        weight_map: NDArray[np.float32] | None = None,
        offset: NDArray[np.float64] | None = None,
        scale: NDArray[np.float64] | None = None,
        name: str = "",
    ) -> "Item":
        """Return a frame whose target is known already.

        Parameters
        ----------
        image
            Grey values (C, *S).
        target
            Class indices (*S), which are taken as the objects too; -1 is ignored.
        weight_map
            Pixel weights (*S).
        offset, scale
            Of each channel; by default the grey values are taken as they are.
        name
            For messages.

        Examples
        --------
        >>> target = np.array([[0, 1], [-1, 0]])
        >>> item = Item.of(np.ones((1, 2, 2)), target)
        >>> item.shape, item.foreground.tolist(), item.known.tolist()
        ((2, 2), [[0, 1]], [[0, 0], [0, 1], [1, 1]])
        >>> item.read((slice(0, 2), slice(-1, 2))).target
        array([[ 1,  0,  1],
               [ 0, -1,  0]])
        """
        channels = image.shape[0]
        ignored = target == IGNORED
        return cls(
            image,
            np.zeros(channels) if offset is None else offset,
            np.ones(channels) if scale is None else scale,
            KeptTruth(target, np.where(ignored, 0, target), weight_map),
            some_positions(target > 0),
            some_positions(~ignored) if ignored.any() else None,
            name,
        )

    @property
    def shape(self) -> Shape:
        """Spatial shape of the frame."""
        return self.truth.shape

    @property
    def whole(self) -> Region:
        """The box of all pixels."""
        return tuple(slice(0, size) for size in self.shape)

    def read(self, box: Sequence[slice]) -> Sample:
        """Read a window; only what lies under it, if the frame is lazy.

        Parameters
        ----------
        box
            One slice with start and stop for each axis, which may leave the frame.

        Raises
        ------
        InputError
            If a pixel of a lazy image is NaN or infinite.
        """
        return Sample(self.grey(box), *self.truth.read(box))

    def grey(self, box: Sequence[slice]) -> NDArray[np.float32]:
        """Read the normalised grey values of a window (C, *box).

        Raises
        ------
        InputError
            If a pixel of a lazy image is NaN or infinite.
        """
        block = read_mirrored(self.image, box)
        if not in_memory(self.image):  # the others were looked at beforehand
            check_finite(block, self.name)
        return Normalisation.apply(block, self.offset, self.scale)

    def crop(self, box: Region) -> "Item":
        """Return a window in the frame, without copying."""
        known = None if self.known is None else _moved(self.known, box)
        return replace(
            self,
            image=self.image[(slice(None), *box)],
            truth=self.truth.part(box),
            foreground=_moved(self.foreground, box),
            known=known,
        )


def in_memory(array: Any) -> bool:
    """Return whether an array lies in memory, not in a file, mapped or read in parts.

    Examples
    --------
    >>> in_memory(np.zeros(3))
    True
    """
    return isinstance(array, np.ndarray) and not isinstance(array, np.memmap)


def some_positions(marked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return evenly chosen positions (n, ndim) of marked pixels.

    All of them, or between `POSITIONS` and twice as many, in C order.
    """
    flat = np.flatnonzero(marked)
    flat = flat[:: max(1, len(flat) // POSITIONS)]
    return np.stack(np.unravel_index(flat, marked.shape), axis=1)


def _moved(positions: NDArray[np.intp], box: Region) -> NDArray[np.intp]:
    """Return the positions within a box, counted from its corner."""
    starts = np.array([side.start for side in box])
    stops = np.array([side.stop for side in box])
    inside = ((positions >= starts) & (positions < stops)).all(axis=1)
    moved: NDArray[np.intp] = positions[inside] - starts
    return moved
