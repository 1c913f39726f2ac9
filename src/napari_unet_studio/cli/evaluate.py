"""``unet-studio evaluate``: scores of many files, counted over all of them together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind


def evaluate(
    labels: Annotated[Path, typer.Argument(help="Segmentation: a file or a folder.")],
    reference: Annotated[Path, typer.Argument(help="Truth: a file or a folder.")],
    membranes: Annotated[
        bool,
        typer.Option(
            "--membranes",
            help="Labels are cells with membranes (0) between them, as in ISBI 2012: "
            "score the planes by partition and topology.",
        ),
    ] = False,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="Labels are classes: score each of them."),
    ] = False,
    connected: Annotated[
        bool | None,
        typer.Option(
            help="Take connected components of the reference as objects; by default "
            "where it holds one id only.",
        ),
    ] = None,
    ignore: Annotated[
        int | None,
        typer.Option(
            help="With --classes: label of the reference whose pixels do not count."
        ),
    ] = None,
    split_reference: Annotated[
        float,
        typer.Option(
            min=0,
            help="Divide the connected components of a reference at necks this deep, "
            "in pixels, where its objects hang together.",
        ),
    ] = 0.0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON.")
    ] = False,
) -> None:
    """Score segmentations against a reference, summed over all images.

    Labels are ids of objects unless an option says otherwise.
    """
    if membranes and classes:
        raise InputError("Choose one of --membranes and --classes.")
    kind: Kind = "membranes" if membranes else "classes" if classes else "objects"
    found = evaluate_files(labels, reference, connected, kind, ignore, split_reference)
    console.show(found, json)


def evaluate_files(
    labels: Path,
    reference: Path,
    connected: bool | None = None,
    kind: "Kind" = "objects",
    ignore: int | None = None,
    split: float = 0.0,
) -> dict[str, Any]:
    """Return the scores of labels, counts summed over the files of both folders.

    Parameters
    ----------
    labels, reference
        Two files, or two folders with files of the same stems.
    connected
        Of objects: take the connected components of the references as their objects;
        None does so for those with a single id.
    kind
        What the labels are: "objects", "classes" or "membranes".
    ignore
        Of classes: label of the reference whose pixels do not count.
    split
        Of objects: how deep necks are at which connected components are divided.

    Raises
    ------
    InputError
        If a segmentation has no reference, or the two do not fit.
    """
    from napari_unet_studio.cli.files import read_label_file
    from napari_unet_studio.core.metrics import mean_finite
    from napari_unet_studio.io.folders import find_images, find_pairs, is_folder
    from napari_unet_studio.io.images import read_labels
    from napari_unet_studio.tasks.evaluate import Tally, scorer

    tally = scorer(kind, connected, ignore, split)
    pairs = find_pairs(labels, reference)
    for labels_path, reference_path in pairs:
        truth = read_label_file(reference_path)
        try:
            tally.add(read_labels(labels_path), truth.array, truth.axes)
        except InputError as error:
            raise InputError(f"{labels_path.name}: {error}") from error
    found: dict[str, Any] = {"files": tally.images}
    if is_folder(labels):  # of a single file nobody expects that it covers a folder
        missing = set(find_images([reference])) - {path for _, path in pairs}
        if missing:
            found["references_without_segmentation"] = len(missing)
    if isinstance(tally, Tally):
        found["iou_mean_of_files"] = mean_finite(tally.image_ious)
    found |= tally.scores()
    if isinstance(tally, Tally):
        found["touching_pairs"] = tally.pairs
    if tally.notes:
        found["notes"] = tally.notes
    return found
