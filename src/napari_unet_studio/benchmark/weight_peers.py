"""Other ways to compute the weights of eq. 2, as they are written elsewhere.

All return ``w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` with the distances to the pixels
of the two nearest objects, so that results can be compared. Labels hold at least two
objects.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import pi, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Weights = NDArray[np.float32]
Distances = NDArray[Any]

W0, SIGMA = 10.0, 5.0  # of the paper
REACH = 6 * SIGMA  # pixels; the term is below 2e-8 of its peak beyond


def finish(labels: Labels, d1: Distances, d2: Distances) -> Weights:
    """Turn distances into weights, with each class of the same total weight."""
    inside = labels > 0
    share = np.count_nonzero(inside) / labels.size
    weights = np.where(inside, 0.5 / share, 0.5 / (1 - share))
    weights += W0 * np.exp(-((d1 + d2) ** 2) / (2 * SIGMA**2))
    return weights.astype(np.float32)


def stack_sorted(labels: Labels) -> Weights:
    """Stack the distance transforms of all objects and sort them."""
    from scipy.ndimage import distance_transform_edt

    ids = np.unique(labels)[1:]
    distances = np.stack([distance_transform_edt(labels != i) for i in ids], axis=-1)
    distances.sort(axis=-1)
    return finish(labels, distances[..., 0], distances[..., 1])


def running_minimum(labels: Labels) -> Weights:
    """Keep the two smallest of the distance transforms of all objects."""
    from scipy.ndimage import distance_transform_edt

    ids = np.unique(labels)[1:]
    masks = (labels != i for i in ids)
    return finish(labels, *_two_smallest(map(distance_transform_edt, masks), labels))


def coloured(
    labels: Labels, transform: Callable[[NDArray[np.bool_]], Distances]
) -> Weights:
    """Transform objects that are far apart together: one colour, one transform.

    Where ``d1 + d2`` is within the reach, the two objects are no further apart than
    that and have different colours, hence the result is exact there.
    """
    colours = colour(labels)[labels]
    masks = (colours != c for c in range(1, int(colours.max()) + 1))
    return finish(labels, *_two_smallest(map(transform, masks), labels))


def colour(labels: Labels, reach: float = REACH) -> NDArray[np.intp]:
    """Return the colour of every id, 0 for the background.

    Two objects nearer than `reach` differ. Each counts as the ball around its centre
    that holds it, so that some that are further apart differ too.
    """
    from scipy import ndimage
    from scipy.spatial import cKDTree

    ids = np.arange(1, int(labels.max()) + 1)
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, ids))
    places = np.nonzero(labels)
    owner = labels[places]
    away = np.sum(
        [(p - centres[owner - 1, a]) ** 2 for a, p in enumerate(places)], axis=0
    )
    radii = np.zeros(len(ids))
    np.maximum.at(radii, owner - 1, np.sqrt(away))
    pairs = cKDTree(centres).query_pairs(reach + 2 * radii.max(), output_type="ndarray")
    first, second = pairs.T
    apart = np.linalg.norm(centres[first] - centres[second], axis=1)
    close = apart < reach + radii[first] + radii[second]
    neighbours: list[list[int]] = [[] for _ in ids]
    for i, j in pairs[close].tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    colours = [0] * len(ids)
    for i in np.lexsort(centres.T).tolist():  # along an axis: fewer colours
        taken = {colours[j] for j in neighbours[i]}
        colours[i] = next(c for c in range(1, len(taken) + 2) if c not in taken)
    return np.array([0, *colours], np.intp)


def scipy_edt(background: NDArray[np.bool_]) -> Distances:
    """Return scipy's exact distances."""
    from scipy.ndimage import distance_transform_edt

    distances: Distances = distance_transform_edt(background)
    return distances


def edt_package(background: NDArray[np.bool_]) -> Distances:
    """Return the exact distances of the package edt."""
    import edt

    distances: Distances = edt.edt(background, black_border=False, parallel=1)
    return distances


