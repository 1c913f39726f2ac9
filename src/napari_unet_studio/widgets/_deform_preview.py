"""A deformed layer, computed where it is looked at, and as a whole by a task."""

import threading
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._resample import LINEAR_MARGIN, resample_volume
from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.deform import (
    DeformConfig,
    check_deformable,
    coarse_displacement,
    deform_channels,
)
from napari_unet_studio.core.displacement import spline_basis
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._controls import coarsened, enlarged

Index = tuple[int, ...]
Pair = tuple[NDArray[Any], NDArray[Any] | None]

SMALL = 1 << 22  # voxels of a volume that is deformed as a whole for the preview
LIMIT = 1 << 25  # pixels that the preview computes for one view

_compiled = threading.Event()


class Deformation:
    """An image, and its labels alike, under one deformation.

    Parameters
    ----------
    image
        The image layer.
    labels
        Labels of the same pixels, or None.
    ndim
        Axes that are deformed together, 2 or 3; the others are looped over, each of
        their frames with the same deformation.

    Raises
    ------
    InputError
        If image and labels do not fit together, or are no images.
    """

    def __init__(self, image: Source, labels: Source | None, ndim: int) -> None:
        self.image = image
        self.labels = labels
        self.ndim = ndim
        self.frames = Frames.of(image.data, ndim, image.axes, image.channel_axis)
        shape = self.frames.leading + self.frames.shape
        if labels is not None and tuple(labels.data.shape) != shape:
            raise InputError(
                f"The labels {labels.name!r} have shape {tuple(labels.data.shape)} and "
                f"the image {image.name!r} has {shape}; choose labels of this image."
            )
        self.spacing = image.spacing[-ndim:]
        self.config = DeformConfig()
        self.draft = False  # draw large planes coarsely
        self._kept: tuple[Any, Pair] | None = None
        self._read: tuple[Index, Pair] | None = None
        self._volume: tuple[Index, NDArray[Any]] | None = None

    def set(self, config: DeformConfig) -> None:
        """Change the deformation."""
        if config != self.config:
            self.config = config
            self._kept = None

    def forget(self) -> None:
        """Forget what was computed: the pixels have changed."""
        self._kept = self._read = self._volume = None

    def coarse(self) -> NDArray[np.float32]:
        """Return the displacement vectors at the points of the grid."""
        config = self.config
        return coarse_displacement(
            self.ndim, config.grid, config.sigma, config.seed, self.spacing
        )

    def frame(self, index: Index, plane: int | None = None) -> Pair:
        """Return a deformed frame (C, *S) and its labels (*S).

        Parameters
        ----------
        index
            Of the frame.
        plane
            Of a volume; only this one is computed and the first axis of S is 1.
        """
        key = (index, plane, self.draft)
        if self._kept is None or self._kept[0] != key:
            if plane is not None:
                pair = self._plane(index, plane)
            else:
                pair = self._whole(index, self._step() if self.draft else 1)
            self._kept = (key, pair)
        return self._kept[1]

    def task(self, should_stop: ShouldStop) -> Generator[Progress, None, Pair | None]:
        """Deform all frames.

        Yields
        ------
        Progress
            One record per frame.

        Returns
        -------
        tuple or None
            Image and labels in the layout of their layers; None if stopped.
        """
        data, count = self.image.data, len(self.frames)
        out = np.empty(data.shape, data.dtype)
        moved = None
        if self.labels is not None:
            moved = np.empty(self.labels.data.shape, self.labels.data.dtype)
        frames = Frames.of(out, self.ndim, self.image.axes, self.image.channel_axis)
        yield Progress(0, count if count > 1 else 0, "Deforming")
        for step, index in enumerate(np.ndindex(*self.frames.leading), 1):
            if should_stop():
                return None
            # The preview shows what it can; a result has no holes.
            check_deformable(self._source(index)[0], self.image.name)
            image, labels = self._whole(index)
            frames.array[index] = image
            if moved is not None:
                moved[index] = labels
            yield Progress(step, count, "Deforming")
        return None if should_stop() else (out, moved)

    def _source(self, index: Index) -> Pair:
        """Read a frame, once: lazy data are not computed at each step of a slider."""
        if self._read is None or self._read[0] != index:
            image = np.asarray(self.frames.array[index])
            labels = None
            if self.labels is not None:
                labels = np.asarray(self.labels.data[index])
            self._read = (index, (image, labels))
        return self._read[1]

    def _step(self) -> int:
        """Return at which step a draft is drawn."""
        if self.ndim == 3:
            return 1
        return coarsened(self.frames.channels * int(np.prod(self.frames.shape)))

    def _whole(self, index: Index, step: int = 1) -> Pair:
        """Deform a frame, or every so many pixels of a plane."""
        image, labels = self._source(index)
        settings: dict[str, Any] = self.config.to_dict()
        settings["spacing"] = self.spacing
        if step == 1:
            return deform_channels(image, labels, **settings)
        settings["sigma"] /= step
        ids = None if labels is None else labels[::step, ::step]
        small, moved = deform_channels(image[:, ::step, ::step], ids, **settings)
        shape = self.frames.shape
        whole = None if moved is None else enlarged(moved, step, shape)
        return enlarged(small, step, shape), whole

    def _plane(self, index: Index, plane: int) -> Pair:
        """Deform one plane of a volume, which takes voxels from all around it."""
        image, labels = self._source(index)
        if self._volume is None or self._volume[0] != index:
            wide = image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2)
            margins = [(0, 0), *[LINEAR_MARGIN] * 3]
            volume = image.astype(np.float64 if wide else np.float32)
            self._volume = (index, np.pad(volume, margins, mode="reflect"))
        volume = self._volume[1]
        coarse = self.coarse().astype(np.float64)
        deep, down, across = (
            np.ascontiguousarray(spline_basis(points, size).T)
            for points, size in zip(coarse.shape[1:], self.frames.shape, strict=True)
        )
        shape = (1, *self.frames.shape[1:])
        out = np.empty((len(image), *shape), volume.dtype)
        nearest = np.empty(shape, np.intp)
        resample_volume(volume, out, nearest, coarse, deep, down, across, plane)
        if image.dtype.kind == "b":
            out = out >= 0.5
        elif image.dtype.kind in "iu":
            limits = np.iinfo(image.dtype)
            out = np.clip(np.rint(out), limits.min, limits.max)
        moved = None if labels is None else labels.ravel()[nearest]
        return out.astype(image.dtype), moved


