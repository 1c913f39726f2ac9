"""Telling how good a segmentation is."""

import warnings
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.evaluate import Kind, scorer
from napari_unet_studio.tasks.scores import Scores


def evaluate(
    labels: ArrayLike | Sequence[ArrayLike],
    reference: ArrayLike | Sequence[ArrayLike],
    axes: str | None = None,
    connected: bool | None = None,
    *,
    kind: Kind = "objects",
    ignore: int | None = None,
    split: float = 0.0,
    specks: int = 0,
) -> Scores:
    """Compare segmentations with references.

    Parameters
    ----------
    labels, reference
        Instance ids of the same shape, 0 is background; or what `kind` says. Several
        images are two lists of arrays of two or more axes each.
    axes
        Names of the axes, such as "TYX"; time points are compared one by one. By
        default all axes are spatial.
    connected
        Take the connected components of the reference as its objects. By default they
        are taken, with a warning, if it is a mask of several pieces under one id.
    kind
        "objects"; "classes", where each label is a class; or "membranes", where labels
        above 0 are cells and 0 is what parts them, scored plane by plane.
    ignore
        Of objects and classes: label of the reference whose pixels do not count.
    split
        Of objects: divide connected components of a mask at necks this deep, in pixels;
        0 does not.
    specks
        Of objects: components of a mask with fewer pixels do not count.

    Returns
    -------
    Scores
        A mapping; undefined scores are absent. Of objects: "iou", "dice" and
        "pixel_error" of the foreground; "precision", "recall", "f1",
        "panoptic_quality", "matched_iou" and "average_precision" of objects matched at
        IoU 0.5; "average_precision_0.55" to "average_precision_0.95" and
        "average_precision_mean" of all ten; "seg", the measure of the Cell Tracking
        Challenge, see :class:`.Seg`; "pairs_kept_apart", the share of touching
        reference pairs that stay two objects; and the numbers "matched", "missed",
        "spurious", "merges" and "splits", see :class:`.ObjectErrors`.

        Of classes: "pixel_error"; "mean_iou" and "mean_dice" over all classes that
        occur; "iou 64" and "dice 64" of the class with the label 64.

        Of membranes: "pixel_error"; the means over planes of "rand_error", and of
        "v_rand" and "v_info" after the membranes of the segmentation were thinned, see
        :class:`.Partitions`; "warping_error" and its part "splits_and_mergers", see
        :class:`.Warping`.

        Its attributes are `per_image`, `objects`, `intervals` and `notes`.

    Raises
    ------
    InputError
        If the values are no whole numbers, shapes and axes do not fit, or an option
        does not belong to the kind.

    Examples
    --------
    >>> evaluate([[1, 1, 0, 2]], [[5, 5, 0, 7]])["f1"]
    1.0
    >>> evaluate([[0, 64, 64]], [[0, 0, 64]], kind="classes")["iou 64"]
    0.5
    >>> plane = np.array([[1, 1, 0, 2]])
    >>> both = evaluate([plane, plane * 0], [plane, plane])
    >>> both["recall"], [image["recall"] for image in both.per_image]
    (0.5, [1.0, 0.0])
    """
    tally = scorer(kind, connected, ignore, split, specks)
    pairs: list[tuple[Any, Any]] = [(labels, reference)]
    if _several(labels) and _several(reference):
        if len(labels) != len(reference):
            raise InputError(
                f"There are {len(labels)} segmentations and {len(reference)} "
                "references; give one reference for each."
            )
        pairs = list(zip(labels, reference, strict=True))
    elif _several(labels) or _several(reference):
        raise InputError(
            "One of labels and reference is a list of images and the other a single "
            "one; give two lists, or two images."
        )
    for one, truth in pairs:
        tally.add(one, truth, axes)
    for note in tally.notes:
        warnings.warn(note, stacklevel=2)
    return tally.result()


def _several(images: Any) -> TypeGuard[Sequence[ArrayLike]]:
    """Return whether these are images, and not the rows of one."""
    return (
        isinstance(images, list | tuple)
        and len(images) > 0
        and all(hasattr(image, "dtype") and np.ndim(image) >= 2 for image in images)
    )
