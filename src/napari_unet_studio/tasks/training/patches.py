"""Training batches: which patches, how varied; a pure function of seed and step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_studio.core.augment import (
    AugmentConfig,
    Draws,
    augment,
    draw,
    sent,
)
from napari_unet_studio.core.networks.modules import centre_crop
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.training.items import Item

# Share of the patches that are centred near a labelled pixel, for sparse objects.
_NEAR_FOREGROUND = 0.5


class Batch(NamedTuple):
    """What one training step needs, on the training device."""

    images: Tensor  # (N, C, *network input)
    target: Tensor  # (N, *network output), int64
    weight_map: Tensor | None  # (N, *network output)


class Windows(NamedTuple):
    """What patches are made of: source windows as they were read, and the choices."""

    images: NDArray[np.float32]  # (N, C, *window), normalised
    target: NDArray[np.int16]  # (N, *window)
    weight_map: NDArray[np.float32] | None  # (N, *window)
    draws: Draws


@dataclass(frozen=True, eq=False)
class PatchSource:
    """Draws batches; batch number `step` is the same however often it is asked for.

    Parameters
    ----------
    items
        Labelled frames.
    spec
        The network; it decides input and output sizes.
    patch
        Smallest side of the labelled part of a patch; axes shorter than that get the
        whole length.
    batch
        Patches per step, of all devices together.
    config
        Augmentation.
    spacing
        Pixel size of the spatial axes.
    seed
        Of the whole sequence.
    """

    items: Sequence[Item]
    spec: NetworkSpec
    patch: int
    batch: int
    config: AugmentConfig
    spacing: tuple[float, ...] | None
    seed: int

    @property
    def input_shape(self) -> Shape:
        """Spatial shape that the network is given."""
        longest = np.max([item.shape for item in self.items], axis=0)
        return self.spec.input_shape(np.minimum(longest, self.patch).tolist())

    @property
    def output_shape(self) -> Shape:
        """Spatial shape of what the network answers."""
        return self.spec.output_shape(self.input_shape)

    def __call__(self, step: int, device: str, part: slice = slice(None)) -> Batch:
        """Return the batch of a step, or a part of it."""
        return self.finish(self.read(step, part), device)

    def read(self, step: int, part: slice = slice(None)) -> Windows:
        """Read the windows of a step's patches, or of a part of them.

        A part of a batch is the same whether the rest is read, too, so that several
        processes, or several passes, may share one batch. Torch has no part in it: a
        thread may read ahead.
        """
        rng = np.random.default_rng((self.seed, step))
        shape = self.input_shape
        window = self.config.window(shape, self.spacing)
        chosen = [self.items[n] for n in rng.integers(len(self.items), size=self.batch)]
        # Where the borders of valid networks lie beyond the frame is mirrored.
        inner = self.spec.output_shape(shape)
        boxes = [_around(_centre(item, inner, rng), window) for item in chosen]
        draws = draw(self.config, self.batch, len(shape), rng, self.spacing)
        samples = [
            item.read(box) for item, box in zip(chosen[part], boxes[part], strict=True)
        ]
        maps = [s.weight_map for s in samples if s.weight_map is not None]
        return Windows(
            np.stack([sample.image for sample in samples]),
            np.stack([sample.target for sample in samples]),
            np.stack(maps) if maps else None,
            draws.part(part),
        )

    @torch.no_grad()
    def finish(self, windows: Windows, device: str) -> Batch:
        """Make patches of windows, on the training device."""
        weights = windows.weight_map
        patches, target, weight_map = augment(
            sent(windows.images, device),
            sent(windows.target, device),
            None if weights is None else sent(weights, device),
            windows.draws,
            self.input_shape,
        )
        like = torch.empty((0, 0, *self.output_shape))
        target = centre_crop(target[:, None], like)[:, 0]
        if weight_map is not None:
            weight_map = centre_crop(weight_map[:, None], like)[:, 0]
        return Batch(patches, target, weight_map)


def _centre(item: Item, shape: Shape, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose a patch centre such that the labelled part lies in the frame if it can."""
    size = np.array(item.shape)
    half = np.minimum(np.array(shape) // 2, size // 2)
    near = rng.random() < _NEAR_FOREGROUND
    places = item.foreground if near and len(item.foreground) else item.known
    if places is not None and len(places):
        centre = places[rng.integers(len(places))]
        centre = centre + rng.integers(-half // 2, half // 2 + 1)
    else:
        centre = rng.integers(0, size)
    chosen: NDArray[np.intp] = np.clip(centre, half, np.maximum(half, size - half))
    return chosen


def _around(centre: NDArray[np.intp], window: Shape) -> tuple[slice, ...]:
    starts = centre - np.array(window) // 2
    return tuple(slice(int(a), int(a) + w) for a, w in zip(starts, window, strict=True))
