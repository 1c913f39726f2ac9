"""``unet-studio evaluate``: scores of many files, counted over all of them together."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import AsJson, Overwrite
from napari_unet_studio.cli.panels import OUTPUT
from napari_unet_studio.cli.score_tables import (
    as_rows,
    check_different,
    check_table,
    write_table,
)
from napari_unet_studio.cli.truth import (
    Classes,
    Connected,
    Ignore,
    Membranes,
    Specks,
    SplitReference,
    kind_of,
)
from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind
    from napari_unet_studio.tasks.scores import Scores


def evaluate(
    labels: Annotated[
        list[Path],
        typer.Argument(help="Segmentations: files, folders or patterns."),
    ],
    reference: Annotated[
        Path,
        typer.Argument(
            help="Truth: a file; or a folder or a pattern, with files of the same "
            "names."
        ),
    ],
    membranes: Membranes = False,
    classes: Classes = False,
    connected: Connected = None,
    ignore: Ignore = None,
    split_reference: SplitReference = 0.0,
    specks: Specks = 0,
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals",
            help="Tell 95 % intervals, by a bootstrap over images; over the objects or "
            "planes of a single one.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    per_image: Annotated[
        Path | None,
        typer.Option(
            help="Write the scores of each image to this .csv or .json file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    per_object: Annotated[
        Path | None,
        typer.Option(
            help="Write what became of each object to this .csv or .json file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Score segmentations against a reference, summed over all images.

    Reads label images and the truth of the same names, and writes nothing unless
    --per-image or --per-object ask for tables. Labels are ids of objects unless an
    option says otherwise.
    """
    kind = kind_of(membranes, classes)
    if per_object is not None and kind != "objects":
        raise InputError(f"--per-object tells about objects, and these are {kind}.")
    check_table(per_image, overwrite, "--per-image")
    check_table(per_object, overwrite, "--per-object")
    check_different(("--per-image", per_image), ("--per-object", per_object))
    found, scores = evaluate_files(
        labels, reference, connected, kind, ignore, split_reference, specks
    )
    if intervals and scores.intervals:
        found |= {"intervals_over": scores.unit, "intervals": scores.intervals}
    elif intervals:
        reason = "There are no intervals: nothing of which several could be drawn."
        found["notes"] = [*found.get("notes", ()), reason]
    if per_image is not None:
        write_table(per_image, scores.per_image)
    if per_object is not None:
        write_table(per_object, as_rows(scores.objects))
    console.show(found if json else _for_people(found), json)


def evaluate_files(
    labels: Sequence[Path],
    reference: Path,
    connected: bool | None = None,
    kind: "Kind" = "objects",
    ignore: int | None = None,
    split: float = 0.0,
    specks: int = 0,
) -> "tuple[dict[str, Any], Scores]":
    """Return the scores of labels, counts summed over the files of both folders.

    Parameters
    ----------
    labels, reference
        Two files; or files, folders and patterns, and a folder or a pattern with files
        of the same stems.
    connected
        Of objects: take the connected components of the references as their objects;
        None does so for those with a single id.
    kind
        What the labels are: "objects", "classes" or "membranes".
    ignore
        Of objects and classes: label of the reference whose pixels do not count.
    split
        Of objects: how deep necks are at which connected components are divided.
    specks
        Of objects: connected components with fewer pixels do not count.

    Returns
    -------
    dict, Scores
        What the command prints, NaN for undefined scores; and the scores.

    Raises
    ------
    InputError
        If a segmentation has no reference, or the two do not fit.
    """
    from napari_unet_studio.cli.files import read_label_file
    from napari_unet_studio.core.metrics import mean_finite
    from napari_unet_studio.io.folders import find_images, is_folder
    from napari_unet_studio.io.images import read_labels
    from napari_unet_studio.io.pairs import find_pairs
    from napari_unet_studio.tasks.evaluate import Tally, scorer

    tally = scorer(kind, connected, ignore, split, specks)
    pairs = find_pairs(labels, reference)
    for labels_path, reference_path in pairs:
        truth = read_label_file(reference_path)
        name = labels_path.name
        try:
            tally.add(read_labels(labels_path), truth.array, truth.axes, name)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    scores = tally.result()
    found: dict[str, Any] = {"files": tally.images}
    # Of a file or a pattern nobody expects that it covers a folder.
    if len(labels) == 1 and is_folder(labels[0]):
        missing = set(find_images([reference])) - {path for _, path in pairs}
        if missing:
            found["references_without_segmentation"] = len(missing)
    if isinstance(tally, Tally):
        ious = [float(image["iou"]) for image in scores.per_image]
        found["iou_mean_of_files"] = mean_finite(ious)
    found |= tally.scores()
    if isinstance(tally, Tally):
        found["touching_pairs"] = tally.pairs
    if tally.notes:
        found["notes"] = tally.notes
    return found, scores


def _for_people(found: dict[str, Any]) -> dict[str, Any]:
    """Write each interval behind its score."""
    shown = {name: value for name, value in found.items() if name != "intervals"}
    for name, (low, high) in found.get("intervals", {}).items():
        shown[name] = f"{found[name]:.4f} ({low:.4f} to {high:.4f})"
    return shown
