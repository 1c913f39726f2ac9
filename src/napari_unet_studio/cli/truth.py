"""Options of the commands that score: what the labels are, and which of them count."""

from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_studio.cli.panels import SCORING
from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind

Membranes = Annotated[
    bool,
    typer.Option(
        "--membranes",
        help="Labels are cells with membranes (0) between them, as in ISBI 2012: score "
        "the planes by partition and topology.",
        rich_help_panel=SCORING,
    ),
]
Classes = Annotated[
    bool,
    typer.Option(
        "--classes",
        help="Labels are classes: score each of them.",
        rich_help_panel=SCORING,
    ),
]
Connected = Annotated[
    bool | None,
    typer.Option(
        help="Take connected components of the reference as objects; by default where "
        "it holds one id only.",
        rich_help_panel=SCORING,
    ),
]
Ignore = Annotated[
    int | None,
    typer.Option(
        help="Label of the reference whose pixels do not count, of objects or classes.",
        rich_help_panel=SCORING,
    ),
]
SplitReference = Annotated[
    float,
    typer.Option(
        min=0,
        help="Divide the connected components of a reference at necks this deep, in "
        "pixels, where its objects hang together.",
        rich_help_panel=SCORING,
    ),
]
Specks = Annotated[
    int,
    typer.Option(
        min=0,
        help="Connected components of a reference with fewer pixels do not count.",
        rich_help_panel=SCORING,
    ),
]


def kind_of(membranes: bool, classes: bool) -> "Kind":
    """Return what labels are.

    Raises
    ------
    InputError
        If they are said to be two things.
    """
    if membranes and classes:
        raise InputError("Choose one of --membranes and --classes.")
    return "membranes" if membranes else "classes" if classes else "objects"
