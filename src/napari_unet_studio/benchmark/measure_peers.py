"""Other ways to match the objects of two label images at ten thresholds.

All return matched, spurious and missed objects, an array (thresholds, 3), so that
results can be compared.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.metrics import IOU_THRESHOLDS

Counts = NDArray[np.int64]


class Pair(NamedTuple):
    """Two label images of the same objects, one of them shifted."""

    found: NDArray[np.int32]
    truth: NDArray[np.int32]


def counted(iou: NDArray[Any], found: NDArray[Any], there: NDArray[Any]) -> Counts:
    """Count matches among the IoU of all pairs, given the pixels of each id."""
    predicted, wanted = (int(np.count_nonzero(area[1:])) for area in (found, there))
    matched = [int(np.count_nonzero(iou > t)) for t in IOU_THRESHOLDS]
    return np.array([(m, predicted - m, wanted - m) for m in matched])


def sorted_pairs(pair: Pair) -> Counts:
    """Sort the pair of ids of every pixel, with numpy alone."""
    width = int(pair.truth.max()) + 1
    codes = pair.found.ravel().astype(np.int64) * width + pair.truth.ravel()
    both, pixels = np.unique(codes, return_counts=True)
    first, second = both // width, both % width
    sizes = [np.bincount(labels.ravel()) for labels in pair]
    inside = (first > 0) & (second > 0)
    first, second, pixels = first[inside], second[inside], pixels[inside]
    iou = pixels / (sizes[0][first] + sizes[1][second] - pixels)
    return counted(iou, *sizes)


def contingency(pair: Pair) -> Counts:
    """Take scikit-image's sparse table of overlaps."""
    from skimage.metrics import contingency_table

    table = contingency_table(pair.truth, pair.found).tocoo()
    there, found = (np.asarray(table.sum(axis=axis)).ravel() for axis in (1, 0))
    inside = (table.row > 0) & (table.col > 0) & (table.data > 0)
    row, column, shared = (x[inside] for x in (table.row, table.col, table.data))
    iou = shared / (there[row] + found[column] - shared)
    return counted(iou, found, there)


def by_region(pair: Pair) -> Counts:
    """Compare object by object, within the boxes of scikit-image's regions."""
    from skimage.measure import regionprops

    size = np.bincount(pair.found.ravel())
    ious = []
    for region in regionprops(pair.truth):
        inside = pair.found[region.slice][region.image]
        for other, shared in zip(*np.unique(inside, return_counts=True), strict=True):
            if other:
                ious.append(shared / (region.area + size[other] - shared))
    return counted(np.array(ious), size, np.bincount(pair.truth.ravel()))


def stardist(pair: Pair) -> Counts:
    """Call stardist's matching."""
    found = import_module("stardist.matching").matching(
        pair.truth, pair.found, IOU_THRESHOLDS
    )
    return np.array([(each.tp, each.fp, each.fn) for each in found])


def cellpose(pair: Pair) -> Counts:
    """Call cellpose's average precision."""
    scores = import_module("cellpose.metrics").average_precision
    _, *counts = scores(pair.truth, pair.found, threshold=list(IOU_THRESHOLDS))
    return np.stack(counts, axis=1).astype(np.int64)
