"""Scores of many files, counted over all of them together."""

from pathlib import Path
from typing import Any

from napari_unet_studio.cli.files import (
    find_images,
    find_pairs,
    is_folder,
    read_label_file,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import mean_finite
from napari_unet_studio.io.images import read_labels
from napari_unet_studio.tasks.evaluate import Tally


def evaluate_files(
    labels: Path, reference: Path, connected: bool | None
) -> dict[str, Any]:
    """Return pixel and object scores, counts summed over the files of both folders.

    Parameters
    ----------
    labels, reference
        Two files, or two folders with files of the same stems.
    connected
        Take the connected components of the references as their objects; None does so
        for those with a single id.

    Raises
    ------
    InputError
        If a segmentation has no reference, or the two do not fit.
    """
    tally = Tally()
    pairs = find_pairs(labels, reference)
    for labels_path, reference_path in pairs:
        truth = read_label_file(reference_path)
        try:
            found = read_labels(labels_path)
            tally.add(found, truth.array, truth.axes, connected)
        except InputError as error:
            raise InputError(f"{labels_path.name}: {error}") from error
    missing: set[Path] = set()
    if is_folder(labels):  # of a single file nobody expects that it covers a folder
        missing = set(find_images([reference])) - {path for _, path in pairs}
    return {
        "files": tally.images,
        **({"references_without_segmentation": len(missing)} if missing else {}),
        "iou_mean_of_files": mean_finite(tally.image_ious),
        **tally.scores(),
        "touching_pairs": tally.pairs,
        **({"notes": tally.notes} if tally.notes else {}),
    }
