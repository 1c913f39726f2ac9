"""Labelled frames, and holding some of them out honestly."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import check_finite
from napari_unet_studio.core.networks.spec import NetworkSpec

# From so many frames on, whole frames are held out instead of pieces of them.
_FRAMES_TO_HOLD_OUT = 5
# Smallest sides of the two parts when a piece of a frame is held out.
_LEAST_TRAIN, _LEAST_HELD = 32, 16


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled frame.

    Parameters
    ----------
    image
        Grey values (C, *S) as they came.
    offset, scale
        Normalisation of each channel.
    target
        Class indices (*S), int16; -1 is ignored.
    labels
        Instance ids (*S), for object scores.
    weight_map
        Pixel weights (*S), or None for 1 everywhere and in frames to judge by.
    foreground
        Some positions of labelled pixels, (n, ndim); patches are drawn around these.
    name
        For messages.
    """

    image: Any
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    target: NDArray[np.int16]
    labels: NDArray[Any]
    weight_map: NDArray[np.float32] | None
    foreground: NDArray[np.intp]
    name: str

    def part(self, axis: int, start: int, stop: int) -> "Item":
        """Return the slab ``start:stop`` along a spatial axis, without copying."""
        box = (slice(None),) * axis + (slice(start, stop),)
        weights = None if self.weight_map is None else self.weight_map[box]
        inside = (self.foreground[:, axis] >= start) & (self.foreground[:, axis] < stop)
        moved = self.foreground[inside].copy()
        moved[:, axis] -= start
        return replace(
            self,
            image=self.image[(slice(None), *box)],
            target=self.target[box],
            labels=self.labels[box],
            weight_map=weights,
            foreground=moved,
        )


def check_pixels(name: str, frames: Frames) -> None:
    """Raise an InputError if a pixel is not finite, or all of them are the same."""
    first = constant = None
    for _, image in frames:
        block = np.asarray(image)
        check_finite(block, name)
        if first is None:
            first = block[:, *(slice(0, 1),) * frames.ndim]
            constant = True
        constant = constant and bool((block == first).all())
    if constant and first is not None:
        value = ", ".join(f"{v:g}" for v in first.ravel().tolist())
        raise InputError(
            f"The image {name!r} is constant, every pixel is {value}; there is nothing "
            "to learn from. Leave it out."
        )


def split(
    groups: list[list[Item]], share: float, spec: NetworkSpec, seed: int
) -> tuple[list[list[Item]], list[list[Item]]]:
    """Split the frames of each pair into those to fit and those to judge by.

    With five pairs or more, whole pairs at random are held out; with five frames or
    more in a pair, its last frames; else the end of each frame along its longest axis,
    with a gap of the network's reach.
    """
    if len(groups) >= _FRAMES_TO_HOLD_OUT:
        order = np.random.default_rng(seed).permutation(len(groups)).tolist()
        count = max(1, round(share * len(groups)))
        return [groups[i] for i in order[count:]], [groups[i] for i in order[:count]]
    fit, judge = [], []
    for items in groups:
        if len(items) >= _FRAMES_TO_HOLD_OUT:
            count = max(1, round(share * len(items)))
            fit.append(items[:-count])
            judge.append(items[-count:])
            continue
        parts = [_cut(item, share, spec) for item in items]
        fit.append([first for first, _ in parts])
        judge.append([second for _, second in parts if second is not None])
    return fit, judge


def _cut(item: Item, share: float, spec: NetworkSpec) -> tuple[Item, Item | None]:
    """Cut a frame into a part to fit, a gap, and a part to judge by, if it is large."""
    shape = item.target.shape
    axis = int(np.argmax(shape))
    held = round(share * shape[axis])
    gap = min(spec.receptive_field[axis] // 2, shape[axis] // 8)
    kept = shape[axis] - held - gap
    if held < _LEAST_HELD or kept < _LEAST_TRAIN:
        return item, None
    first = item.part(axis, 0, kept)
    second = item.part(axis, kept + gap, shape[axis])
    # Something to learn on one side, something to find on the other.
    if first.target.min() == first.target.max() or not (second.target > 0).any():
        return item, None
    return first, second
