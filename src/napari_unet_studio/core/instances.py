"""From probabilities to objects, without running the network again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components
from skimage.segmentation import expand_labels, relabel_sequential

from napari_unet_studio.core.config import Config
from napari_unet_studio.core.distances import nearest_two
from napari_unet_studio.core.splitting import split_objects


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
        Holes up to this size that one object encloses are filled; in pixels (voxels).
        An object inside the hole joins the one around it. What reaches the border of
        the image is no hole.
    close_gaps
        Background between two objects up to this far apart goes to the nearer one: the
        gap that training carves between touching objects, given back. In pixels.
    split
        Divide objects at necks: seeds are maxima of the distance to the border that are
        at least this many pixels deeper than the neck between them. 0 is off.
    """

    threshold: Annotated[float, {"min": 0.01, "max": 0.99, "step": 0.01}] = 0.5
    min_size: Annotated[
        int, {"min": 0, "max": 10_000_000, "label": "Min size (px)"}
    ] = 16
    fill_holes: Annotated[
        int, {"min": 0, "max": 10_000_000, "label": "Fill holes up to (px)"}
    ] = 64
    close_gaps: Annotated[
        # The widest gap of a training target is 20; networks leave two more, in doubt.
        int,
        {"min": 0, "max": 22, "label": "Close gaps up to (px)"},
    ] = 0
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
        Ids 1..n in scan order; 0 is background. Faces connect pixels, so that objects
        that meet at a corner stay two. Gaps are closed after numbering.

    Examples
    --------
    >>> p = np.array([[0.9, 0.9, 0.1, 0.8], [0.9, 0.9, 0.1, 0.1]])
    >>> label_objects(p, ObjectConfig(min_size=0, fill_holes=0))
    array([[1, 1, 0, 2],
           [1, 1, 0, 0]], dtype=int32)
    """
    mask = probability >= config.threshold
    if config.fill_holes:
        mask = mask | _small_holes(mask, config.fill_holes)
    labels = connected_components(mask, connectivity=1)
    if config.split:
        labels = split_objects(labels, config.split, spacing)
    if config.min_size > 1:
        size = np.bincount(labels.ravel())
        small = size < config.min_size
        small[0] = False
        labels[small[labels]] = 0
    result: NDArray[np.int32] = relabel_sequential(labels)[0].astype(np.int32)
    if config.close_gaps:
        result = close_gaps(result, config.close_gaps)
    return result


def close_gaps(labels: NDArray[np.int32], width: int) -> NDArray[np.int32]:
    """Give the background between near objects to the nearer one of them.

    Parameters
    ----------
    labels
        Instance ids (*S).
    width
        Widest gap to close, in pixels of whatever size: a training target's gap is
        carved in pixels, too. The outlines towards open background stay where they are.

    Examples
    --------
    >>> close_gaps(np.array([[0, 1, 1, 0, 0, 2, 0, 0, 0, 3]], dtype=np.int32), 2)
    array([[0, 1, 1, 1, 2, 2, 0, 0, 0, 3]], dtype=int32)
    """
    d1, d2 = nearest_two(labels, (1.0,) * labels.ndim, cutoff=width + 1.0)
    # Two objects `width` pixels apart: their borders are width + 1 from one another.
    between = (labels == 0) & (d1 + d2 < width + 1.5)
    grown = expand_labels(labels, distance=width)
    return np.where(between, np.asarray(grown), labels).astype(np.int32)


def _small_holes(mask: NDArray[np.bool_], max_size: int) -> NDArray[np.bool_]:
    """Return the holes of up to `max_size` pixels.

    Corners connect the background as faces connect objects. So one object encloses a
    hole, and filling it never joins neighbours. What lies in the hole, a bright spot in
    a ring, becomes part of the ring.
    """
    if sum(size > 1 for size in mask.shape) < 2:
        return np.zeros_like(mask)  # nothing can be enclosed in a row
    background = connected_components(~mask, connectivity=mask.ndim)
    small = np.bincount(background.ravel()) <= max_size
    small[0] = False  # the objects
    for axis, size in enumerate(mask.shape):
        if size > 1:  # a stack of one plane has holes too
            small[background.take((0, -1), axis=axis)] = False
    return np.asarray(small[background])
