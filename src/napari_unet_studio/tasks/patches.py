"""Training batches: which patches, how varied; a pure function of seed and step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_studio.core.augment import AugmentConfig, augment, draw
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.core.networks.modules import centre_crop
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.items import Item

# Share of the patches that are centred near a labelled pixel, for sparse objects.
_NEAR_FOREGROUND = 0.5


class Batch(NamedTuple):
    """What one training step needs, on the training device."""

    images: Tensor  # (N, C, *network input)
    target: Tensor  # (N, *network output), int64
    weight_map: Tensor | None  # (N, *network output)


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
        Patches per batch.
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
        longest = np.max([item.target.shape for item in self.items], axis=0)
        return self.spec.input_shape(np.minimum(longest, self.patch).tolist())

    def __call__(self, step: int, device: str) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        shape = self.input_shape
        window = self.config.window(shape, self.spacing)
        chosen = rng.integers(len(self.items), size=self.batch)
        images, targets, weights = [], [], []
        for number in chosen.tolist():
            item = self.items[number]
            # Where the borders of valid networks lie beyond the frame is mirrored.
            centre = _centre(item, self.spec.output_shape(shape), rng)
            box = _around(centre, window)
            block = read_mirrored(item.image, box)
            images.append(Normalisation.apply(block, item.offset, item.scale))
            targets.append(read_mirrored(item.target, box))
            if item.weight_map is not None:
                weights.append(read_mirrored(item.weight_map, box))
        draws = draw(self.config, self.batch, len(shape), rng, self.spacing)
        with torch.no_grad():
            patches, target, weight_map = augment(
                torch.from_numpy(np.stack(images)).to(device),
                torch.from_numpy(np.stack(targets)).to(device),
                torch.from_numpy(np.stack(weights)).to(device) if weights else None,
                draws,
                shape,
            )
            like = torch.empty((0, 0, *self.spec.output_shape(shape)))
            target = centre_crop(target[:, None], like)[:, 0]
            if weight_map is not None:
                weight_map = centre_crop(weight_map[:, None], like)[:, 0]
        return Batch(patches, target, weight_map)


def _centre(item: Item, shape: Shape, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose a patch centre such that the labelled part lies in the frame if it can."""
    size = np.array(item.target.shape)
    half = np.minimum(np.array(shape) // 2, size // 2)
    if len(item.foreground) and rng.random() < _NEAR_FOREGROUND:
        centre = item.foreground[rng.integers(len(item.foreground))]
        centre = centre + rng.integers(-half // 2, half // 2 + 1)
    else:
        centre = rng.integers(0, size)
    chosen: NDArray[np.intp] = np.clip(centre, half, np.maximum(half, size - half))
    return chosen


def _around(centre: NDArray[np.intp], window: Shape) -> tuple[slice, ...]:
    starts = centre - np.array(window) // 2
    return tuple(slice(int(a), int(a) + w) for a, w in zip(starts, window, strict=True))
