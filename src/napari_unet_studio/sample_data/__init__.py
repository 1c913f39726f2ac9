"""Synthetic images with labels: cells that touch, in six kinds of microscopy.

Every sample comes from a seed and is made in about a second, without files and without
the network. ``SAMPLES`` has them by name; the ``open_`` functions are the commands of
napari's *File > Open Sample*.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_unet_studio.sample_data.membranes import membranes_2d
from napari_unet_studio.sample_data.nuclei import nuclei_2d, nuclei_3d
from napari_unet_studio.sample_data.phase import phase_cells_2d
from napari_unet_studio.sample_data.sample import Sample, SampleMaker
from napari_unet_studio.sample_data.timelapse import nuclei_timelapse
from napari_unet_studio.sample_data.tissue import tissue_rgb

__all__ = [
    "SAMPLES",
    "LayerTuple",
    "Sample",
    "SampleMaker",
    "layer_tuples",
    "membranes_2d",
    "nuclei_2d",
    "nuclei_3d",
    "nuclei_timelapse",
    "open_membranes",
    "open_nuclei_2d",
    "open_nuclei_3d",
    "open_phase_cells",
    "open_timelapse",
    "open_tissue",
    "phase_cells_2d",
    "tissue_rgb",
]

LayerTuple = tuple[Any, dict[str, Any], str]

SAMPLES: Mapping[str, SampleMaker] = MappingProxyType(
    {
        "nuclei_2d": nuclei_2d,
        "phase_cells_2d": phase_cells_2d,
        "membranes_2d": membranes_2d,
        "nuclei_3d": nuclei_3d,
        "nuclei_timelapse": nuclei_timelapse,
        "tissue_rgb": tissue_rgb,
    }
)


def layer_tuples(sample: Sample) -> list[LayerTuple]:
    """Turn a sample into an image layer and a labels layer for napari.

    Parameters
    ----------
    sample
        What to show.

    Returns
    -------
    list of tuple
        ``(data, keyword arguments, layer type)``, the image first. Both layers lie in
        physical space; the labels let the image shine through.

    Examples
    --------
    >>> image, labels = layer_tuples(nuclei_2d((64, 64)))
    >>> image[1]["scale"], labels[1]["axis_labels"], labels[2]
    ((0.325, 0.325), ('y', 'x'), 'labels')
    """
    space: dict[str, Any] = {
        "scale": sample.spacing,
        "units": tuple("s" if axis == "T" else sample.unit for axis in sample.axes),
        "axis_labels": tuple(sample.axes.lower()),
    }
    image: dict[str, Any] = {"name": sample.name, "rgb": sample.rgb, **space}
    if sample.image.dtype != np.uint8:
        low, high = np.percentile(sample.image, (0.5, 99.8))
        image["contrast_limits"] = (float(low), float(high))
    labels = {"name": f"{sample.name} labels", "opacity": 0.35, **space}
    return [(sample.image, image, "image"), (sample.labels, labels, "labels")]


def open_nuclei_2d() -> list[LayerTuple]:
    """Open crowded fluorescent nuclei."""
    return layer_tuples(nuclei_2d())


def open_phase_cells() -> list[LayerTuple]:
    """Open phase-contrast cells."""
    return layer_tuples(phase_cells_2d())


def open_membranes() -> list[LayerTuple]:
    """Open an electron-microscopy section."""
    return layer_tuples(membranes_2d())


def open_nuclei_3d() -> list[LayerTuple]:
    """Open a stack of fluorescent nuclei."""
    return layer_tuples(nuclei_3d())


def open_timelapse() -> list[LayerTuple]:
    """Open a time-lapse of dividing nuclei."""
    return layer_tuples(nuclei_timelapse())


def open_tissue() -> list[LayerTuple]:
    """Open stained tissue."""
    return layer_tuples(tissue_rgb())
