"""Patches as training will see them, to be looked at: the recipe without a network."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.train_config import (
    AUTOMATIC_PATCH,
    TrainConfig,
    chosen_network,
)
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.patches import PatchSource

# The network whose patches are shown where the configuration has one of the other kind.
_USUAL = {2: TrainConfig().network, 3: "unet-3d"}


class Draw(NamedTuple):
    """One augmented patch.

    Parameters
    ----------
    image
        Normalised grey values (C, *S), as the network gets them.
    labels
        Ids (*S); 0 where there are none, and in the border that a valid network gives
        no answer for.
    weight_map
        Weights (*S), or None; 0 in that border.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.integer]
    weight_map: NDArray[np.float32] | None


def example(
    image: Any,
    labels: Any,
    weight_map: Any,
    offset: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> Item:
    """Return a frame to draw patches of; it may be lazy, labels and weights absent.

    Parameters
    ----------
    image
        Grey values (C, *S).
    labels
        Ids (*S), kept as they are: training would number the classes.
    weight_map
        Weights (*S).
    offset, scale
        Of each channel, from :meth:`.Normalisation.fit`.
    """
    target: Any = np.broadcast_to(np.int16(0), image.shape[1:])
    if labels is not None:
        target = np.asarray(labels).astype(np.int64, copy=False)
    weights = None
    if weight_map is not None:
        weights = np.asarray(weight_map).astype(np.float32, copy=False)
    return Item.of(image, target, weights, offset, scale)


def patches_of(
    item: Item, config: TrainConfig, spacing: Sequence[float] | None, seed: int
) -> PatchSource:
    """Return the source that training on this frame would draw its patches from.

    Parameters
    ----------
    item
        From :func:`example`.
    config
        Its network, patch and augmentation are used. A network of the other number of
        dimensions than the frame is replaced by the usual one.
    spacing
        Pixel size of the spatial axes.
    seed
        Of the draws.
    """
    ndim = len(item.shape)
    if NETWORKS[config.network].ndim != ndim:
        config = replace(config, network=_USUAL[ndim])
    steps = None if spacing is None else tuple(spacing)
    spec = chosen_network(config, steps)
    patch = config.patch or AUTOMATIC_PATCH[ndim]
    return PatchSource([item], spec, patch, 1, config.augment, steps, seed)


def draws(
    source: PatchSource, count: int, should_stop: ShouldStop = never
) -> Generator[Progress, None, list[Draw] | None]:
    """Draw patches; the first ones are the same however many there are.

    Parameters
    ----------
    source
        From :func:`patches_of`.
    count
        Number of patches.
    should_stop
        Asked before each patch.

    Returns
    -------
    list of Draw or None
        None if stopped.
    """
    made = []
    for step in range(count):
        if should_stop():
            return None
        images, target, weights = source(step, "cpu")
        shape = tuple(images.shape[2:])
        made.append(
            Draw(
                images[0].numpy(),
                _framed(target[0], shape),
                None if weights is None else _framed(weights[0], shape),
            )
        )
        yield Progress(step + 1, count, "Drawing patches")
    return made


def _framed(part: torch.Tensor, shape: Shape) -> NDArray[Any]:
    """Put what a valid network answers for into the middle of its input."""
    whole = np.zeros(shape, part.numpy().dtype)
    starts = [(n - m) // 2 for n, m in zip(shape, part.shape, strict=True)]
    box = [slice(s, s + m) for s, m in zip(starts, part.shape, strict=True)]
    whole[tuple(box)] = part.numpy()
    return whole