class DeformedArray:
    """What napari shows: a read-only array that is computed where it is read.

    Parameters
    ----------
    deformation
        The deformation; it may change, then the layer has to be refreshed.
    of_labels
        Whether this is the array of the labels.
    """

    def __init__(self, deformation: Deformation, of_labels: bool = False) -> None:
        self.deformation = deformation
        self._of_labels = of_labels
        source = deformation.labels if of_labels else deformation.image
        data: Any = source.data if source is not None else None
        self.shape: tuple[int, ...] = tuple(data.shape)
        self.dtype = np.dtype(data.dtype)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self._channel = None if of_labels else deformation.image.channel_axis
        self.refused = False

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return part of the deformed layer; zeros where that would take minutes."""
        key = self._complete(key)
        self.refused = self._pixels(key) > LIMIT
        if self.refused:
            return np.asarray(np.broadcast_to(self.dtype.type(0), self.shape)[key])
        return self._compute(key)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._compute((slice(None),) * self.ndim).astype(dtype or self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def _complete(self, key: Any) -> tuple[Any, ...]:
        """Give an index one entry per axis."""
        entries = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in entries:
            place = entries.index(Ellipsis)
            entries[place : place + 1] = [slice(None)] * (self.ndim - len(entries) + 1)
        return (*entries, *[slice(None)] * (self.ndim - len(entries)))

    def _axes(self) -> tuple[list[int], list[int]]:
        """Return the axes of the array that are looped over, and the spatial ones."""
        axes = [axis for axis in range(self.ndim) if axis != self._channel]
        count = len(axes) - self.deformation.ndim
        return axes[:count], axes[count:]

    def _chosen(self, key: tuple[Any, ...], axis: int) -> list[int]:
        return [int(i) for i in np.atleast_1d(np.arange(self.shape[axis])[key[axis]])]

    def _plane(self, key: tuple[Any, ...]) -> int | None:
        """Return the one plane of a large volume that is asked for, if it is one."""
        _, spatial = self._axes()
        pixels = int(np.prod([self.shape[axis] for axis in spatial]))
        if len(spatial) < 3 or pixels <= SMALL:
            return None
        chosen = self._chosen(key, spatial[0])
        return chosen[0] if len(chosen) == 1 else None

    def _pixels(self, key: tuple[Any, ...]) -> int:
        leading, spatial = self._axes()
        if self._plane(key) is not None:
            spatial = spatial[1:]
        frames = int(np.prod([len(self._chosen(key, axis)) for axis in leading]))
        return frames * int(np.prod([self.shape[axis] for axis in spatial]))

    def _compute(self, key: tuple[Any, ...]) -> NDArray[Any]:
        leading, spatial = self._axes()
        plane = self._plane(key)
        chosen = [self._chosen(key, axis) for axis in leading]
        lengths = tuple(len(c) for c in chosen)
        parts: list[Any] = []
        for places in np.ndindex(*lengths):
            index = tuple(c[place] for c, place in zip(chosen, places, strict=True))
            image, labels = self.deformation.frame(index, plane)
            parts.append(labels if self._of_labels else image)
        if not parts:
            return np.asarray(np.zeros(self.shape, self.dtype)[key])
        stack = np.stack(parts) if len(parts) > 1 else np.asarray(parts[0])[None]
        stack = stack.reshape(lengths + stack.shape[1:])  # (*leading, C, *S)
        if self._channel is not None:
            stack = np.moveaxis(stack, len(leading), self._channel)
        elif not self._of_labels:
            stack = stack.squeeze(len(leading))
        taken = [*leading, spatial[0]] if plane is not None else leading
        entries = list(key)
        for axis in taken:  # chosen already
            entries[axis] = slice(None) if isinstance(key[axis], slice) else 0
        return np.asarray(stack[tuple(entries)])


def compiled() -> bool:
    """Whether the kernels are ready, so that a preview takes milliseconds."""
    return _compiled.is_set()


def warm_up(should_stop: ShouldStop) -> Generator[Progress, None, None]:
    """Compile what the preview needs, or load it from disk."""
    kinds = [(ndim, kind) for ndim in (2, 3) for kind in (np.float32, np.float64)]
    for step, (ndim, kind) in enumerate(kinds):
        yield Progress(step, len(kinds), "Compiling")
        if should_stop():
            return
        image = np.zeros((4,) * ndim, kind)
        deform_channels(image[None], image.astype(np.uint8), 3, 1, 0, None)
    _compiled.set()
