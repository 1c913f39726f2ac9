"""Deformed frames of a layer: at once, coarsely, or exactly by a task."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.deform import (
    DeformConfig,
    Deformed,
    coarse_displacement,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.resampling import Resampler
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._controls import coarsened
from napari_unet_studio.widgets._deform.parts import at_once, enlarge, in_parts

Index = tuple[int, ...]
Key = tuple[Index, int | None]  # a frame, and one plane of it or None for all of it
Ready = tuple[tuple[Index, str], Resampler]  # which frame, with which interpolation

HEAVY = 1 << 24  # voxels of a volume that are read while the window waits
LIMIT = 1 << 25  # pixels that are deformed for one view


class Exact(NamedTuple):
    """What a task has deformed, and what it read for that."""

    config: DeformConfig
    frames: dict[Key, Deformed]
    ready: "Ready | None"


class Deformation:
    """An image, and its labels and weights alike, under one deformation.

    What takes longer than the window may wait is noted in `missing`: then a coarse
    picture is returned, or the last one, and :meth:`exact` is the task that mends it.

    Parameters
    ----------
    image
        The image layer.
    labels, weights
        Labels and pixel weights of the same pixels, or None.
    ndim
        Axes that are deformed together, 2 or 3; the others are looped over, each of
        their frames with the same deformation.

    Raises
    ------
    InputError
        If image, labels and weights do not fit together, or are no images.
    """

    def __init__(
        self, image: Source, labels: Source | None, weights: Source | None, ndim: int
    ) -> None:
        self.image = image
        self.labels = labels
        self.weights = weights
        self.ndim = ndim
        self.frames = Frames.of(image.data, ndim, image.axes, image.channel_axis)
        shape = self.frames.leading + self.frames.shape
        for what, source in (("labels", labels), ("weights", weights)):
            if source is not None and tuple(source.data.shape) != shape:
                # Of an axis that they lack, only its name says what it holds.
                named = ", or name its axis of the channels 'c'"
                lacking = source.data.ndim == len(shape) - 1
                raise InputError(
                    f"The {what} {source.name!r} have shape {tuple(source.data.shape)} "
                    f"and the image {image.name!r} has {shape}; choose {what} of this "
                    f"image{named * lacking}."
                )
        self.spacing = image.spacing[-ndim:]
        self.config = DeformConfig()
        self.missing: set[Key] = set()
        self.age = 0  # counts how often the pixels have changed
        self._clear()

    def _clear(self) -> None:
        self._kept: dict[Key, Deformed] = {}
        self._before: dict[Key, Deformed] = {}
        self._draft: tuple[Index, Deformed] | None = None
        self._canvas: Deformed | None = None
        self._read: tuple[Index, Deformed] | None = None
        self._ready: dict[int, Ready] = {}  # by step
        self.missing.clear()

    def set(self, config: DeformConfig) -> None:
        """Change the deformation."""
        if config != self.config:
            self.config = config
            self._before = self._kept or self._before
            self._kept = {}
            self._draft = None
        self.missing.clear()

    def forget(self) -> None:
        """Forget what was computed: the pixels have changed."""
        self.age += 1
        self._clear()

    def coarse(self) -> NDArray[np.float32]:
        """Return the displacement vectors at the points of the grid."""
        return self._coarse(self.config)

    def _coarse(self, config: DeformConfig) -> NDArray[np.float32]:
        return coarse_displacement(
            self.ndim, config.grid, config.sigma, config.seed, self.spacing
        )

    # -- for a view -------------------------------------------------------------------

    @property
    def hasty(self) -> bool:
        """Whether frames are drawn coarsely until the exact ones are there."""
        return self.ndim == 2 and self._step() > 1

    def view(self, keys: Sequence[Key]) -> list[Deformed]:
        """Return frames for the screen, in the time that the window can wait."""
        if len(self._kept) * self._size(keys[0]) > LIMIT:  # else all that is in memory
            self._kept = {key: self._kept[key] for key in keys if key in self._kept}
        new = [key for key in keys if key not in self._kept]
        if coarsened(sum(map(self._cost, new))) == 1:
            self._kept |= {key: self._now(key) for key in new}
            return [self._kept[key] for key in keys]
        self.missing.update(new)
        if self.hasty and len(keys) == 1:
            return [self._drafted(keys[0][0])]
        return [
            self._kept.get(key) or self._before.get(key) or self._blank(key)
            for key in keys
        ]

    def whole(self, index: Index) -> Deformed:
        """Return a frame exactly, however long it takes."""
        return self._kept.get((index, None)) or self._now((index, None))

    def _size(self, key: Key) -> int:
        shape = self.frames.shape[1:] if key[1] is not None else self.frames.shape
        return self.frames.channels * int(np.prod(shape))

    def _cost(self, key: Key) -> int:
        index, plane = key
        if plane is None:
            return self._size(key)
        voxels = int(np.prod(self.frames.shape))
        ready = self._ready.get(1)
        unread = ready is None or ready[0][0] != index
        return voxels if unread and voxels > HEAVY else self._size(key)

    def _step(self) -> int:
        """Return at which step a draft is drawn."""
        return coarsened(self.frames.channels * int(np.prod(self.frames.shape)))

    def _now(self, key: Key) -> Deformed:
        index, plane = key
        return at_once(self._resampler(index, 1), self.coarse(), plane)

    def _drafted(self, index: Index) -> Deformed:
        """Deform every so many pixels of a plane."""
        if self._draft is None or self._draft[0] != index:
            step = self._step()
            coarse = self.coarse() / np.float32(step)
            small = at_once(self._resampler(index, step), coarse, None)
            # Into the same arrays: new memory costs more time than the deformation.
            if self._canvas is None:
                self._canvas = self._blank((index, None))
            for picture, large in zip(small, self._canvas, strict=True):
                if picture is not None and large is not None:
                    enlarge(picture, step, large)
            self._draft = (index, self._canvas)
        return self._draft[1]

    def _blank(self, key: Key) -> Deformed:
        """Return zeros: nothing is known of the frame yet."""
        shape = self.frames.shape if key[1] is None else (1, *self.frames.shape[1:])
        types = [s and s.data.dtype for s in (self.image, self.labels, self.weights)]
        labels, weights = (None if t is None else np.zeros(shape, t) for t in types[1:])
        images = np.zeros((self.frames.channels, *shape), types[0])
        return Deformed(images, labels, weights)

    def _resampler(self, index: Index, step: int) -> Resampler:
        ready = self._ready.get(step)
        known = (index, self.config.interpolation)
        if ready is None or ready[0] != known:
            ready = (known, self._prepared(self._source(index), self.config, step))
            self._ready[step] = ready
        return ready[1]

    def _prepared(
        self, source: Deformed, config: DeformConfig, step: int = 1
    ) -> Resampler:
        thin: Any = (..., *[slice(None, None, step)] * self.ndim)
        labels, weights = (None if p is None else p[thin] for p in source[1:])
        return Resampler(source.images[thin], labels, weights, config.interpolation)

    # -- reading ----------------------------------------------------------------------

    def _source(self, index: Index) -> Deformed:
        """Read a frame, once: lazy data are not computed at each step of a slider."""
        if self._read is None or self._read[0] != index:
            self._read = (index, self.loaded(index))
        return self._read[1]

    def loaded(self, index: Index) -> Deformed:
        """Read a frame, for a thread: nothing is kept."""
        read = self._read
        if read is not None and read[0] == index:
            return read[1]
        others = [
            None if source is None else np.asarray(source.data[index])
            for source in (self.labels, self.weights)
        ]
        return Deformed(np.asarray(self.frames.array[index]), *others)

    # -- tasks ------------------------------------------------------------------------

    def exact(
        self, keys: Sequence[Key], config: DeformConfig, should_stop: ShouldStop
    ) -> Generator[Progress, None, Exact | None]:
        """Deform frames for the screen; in a thread, so that nothing is changed here.

        Returns
        -------
        Exact or None
            For :meth:`accept`; None if stopped.
        """
        ready = self._ready.get(1)
        coarse = self._coarse(config)
        done: dict[Key, Deformed] = {}
        for key in keys:
            index, plane = key
            known = (index, config.interpolation)
            if ready is None or ready[0] != known:
                ready = (known, self._prepared(self.loaded(index), config))
            out = yield from in_parts(ready[1], coarse, plane, should_stop)
            if out is None:
                return None
            done[key] = out
        return Exact(config, done, ready)

    def accept(self, exact: Exact, age: int) -> None:
        """Take what :meth:`exact` returned; what is out of date fills gaps at best.

        Parameters
        ----------
        exact
            The frames.
        age
            :attr:`age` when the task began.
        """
        if age != self.age:
            return
        if exact.ready is not None:
            self._ready[1] = exact.ready
        if exact.config == self.config:
            self._kept |= exact.frames
            self.missing.difference_update(exact.frames)
        else:
            self._before = exact.frames
