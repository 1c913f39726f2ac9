"""From probabilities to objects, without running the network again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.distances import as_spacing, nearest_objects
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.object_config import ObjectConfig
from napari_unet_studio.core.runs import (
    any_of,
    chosen,
    components,
    filled,
    on_border,
    painted,
    reaching,
    runs_of,
    sizes,
)
from napari_unet_studio.core.smoothing import smoothed
from napari_unet_studio.core.splitting import split_objects

__all__ = ["ObjectConfig", "at_face", "close_gaps", "divided", "label_objects"]

_PER_CENT = 100.0


def label_objects(
    probability: NDArray[Any],
    config: ObjectConfig | None = None,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.int32]:
    """Label the objects of a foreground probability.

    Parameters
    ----------
    probability
        Values 0 to 1, shape (*S) with two or three axes: one time point.
    config
        Threshold, sizes and splitting; None is the default.
    spacing
        Pixel size per axis. Smoothing, and distances for splitting, are in pixels of
        the finest axis.

    Returns
    -------
    ndarray of int32, shape (*S)
        Ids 1..n in scan order; 0 is background. Faces connect pixels, so that objects
        that meet at a corner stay two. Gaps are closed after numbering.

    Raises
    ------
    InputError
        If there are more axes or fewer, or the spacing is not one size for each.

    Examples
    --------
    >>> p = np.array([[0.9, 0.9, 0.1, 0.8], [0.9, 0.9, 0.1, 0.1]])
    >>> label_objects(p, ObjectConfig(min_size=0, fill_holes=0))
    array([[1, 1, 0, 2],
           [1, 1, 0, 0]], dtype=int32)
    """
    config = config or ObjectConfig()
    ndim = probability.ndim
    if ndim not in (2, 3):
        raise InputError(
            f"A probability of shape {probability.shape} has {ndim} axes; expected "
            "(Y, X) or (Z, Y, X). Take one class and one time point at a time."
        )
    spacing = as_spacing(spacing, ndim)
    if not probability.size:
        return np.zeros(probability.shape, np.int32)
    if config.smooth:
        probability = smoothed(probability, config.smooth, spacing)
    mask = probability >= config.threshold
    runs = runs_of(probability >= config.low if config.weak else mask)
    if config.weak:
        part, count = components(runs)
        runs = chosen(runs, any_of(reaching(runs, mask), part, count)[part])
    if config.fill_holes:
        runs = filled(runs, config.fill_holes)
    part, count = components(runs)
    axes = config.border_axes(probability.ndim)
    if config.split:
        pieces = divided(painted(runs, part + 1), probability, config, spacing)
        size = np.bincount(pieces.ravel(), minlength=1)[1:]
        outside = np.zeros(len(size), bool)
        for axis in axes:
            if pieces.shape[axis] > 1:  # a stack of one plane is a plane
                for side in (0, -1):
                    outside |= at_face(pieces, len(size), axis, side)
        ids = _final(config.fits(size, outside))
        result = np.concatenate(([0], ids)).astype(np.int32)[pieces]
    else:
        outside = any_of(on_border(runs, axes), part, count)
        ids = _final(config.fits(sizes(runs, part, count), outside))
        result = painted(runs, ids[part])
    return close_gaps(result, config.close_gaps) if config.close_gaps else result


def divided(
    labels: NDArray[Any],
    probability: NDArray[Any],
    config: ObjectConfig,
    spacing: Sequence[float] | None,
) -> NDArray[Any]:
    """Split objects as a configuration says, see `split_objects`.

    `probability` is smoothed already.
    """
    if config.seeds == "distance":
        return split_objects(labels, config.split, spacing)
    return split_objects(labels, config.split / _PER_CENT, relief=probability)


def at_face(
    labels: NDArray[Any], count: int, axis: int, side: int
) -> NDArray[np.bool_]:
    """Return which of the ids 1..count touch a face: pixel 0 or -1 along an axis."""
    found = np.zeros(count + 1, bool)
    found[labels.take(side, axis=axis)] = True
    return found[1:]


def close_gaps(labels: NDArray[np.int32], width: int) -> NDArray[np.int32]:
    """Give the background between near objects to the nearer one of them.

    Parameters
    ----------
    labels
        Instance ids (*S).
    width
        Widest gap to close, in pixels of whatever size: a training target's gap is
        carved in pixels, too. The outlines towards open background stay where they are.
        The middle between two goes to the smaller id.

    Examples
    --------
    >>> close_gaps(np.array([[0, 1, 1, 0, 0, 2, 0, 0, 0, 3]], dtype=np.int32), 2)
    array([[0, 1, 1, 1, 2, 2, 0, 0, 0, 3]], dtype=int32)
    """
    near = nearest_objects(labels, (1.0,) * labels.ndim, cutoff=width + 1.0)
    # Two objects `width` pixels apart: their borders are width + 1 from one another.
    between = (labels == 0) & (near.d1 + near.d2 < width + 1.5)
    return np.where(between, near.first, labels).astype(np.int32)


def _final(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number what is kept from 1, in order; the rest gets 0."""
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)
