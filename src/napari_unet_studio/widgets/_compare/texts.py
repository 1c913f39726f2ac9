"""What the widget "Compare" calls the scores, and how it explains them."""

from collections.abc import Sequence
from typing import Any

from napari_unet_studio.core.amounts import sides

TITLES = {
    "f1": "F1",
    "seg": "SEG",
    "average_precision": "AP",
    "panoptic_quality": "PQ",
    "iou": "IoU",
    "dice": "Dice",
    "mean_iou": "Mean IoU",
    "pixel_error": "Pixel error",
    "rand_error": "Rand error",
    "v_rand": "V Rand",
    "v_info": "V Info",
    "warping_error": "Warping error",
    "matched": "Matched",
    "missed": "Missed",
    "spurious": "Spurious",
    "merges": "Mergers",
    "splits": "Splits",
    "parameters": "Parameters",
    "seconds": "Seconds",
    "precision": "Precision",
    "recall": "Recall",
    "pairs_kept_apart": "Apart",
}

EXPLAINED = {
    "f1": "Objects found: 2 matched / (objects of both). An object matches the one it "
    "overlaps with an IoU above 0.5. 1 is perfect.",
    "seg": "SEG of the Cell Tracking Challenge: how well each object of the reference "
    "is covered, by IoU, 0 where it was not found. Spurious objects cost nothing.",
    "average_precision": "Average precision at IoU 0.5, as in the Data Science Bowl "
    "2018: matched / (matched + all other objects of both).",
    "panoptic_quality": "F1 times the mean IoU of the matched objects.",
    "iou": "Pixels of any object: those of both / those of either. Blind to objects "
    "that are joined.",
    "dice": "Pixels of any object: twice those of both / the sum of those of each.",
    "mean_iou": "IoU of each class, averaged.",
    "pixel_error": "Share of the pixels that are wrong. 0 is perfect.",
    "rand_error": "1 minus the Rand F score of ISBI 2012. 0 is perfect.",
    "v_rand": "Rand score after thinning the membranes. 1 is perfect.",
    "v_info": "Information score after thinning the membranes. 1 is perfect.",
    "warping_error": "Pixels that are wrong after the reference was warped, without "
    "changing its topology, to fit. 0 is perfect.",
    "matched": "Objects that overlap one of the reference with an IoU above 0.5.",
    "missed": "Objects of the reference that match nothing and belong to no merger or "
    "split.",
    "spurious": "Objects found that match nothing and belong to no merger or split.",
    "merges": "Objects found that each join two or more of the reference: they cover "
    "more than half of each.",
    "splits": "Objects of the reference that were each divided into two or more: they "
    "hold more than half of each.",
    "parameters": "Numbers that the network has learned.",
    "seconds": "Time of the prediction, with its objects, without loading the model.",
    "precision": "Share of the objects found that match.",
    "recall": "Share of the objects of the reference that were found.",
    "pairs_kept_apart": "Share of the pairs of objects that touch in the reference and "
    "stay two objects.",
}

LEGEND = {
    "matched": "Objects that are right: where both agree.",
    "missed": "Objects of the reference that were not found.",
    "spurious": "Objects that the reference does not have.",
    "merged": "Objects of the reference that were joined, in how many mergers.",
    "split": "Objects of the reference that were divided.",
}

NOTHING = (
    "Choose the labels that are right as the reference. Other Labels layers of its "
    "size appear here; models are added below."
)
EDITED = "Edited since it was scored; Compare scores it anew."
REMOVED = "Its layer was removed; these are the scores it had."


def hidden_layers(names: Sequence[str]) -> str:
    """Say that layers were hidden, or nothing."""
    if not names:
        return ""
    was = "was" if len(names) == 1 else "were"
    return (
        f"{', '.join(names)} {was} hidden so that the errors can be read; the eye in "
        "the layer list shows what you want to see."
    )


def edited_since(names: Sequence[str]) -> str:
    """Say what was edited, or nothing."""
    return f"Edited since: {', '.join(names)}. Compare scores anew." if names else ""


def title_of(column: str) -> str:
    """Return the title of a column.

    Examples
    --------
    >>> title_of("average_precision_0.75"), title_of("iou 64")
    ('AP 0.75', 'IoU 64')
    """
    if column in TITLES:
        return TITLES[column]
    for name, title in (("average_precision_", "AP "), ("iou ", "IoU ")):
        if column.startswith(name):
            return title + column.removeprefix(name)
    return column.replace("_", " ").capitalize()


def explained(column: str) -> str:
    """Return the tooltip of a column."""
    if column in EXPLAINED:
        return EXPLAINED[column]
    if column.startswith("average_precision_"):
        where = column.removeprefix("average_precision_")
        if where == "mean":
            return "Average precision, averaged over IoU 0.5 to 0.95."
        return f"Average precision where a match needs an IoU above {where}."
    if column.startswith("iou "):
        return f"IoU of the class {column.removeprefix('iou ')}."
    return ""


def misfit(shape: Sequence[int], reference: Sequence[int]) -> str:
    """Say why labels cannot be compared with a reference, or nothing."""
    if tuple(shape) == tuple(reference):
        return ""
    return (
        f"These labels have {sides(shape)} pixels but the reference has "
        f"{sides(reference)}; only labels of the same pixels can be compared."
    )


def summary(rows: Sequence[Any], seconds: float) -> str:
    """Say what was compared."""
    count = len(rows)
    text = f"Compared {count} candidate{'s' * (count != 1)} in {seconds:.1f} s."
    failed = [row.name for row in rows if row.failures]
    if failed:
        text += f" Without scores: {', '.join(failed)}; the reason is in the tooltip."
    noted = [row.name for row in rows if row.notes and not row.failures]
    if noted:
        text += f" Notes on {', '.join(noted)} are in the tooltip."
    return text
