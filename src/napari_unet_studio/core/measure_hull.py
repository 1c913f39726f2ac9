"""Solidity: how much of its convex hull an object fills."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def solidity_of(labels: Any, label: int, box: NDArray[np.int64]) -> float:
    """Return the share of its convex hull that an object fills, as scikit-image.

    NaN where the pixels of a volume lie in a slanted plane, which has no hull in it.

    Parameters
    ----------
    labels
        (Y, X) or (Z, Y, X); numpy or lazy.
    label
        The object.
    box
        First z, y, x, then one more than the last.

    Examples
    --------
    >>> labels = np.array([[3, 0, 0], [3, 0, 0], [3, 3, 3]])
    >>> round(solidity_of(labels, 3, np.array([0, 0, 0, 1, 3, 3])), 3)
    0.833
    """
    from skimage.morphology import convex_hull_image

    ndim = len(labels.shape)
    region = tuple(
        slice(int(a), int(b))
        for a, b in zip(box[3 - ndim : 3], box[6 - ndim :], strict=True)
    )
    # Without the axes along which it is one pixel thick: a plane has a hull of its own.
    inside = np.squeeze(np.asarray(labels[region]) == label)
    if inside.all():
        return 1.0
    if inside.ndim == 1:
        return float(inside.mean())
    if inside.ndim == 3:
        places = np.argwhere(inside).astype(float)
        if np.linalg.matrix_rank(places - places.mean(axis=0)) < 3:
            return float("nan")
    return float(inside.sum() / convex_hull_image(inside).sum())
