"""``unet-studio models``: the models at hand and on the web."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import AsJson
from napari_unet_studio.cli.model_texts import (
    card_lines,
    megabytes,
    origin_word,
    short_scores,
)
from napari_unet_studio.cli.models_change import copy, describe, note, remove, rename
from napari_unet_studio.cli.models_score import score
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.cli.teaching import Teaching, TeachingGroup
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.shell import spoken
from napari_unet_studio.io.model_file import SUFFIX, load_model_file, read_card
from napari_unet_studio.io.registry import find_model

Lists = Annotated[
    list[str] | None,
    typer.Option(
        "--list",
        help="Address of a list of models on the web; several times for several. By "
        "default those of the settings.",
        rich_help_panel=INPUT,
    ),
]


class _Models(TeachingGroup):
    """Takes what is no command for the name of a model to describe."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments mean."""
        known = args and self.get_command(ctx, args[0]) is not None
        return super().resolve_command(ctx, args if known else ["info", *args])


models = typer.Typer(cls=_Models, add_completion=False)


@models.callback(invoke_without_command=True, subcommand_metavar="[COMMAND | NAME]")
def listing(
    ctx: typer.Context,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Ask for the lists on the web anew.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    lists: Lists = None,
    json: AsJson = False,
) -> None:
    """List the models at hand and those to download, or describe one.

    Reads the models of the package, yours and files that were opened lately; nothing is
    fetched without --refresh. unet-studio models NAME is short for unet-studio models
    info NAME.
    """
    ctx.obj = json
    if ctx.invoked_subcommand is not None:
        return
    from napari_unet_studio.io.model_entries import list_models, with_listed
    from napari_unet_studio.io.model_list import listed_models
    from napari_unet_studio.tasks.download import fetch_lists
    from napari_unet_studio.tasks.progress import run

    notes: tuple[str, ...] = ()
    if refresh or lists:
        with console.progress_bar("Asking for lists") as report:
            fetched = run(fetch_lists(lists), report)
        assert fetched is not None  # nobody stopped it
        listed, notes = list(fetched.models), fetched.notes
    else:
        listed = listed_models()
    rows = []
    for entry in with_listed(list_models(), listed):
        row: dict[str, Any] = {"model": entry.name, "for": entry.purpose}
        if entry.card is not None:
            row |= {
                "axes": entry.card.axes,
                "scores": short_scores(entry.card.scores),
            }
        if entry.listed is not None:
            size = megabytes(entry.listed.size)
            row |= {
                "from": ", ".join(filter(None, ("to download", size))),
                "file": entry.listed.url,
                "sha256": entry.listed.sha256,
                "licence": entry.listed.licence,
            }
        else:
            row |= {"from": origin_word(entry.source), "file": str(entry.path)}
        if entry.error:
            row["error"] = entry.error
        rows.append(row)
    columns = ("model", "for", "axes", "scores", "from", "file", "error")
    console.show_table(rows, columns, json)
    for sentence in notes:
        console.err.print(sentence)


@models.command(cls=Teaching)
def info(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A model; or a file of one, also a bioimage.io package or another "
            "file that can be added.",
            autocompletion=completion.models,
        ),
    ],
    json: AsJson = False,
) -> None:
    """Describe a model: what it is for, what it learned from, how good it is.

    All of the file is checked; a program in it runs only if you trusted it before.
    --json prints the whole card.
    """
    from napari_unet_studio.io.trust import UntrustedError

    path = find_model(name)
    problem = ""
    if path.suffix == SUFFIX:
        card = read_card(path)
        try:
            found = load_model_file(path).info()
        except UntrustedError as error:
            problem = str(error)
            found = {**card.to_dict(), "parameters": card.spec.parameters}
    else:
        from napari_unet_studio.tasks.importing import import_file
        from napari_unet_studio.tasks.progress import run

        model = run(import_file(path)).model
        card, found = model.card, model.info()
    more = {"untrusted": problem} if problem else {}
    if json or ctx.obj:
        console.show({**found, "file": str(path), **more}, True)
    else:
        console.show({**card_lines(card, path), **more}, False)


@models.command(cls=Teaching)
def add(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .unet file, a bioimage.io package, an exported ONNX or TorchScript "
            "file; with --network a state dict."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="What to call it.",
            show_default="its own name",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Network of the catalog that a state dict belongs to.",
            rich_help_panel=INPUT,
            autocompletion=completion.networks,
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="I trust this file: a TorchScript program in it may run with all my "
            "rights.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Add a model from a file to your models.

    Reads the file, checks it against the test images in it if it has any, and writes a
    .unet file into your folder of models.
    """
    from napari_unet_studio.io.library import add_model

    notes: tuple[str, ...] = ()
    if file.suffix == SUFFIX:
        if network is not None:
            raise InputError(
                f"{file} says itself which network it holds; leave --network out."
            )
        load_model_file(file, trust=trust)
        path = add_model(file, name)  # as it is, in half precision perhaps
    else:
        from napari_unet_studio.tasks.importing import import_file
        from napari_unet_studio.tasks.progress import run

        with console.progress_bar("Reading") as report:
            taken = run(import_file(file, trust=trust, network=network), report)
        path, notes = add_model(taken.model, name), taken.notes
    result: dict[str, Any] = {"model": path.stem, "file": str(path)}
    if json and notes:
        result["notes"] = list(notes)
    console.show(result, json)
    if not json:
        for sentence in notes:
            console.err.print(spoken(sentence))


@models.command(cls=Teaching)
def download(
    source: Annotated[
        str,
        typer.Argument(
            help="Name of a model in the lists, or the address of a .unet file or a "
            "bioimage.io package."
        ),
    ],
    sha256: Annotated[
        str,
        typer.Option(
            help="Digest that the file must have; lists tell it.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option(
            help="What to call it.",
            show_default="its own name",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    lists: Lists = None,
    json: AsJson = False,
) -> None:
    """Download a model into your models.

    Ctrl-C stops it; the same command goes on from there.
    """
    from napari_unet_studio.cli.interrupt import until_interrupted
    from napari_unet_studio.tasks.download import download_model
    from napari_unet_studio.tasks.progress import run

    with (
        until_interrupted(b"\nStopping. What has come is kept.\n") as should_stop,
        console.progress_bar("Downloading") as report,
    ):
        task = download_model(
            source, sha256=sha256, name=name, lists=lists, should_stop=should_stop
        )
        path = run(task, report)
    if path is None:
        raise typer.Exit(130)
    console.show({"model": path.stem, "file": str(path)}, json)


models.command(cls=Teaching)(rename)
models.command(cls=Teaching)(copy)
models.command(cls=Teaching)(describe)
models.command(cls=Teaching)(note)
models.command(cls=Teaching)(remove)
models.command(cls=Teaching)(score)
