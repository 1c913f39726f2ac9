"""``unet-studio compare``: models side by side on the same images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    ForOneChannel,
    Overwrite,
    Spacing,
)
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import INPUT, OUTPUT
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
from napari_unet_studio.core.shell import spoken
from napari_unet_studio.tasks.predict_config import PredictConfig

if TYPE_CHECKING:
    from napari_unet_studio.tasks.comparison import Comparison


@with_config(PredictConfig, panel="Prediction")
def compare(
    config: PredictConfig,
    images: Annotated[
        list[Path], typer.Argument(help="Images: files, folders or patterns.")
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            help="The truth: a file; or a folder or a pattern, with files of the same "
            "names."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A model or .unet file; once for each to compare.",
            rich_help_panel=INPUT,
            autocompletion=completion.models,
        ),
    ] = None,
    segmentation: Annotated[
        list[Path] | None,
        typer.Option(
            "--segmentation",
            "-s",
            help="Labels that are there already: a file, or a folder with the same "
            "names; once for each to compare.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    membranes: Membranes = False,
    classes: Classes = False,
    connected: Connected = None,
    ignore: Ignore = None,
    split_reference: SplitReference = 0.0,
    specks: Specks = 0,
    axes: Axes = None,
    spacing: Spacing = None,
    channel: ForOneChannel = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Also write the table to a CSV file.", rich_help_panel=OUTPUT
        ),
    ] = None,
    csv_images: Annotated[
        Path | None,
        typer.Option(
            help="Also write the scores of each image to a CSV file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Score several models, or segmentations, on the same images.

    Reads images and the truth of the same names, and writes nothing unless --csv or
    --csv-images ask for tables. The best value of each column has a star. A model that
    fails on an image has the reason below the table and makes the exit code 2; the
    others go on.
    """
    from napari_unet_studio.api.comparison import compare as compare_all
    from napari_unet_studio.cli.files import (
        check_writable,
        parse_channel,
        parse_spacing,
        refuse_existing,
    )
    from napari_unet_studio.cli.score_tables import check_different
    from napari_unet_studio.io.atomic import atomic_write
    from napari_unet_studio.io.pairs import find_pairs

    if not model and not segmentation:
        raise InputError(
            "There is nothing to compare; give a --model, or labels with "
            "--segmentation."
        )
    kind = kind_of(membranes, classes)
    tables = [("--csv", csv, False), ("--csv-images", csv_images, True)]
    for option, path, _ in tables:
        if path is not None:
            refuse_existing(path, overwrite, option=option)
            check_writable(path, option)
    check_different(("--csv", csv), ("--csv-images", csv_images))
    pairs = find_pairs(images, labels)
    with console.progress_bar("Comparing") as report:
        found = compare_all(
            [image for image, _ in pairs],
            [truth for _, truth in pairs],
            model or (),
            _named(segmentation or ()),
            kind=kind,
            axes=axes,
            spacing=parse_spacing(spacing),
            channel=parse_channel(channel),
            connected=connected,
            split=split_reference,
            ignore=ignore,
            specks=specks,
            config=config,
            callback=report,
        )
    for _, path, per_image in tables:
        if path is not None:
            with atomic_write(path) as file:
                file.write(found.to_csv(per_image).encode())
    if json:
        console.show(found.to_dict(), True)
    else:
        _show(found)
    if any(row.failures for row in found):
        raise typer.Exit(2)


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return segmentations by the names of their folders or files."""
    named: dict[str, Path] = {}
    for path in paths:
        name = path.stem if path.is_file() else path.name
        named[str(path) if name in named else name] = path
    return named


def _show(found: "Comparison") -> None:
    """Print a table, and below it what there is to say."""
    from napari_unet_studio.tasks.comparison import MAIN, cell_text

    columns = [column for column in found.columns if column in MAIN]
    rows = []
    for row in found:
        cells = {"name": row.name}
        for column in columns:
            text = cell_text(column, row.value(column))
            star = " *" if row.name in found.best(column) else ""
            cells[column] = text + star
        rows.append(cells)
    if any(row.scores for row in found):  # else names alone
        console.show_table(rows, ("name", *columns), False)
    notes = [*found.notes]
    notes += [f"{row.name}: {note}" for row in found for note in row.notes]
    for note in notes:
        console.err.print(spoken(note))
