"""Options of the commands that score: what the labels are, and which of them count."""

from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind

Membranes = Annotated[
    bool,
    typer.Option(
        "--membranes",
        help="Labels are cells with membranes (0) between them, as in ISBI 2012: score "
        "the planes by partition and topology.",
    ),
]
Classes = Annotated[
    bool, typer.Option("--classes", help="Labels are classes: score each of them.")
]
Connected = Annotated[
    bool | None,
    typer.Option(
        help="Take connected components of the reference as objects; by default where "
        "it holds one id only."
    ),
]
Ignore = Annotated[
    int | None,
    typer.Option(
        help="Label of the reference whose pixels do not count, of objects or classes."
    ),
]
SplitReference = Annotated[
    float,
    typer.Option(
        min=0,
        help="Divide the connected components of a reference at necks this deep, in "
        "pixels, where its objects hang together.",
    ),
]
Specks = Annotated[
    int,
    typer.Option(
        min=0,
        help="Connected components of a reference with fewer pixels do not count.",
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
