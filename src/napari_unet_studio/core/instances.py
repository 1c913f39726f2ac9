"""From probabilities to objects, without running the network again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as connected_components
from skimage.morphology import reconstruction, remove_small_holes
from skimage.segmentation import relabel_sequential, watershed

from napari_unet_studio.core.config import Config


@dataclass(frozen=True)
class ObjectConfig(Config):
    """How a probability image becomes objects.

    Parameters
    ----------
    threshold
        Pixels of at least this probability belong to objects.
    min_size
        Smaller objects are removed; in pixels (voxels).
    fill_holes
        Holes in an object up to this size are filled; in pixels (voxels).
    split
        Divide objects at necks: seeds are maxima of the distance to the border that are
        at least this many pixels deeper than the neck between them. 0 is off.
    """

    threshold: Annotated[float, {"min": 0.01, "max": 0.99, "step": 0.01}] = 0.5
    min_size: Annotated[int, {"min": 0, "max": 10_000_000, "label": "Min size (px)"}] = 16
    fill_holes: Annotated[
        int, {"min": 0, "max": 10_000_000, "label": "Fill holes up to (px)"}
    ] = 64
    split: Annotated[
        float, {"min": 0.0, "max": 50.0, "step": 0.25, "label": "Split at necks (px)"}
    ] = 0.0


def label_objects(
    probability: NDArray[Any],
    config: ObjectConfig = ObjectConfig(),
    spacing: Sequence[float] | None = None,
) -> NDArray[np.int32]:
    """Label the objects of a foreground probability.

    Parameters
    ----------
    probability
        Values 0 to 1, shape (*S) with two or three axes.
    config
        Threshold, sizes and splitting.
    spacing
        Pixel size per axis. Distances for splitting are in pixels of the finest axis.

    Returns
    -------
    ndarray of int32, shape (*S)
        Ids 1..n in scan order of connected components (faces only, so that objects that
        meet at a corner stay two), 0 background.

    Examples
    --------
    >>> p = np.array([[0.9, 0.9, 0.1, 0.8], [0.9, 0.9, 0.1, 0.1]])
    >>> label_objects(p, ObjectConfig(min_size=0, fill_holes=0))
    array([[1, 1, 0, 2],
           [1, 1, 0, 0]], dtype=int32)
    """
    mask = probability >= config.threshold
    if config.fill_holes:
        mask = remove_small_holes(mask, max_size=config.fill_holes)
    labels = connected_components(mask, connectivity=1)
    if config.split:
        labels = _split(mask, labels, config.split, spacing)
    if config.min_size > 1:
        size = np.bincount(labels.ravel())
        small = size < config.min_size
        small[0] = False
        labels[small[labels]] = 0
    return relabel_sequential(labels)[0].astype(np.int32)


def _split(
    mask: NDArray[np.bool_],
    labels: NDArray[Any],
    depth: float,
    spacing: Sequence[float] | None,
) -> NDArray[Any]:
    """Seeded watershed of the distance to the border, seeds by h-maxima of `depth`."""
    step = None if spacing is None else np.asarray(spacing) / np.min(spacing)
    distance = ndimage.distance_transform_edt(mask, sampling=step).astype(np.float32)
    # h-maxima: regional maxima that survive lowering by `depth` and reconstruction.
    lowered = reconstruction(np.maximum(distance - depth, 0), distance)
    domes = distance - lowered > depth - 1e-3
    seeds = connected_components(domes, connectivity=mask.ndim)
    # Objects too shallow to hold a dome keep their component as one seed.
    seeded = np.zeros(int(labels.max(initial=0)) + 1, bool)
    seeded[labels[seeds > 0]] = True
    rest = mask & ~seeded[labels]
    seeds = np.where(rest, labels + int(seeds.max(initial=0)), seeds)
    return np.asarray(watershed(-distance, seeds, mask=mask))
