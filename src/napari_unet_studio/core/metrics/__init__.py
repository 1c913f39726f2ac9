"""Measures of a segmentation against a reference: pixels, classes, objects, membranes.

The sums of several images are made by adding what they return.
"""

from napari_unet_studio.core.metrics._arrays import mean_finite
from napari_unet_studio.core.metrics.objects import (
    IOU_THRESHOLDS,
    ObjectScores,
    Overlap,
    Seg,
)
from napari_unet_studio.core.metrics.partitions import (
    Partitions,
    cells_of,
    thinned_borders,
)
from napari_unet_studio.core.metrics.pixels import Confusion
from napari_unet_studio.core.metrics.touching import pairs_kept_apart, touching_pairs
from napari_unet_studio.core.metrics.warping import Warping

__all__ = [
    "IOU_THRESHOLDS",
    "Confusion",
    "ObjectScores",
    "Overlap",
    "Partitions",
    "Seg",
    "Warping",
    "cells_of",
    "mean_finite",
    "pairs_kept_apart",
    "thinned_borders",
    "touching_pairs",
]
