"""``unet-studio models`` rename, copy, describe, note and remove."""

from pathlib import Path
from typing import Annotated

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import AsJson, Overwrite
from napari_unet_studio.cli.panels import OUTPUT

Name = Annotated[
    str,
    typer.Argument(
        help="Name of a model of yours.", autocompletion=completion.own_models
    ),
]


def rename(
    name: Name,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    json: AsJson = False,
) -> None:
    """Give a model of yours another name."""
    from napari_unet_studio.io.library import rename_model

    path = rename_model(name, new)
    console.show({"model": path.stem, "file": str(path)}, json)


def copy(
    name: Annotated[
        str,
        typer.Argument(
            help="A model, or a .unet file.", autocompletion=completion.models
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Copy to this file, not to your models.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half",
            help="Store weights in 16 bits: half the size.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Duplicate a model, a bundled one too, into your models or to a file."""
    from napari_unet_studio.io.library import copy_model

    path = copy_model(name, out, half=half, overwrite=overwrite)
    console.show({"model": path.stem, "file": str(path)}, json)


def describe(
    name: Annotated[
        str,
        typer.Argument(
            help="A model of yours, or the path of a .unet file.",
            autocompletion=completion.own_models,
        ),
    ],
    description: Annotated[
        str | None, typer.Option(help="What it is for; first in one short sentence.")
    ] = None,
    limits: Annotated[str | None, typer.Option(help="What it is not for.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Such as CC-BY-4.0, by its SPDX name.")
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Who made it; several times for several.")
    ] = None,
    cite: Annotated[
        list[str] | None,
        typer.Option(help="What to cite, or its DOI; several times for several."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write into a model what it is for, who made it, and how it may be used.

    What is not given stays as it is.
    """
    from napari_unet_studio.io.library import describe_model

    given = {
        "description": description,
        "limits": limits,
        "licence": licence,
        "authors": author and tuple(author),
        "cite": cite and tuple(cite),
    }
    changes = {field: value for field, value in given.items() if value is not None}
    path = describe_model(name, changes)
    shown = {k: "; ".join(v) if isinstance(v, tuple) else v for k, v in changes.items()}
    console.show({"file": str(path), **(changes if json else shown)}, json)


def remove(name: Name, json: AsJson = False) -> None:
    """Move a model of yours into the system's trash."""
    from napari_unet_studio.io.library import delete_model

    console.show({"done": delete_model(name)}, json)


def note(
    name: Name,
    text: Annotated[str, typer.Argument(help='Your notes; "" removes them.')],
    json: AsJson = False,
) -> None:
    """Write notes of yours into a model."""
    from napari_unet_studio.io.library import set_notes

    set_notes(name, text)
    console.show({"model": name, "notes": text}, json)
