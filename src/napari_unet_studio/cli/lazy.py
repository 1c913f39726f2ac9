"""Commands that are imported when they are called: ``--help`` loads none of them."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from napari_unet_studio.cli.teaching import Teaching, show_examples


class Entry(NamedTuple):
    """A command as the list of commands shows it.

    Parameters
    ----------
    name
        What is typed.
    place
        Module of :mod:`napari_unet_studio.cli` and the function, or the group of
        commands, in it: "train:train".
    help
        First sentence of what the command says of itself.
    panel
        Heading that it stands under.
    """

    name: str
    place: str
    help: str
    panel: str


def load(entry: Entry) -> Any:
    """Import a command and return it as the object that parses its words."""
    module, attribute = entry.place.split(":")
    found = getattr(import_module(f"napari_unet_studio.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        only = typer.Typer(add_completion=False)
        only.command(entry.name, cls=Teaching)(found)
        found = only
    command = typer.main.get_command(found)
    command.name = entry.name
    return command


def add(app: typer.Typer, entries: tuple[Entry, ...]) -> None:
    """Give an application of :class:`Lazy` its commands, as names and sentences."""
    for entry in entries:
        app.command(entry.name, help=entry.help, rich_help_panel=entry.panel)(_stand_in)


def lazy_group(entries: tuple[Entry, ...]) -> type[TyperGroup]:
    """Return the class of a group that takes these commands from their modules."""
    places = {entry.name: entry for entry in entries}

    class Lazy(TyperGroup):
        """Lists stand-ins; calls what they stand for."""

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Return the command that the arguments mean, imported."""
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name in places:
                command = load(places[name])
            return name, command, rest

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """Write the help, and examples below."""
            super().format_help(ctx, formatter)
            show_examples(ctx)

    return Lazy


def _stand_in() -> None:
    """Hold the place of a command in the list."""
