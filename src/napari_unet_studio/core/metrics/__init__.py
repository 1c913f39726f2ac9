"""Measures of a segmentation against a reference: pixels, classes, objects, membranes.

The sums of several images are made by adding what they return.
"""

from napari_unet_studio.core.metrics._arrays import mean_finite
from napari_unet_studio.core.metrics.bootstrap import intervals
from napari_unet_studio.core.metrics.errors import ObjectErrors, Verdict, error_map
from napari_unet_studio.core.metrics.membrane_sums import MembraneSums
from napari_unet_studio.core.metrics.object_sums import ObjectSums
from napari_unet_studio.core.metrics.object_table import object_table
from napari_unet_studio.core.metrics.objects import (
    IOU_THRESHOLDS,
    ObjectScores,
    PanopticQuality,
    Seg,
)
from napari_unet_studio.core.metrics.overlap import Overlap
from napari_unet_studio.core.metrics.partitions import (
    Partitions,
    cells_of,
    thinned_borders,
)
from napari_unet_studio.core.metrics.pixels import ClassSums, Confusion
from napari_unet_studio.core.metrics.sums import Sums
from napari_unet_studio.core.metrics.touching import pairs_kept_apart, touching_pairs
from napari_unet_studio.core.metrics.warping import Warping

__all__ = [
    "IOU_THRESHOLDS",
    "ClassSums",
    "Confusion",
    "MembraneSums",
    "ObjectErrors",
    "ObjectScores",
    "ObjectSums",
    "Overlap",
    "PanopticQuality",
    "Partitions",
    "Seg",
    "Sums",
    "Verdict",
    "Warping",
    "cells_of",
    "error_map",
    "intervals",
    "mean_finite",
    "object_table",
    "pairs_kept_apart",
    "thinned_borders",
    "touching_pairs",
]
