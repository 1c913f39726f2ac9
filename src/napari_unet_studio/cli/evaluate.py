"""Scores of many files, counted over all of them together."""

from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import label as connected_components

from napari_unet_studio.cli.files import find_pairs
from napari_unet_studio.core.axes import over_frames
from napari_unet_studio.core.metrics import Confusion, ObjectScores, pairs_kept_apart
from napari_unet_studio.io.images import read_image, read_labels


def evaluate_files(labels: Path, reference: Path, connected: bool) -> dict[str, Any]:
    """Return pixel and object scores, counts summed over the files of both folders.

    Parameters
    ----------
    labels, reference
        Two files, or two folders with files of the same stems.
    connected
        Take the connected components of the reference's foreground as its objects.
    """
    pixels = Confusion(np.zeros((2, 2), np.int64))
    objects, apart, pairs, files = ObjectScores(0, 0, 0), 0, 0, 0
    for labels_path, reference_path in find_pairs(labels, reference):
        found = np.asarray(read_labels(labels_path))
        image = read_image(reference_path)
        truth = np.asarray(image.array)
        if connected:
            truth = over_frames(
                lambda frame: connected_components(frame > 0, connectivity=1),
                truth,
                image.axes,
            )
        files += 1
        pixels += Confusion.of(found > 0, truth > 0)
        objects += ObjectScores.of(found, truth)
        kept, there = pairs_kept_apart(found, truth)
        apart, pairs = apart + kept, pairs + there
    return {
        "files": files,
        "iou": float(pixels.iou(1)),
        "dice": float(pixels.dice(1)),
        "pixel_error": pixels.pixel_error,
        "f1": objects.f1,
        "average_precision": objects.average_precision,
        "touching_pairs": pairs,
        "pairs_kept_apart": apart / pairs if pairs else None,
    }
