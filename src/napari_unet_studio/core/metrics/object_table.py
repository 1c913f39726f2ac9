"""A row for each object of two label images: how it fared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.metrics.errors import ObjectErrors, Verdict
from napari_unet_studio.core.metrics.overlap import Overlap

COLUMNS = ("of", "id", "pixels", "iou", "partner", "verdict")
NAMES = np.array([verdict.name.lower() for verdict in Verdict])
NAMES[Verdict.BACKGROUND] = "ignored"


def object_table(overlap: Overlap, threshold: float = 0.5) -> dict[str, NDArray[Any]]:
    """Return what is known of each object, the reference objects first.

    Parameters
    ----------
    overlap
        Of the two label images.
    threshold
        IoU that a match exceeds.

    Returns
    -------
    dict of columns
        "of", "reference" or "predicted"; "id", that in its image; "pixels"; "iou", the
        highest with an object of the other image, 0 without any; "partner", the id of
        that one, or 0; "verdict", a name of :class:`.Verdict` in small letters, or
        "ignored" for what cannot be judged.

    Examples
    --------
    >>> table = object_table(Overlap.of([[5, 5, 0, 8]], [[1, 1, 1, 0]]))
    >>> table["of"].tolist(), table["id"].tolist(), table["verdict"].tolist()
    (['reference', 'predicted', 'predicted'], [1, 5, 8],
     ['matched', 'matched', 'spurious'])
    """
    errors = ObjectErrors.from_overlap(overlap, threshold)
    iou = overlap.iou
    order = np.argsort(iou, kind="stable")  # the highest is written last
    parts = []
    for side, mine, others, area, ids, other_ids, verdicts in (
        (
            "reference",
            overlap.reference,
            overlap.predicted,
            overlap.reference_area,
            overlap.reference_ids,
            overlap.predicted_ids,
            errors.reference,
        ),
        (
            "predicted",
            overlap.predicted,
            overlap.reference,
            overlap.predicted_area,
            overlap.predicted_ids,
            overlap.reference_ids,
            errors.predicted,
        ),
    ):
        best, partner = np.zeros(len(area)), np.zeros(len(area), other_ids.dtype)
        best[mine[order]] = iou[order]
        partner[mine[order]] = other_ids[others[order]]
        of = np.full(len(area) - 1, side)
        parts.append((of, ids[1:], area[1:], best[1:], partner[1:], NAMES[verdicts]))
    columns = (np.concatenate(both) for both in zip(*parts, strict=True))
    return dict(zip(COLUMNS, columns, strict=True))
