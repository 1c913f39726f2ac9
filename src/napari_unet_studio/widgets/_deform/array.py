"""What napari is given to show: an array that is deformed where it is read."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.deform import Deformed
from napari_unet_studio.widgets._deform import preview
from napari_unet_studio.widgets._deform.preview import Deformation, Key

Part = Literal["images", "labels", "weight_map"]

SMALL = 1 << 20  # voxels of a volume that is deformed as a whole for the preview


class DeformedArray:
    """A read-only array that is computed where it is read.

    Parameters
    ----------
    deformation
        The deformation; it may change, then the layer has to be refreshed.
    part
        What of it this is.
    """

    def __init__(self, deformation: Deformation, part: Part = "images") -> None:
        self.deformation = deformation
        self._part = part
        source = {
            "images": deformation.image,
            "labels": deformation.labels,
            "weight_map": deformation.weights,
        }[part]
        data: Any = source.data if source is not None else None
        self.shape: tuple[int, ...] = tuple(data.shape)
        self.dtype = np.dtype(data.dtype)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self._channel = deformation.image.channel_axis if part == "images" else None
        self.refused = False

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return part of the deformed layer; zeros where that would take minutes.

        It may be coarse, or out of date, see :meth:`.Deformation.view`.
        """
        key = self._complete(key)
        self.refused = self._pixels(key) > preview.LIMIT
        if self.refused:
            return np.asarray(np.broadcast_to(self.dtype.type(0), self.shape)[key])
        return self._compute(key)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all of it, exactly."""
        whole = self._compute((slice(None),) * self.ndim, exactly=True)
        return whole.astype(dtype or self.dtype)

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

    def _compute(self, key: tuple[Any, ...], exactly: bool = False) -> NDArray[Any]:
        leading, spatial = self._axes()
        plane = None if exactly else self._plane(key)
        chosen = [self._chosen(key, axis) for axis in leading]
        lengths = tuple(len(c) for c in chosen)
        keys: list[Key] = [
            (tuple(c[place] for c, place in zip(chosen, places, strict=True)), plane)
            for places in np.ndindex(*lengths)
        ]
        if not keys:
            return np.asarray(np.zeros(self.shape, self.dtype)[key])
        parts = [getattr(frame, self._part) for frame in self._frames(keys, exactly)]
        stack = np.stack(parts) if len(parts) > 1 else np.asarray(parts[0])[None]
        stack = stack.reshape(lengths + stack.shape[1:])  # (*leading, C, *S)
        if self._channel is not None:
            stack = np.moveaxis(stack, len(leading), self._channel)
        elif self._part == "images":
            stack = stack.squeeze(len(leading))
        taken = [*leading, spatial[0]] if plane is not None else leading
        entries = list(key)
        for axis in taken:  # chosen already
            entries[axis] = slice(None) if isinstance(key[axis], slice) else 0
        return np.asarray(stack[tuple(entries)])

    def _frames(self, keys: list[Key], exactly: bool) -> list[Deformed]:
        if exactly:
            return [self.deformation.whole(index) for index, _ in keys]
        return self.deformation.view(keys)