def opencv(background: NDArray[np.bool_], precise: bool) -> Distances:
    """Return OpenCV's distances: exact, or those of a 5 x 5 mask."""
    import cv2

    size = cv2.DIST_MASK_PRECISE if precise else cv2.DIST_MASK_5
    return np.asarray(
        cv2.distanceTransform(background.view(np.uint8), cv2.DIST_L2, size)
    )


opencv_precise = partial(opencv, precise=True)
opencv_mask = partial(opencv, precise=False)


def _two_smallest(
    distances: "map[Distances]", labels: Labels
) -> tuple[Distances, Distances]:
    d1 = np.full(labels.shape, np.inf)
    d2 = np.full(labels.shape, np.inf)
    for d in distances:
        np.minimum(d2, np.maximum(d1, d), out=d2)
        np.minimum(d1, d, out=d1)
    return d1, d2


def two_label_window(labels: Labels) -> Weights:
    """Search the two nearest objects in a window, axis by axis, with numpy alone.

    A key is a squared distance in the high bits and an id in the low bits; the smaller
    key is the nearer object.
    """
    limit = int(REACH) ** 2
    shift = int(labels.max()).bit_length()
    narrow = (2 * limit + 2).bit_length() + shift <= 31
    kind = np.int32 if narrow else np.int64
    none = kind((limit + 1) << shift)
    radius, rows = int(REACH), labels.shape[-2]
    d1 = np.empty(labels.shape, np.float32)
    d2 = np.empty(labels.shape, np.float32)
    for start in range(0, rows, 64):  # small enough for the processor's cache
        stop = min(start + 64, rows)
        low, high = max(0, start - radius), min(rows, stop + radius)
        part = labels[..., low:high, :]
        near = np.where(part > 0, part.astype(kind), none)
        second = np.full_like(near, none)
        for axis in range(labels.ndim):
            near, second = _window(near, second, axis, radius, shift)
            if axis == labels.ndim - 2:  # the halo has served
                inner = (..., slice(start - low, stop - low), slice(None))
                near, second = near[inner].copy(), second[inner].copy()
        for keys, out in ((near, d1), (second, d2)):
            squared = (keys >> shift).astype(np.float32)
            squared[squared > limit] = np.inf
            out[..., start:stop, :] = np.sqrt(squared)
    return finish(labels, d1, d2)


def _window(
    near: NDArray[Any], second: NDArray[Any], axis: int, radius: int, shift: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Offer every pixel the keys of its neighbours along one axis."""
    sources = [np.moveaxis(keys, axis, 0) for keys in (near, second)]
    results = [near.copy(), second.copy()]
    best, other = (np.moveaxis(keys, axis, 0) for keys in results)
    mask = (1 << shift) - 1
    size = len(best)
    # A first axis has offered nothing yet: no pixel knows a second object.
    offered = sources if (second != second.flat[0]).any() else sources[:1]
    for step in range(1, min(radius, size - 1) + 1):
        here, there = slice(step, None), slice(None, size - step)
        for to, source in ((here, there), (there, here)):
            for keys in offered:
                candidate = keys[source] + (step * step << shift)
                a, b = best[to], other[to]
                same = (a ^ candidate) & mask == 0
                kept = np.maximum(a, candidate)
                np.minimum(kept, b, out=kept)
                np.copyto(b, kept, where=~same)
                np.minimum(a, candidate, out=a)
    return results[0], results[1]


def one_transform(labels: Labels) -> Distances:
    """Return the distances to a single object, for scale."""
    return scipy_edt(labels != 1)


def likely_colours(shape: Sequence[int], objects: int) -> float:
    """Return about how many colours objects need that lie everywhere alike.

    Their number grows with that of the objects within the reach of one.
    """
    volume = prod(shape) / objects
    pitch = volume ** (1 / len(shape))
    ball = {2: pi, 3: 4 / 3 * pi}[len(shape)] * (REACH + pitch) ** len(shape)
    return float(min(objects, 3 + 0.45 * ball / volume))
